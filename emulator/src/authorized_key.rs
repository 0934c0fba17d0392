//! Authorized keys: RSA key pairs that sign as a service account, and their file.
//!
//! The file is the one `yc iam key create` writes (vendor page *Authorized keys*, go-sdk `iamkey.proto`), including the
//! line of explanatory text (RFC 7468, section 5.2) that IAM puts in front of the PEM. Older keys lack that line, and
//! some old keys are PKCS#1: both are available here.

use std::fmt;

use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde::Serialize;

use super::random::Generator;

/// The size of a key's modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySize {
    /// 2048 bits, the vendor's default. Generated in less than a second.
    Rsa2048,
    /// 4096 bits. Takes a second or more; see [`adopt_authorized_key`](super::Emulator::adopt_authorized_key).
    Rsa4096,
}

impl KeySize {
    fn bits(self) -> usize {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa4096 => 4096,
        }
    }

    /// `key_algorithm` in the key file.
    fn algorithm(self) -> &'static str {
        match self {
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa4096 => "RSA_4096",
        }
    }
}

/// A key pair of a service account, including the private key.
#[derive(Clone)]
pub struct AuthorizedKey {
    /// The key's ID, `kid` of the JWTs it signs.
    pub id: String,
    /// The service account it signs for, `iss` of those JWTs.
    pub service_account_id: String,
    /// The creation time (RFC 3339).
    pub created_at: String,
    /// The size of the modulus.
    pub size: KeySize,
    /// The public key (SPKI).
    pub public_key_pem: String,
    /// The private key (PKCS#8), without the explanatory line.
    pub private_key_pem: String,
    private_key_pkcs1_pem: String,
}

impl AuthorizedKey {
    /// The key file of the vendor: snake case, with the explanatory line.
    pub fn to_json(&self) -> String {
        let file = KeyFile {
            id: &self.id,
            service_account_id: &self.service_account_id,
            created_at: &self.created_at,
            key_algorithm: self.size.algorithm(),
            public_key: &self.public_key_pem,
            private_key: format!(
                "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <{}>\n{}",
                self.id, self.private_key_pem
            ),
        };
        // Serialising strings to a string cannot fail.
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }

    /// The same private key as PKCS#1, as some old keys are.
    pub fn private_key_pkcs1_pem(&self) -> String {
        self.private_key_pkcs1_pem.clone()
    }

    /// Texts that must not leak: the base64 of both encodings, line by line and joined.
    pub(super) fn secrets(&self) -> Vec<String> {
        [&self.private_key_pem, &self.private_key_pkcs1_pem]
            .into_iter()
            .flat_map(|pem| {
                let lines: Vec<&str> =
                    pem.lines().filter(|line| !line.starts_with("-----")).collect();
                let joined = lines.concat();
                lines.into_iter().map(str::to_owned).chain([joined]).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The same pair with other IDs.
    pub(super) fn renamed(&self, id: &str, service_account_id: &str) -> Self {
        Self {
            id: id.to_owned(),
            service_account_id: service_account_id.to_owned(),
            ..self.clone()
        }
    }

    /// A new pair. It has no ID before it is registered.
    pub(super) fn generate(size: KeySize, created_at: String) -> Result<Self, KeyError> {
        let private = rsa::PrivateKey::new(&mut Generator, size.bits())?;
        Ok(Self {
            id: String::new(),
            service_account_id: String::new(),
            created_at,
            size,
            public_key_pem: private.as_public_key().to_public_key_pem(LineEnding::LF)?,
            private_key_pem: private.to_pkcs8_pem(LineEnding::LF)?.to_string(),
            private_key_pkcs1_pem: private.to_pkcs1_pem(LineEnding::LF)?.to_string(),
        })
    }
}

impl fmt::Debug for AuthorizedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedKey")
            .field("id", &self.id)
            .field("service_account_id", &self.service_account_id)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Reads the public half of a key.
pub(super) fn parse_public_key(pem: &str) -> Result<rsa::PublicKey, KeyError> {
    Ok(rsa::PublicKey::from_public_key_pem(pem)?)
}

/// Why a key could not be generated or read. No error contains parts of the key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error(transparent)]
    Rsa(#[from] rsa::Error),
    #[error(transparent)]
    Pkcs1(#[from] rsa::pkcs1::Error),
    #[error(transparent)]
    Pkcs8(#[from] rsa::pkcs8::Error),
    #[error(transparent)]
    Spki(#[from] rsa::pkcs8::spki::Error),
}

/// The fields in the order of the vendor's sample.
#[derive(Serialize)]
struct KeyFile<'a> {
    id: &'a str,
    service_account_id: &'a str,
    created_at: &'a str,
    key_algorithm: &'a str,
    public_key: &'a str,
    private_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_file_has_the_vendors_format_and_debug_no_secret() {
        let key = AuthorizedKey::generate(KeySize::Rsa2048, "2026-01-01T12:00:00Z".into())
            .unwrap()
            .renamed("ajekey", "ajeaccount");

        let file: serde_json::Value = serde_json::from_str(&key.to_json()).unwrap();
        assert_eq!(file["id"], "ajekey");
        assert_eq!(file["service_account_id"], "ajeaccount");
        assert_eq!(file["key_algorithm"], "RSA_2048");
        let private = file["private_key"].as_str().unwrap();
        assert!(private.starts_with(
            "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <ajekey>\n-----BEGIN PRIVATE KEY-----\n"
        ));
        assert!(key.private_key_pkcs1_pem().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        assert!(parse_public_key(&key.public_key_pem).is_ok());

        let shown = format!("{key:?}");
        assert!(key.secrets().len() > 40);
        assert!(key.secrets().iter().all(|secret| !shown.contains(secret.as_str())));
    }
}
