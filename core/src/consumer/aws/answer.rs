//! The answer of STS: XML, in the namespace `https://sts.amazonaws.com/doc/2011-06-15/`.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::credential::{Cacheable, Credential, Secret, exposed};
use crate::error::{Code, Result};
use crate::foreign_text::Message;
use crate::http::Reply;

/// The longest session of a role.
const MAX_LIFETIME: Duration = Duration::from_secs(43_200);

/// Temporary keys.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::consumer) struct SessionKeys {
    pub(super) access_key_id: String,
    #[serde(serialize_with = "exposed")]
    pub(super) secret_access_key: Secret,
    #[serde(serialize_with = "exposed_if_any")]
    pub(super) session_token: Option<Secret>,
    /// The account of the role.
    pub(super) account_id: Option<String>,
}

impl Cacheable for SessionKeys {}

#[expect(clippy::ref_option, reason = "the field name in the XML")]
fn exposed_if_any<S: Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, serializer),
        None => serializer.serialize_none(),
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "AssumeRoleWithWebIdentityResult")]
    result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    credentials: Credentials,
    assumed_role_user: Option<AssumedRoleUser>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    arn: Option<String>,
}

/// Reads the keys from an answer with status 200. An incomplete answer is an error.
pub(super) fn read(what: &Message, reply: &Reply) -> Result<Credential<SessionKeys>> {
    let document: Option<Document> =
        std::str::from_utf8(&reply.body).ok().and_then(|xml| quick_xml::de::from_str(xml).ok());
    let Some(Document { result }) = document else { return Err(reply.foreign(what, "XML")) };
    let Credentials { access_key_id, secret_access_key, session_token, expiration } =
        result.credentials;
    let is_empty = access_key_id.is_empty() || secret_access_key.expose().is_empty();
    if is_empty || expiration.trim().is_empty() {
        return Err(reply.foreign(what, "XML"));
    }
    let account_id = result.assumed_role_user.and_then(|user| account_of(&user.arn?));
    let keys = SessionKeys {
        access_key_id,
        secret_access_key,
        session_token: session_token.filter(|token| !token.expose().is_empty()),
        account_id,
    };
    let lifetime = reply.lifetime_until(what, Code::Foreign, Some(&expiration), MAX_LIFETIME)?;
    Ok(Credential { secret: keys, lifetime })
}

/// The account in `arn:aws:sts::123456789012:assumed-role/…`. Servers other than AWS have none.
fn account_of(arn: &str) -> Option<String> {
    let account = arn.split(':').nth(4)?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const WHOLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>aje1</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser>
      <Arn>arn:aws:sts::123456789012:assumed-role/robot/run</Arn>
      <AssumedRoleId>AROA:run</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIA1</AccessKeyId>
      <SecretAccessKey>wJal/+&amp;=</SecretAccessKey>
      <SessionToken>IQoJ</SessionToken>
      <Expiration>2026-11-23T20:00:00Z</Expiration>
    </Credentials>
    <PackedPolicySize>6</PackedPolicySize><SourceIdentity/>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
"#;

    fn read_at(now: &str, body: &str) -> Result<Credential<SessionKeys>> {
        let received = Timestamp::parse_rfc3339(now).unwrap().into();
        let reply = Reply { received, ..Reply::made_up(200, body) };
        read(&"keys".into(), &reply)
    }

    fn read_now(body: &str) -> Result<Credential<SessionKeys>> {
        read_at("2026-11-23T19:00:00Z", body)
    }

    #[test]
    fn the_keys_of_a_complete_answer_are_read() {
        let credential = read_now(WHOLE).unwrap();
        let keys = credential.secret;
        assert_eq!(keys.access_key_id, "ASIA1");
        assert_eq!(keys.secret_access_key.expose(), "wJal/+&=");
        assert_eq!(keys.session_token.unwrap().expose(), "IQoJ");
        assert_eq!(keys.account_id.as_deref(), Some("123456789012"));
        assert_eq!(credential.lifetime.expires_at.to_string(), "2026-11-23T20:00:00Z");
    }

    #[test]
    fn optional_fields_can_be_missing() {
        let minio = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn></Arn><AssumeRoleId></AssumeRoleId></AssumedRoleUser><Credentials><AccessKeyId>K</AccessKeyId><SecretAccessKey>S</SecretAccessKey><Expiration>2026-11-23T19:59:59.5Z</Expiration><SessionToken/></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
        let keys = read_now(minio).unwrap().secret;
        assert_eq!((keys.session_token, keys.account_id), (None, None));
    }

    #[test]
    fn an_incomplete_answer_is_rejected() {
        let end = WHOLE.trim_end().len();
        for at in (0..end).filter(|at| WHOLE.is_char_boundary(*at)) {
            assert!(read_now(&WHOLE[..at]).is_err(), "cut at {at}");
        }
        for element in ["AccessKeyId", "SecretAccessKey", "Expiration"] {
            let renamed = WHOLE.replace(element, "Other");
            assert!(read_now(&renamed).is_err(), "without {element}");
        }
    }

    #[test]
    fn expired_keys_are_rejected() {
        let error = read_at("2026-11-23T20:00:00Z", WHOLE).unwrap_err();
        assert!(error.to_string().contains("it has expired at 2026-11-23T20:00:00Z"), "{error}");
        let unreadable = read_now(&WHOLE.replace("2026-11-23T20:00:00Z", "soon")).unwrap_err();
        assert!(unreadable.to_string().contains("returned the expiry `soon`"), "{unreadable}");
        let long = read_now(&WHOLE.replace("2026-11-23T20", "2027-11-23T20")).unwrap();
        assert_eq!(long.lifetime.whole(), MAX_LIFETIME);
    }
}
