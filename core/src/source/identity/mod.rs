//! Identities, which authenticate to Yandex IAM. One file each, behind [`Identity`].
//!
//! To add one, write its file with an `impl Identity` and a function `open`, and add a row for its kind to
//! [`IdentityKind`]. The compiler then requires an arm in [`open`]. Everything else (flags, tables of the
//! configuration, completion, `setup`, `status`, cache keys) follows from these.
//!
//! The identity is set by `--identity`, `--key-file` or `--iam-token-file`, their variables, the profile, or the
//! defaults of the configuration file, in this order. If none is set, `chain` finds one.

mod authorized_key;
mod chain;
mod external_token;
mod federation;
mod given_token;
mod imported_key;
mod metadata;
mod token_command;
mod yc_cli;
mod yc_profile;

use std::fmt;
use std::pin::Pin;

use tracing::info;

use super::yc_cli::YcCli;
use super::{Endpoints, Source};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::credential::{Credential, IamToken};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::message;
use crate::settings::{IdentityKind, IdentitySetting, Locations, Setting, Settings};
pub use authorized_key::{AuthorizedKey, KEY_FILE, KEY_FILE_LIMIT};
pub use given_token::is_iam_token;
pub use imported_key::{ImportedKey, ImportedKeys};
pub(super) use metadata::Metadata;

/// An identity, which authenticates to Yandex IAM.
pub trait Identity: fmt::Debug {
    /// A description for messages.
    fn describe(&self) -> Message;

    /// Adds everything that distinguishes this identity to a cache key: two identities never share an entry.
    fn cache_key(&self, key: KeyBuilder, endpoints: &Endpoints) -> KeyBuilder;

    /// Fetches its IAM token.
    fn fetch<'a>(&'a self, source: &'a Source, broker: &'a Broker) -> Fetching<'a>;

    /// Whether fetching its IAM token takes long, so that other connections are opened meanwhile.
    fn is_slow(&self) -> bool;

    /// The ID of its service account, if known without a request.
    fn service_account(&self) -> Option<&str> {
        None
    }

    /// The server or program that issues its IAM token, for `status`.
    fn issuer<'a>(&'a self, endpoints: &'a Endpoints) -> &'a str {
        endpoints.iam.as_str()
    }

    /// Whether its IAM token can be cached.
    fn is_cacheable(&self) -> bool {
        true
    }

    /// The `yc` CLI, if it gets ID tokens as this identity.
    fn yc(&self) -> Option<&YcCli> {
        None
    }

    /// The metadata service, if this is the service account of the machine.
    fn metadata(&self) -> Option<&Metadata> {
        None
    }

    /// Whether it is only tried because no other identity was configured or found.
    fn is_last_resort(&self) -> bool {
        false
    }

    /// The hint if an IAM token of `account`, which is this identity or acts through it, is rejected.
    fn rejected_hint(&self, account: Message) -> Message {
        message!("{account} is no longer accepted; check that it is active", account)
    }

    /// A warning for `doctor`, with a hint.
    fn warning(&self) -> Option<(Message, &'static str)> {
        None
    }
}

/// The fetch of an IAM token.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Credential<IamToken>>> + 'a>>;

/// An identity that is ready to be used.
#[derive(Debug)]
pub struct ResolvedIdentity {
    pub identity: Box<dyn Identity>,
    /// The defaults of its `yc` profile; empty for other identities.
    pub yc_defaults: YcDefaults,
}

impl<I: Identity + 'static> From<I> for ResolvedIdentity {
    fn from(identity: I) -> Self {
        Self { identity: Box::new(identity), yc_defaults: YcDefaults::default() }
    }
}

#[derive(Clone, Debug, Default)]
pub struct YcDefaults {
    pub folder_id: Option<String>,
    pub cloud_id: Option<String>,
    pub endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub struct IdentityInputs<'a> {
    pub settings: &'a Settings,
    pub env: &'a Env,
    pub locations: &'a Locations,
}

/// Opens the configured identity, or finds one.
pub(super) fn open(inputs: IdentityInputs<'_>) -> Result<ResolvedIdentity> {
    let Some(setting) = &inputs.settings.identity else {
        return chain::find(inputs);
    };
    let identity = &setting.value;
    let resolved = match identity.kind {
        IdentityKind::AuthorizedKey => authorized_key::open(setting, inputs),
        IdentityKind::Keyring => imported_key::open(identity, inputs),
        IdentityKind::IamToken => given_token::open_iam_token(setting, inputs),
        IdentityKind::OauthToken => given_token::open_oauth_token(setting, inputs),
        IdentityKind::Metadata => metadata::open(inputs),
        IdentityKind::YcProfile => yc_profile::open(identity, inputs),
        IdentityKind::YcCli => Ok(yc_cli::open(identity, inputs)),
        IdentityKind::TokenFile | IdentityKind::Kubernetes => {
            federation::open(identity, inputs, external_token::open_file)
        }
        IdentityKind::GithubActions => {
            federation::open(identity, inputs, external_token::open_github_actions)
        }
        IdentityKind::TokenCommand => {
            federation::open(identity, inputs, external_token::open_command)
        }
    }?;
    info!("identity: {}, from {}", resolved.identity.describe(), setting.origin);
    Ok(resolved)
}

/// The error for a kind without its argument, if no variable has it either.
fn not_set(setting: &Setting<IdentitySetting>, problem: &'static str, hint: &'static str) -> Error {
    Error::Missing {
        problem: message!("{problem} ({}), and none is set", setting.origin, problem),
        hint: hint.into(),
    }
}
