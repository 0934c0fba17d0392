//! The Yandex side: identities, the tokens that they get, and requests to Yandex Cloud.
//!
//! | to find | look in |
//! | --- | --- |
//! | identities, and the choice of one | `identity` |
//! | the IAM token of the identity | `iam_token` |
//! | the account that the identity acts as | `impersonation` |
//! | the ID token | `id_token` |
//! | service accounts and folders by name | `directory` |
//! | the addresses of the servers | `endpoints` |
//! | refusals and their reasons | `refusal` |
//! | the program `yc` and its configuration | `yc_cli`, `yc_config` |

mod directory;
mod endpoints;
mod iam_token;
mod id_token;
mod identity;
mod impersonation;
mod issuer;
mod refusal;
mod yc_cli;
mod yc_config;

use crate::error::{Error, Result};
use crate::http::Http;
use crate::message;
use crate::settings::{IdTokenRoute, SUBJECT_TOKEN_TYPES, Setting};
pub use directory::{Directory, ServiceAccount, is_account_id};
pub use endpoints::{Endpoints, ServiceEndpoint};
pub use id_token::IdTokenRequest;
pub use identity::{
    AuthorizedKey, Fetching, Identity, IdentityInputs, ImportedKey, ImportedKeys, KEY_FILE,
    KEY_FILE_LIMIT, ResolvedIdentity, YcDefaults, is_iam_token,
};
pub use issuer::{DISCOVERY, Issuer};
pub use yc_cli::YcCli;
#[cfg(feature = "fuzzing")]
pub(crate) use yc_config::YcProfile;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The source of the tokens of this run.
#[derive(Debug)]
pub struct Source {
    pub identity: Box<dyn Identity>,
    /// The ID of the service account that the identity acts as.
    pub impersonated: Option<String>,
    pub endpoints: Endpoints,
    pub http: Http,
    /// `aud` of assertions, if it is not the vendor's default.
    assertion_audience: Option<String>,
    /// `subject_token_type` of service accounts, if it is set.
    subject_token_type: Option<String>,
    route: Route,
    /// The defaults of yc's profile, if the identity comes from one.
    yc_defaults: YcDefaults,
}

/// The route to ID tokens.
#[derive(Debug)]
enum Route {
    Exchange,
    /// The vendor's own command.
    YcCli(YcCli),
}

impl Source {
    /// Opens the source from the settings.
    pub fn open(inputs: IdentityInputs<'_>, http: Http) -> Result<Self> {
        let settings = inputs.settings;
        let ResolvedIdentity { identity, yc_defaults } = identity::open(inputs)?;
        let text = |setting: &Option<Setting<String>>| {
            setting.as_ref().map(|setting| setting.value.clone())
        };
        let endpoints = Endpoints::from_settings(settings, yc_defaults.endpoint.as_deref())?;
        // The configured route, or `yc` if that is the identity.
        let route = match (settings.id_token_route.as_ref().map(|route| route.value), identity.yc())
        {
            (None | Some(IdTokenRoute::YcCli), Some(yc)) => Route::YcCli(yc.clone()),
            (Some(IdTokenRoute::YcCli), None) => Route::YcCli(YcCli::of(inputs, None)),
            (None, None) | (Some(IdTokenRoute::Exchange), _) => Route::Exchange,
        };
        Ok(Self {
            identity,
            impersonated: text(&settings.impersonate),
            endpoints,
            http,
            assertion_audience: settings.installation.assertion_audience.clone(),
            subject_token_type: text(&settings.subject_token_type)
                .or_else(|| settings.installation.subject_token_type.clone()),
            route,
            yc_defaults,
        })
    }

    /// The `subject_token_type` in the exchange for an ID token.
    pub fn subject_token_type(&self) -> &str {
        self.subject_token_type.as_deref().unwrap_or(SUBJECT_TOKEN_TYPES[0])
    }

    /// Whether the `yc` command gets the ID tokens.
    pub const fn uses_yc(&self) -> bool {
        matches!(self.route, Route::YcCli(_))
    }

    /// The error for a run that needs the ID of a service account, if neither a setting nor the identity has one.
    fn no_service_account(&self) -> Error {
        Error::Missing {
            problem: message!(
                "the service account to get the ID token for is not set, and {} does not name one",
                self.identity.describe()
            ),
            hint: "give `--service-account` with its ID (`aje…`), or its name with `--folder-id`"
                .into(),
        }
    }

    /// The ID of the acting service account, if known without a request.
    pub fn service_account(&self) -> Option<&str> {
        self.impersonated.as_deref().or_else(|| self.identity.service_account())
    }
}
