//! `aws`: temporary keys of an AWS role, as a `credential_process` of the AWS CLI and SDKs prints them
//! (AWS CLI User Guide, "Sourcing credentials with an external process").
//!
//! The ID token is exchanged for them at STS (`AssumeRoleWithWebIdentity`), or at a compatible server: MinIO, Ceph,
//! SeaweedFS.

mod answer;
mod config_file;
mod default_profile;
mod endpoint;
mod environment;
mod files;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod ini;
mod partition;
mod refusal;
mod role;
pub mod settings;
mod sts;

use std::time::Duration;

use serde::Serialize;

use crate::credential::{Credential, Secret};
use crate::error::Result;
use crate::foreign_text::Message;
use crate::http::ServerOptions;
use crate::run::Context;
use crate::settings::{Settings, Table};
use crate::source::IdTokenRequest;

use super::{Consumer, ConsumerRun, Delivery, PublicPath, Server, Warning, exchange};
pub(super) use answer::SessionKeys;
pub use default_profile::CREDENTIAL_KEYS;
pub(super) use default_profile::files_without_default_credentials;
use endpoint::Sts;
use role::RoleSession;
pub use role::role_arn_problem;
use settings::{OWN_AUDIENCE, ROLE_ARN, STS_ENDPOINT, TABLE};
pub(super) use sts::AssumeRole;

pub use config_file::expanded;
pub use files::AwsFiles;
#[cfg(feature = "fuzzing")]
pub use fuzzing::{aws_ini, sts_xml};
pub use ini::{Ini, Item, Kind, Section};

/// The audience in AWS's own guides for web identity providers.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// botocore requests new keys when less than this is left. If the new ones are no better, it runs the helper for
/// every single request.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// For keys with a whole lifetime of 15 minutes.
const MINIMUM_LIFETIME_OF_SHORT_KEYS: Duration = Duration::from_secs(5 * 60);

/// A request that AWS refuses without credentials. Without an action, it would redirect to its home page.
const PUBLIC: &[(&str, &str)] = &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];

/// Print keys of an AWS role for the AWS CLI and SDKs (credential_process)
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(after_help = "Example: in ~/.aws/config, with the full path of this program,
  [profile yandex]
  credential_process = /usr/local/bin/yc-id-token aws --profile prod

Example: in the configuration file of yc-id-token,
  [profiles.prod.aws]
  role_arn = \"arn:aws:iam::123456789012:role/robot\"")]
pub struct Args {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialProcess<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    // The SDK for Rust sends an empty header for an empty token, so the field is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerCredentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    // botocore fails without it.
    token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// The session of a role, and the STS that it is requested from.
pub(super) struct Aws {
    sts: Sts,
    role: RoleSession,
    audience: String,
}

impl Aws {
    pub(super) fn new(settings: &Settings, context: Context<'_>) -> Result<Self> {
        let role_arn = settings.own(&ROLE_ARN);
        let sts = Sts::choose(settings, context, role_arn.as_ref())?;
        let role = RoleSession::read(settings, role_arn, &sts)?;
        let audience =
            super::audience(settings, &OWN_AUDIENCE).unwrap_or_else(|| AUDIENCE.to_owned());
        Ok(Self { sts, role, audience })
    }

    /// The keys in the format that the SDKs read from a container endpoint (AWS SDKs and Tools Reference Guide,
    /// "Container credential provider").
    pub(super) fn render_for_container(
        _: &Self,
        credential: &Credential<SessionKeys>,
    ) -> Result<Delivery> {
        let keys = &credential.secret;
        Delivery::json(&ContainerCredentials {
            access_key_id: &keys.access_key_id,
            secret_access_key: keys.secret_access_key.expose(),
            token: keys.session_token.as_ref().map_or("", Secret::expose),
            expiration: credential.lifetime.expires_at_here().to_string(),
            account_id: keys.account_id.as_deref(),
        })
    }

    /// Whether the lifetime of the keys is so short that botocore never caches them.
    fn is_short(&self) -> bool {
        self.role.duration <= MINIMUM_LIFETIME
    }
}

impl Consumer for Aws {
    const TABLE: &'static Table = &TABLE;

    type Args = Args;
    type Secret = SessionKeys;
    type Request<'a> = AssumeRole<'a>;

    fn is_configured(settings: &Settings) -> bool {
        settings.own(&ROLE_ARN).is_some() || settings.own(&STS_ENDPOINT).is_some()
    }

    fn open(_: &Args, settings: &Settings, context: Context<'_>) -> Result<Self> {
        Self::new(settings, context)
    }

    fn audience(&self) -> Option<&str> {
        Some(&self.audience)
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> AssumeRole<'a> {
        let session_name = self.role.session_name(id_token.service_account);
        AssumeRole { sts: &self.sts, role: &self.role, session_name, id_token }
    }

    fn minimum_lifetime(&self) -> Duration {
        if self.is_short() { MINIMUM_LIFETIME_OF_SHORT_KEYS } else { MINIMUM_LIFETIME }
    }

    fn server(&self) -> Option<Server> {
        let public = PublicPath { path: "/", query: PUBLIC };
        let endpoint = self.sts.endpoint.clone();
        Some(Server { name: "STS", endpoint, options: ServerOptions::default(), public })
    }

    fn warnings(&self) -> Vec<Warning> {
        if !self.is_short() {
            return Vec::new();
        }
        vec![Warning {
            problem: "the keys are valid for 15 minutes, and botocore runs the helper for every request when less than that is left".into(),
            hint: "set `duration` to `1h`, or leave it out".into(),
        }]
    }

    fn try_exchange(context: Context<'_>) -> Result<Option<Message>> {
        let opened = ConsumerRun::<Self>::open(&Args::default(), context)?;
        exchange::try_out(&opened).map(|(what, _)| Some(what))
    }

    fn render(&self, credential: &Credential<SessionKeys>) -> Result<Delivery> {
        let keys = &credential.secret;
        Delivery::json(&CredentialProcess {
            version: 1,
            access_key_id: &keys.access_key_id,
            secret_access_key: keys.secret_access_key.expose(),
            session_token: keys.session_token.as_ref().map(Secret::expose),
            expiration: credential.lifetime.expires_at_here().to_string(),
            account_id: keys.account_id.as_deref(),
        })
    }
}
