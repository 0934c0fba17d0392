//! The Yandex side: who we are there, and the tokens that this gives. One file an identity.
//!
//! Which identity is used: what `--identity`, `--key-file` or `--iam-token-file` say, or their
//! variables, or the profile, or the defaults of the configuration file, in this order. If none of
//! them says anything, the first that is found: `chain` has the order.
//!
//! | to find | look in |
//! | --- | --- |
//! | which identities there are, how each is opened and named in cache keys | `identity` |
//! | what is tried when none is named | `chain` |
//! | one identity | `authorized_key`, `given_token`, `metadata`, `federation` with `external_token`, `yc_config`, `yc_cli` |
//! | the IAM token, that of another account, who acts | `iam_token`, `impersonation`, `actor` |
//! | the ID token | `id_token` |
//! | service accounts and folders by name | `service_accounts`, `folder` |

mod actor;
mod authorized_key;
mod chain;
mod endpoints;
mod external_token;
mod federation;
mod folder;
mod given_token;
mod iam_token;
mod id_token;
mod identity;
mod impersonation;
mod imported_key;
mod issuer;
mod metadata;
mod refusal;
mod service_accounts;
mod token_command;
mod yc_cli;
mod yc_config;

use crate::error::Result;
use crate::http::Http;
use crate::settings::{IdTokenRoute, Setting};
pub use authorized_key::{AuthorizedKey, KEY_FILE, KEY_FILE_LIMIT};
pub use endpoints::{Endpoints, Given, ServiceEndpoint};
pub use external_token::{ExternalToken, GithubActions};
pub use federation::Federated;
pub use folder::FolderRequest;
pub use given_token::{GivenToken, TokenKind, is_iam_token};
pub use id_token::IdTokenRequest;
pub use identity::{Found, Identity, IdentityInputs, YcDefaults};
pub use imported_key::{ImportedKey, ImportedKeys};
pub use issuer::{DISCOVERY, Issuer};
pub use metadata::{DEFAULT_ADDRESS, Metadata};
pub use service_accounts::{
    ResourceId, ServiceAccount, ServiceAccountRequest, is_account_id, service_accounts,
};
pub use yc_cli::{Actor, Manner, YcCli};
pub use yc_config::{YcCredentials, YcProfile};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Where tokens come from in this run.
#[derive(Debug)]
pub struct Source {
    /// Who we are.
    pub identity: Identity,
    /// The ID of the service account that the identity acts as.
    pub impersonated: Option<String>,
    /// Where Yandex Cloud is.
    pub endpoints: Endpoints,
    /// How it is reached.
    pub http: Http,
    /// `aud` of assertions, where it is not the vendor's usual one.
    assertion_audience: Option<String>,
    /// `subject_token_type` of service accounts, where it is not the vendor's usual one.
    subject_token_type: Option<String>,
    route: Route,
}

/// How ID tokens are obtained.
#[derive(Debug)]
enum Route {
    /// By the exchange at the OAuth server.
    Exchange,
    /// By the vendor's own command.
    YcCli(YcCli),
}

impl Source {
    /// The source that the settings describe, and where the profile of `yc` works if they name one.
    pub fn open(around: IdentityInputs<'_>, http: Http) -> Result<(Self, YcDefaults)> {
        let settings = around.settings;
        let Found { identity, yc_profile } = Identity::open(around)?;
        let place = yc_profile.unwrap_or_default();
        let text = |setting: &Option<Setting<String>>| {
            setting.as_ref().map(|setting| setting.value.clone())
        };
        let endpoints = Endpoints::told(settings, place.endpoint.as_deref())?;
        // As it is said, or else by `yc` if that is who we are.
        let route = match (settings.id_token_route.as_ref().map(|route| route.value), &identity) {
            (None | Some(IdTokenRoute::YcCli), Identity::YcCli { yc, .. }) => {
                Route::YcCli(yc.clone())
            }
            (Some(IdTokenRoute::YcCli), _) => Route::YcCli(identity::yc(None, around)),
            (None | Some(IdTokenRoute::Exchange), _) => Route::Exchange,
        };
        let source = Self {
            identity,
            impersonated: text(&settings.impersonate),
            endpoints,
            http,
            assertion_audience: settings.installation.assertion_audience.clone(),
            subject_token_type: settings.installation.subject_token_type.clone(),
            route,
        };
        Ok((source, place))
    }

    /// The service account that acts, if that is known here.
    #[must_use]
    pub fn service_account(&self) -> Option<&str> {
        self.impersonated.as_deref().or_else(|| self.identity.service_account())
    }
}
