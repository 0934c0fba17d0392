//! The identity of an authorized key: the vendor's JSON file with an RSA private key of a service account,
//! whose assertion is exchanged for an IAM token.
//!
//! Fields are accepted in both of the vendor's spellings, `service_account_id` (gRPC, CLI) and
//! `serviceAccountId` (REST), and in the nested form that `POST /iam/v1/keys` answers with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tracing::debug;
use zeroize::Zeroizing;

use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity, not_set};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::clock::Timestamp;
use crate::credential::{Credential, IamToken, Secret};
use crate::encoding;
use crate::env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Client, Reply};
use crate::jwt::SigningKey;
use crate::message;
use crate::secret_file;
use crate::settings::{IdentityArgument, IdentitySetting, KeySource, Setting};
use crate::source::refusal::Refusal;
use crate::source::{Endpoints, Source, iam_token};

/// What a key file is called in messages.
pub const KEY_FILE: &str = "the authorized key file";

/// A 4096-bit key file has less than 6 kB.
pub const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// The longest lifetime of an assertion that the vendor accepts.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

/// A server whose clock is a little slow must not see an assertion from the future.
const BACKDATED: Duration = Duration::from_secs(5);

/// The `aud` that the vendor's documentation gives for an assertion.
const ASSERTION_AUDIENCE: &str = "https://iam.api.cloud.yandex.net/iam/v1/tokens";

/// An authorized key. The private key is only parsed when it has to sign.
pub struct AuthorizedKey {
    /// The key's own ID, `kid` of assertions.
    pub id: String,
    pub service_account_id: String,
    origin: PathBuf,
    content: Zeroizing<Vec<u8>>,
}

pub(super) fn open(
    setting: &Setting<IdentitySetting>,
    inputs: IdentityInputs<'_>,
) -> Result<ResolvedIdentity> {
    if let Some(IdentityArgument::Key(source)) = &setting.value.argument {
        return Ok(AuthorizedKey::open(source)?.into());
    }
    let key = of_variable(inputs)?.ok_or_else(|| {
        not_set(setting, "the identity `authorized-key` needs a key file", "give `--key-file`")
    })?;
    Ok(key.into())
}

/// The key in Yandex's own variable, which holds the key or names its file, as for the vendor's Terraform
/// provider.
pub(super) fn of_variable(inputs: IdentityInputs<'_>) -> Result<Option<AuthorizedKey>> {
    let variable = env::YC_SERVICE_ACCOUNT_KEY_FILE;
    let Some(value) = inputs.env.get(variable) else { return Ok(None) };
    let home = inputs.locations.home.as_deref();
    let source = KeySource::of_variable(&value, variable.name, home)?;
    AuthorizedKey::open(&source).map(Some)
}

impl Identity for AuthorizedKey {
    fn describe(&self) -> Message {
        describe(&self.id, &self.service_account_id)
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        cache_key(key, &self.id, &self.service_account_id)
    }

    fn fetch<'a>(&'a self, source: &'a Source, broker: &'a Broker) -> Fetching<'a> {
        Box::pin(self.exchange(source, broker))
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn service_account(&self) -> Option<&str> {
        Some(&self.service_account_id)
    }
}

/// What a key is, for messages, wherever it is stored.
pub(super) fn describe(id: &str, service_account: &str) -> Message {
    message!(
        "authorized key `{}` of service account `{}`",
        ForeignText::new(id),
        ForeignText::new(service_account)
    )
}

/// Adds a key to a cache key, wherever it is stored.
pub(super) fn cache_key(key: KeyBuilder, id: &str, service_account: &str) -> KeyBuilder {
    key.with("identity", "authorized-key")
        .with("key", id)
        .with("key's service account", service_account)
}

#[derive(Deserialize)]
struct Identifiers<'a> {
    id: Option<&'a str>,
    #[serde(alias = "serviceAccountId")]
    service_account_id: Option<&'a str>,
    #[serde(borrow)]
    key: Option<NestedIdentifiers<'a>>,
    #[serde(alias = "privateKey")]
    private_key: Option<IgnoredAny>,
    #[serde(alias = "userAccountId")]
    user_account_id: Option<IgnoredAny>,
    /// Of `yc iam access-key create`.
    #[serde(alias = "accessKey")]
    access_key: Option<IgnoredAny>,
    /// Of `yc iam api-key create`.
    #[serde(alias = "apiKey")]
    api_key: Option<IgnoredAny>,
    /// Of a key of Google Cloud.
    private_key_id: Option<IgnoredAny>,
    /// Of `yc iam create-token`.
    #[serde(alias = "iamToken")]
    iam_token: Option<IgnoredAny>,
}

