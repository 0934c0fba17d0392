//! The file of an authorized key.
//!
//! Fields are accepted in both of the vendor's spellings, `service_account_id` (gRPC, CLI) and `serviceAccountId`
//! (REST), and in the nested format of the answer of `POST /iam/v1/keys`. Another kind of key is an error that names
//! it.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::{AuthorizedKey, KEY_FILE, KEY_FILE_LIMIT, unusable};
use crate::encoding;
use crate::error::Result;
use crate::foreign_text::Message;
use crate::message;
use crate::secret_file;
use crate::settings::KeySource;

impl AuthorizedKey {
    /// Reads the key from its source.
    pub(super) fn open(source: &KeySource) -> Result<Self> {
        match source {
            KeySource::File(path) => Self::read(path),
            KeySource::Stdin => Self::parse(
                secret_file::read_stdin(KEY_FILE, KEY_FILE_LIMIT)?,
                Path::new("standard input"),
            ),
            KeySource::Text(text) => {
                let content = Zeroizing::new(text.content().expose().as_bytes().to_vec());
                Self::parse(content, Path::new(text.variable()))
            }
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read(KEY_FILE, path, KEY_FILE_LIMIT)?;
        Self::parse(content, path)
    }

    /// Parses the content of a key file; `origin` names its source.
    pub fn parse(content: Zeroizing<Vec<u8>>, origin: &Path) -> Result<Self> {
        let wrong = |problem: Message| unusable(origin, problem, "one");
        let content =
            encoding::decode_secret(content).map_err(|cause| wrong(message!("{cause}", cause)))?;
        let json = content.trim();
        // Security: a parse error of JSON can quote the text, which could be the key. So the error has only the
        // position.
        let parsed: Identifiers<'_> = serde_json::from_str(json).map_err(|error| {
            wrong(other_secret(json).map_or_else(
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
    /// The kind of key, if it is one that users confuse with an authorized key.
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

/// The kind of secret, if it is one that is not JSON.
fn other_secret(content: &str) -> Option<&'static str> {
    if content.starts_with("-----BEGIN") {
        Some("is a private key alone; the JSON file that holds it and the key's ID is needed")
    } else if content.starts_with("t1.") {
        Some("holds an IAM token, not an authorized key; give it with `--iam-token-file`")
    } else if content.starts_with("AQVN") {
        Some("holds an API key, not an authorized key")
    } else if content.starts_with("YCAJ") {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AuthorizedKey> {
        AuthorizedKey::parse(Zeroizing::new(text.into()), Path::new("key.json"))
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
    fn a_wrong_file_is_described_and_never_quoted() {
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
