//! An authorized key: the vendor's JSON file with an RSA private key of a service account.
//!
//! Fields are accepted in both of the vendor's spellings, `service_account_id` (gRPC, CLI) and
//! `serviceAccountId` (REST), and in the nested form that `POST /iam/v1/keys` answers with.
//!
//! The file's content is given, or rests in the keyring until it has to sign.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use zeroize::Zeroizing;

use super::imported_key::{ImportedKey, ImportedKeys};
use crate::clock::{Deadline, Timestamp};
use crate::credential::Secret;
use crate::encoding;
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::jwt::SigningKey;
use crate::message;
use crate::secret_file;
use crate::settings::{KeySource, Locations};

/// What a key file is called in messages.
pub const KEY_FILE: &str = "the authorized key file";

/// A 4096-bit key file has less than 6 kB.
pub const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// The longest life of an assertion that the vendor accepts.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);

/// A server whose clock is a little behind ours must not see an assertion from the future.
const BACKDATED: Duration = Duration::from_secs(5);

/// An authorized key. The private key is only parsed when it has to sign.
pub struct AuthorizedKey {
    /// The key's own ID, `kid` of assertions.
    pub id: String,
    /// The service account it belongs to.
    pub service_account_id: String,
    origin: PathBuf,
    content: Content,
}

/// Where the content of the file is.
enum Content {
    Given(Zeroizing<Vec<u8>>),
    Keyring(ImportedKey),
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

/// What this is, if it is a secret that is no JSON.
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
    pub fn open(source: &KeySource) -> Result<Self> {
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

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read(KEY_FILE, path, KEY_FILE_LIMIT)?;
        Self::parse(&content, path)
    }

    /// Takes the content of a key file; `origin` names where it came from.
    pub fn parse(content: &[u8], origin: &Path) -> Result<Self> {
        let wrong = |problem: Message| Error::IdentityFile {
            what: KEY_FILE,
            path: origin.into(),
            problem,
            hint: "make one with `yc iam key create --service-account-name NAME --output key.json`"
                .into(),
        };
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
                let content = Content::Given(content);
                Ok(Self { id, service_account_id, origin: origin.into(), content })
            }
            (None, _, _) => Err(wrong("has no `id`".into())),
            (_, None, _) => Err(wrong("has no `service_account_id`".into())),
            (.., None) => Err(wrong("has no `private_key`".into())),
        }
    }

    /// The key that was imported into the keyring under a name. The keyring is not asked before it has to sign.
    pub fn imported(name: &str, locations: &Locations) -> Result<Self> {
        let imported = ImportedKeys::of(locations.data_folder.clone())?.find(name)?;
        Ok(Self {
            id: imported.key_id.clone(),
            service_account_id: imported.service_account_id.clone(),
            origin: format!("keyring:{name}").into(),
            content: Content::Keyring(imported),
        })
    }

    /// The assertion that this key is exchanged for an IAM token with: a JWT signed with PS256, as
    /// in the vendor's "Getting an IAM token for a service account". The keyring is waited for until the deadline.
    pub async fn assertion(
        &self,
        now: Timestamp,
        audience: &str,
        deadline: Deadline,
    ) -> Result<Secret> {
        let imported = match &self.content {
            Content::Given(content) => return self.sign(content, now, audience),
            Content::Keyring(imported) => imported.clone(),
        };
        // On a thread of its own, so that a run that waits for a password can still be interrupted.
        let fetched = tokio::task::spawn_blocking(move || imported.fetch(deadline)).await;
        let ended = |_| Error::Internal("the thread that calls the keyring has ended".into());
        self.sign(&fetched.map_err(ended)??, now, audience)
    }

    /// Whether it can sign, as far as is known without the keyring.
    pub fn check(&self) -> Result<()> {
        match &self.content {
            Content::Given(content) => {
                self.sign(content, Timestamp::from_unix_seconds(0), "nobody").map(|_| ())
            }
            Content::Keyring(_) => Ok(()),
        }
    }

    fn sign(&self, content: &[u8], now: Timestamp, audience: &str) -> Result<Secret> {
        let wrong = |problem: Message| {
            Error::IdentityFile {
            what: KEY_FILE,
            path: self.origin.clone(),
            problem,
            hint: "make a new one with `yc iam key create --service-account-name NAME --output key.json`".into(),
        }
        };
        let PrivateKey { private_key } = serde_json::from_slice(content)
            .ok()
            .ok_or_else(|| wrong("has a `private_key` that is not text".into()))?;
        let key = SigningKey::from_pem(private_key.expose()).map_err(wrong)?;
        let issued_at = now.minus(BACKDATED);
        let claims = json!({
            "iss": self.service_account_id,
            "aud": audience,
            "iat": issued_at.unix_seconds(),
            "exp": issued_at.plus(ASSERTION_LIFE).unix_seconds(),
        });
        key.sign(&self.id, &claims).map_err(|problem| Error::Internal(problem.into()))
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