impl Identifiers<'_> {
    /// What this is, if it is another key that people mistake for an authorized key.
    const fn other_key(&self) -> Option<&'static str> {
        if self.user_account_id.is_some() {
            Some("is the key of a user account, and only a service account can have an ID token")
        } else if self.access_key.is_some() {
            Some("is a static access key (for S3), not an authorized key")
        } else if self.api_key.is_some() {
            Some("is an API key, not an authorized key")
        } else if self.private_key_id.is_some() {
            Some("is a key of Google Cloud, not an authorized key of Yandex Cloud")
        } else if self.iam_token.is_some() {
            Some("holds an IAM token, not an authorized key; give it with `--iam-token-file`")
        } else {
            None
        }
    }
}

/// What this is, if it is a secret that is not JSON.
fn other_secret(content: &[u8]) -> Option<&'static str> {
    let begins = |start: &str| content.starts_with(start.as_bytes());
    if begins("-----BEGIN") {
        Some("is a private key alone; the JSON file that holds it and the key's ID is needed")
    } else if begins("t1.") {
        Some("holds an IAM token, not an authorized key; give it with `--iam-token-file`")
    } else if begins("AQVN") {
        Some("holds an API key, not an authorized key")
    } else if begins("YCAJ") {
        Some("holds the ID of a static access key (for S3), not an authorized key")
    } else {
        None
    }
}

/// Of the answer of `POST /iam/v1/keys`.
#[derive(Deserialize)]
struct NestedIdentifiers<'a> {
    id: Option<&'a str>,
    #[serde(alias = "serviceAccountId")]
    service_account_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct PrivateKey {
    #[serde(alias = "privateKey")]
    private_key: Secret,
}

impl AuthorizedKey {
    /// Reads the key from where it is.
    fn open(source: &KeySource) -> Result<Self> {
        match source {
            KeySource::File(path) => Self::read(path),
            KeySource::Stdin => Self::parse(
                &secret_file::read_stdin(KEY_FILE, KEY_FILE_LIMIT)?,
                Path::new("standard input"),
            ),
            KeySource::Text(text) => {
                Self::parse(text.content().expose().as_bytes(), Path::new(text.variable()))
            }
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read(KEY_FILE, path, KEY_FILE_LIMIT)?;
        Self::parse(&content, path)
    }

    /// Takes the content of a key file; `origin` names where it came from.
    pub fn parse(content: &[u8], origin: &Path) -> Result<Self> {
        let wrong = |problem: Message| unusable(origin, problem, "one");
        let content = encoding::decode_secret(content)
            .map_err(|cause| wrong(message!("{cause}", cause)))
            .map(|text| Zeroizing::new(text.trim().as_bytes().to_vec()))?;
        // Security: a parse error of JSON can quote what it found, and that could be the key. So only
        // the place is kept.
        let parsed: Identifiers<'_> = serde_json::from_slice(&content).map_err(|error| {
            wrong(other_secret(&content).map_or_else(
                || {
                    message!(
                        "is not the JSON of an authorized key (line {}, column {})",
                        error.line(),
                        error.column()
                    )
                },
                Message::from,
            ))
        })?;
        if let Some(problem) = parsed.other_key() {
            return Err(wrong(problem.into()));
        }
        let nested = parsed.key.as_ref();
        let id = parsed.id.or_else(|| nested?.id);
        let service_account_id = parsed.service_account_id.or_else(|| nested?.service_account_id);
        match (id, service_account_id, parsed.private_key) {
            (Some(id), Some(service_account_id), Some(_)) => {
                let (id, service_account_id) = (id.to_owned(), service_account_id.to_owned());
                Ok(Self { id, service_account_id, origin: origin.into(), content })
            }
            (None, _, _) => Err(wrong("has no `id`".into())),
            (_, None, _) => Err(wrong("has no `service_account_id`".into())),
            (.., None) => Err(wrong("has no `private_key`".into())),
        }
    }

    /// Checks that it can sign.
    pub fn check(&self) -> Result<()> {
        self.sign(Timestamp::from_unix_seconds(0), "nobody").map(drop)
    }

    /// Exchanges an assertion of the key for an IAM token.
    pub(super) async fn exchange(
        &self,
        source: &Source,
        broker: &Broker,
    ) -> Result<Credential<IamToken>> {
        let what = iam_token::what(self);
        let client = iam_token::client(source, &what).await?;
        let now = broker.clock().now().at;
        let audience = source.assertion_audience.as_deref().unwrap_or(ASSERTION_AUDIENCE);
        let mut reply = self.present(now, audience, &client).await?;
        if let Some(offset) = reply.clock_offset.filter(|offset| offset.is_wrong_clock())
            && reply.status == 401
        {
            // The local clock is wrong, and now it is known by how much.
            reply = self.present(now.shifted(offset), audience, &client).await?;
        }
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = self.hint(refusal.code);
            return Err(refusal.into_error(what, hint));
        }
        iam_token::accept(&what, &reply)
    }

    async fn present(&self, now: Timestamp, audience: &str, client: &Client) -> Result<Reply> {
        let assertion = self.sign(now, audience)?;
        debug!("signed the assertion");
        let body = json!({ "jwt": assertion.expose() });
        iam_token::post(client, &iam_token::what(self), &body).await
    }

    fn hint(&self, code: Code) -> Message {
        if code == Code::SourceAuth {
            message!(
                "the key `{}` may be revoked or its service account deleted; see `yc iam key list --service-account-id {}`",
                ForeignText::new(&self.id),
                ForeignText::new(&self.service_account_id)
            )
        } else if code == Code::SourceNotFound {
            "check `--iam-endpoint`".into()
        } else {
            "check that the key belongs to this installation of Yandex Cloud, and the endpoint"
                .into()
        }
    }

    /// The assertion: a JWT signed with PS256, as in the vendor's "Getting an IAM token for a service account".
    fn sign(&self, now: Timestamp, audience: &str) -> Result<Secret> {
        let wrong = |problem: Message| unusable(&self.origin, problem, "a new one");
        let PrivateKey { private_key } = serde_json::from_slice(&self.content)
            .ok()
            .ok_or_else(|| wrong("has a `private_key` that is not text".into()))?;
        let key = SigningKey::from_pem(private_key.expose()).map_err(wrong)?;
        let issued_at = now.minus(BACKDATED);
        let claims = json!({
            "iss": self.service_account_id,
            "aud": audience,
            "iat": issued_at.unix_seconds(),
            "exp": issued_at.plus(ASSERTION_LIFETIME).unix_seconds(),
        });
        key.sign(&self.id, &claims).map_err(|problem| Error::Internal(problem.into()))
    }
}

