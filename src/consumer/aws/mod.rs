//! `aws`: temporary keys of an AWS role, as a `credential_process` of the AWS CLI and SDKs prints them
//! (AWS CLI User Guide, "Sourcing credentials with an external process").
//!
//! The ID token is exchanged for them at STS (`AssumeRoleWithWebIdentity`), or at what speaks its
//! protocol: MinIO, Ceph, SeaweedFS.

mod answer;
mod config_file;
mod endpoint;
mod environment;
mod files;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod ini;
mod partition;
mod refusal;
mod role;
mod sts;

use std::time::Duration;

use serde::Serialize;

use crate::credential::{Credential, Secret};
use crate::env::{self, Env};
use crate::error::Result;
use crate::http::ServerOptions;
use crate::settings::{Field, Form, Setting, Settings, Table};
use crate::source::IdTokenRequest;

use super::{Consumer, Delivery, PublicPath, Server, Warning};
pub(super) use answer::SessionKeys;
use endpoint::Sts;
use role::RoleSession;
pub(crate) use role::role_arn_problem;
pub(super) use sts::AssumeRole;

pub(crate) use config_file::expanded;
pub(crate) use files::AwsFiles;
#[cfg(feature = "fuzzing")]
pub use fuzzing::{aws_ini, sts_xml};
pub(crate) use ini::{Ini, Item, Kind, Section};

pub(super) const TABLE: Table = Table {
    name: "aws",
    settings: &[
        Field::text("audience", env::AWS_AUDIENCE),
        Field::text("role_arn", env::AWS_ROLE_ARN),
        Field::text("role_session_name", env::AWS_ROLE_SESSION_NAME),
        Field::new("duration", Form::Time, env::AWS_DURATION),
        Field::text("policy", env::AWS_POLICY),
        Field::new("policy_arn", Form::Words, env::AWS_POLICY_ARN),
        Field::text("region", env::AWS_REGION),
        Field::text("sts_endpoint", env::AWS_STS_ENDPOINT),
        Field::new("sts_dual_stack", Form::Switch, env::AWS_STS_DUAL_STACK),
        Field::new("sts_fips", Form::Switch, env::AWS_STS_FIPS),
    ],
};

/// What AWS's own guides have a provider of web identities issue tokens for.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";

/// botocore looks for new keys when the old ones have less than this left, and runs the helper for
/// every single request if it then gets no better ones.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// For keys that are valid for 15 minutes in all.
const MINIMUM_LIFETIME_OF_SHORT_KEYS: Duration = Duration::from_secs(5 * 60);

/// A request that AWS refuses without credentials. It redirects one without an action to its home page.
const PUBLIC: &[(&str, &str)] = &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];

/// Print keys of an AWS role: a credential_process of the AWS CLI and SDKs
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(after_help = "Example: in ~/.aws/config (a full path, no `~`, no variables),
  [profile yandex]
  credential_process = /usr/local/bin/yc-id-token aws --profile prod

and in the configuration of yc-id-token,
  [profiles.prod.aws]
  role_arn = \"arn:aws:iam::123456789012:role/robot\"")]
pub struct Args {
    #[command(flatten)]
    options: Options,
}

/// Which keys are wanted, and from where.
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(next_help_heading = "AWS options")]
pub(super) struct Options {
    /// Role to assume, such as arn:aws:iam::123456789012:role/robot; not needed where an S3-compatible server maps tokens to policies
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// Name of the session, as CloudTrail shows it [default: yc-id-token- and the service account's ID]
    #[arg(long, value_name = "NAME")]
    role_session_name: Option<String>,
    /// Life of the keys, 15m to 12h, at most what the role allows [default: 1h]
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
    /// Policy that narrows down what the role allows, as JSON
    #[arg(long, value_name = "JSON")]
    policy: Option<String>,
    /// Managed policy that narrows down what the role allows; up to ten times
    #[arg(long, value_name = "ARN")]
    policy_arn: Vec<String>,
    /// Region whose STS is asked [default: AWS_REGION, AWS_DEFAULT_REGION, AWS's configuration, us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Address of another STS [default: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, AWS's configuration, the region's]
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// Ask the region's dual-stack STS, which is reached by IPv6 too
    #[arg(long)]
    sts_dual_stack: bool,
    /// Ask the region's FIPS STS
    #[arg(long)]
    sts_fips: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialProcess<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    // Rust's SDK sends an empty header for an empty token, so there is none instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
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
    pub(super) fn new(options: &Options, settings: &Settings, env: &Env) -> Result<Self> {
        let role_arn = role_arn(options, settings);
        let sts = Sts::choose(options, settings, env, role_arn.as_ref())?;
        let role = RoleSession::read(options, settings, role_arn, &sts)?;
        let audience = super::audience(settings, &TABLE).unwrap_or_else(|| AUDIENCE.to_owned());
        Ok(Self { sts, role, audience })
    }

    /// Whether the keys are valid for so short a time that botocore never keeps them.
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
        let options = Options::default();
        role_arn(&options, settings).is_some() || sts_endpoint(&options, settings).is_some()
    }

    fn open(args: &Args, settings: &Settings, env: &Env) -> Result<Self> {
        Self::new(&args.options, settings, env)
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

fn role_arn(options: &Options, settings: &Settings) -> Option<Setting<String>> {
    settings.consumer(&TABLE, "role_arn", options.role_arn.as_ref(), "--role-arn")
}

fn sts_endpoint(options: &Options, settings: &Settings) -> Option<Setting<String>> {
    settings.consumer(&TABLE, "sts_endpoint", options.sts_endpoint.as_ref(), "--sts-endpoint")
}
