//! The Yandex side: who we are there, and the tokens that this gives. One file an identity.
//!
//! Which identity is used: what `--identity`, `--key-file` or `--iam-token-file` say, or their
//! variables, or the profile, or the defaults of the configuration file, in this order. If none of
//! them says anything, the first that there is of:
//!
//! 1. an IAM token in `YC_ID_TOKEN_IAM_TOKEN`, `YC_IAM_TOKEN`, or `YC_TOKEN`;
//! 2. an authorized key in `YC_SERVICE_ACCOUNT_KEY_FILE`, its file or its content;
//! 3. the service account of this machine, given 300 ms to answer.
//!
//! Yandex's own variables come last on purpose: a token that is exported for another tool does not
//! change who a configured profile is.

mod authorized_key;
mod endpoints;
mod given_token;
mod iam_token;
mod id_token;
mod imported_key;
mod metadata;
mod refusal;

use std::path::Path;

use tracing::info;
use zeroize::Zeroizing;

use crate::cache::KeyBuilder;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::http::Http;
use crate::settings::{IdentitySetting, Setting};
pub use authorized_key::{AuthorizedKey, KEY_FILE, KEY_FILE_LIMIT};
pub use endpoints::{DEFAULT_API, DEFAULT_IAM, DEFAULT_OAUTH, Endpoints, IamEndpoint};
pub use given_token::{GivenToken, is_oauth_token};
pub use id_token::IdTokenWish;
pub use imported_key::{ImportedKey, ImportedKeys};
pub use metadata::{DEFAULT_ADDRESS, Metadata};

/// Where tokens come from in this run.
#[derive(Debug)]
pub struct Source {
    /// Who we are.
    pub identity: Identity,
    /// Where Yandex Cloud is.
    pub endpoints: Endpoints,
    /// How it is reached.
    pub http: Http,
}

/// Who we are towards Yandex Cloud.
#[derive(Debug)]
pub enum Identity {
    /// An authorized key of a service account.
    AuthorizedKey(AuthorizedKey),
    /// An IAM token that somebody else obtained.
    GivenToken(GivenToken),
    /// The service account of this machine.
    Metadata(Metadata),
}

impl Identity {
    /// Opens the identity that the settings name, or else finds one.
    pub fn open(setting: Option<&Setting<IdentitySetting>>, env: &Env) -> Result<Self> {
        let Some(setting) = setting else {
            return Self::find(env);
        };
        let identity = match &setting.value {
            IdentitySetting::AuthorizedKey { file } => Self::AuthorizedKey(AuthorizedKey::read(file)?),
            IdentitySetting::Keyring { name } => Self::AuthorizedKey(AuthorizedKey::imported(name)?),
            IdentitySetting::IamTokenFile { file } => Self::GivenToken(GivenToken::read(file)?),
            IdentitySetting::IamToken => given_in_environment(env)?.map(Self::GivenToken).ok_or_else(|| Error::Missing {
                problem: format!("the identity `iam-token` ({}) needs an IAM token, and none is set", setting.origin),
                hint: "set YC_IAM_TOKEN, for example with `export YC_IAM_TOKEN=$(yc iam create-token)`".into(),
            })?,
            IdentitySetting::Metadata => Self::Metadata(Metadata::at(&metadata_address(env), true)?),
        };
        info!("identity: {}, from {}", identity.describe(), setting.origin);
        Ok(identity)
    }

    fn find(env: &Env) -> Result<Self> {
        let identity = if let Some(given) = given_in_environment(env)? {
            Self::GivenToken(given)
        } else if let Some(key) = env.get(env::YC_SERVICE_ACCOUNT_KEY_FILE) {
            let variable = Path::new("YC_SERVICE_ACCOUNT_KEY_FILE");
            // As for Yandex's Terraform provider, it may hold the key itself.
            Self::AuthorizedKey(if key.trim_start().starts_with('{') {
                AuthorizedKey::parse(Zeroizing::new(key.into_bytes()), variable)?
            } else {
                AuthorizedKey::read(Path::new(&key))?
            })
        } else {
            Self::Metadata(Metadata::at(&metadata_address(env), false)?)
        };
        info!(
            "identity: {}, the first of YC_ID_TOKEN_IAM_TOKEN, YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE, metadata",
            identity.describe()
        );
        Ok(identity)
    }

    /// The service account that this is, if that is known here.
    #[must_use]
    pub fn service_account(&self) -> Option<&str> {
        match self {
            Self::AuthorizedKey(key) => Some(&key.service_account_id),
            Self::GivenToken(_) | Self::Metadata(_) => None,
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::AuthorizedKey(key) => format!(
                "authorized key `{}` of service account `{}`",
                key.id, key.service_account_id
            ),
            Self::GivenToken(given) => format!("the IAM token of {}", given.origin),
            Self::Metadata(metadata) => format!("the metadata service at {}", metadata.address()),
        }
    }

    /// Its part in cache keys: two identities never share an entry.
    fn contribute(&self, key: KeyBuilder) -> KeyBuilder {
        match self {
            Self::AuthorizedKey(authorized) => key
                .with("identity", "authorized-key")
                .with("key", &authorized.id)
                .with("key's service account", &authorized.service_account_id),
            Self::GivenToken(given) => {
                key.with("identity", "iam-token").with("token", &given.digest().to_hex())
            }
            Self::Metadata(metadata) => {
                key.with("identity", "metadata").with("address", metadata.address())
            }
        }
    }
}

fn given_in_environment(env: &Env) -> Result<Option<GivenToken>> {
    for variable in [env::IAM_TOKEN, env::YC_IAM_TOKEN, env::YC_TOKEN] {
        if let Some(token) = env.get(variable) {
            return GivenToken::new(&token, variable.name.into()).map(Some);
        }
    }
    Ok(None)
}

fn metadata_address(env: &Env) -> String {
    env.get(env::YC_METADATA_ADDR).unwrap_or_else(|| DEFAULT_ADDRESS.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const KEY: &str = r#"{"id":"ajek","service_account_id":"ajes","private_key":"k"}"#;

    fn found(variables: &[(&'static str, &str)]) -> String {
        let variables: HashMap<_, _> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Identity::open(None, &Env::Fake(variables)).unwrap().describe()
    }

    #[test]
    fn without_a_setting_the_first_there_is_wins() {
        let ours = ("YC_ID_TOKEN_IAM_TOKEN", "t1.a.b");
        let iam = ("YC_IAM_TOKEN", "t1.a.b");
        let token = ("YC_TOKEN", "t1.a.b");
        let key = ("YC_SERVICE_ACCOUNT_KEY_FILE", KEY);
        assert_eq!(found(&[ours, iam, token, key]), "the IAM token of YC_ID_TOKEN_IAM_TOKEN");
        assert_eq!(found(&[iam, token, key]), "the IAM token of YC_IAM_TOKEN");
        assert_eq!(found(&[token, key]), "the IAM token of YC_TOKEN");
        assert_eq!(found(&[key]), "authorized key `ajek` of service account `ajes`");
        assert_eq!(found(&[]), "the metadata service at http://169.254.169.254");
        assert_eq!(
            found(&[("YC_METADATA_ADDR", "127.0.0.1:81")]),
            "the metadata service at http://127.0.0.1:81"
        );
    }
}