/// The error for a key file that cannot be used; `other` is the key to create.
fn unusable(origin: &Path, problem: Message, other: &'static str) -> Error {
    Error::IdentityFile {
        what: KEY_FILE,
        path: origin.into(),
        problem: problem.into(),
        hint: message!(
            "make {other} with `yc iam key create --service-account-name NAME --output key.json`",
            other
        ),
    }
}

impl std::fmt::Debug for AuthorizedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, service_account_id, origin, content: _ } = self;
        f.debug_struct("AuthorizedKey")
            .field("id", id)
            .field("service_account_id", service_account_id)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AuthorizedKey> {
        AuthorizedKey::parse(text.as_bytes(), Path::new("key.json"))
    }

    #[test]
    fn every_spelling_of_the_vendor_is_read() {
        for text in [
            r#"{"id":"ajek","service_account_id":"ajes","created_at":"2018-10-31T09:30:52Z","key_algorithm":"RSA_4096","public_key":"p","private_key":"k"}"#,
            r#"{"id":"ajek","serviceAccountId":"ajes","privateKey":"k","futureField":{"a":1}}"#,
            r#"{"key":{"id":"ajek","serviceAccountId":"ajes","publicKey":"p"},"privateKey":"k"}"#,
        ] {
            let key = parse(text).unwrap();
            assert_eq!(
                (key.id.as_str(), key.service_account_id.as_str()),
                ("ajek", "ajes"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_file_is_told_in_words_and_never_quoted() {
        for (text, problem) in [
            (
                "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n",
                "is a private key alone; the JSON file that holds it and the key's ID is needed",
            ),
            ("ключ", "is not the JSON of an authorized key (line 1, column 1)"),
            (
                "t1.9euelZqUzp",
                "holds an IAM token, not an authorized key; give it with `--iam-token-file`",
            ),
            (
                r#"{"access_key":{"id":"a"},"secret":"s"}"#,
                "is a static access key (for S3), not an authorized key",
            ),
            (r#"{"api_key":{"id":"a"},"secret":"s"}"#, "is an API key, not an authorized key"),
            (
                r#"{"type":"service_account","private_key_id":"a","private_key":"k","client_id":"1"}"#,
                "is a key of Google Cloud, not an authorized key of Yandex Cloud",
            ),
            (r#"{"service_account_id":"a","private_key":"k"}"#, "has no `id`"),
            (r#"{"id":"a","private_key":"k"}"#, "has no `service_account_id`"),
            (r#"{"id":"a","service_account_id":"b"}"#, "has no `private_key`"),
            (
                r#"{"id":"a","user_account_id":"b","private_key":"k"}"#,
                "is the key of a user account, and only a service account can have an ID token",
            ),
        ] {
            assert_eq!(
                parse(text).unwrap_err().to_string(),
                format!("{KEY_FILE} `key.json` {problem}")
            );
        }
    }
}
