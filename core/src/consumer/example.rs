//! `example`: the ID token as JSON, for a tool that runs a helper (its documentation, "Token helpers").

use std::time::Duration;

use serde_json::json;

use crate::credential::{Credential, IdToken};
use crate::error::Result;
use crate::run::Context;
use crate::settings::{Settings, Table};
use crate::source::IdTokenRequest;

use super::{Consumer, Delivery};

pub(super) const TABLE: Table = Table { name: "example", heading: "", settings: &[] };

/// The tool keeps the token for up to five minutes.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Print the ID token as the tool `example` reads it
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "Example: in ~/.example.toml,
  token_helper = [\"yc-id-token\", \"example\", \"--profile\", \"prod\"]")]
pub struct Args {}

/// The ID token, as JSON.
pub(super) struct Example {
    audience: Option<String>,
}

impl Consumer for Example {
    const TABLE: &'static Table = &TABLE;

    type Args = Args;
    type Secret = IdToken;
    type Request<'a> = IdTokenRequest<'a>;

    fn is_configured(settings: &Settings) -> bool {
        settings.audience.is_some()
    }

    fn open(_: &Args, settings: &Settings, _: Context<'_>) -> Result<Self> {
        let audience = settings.audience.as_ref().map(|audience| audience.value.clone());
        Ok(Self { audience })
    }

    fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> IdTokenRequest<'a> {
        id_token
    }

    fn minimum_lifetime(&self) -> Duration {
        MINIMUM_LIFETIME
    }

    fn render(&self, credential: &Credential<IdToken>) -> Result<Delivery> {
        Delivery::json(&json!({
            "token": credential.secret.0.expose(),
            "expiry": credential.lifetime.expires_at_here().to_string(),
        }))
    }
}
