//! The server's answers to a login and to a token lookup.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::credential::{Cacheable, Credential, Secret, exposed};
use crate::error::{Code, Error, Result};
use crate::foreign_text::Message;
use crate::http::Reply;

/// For a token that does not expire: a new one is requested twice a day, because the role can change.
const LIFETIME_WITHOUT_EXPIRY: Duration = Duration::from_secs(12 * 3600);

/// More than any lease. A year far beyond it has more than four digits.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 366 * 86_400);

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::consumer) struct VaultToken {
    #[serde(serialize_with = "exposed")]
    pub(super) token: Secret,
    /// Lets an administrator look up and revoke the token. Batch tokens have none.
    pub(super) accessor: Option<String>,
    pub(super) role: Option<String>,
    pub(super) policies: Vec<String>,
    pub(super) is_batch: bool,
    /// The number of uses; 0 means no limit.
    pub(super) num_uses: u64,
}

impl Cacheable for VaultToken {}

#[derive(Deserialize)]
struct Document {
    auth: Option<Auth>,
    wrap_info: Option<WrapInfo>,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Secret,
    #[serde(default)]
    accessor: String,
    /// The effective policies: those of the token and those of the entity.
    #[serde(default)]
    policies: Option<Vec<String>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    lease_duration: u64,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    num_uses: u64,
    #[serde(default)]
    mfa_requirement: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Metadata {
    role: Option<String>,
}

#[derive(Deserialize)]
struct WrapInfo {
    token: Secret,
    #[serde(default)]
    accessor: String,
    ttl: u64,
}

/// Reads the token from an answer with status 200. An incomplete answer is an error.
pub(super) fn read(
    what: &Message,
    reply: &Reply,
    is_wrapped: bool,
) -> Result<Credential<VaultToken>> {
    let foreign = || reply.foreign(what, "JSON");
    let document: Document = reply.json(what)?;
    let (token, life) = if is_wrapped {
        let wrap = document.wrap_info.ok_or_else(foreign)?;
        let token = VaultToken {
            token: wrap.token,
            accessor: text(wrap.accessor),
            role: None,
            policies: Vec::new(),
            is_batch: false,
            num_uses: 1,
        };
        (token, wrap.ttl)
    } else {
        let auth = document.auth.ok_or_else(foreign)?;
        if auth.client_token.expose().is_empty() && auth.mfa_requirement.is_some() {
            return Err(wants_a_second_factor(what));
        }
        let token = VaultToken {
            token: auth.client_token,
            accessor: text(auth.accessor),
            role: auth.metadata.and_then(|metadata| metadata.role),
            policies: auth.policies.unwrap_or_default(),
            is_batch: auth.token_type == "batch",
            num_uses: auth.num_uses,
        };
        (token, auth.lease_duration)
    };
    if !is_token(token.token.expose()) {
        return Err(foreign());
    }
    let lifetime = reply.lifetime(reply.server_now().plus(life_of(life)));
    Ok(Credential { secret: token, lifetime })
}

fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Clients refuse tokens with other characters, because a token becomes the value of a header.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn life_of(seconds: u64) -> Duration {
    match seconds {
        0 => LIFETIME_WITHOUT_EXPIRY,
        seconds => Duration::from_secs(seconds).min(MAX_LIFETIME),
    }
}

fn wants_a_second_factor(what: &Message) -> Error {
    Error::Refused {
        what: what.into(),
        code: Code::ConsumerDenied,
        reason: "the server requires a second factor, which a service account does not have".into(),
        request_id: None,
        hint: "remove this auth method from the login MFA enforcement: `vault list identity/mfa/login-enforcement`".into(),
    }
}

/// The state of a token at the server (`auth/token/lookup-self`).
#[derive(Debug)]
pub(super) struct State {
    /// The remaining lifetime; `None` if it does not expire.
    pub(super) ttl: Option<Duration>,
}

#[derive(Deserialize)]
struct LookUp {
    data: LookUpData,
}

#[derive(Deserialize)]
struct LookUpData {
    ttl: u64,
    #[serde(default)]
    expire_time: Option<String>,
}

impl State {
    /// Reads an answer with status 200.
    pub(super) fn read(what: &Message, reply: &Reply) -> Result<Self> {
        let LookUp { data } = reply.json(what)?;
        let has_end = data.ttl > 0 || data.expire_time.is_some();
        Ok(Self { ttl: has_end.then(|| Duration::from_secs(data.ttl)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"s.8SgJ","accessor":"WZ2X","policies":["default","p1"],"token_policies":["default","p1"],"metadata":{"role":"r1"},"lease_duration":1200,"renewable":true,"entity_id":"9f80","token_type":"service","orphan":true,"mfa_requirement":null,"num_uses":0}}"#;

    fn read_body(body: &str) -> Result<Credential<VaultToken>> {
        read(&"a token".into(), &Reply::made_up(200, body), false)
    }

    #[test]
    fn the_token_of_a_complete_answer_is_read() {
        let Credential { secret, lifetime } = read_body(WHOLE).unwrap();
        assert_eq!(secret.token.expose(), "s.8SgJ");
        assert_eq!(secret.accessor.as_deref(), Some("WZ2X"));
        assert_eq!(secret.role.as_deref(), Some("r1"));
        assert_eq!(secret.policies, ["default", "p1"]);
        assert_eq!((secret.is_batch, secret.num_uses), (false, 0));
        assert_eq!(lifetime.whole(), Duration::from_secs(1200), "the life of `auth`");
    }

    #[test]
    fn an_incomplete_answer_is_rejected() {
        for at in 0..WHOLE.len() {
            assert!(read_body(&WHOLE[..at]).is_err(), "cut at {at}");
        }
        for (part, other) in
            [("client_token", "x"), ("s.8SgJ", ""), ("s.8SgJ", "s.8\\n"), ("\"auth\"", "\"a\"")]
        {
            assert!(read_body(&WHOLE.replace(part, other)).is_err(), "without {part}");
        }
    }

    #[test]
    fn endless_and_huge_lifetimes_are_accepted() {
        let life = |lease: &str| {
            let credential = read_body(&WHOLE.replace(":1200", &format!(":{lease}"))).unwrap();
            let end = credential.lifetime.expires_at.to_string();
            assert_eq!(end.len(), "2026-11-23T20:00:00Z".len(), "{end}");
            credential.lifetime.whole()
        };
        assert_eq!(life("0"), LIFETIME_WITHOUT_EXPIRY);
        assert_eq!(life("2764800"), Duration::from_secs(2_764_800));
        assert_eq!(life(&u64::MAX.to_string()), MAX_LIFETIME);
    }

    #[test]
    fn a_required_second_factor_is_reported() {
        let wanted = WHOLE
            .replace("s.8SgJ", "")
            .replace("\"mfa_requirement\":null", "\"mfa_requirement\":{\"mfa_request_id\":\"x\"}");
        let error = read_body(&wanted).unwrap_err();
        assert!(error.to_string().contains("second factor"), "{error}");
    }

    #[test]
    fn a_wrapped_answer_has_a_token_for_one_use() {
        let body = r#"{"auth":null,"wrap_info":{"token":"s.wrap","accessor":"a","ttl":60,"creation_path":"auth/jwt/login","wrapped_accessor":"b"}}"#;
        let Credential { secret, lifetime } =
            read(&"a token".into(), &Reply::made_up(200, body), true).unwrap();
        assert_eq!((secret.token.expose(), secret.num_uses), ("s.wrap", 1));
        assert_eq!(lifetime.whole(), Duration::from_secs(60));
        assert!(read_body(body).is_err(), "it was not requested");
        assert!(
            read(&"a token".into(), &Reply::made_up(200, WHOLE), true).is_err(),
            "it was requested"
        );
    }

    #[test]
    fn the_remaining_lifetime_is_read() {
        let ttl = |data: &str| {
            let reply = Reply::made_up(200, &format!(r#"{{"data":{data}}}"#));
            State::read(&"it".into(), &reply).unwrap().ttl
        };
        assert_eq!(
            ttl(r#"{"ttl":1199,"expire_time":"2026-12-27T19:26:51Z"}"#),
            Some(Duration::from_secs(1199))
        );
        assert_eq!(ttl(r#"{"ttl":0,"expire_time":null}"#), None);
        assert!(State::read(&"it".into(), &Reply::made_up(200, "{}")).is_err());
    }
}
