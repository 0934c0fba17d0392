//! `aws`: temporary keys of an AWS role, as a `credential_process` of the AWS CLI and SDKs hands them
//! over (AWS CLI User Guide, "Sourcing credentials with an external process").
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
mod plan;
mod refusal;
mod role;
mod sts;

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::credential::{Credential, Secret};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::run::{Context, Run};
use crate::settings::{Field, Kind as ValueKind, Setting, Settings, Table};

use answer::SessionKeys;
use endpoint::Sts;
use role::RoleSession;
use sts::AssumeRole;

pub(crate) use config_file::expanded;
pub(crate) use files::AwsFiles;
#[cfg(feature = "fuzzing")]
pub use fuzzing::{aws_ini, sts_xml};
pub(crate) use ini::{Ini, Item, Kind, Section};
pub(super) use plan::plan;

const OWN_AUDIENCE: Field =
    Field::new(ValueKind::Text, "audience", "", "YC_ID_TOKEN_AWS_AUDIENCE")
        .help("AUD", "Audience of the ID token for STS");

const ROLE_ARN: Field =
    Field::new(ValueKind::Text, "role_arn", "--role-arn", "YC_ID_TOKEN_AWS_ROLE_ARN")
        .help("ARN", "Role to assume, such as arn:aws:iam::123456789012:role/robot; not needed where an S3-compatible server maps tokens to policies");

const ROLE_SESSION_NAME: Field =
    Field::new(ValueKind::Text, "role_session_name", "--role-session-name", "YC_ID_TOKEN_AWS_ROLE_SESSION_NAME")
        .help("NAME", "Name of the session, as CloudTrail shows it [default: yc-id-token- and the service account's ID]");

const DURATION: Field =
    Field::new(ValueKind::Time, "duration", "--duration", "YC_ID_TOKEN_AWS_DURATION")
        .help("TIME", "Life of the keys, 15m to 12h, at most what the role allows [default: 1h]");

const POLICY: Field =
    Field::new(ValueKind::Text, "policy", "--policy", "YC_ID_TOKEN_AWS_POLICY")
        .help("JSON", "Policy that narrows down what the role allows, as JSON");

const POLICY_ARN: Field =
    Field::new(ValueKind::Words, "policy_arn", "--policy-arn", "YC_ID_TOKEN_AWS_POLICY_ARN")
        .help("ARN", "Managed policy that narrows down what the role allows; up to ten times");

const REGION: Field =
    Field::new(ValueKind::Text, "region", "--region", "YC_ID_TOKEN_AWS_REGION")
        .help("REGION", "Region whose STS is asked [default: AWS_REGION, AWS_DEFAULT_REGION, AWS's configuration, us-east-1]");

const STS_ENDPOINT: Field =
    Field::new(ValueKind::Text, "sts_endpoint", "--sts-endpoint", "YC_ID_TOKEN_AWS_STS_ENDPOINT")
        .help("URL", "Address of another STS [default: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, AWS's configuration, the region's]");

const STS_DUAL_STACK: Field =
    Field::new(ValueKind::Switch, "sts_dual_stack", "--sts-dual-stack", "YC_ID_TOKEN_AWS_STS_DUAL_STACK")
        .help("", "Ask the region's dual-stack STS, which is reached by IPv6 too");

const STS_FIPS: Field =
    Field::new(ValueKind::Switch, "sts_fips", "--sts-fips", "YC_ID_TOKEN_AWS_STS_FIPS")
        .help("", "Ask the region's FIPS STS");

pub(super) const TABLE: Table = Table {
    name: "aws",
    heading: "AWS options",
    settings: &[OWN_AUDIENCE, ROLE_ARN, ROLE_SESSION_NAME, DURATION, POLICY, POLICY_ARN, REGION, STS_ENDPOINT, STS_DUAL_STACK, STS_FIPS],
};

/// What AWS's own guides have a provider of web identities issue tokens for.
const AUDIENCE: &str = "sts.amazonaws.com";

/// botocore looks for new keys when the old ones have less than this left, and runs the helper for
/// every single request if it then gets no better ones.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Keys that were asked for a quarter of an hour can never please it.
const MINIMUM_LIFETIME_OF_SHORT_KEYS: Duration = Duration::from_secs(5 * 60);

/// Print keys of an AWS role: a credential_process of the AWS CLI and SDKs
#[derive(clap::Args, Debug)]
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

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let run = Run::open(context, &[&TABLE])?;
        let Keys { credential, .. } = self.options.obtain(&run, context, MINIMUM_LIFETIME)?;
        let keys = &credential.secret;
        let answer = CredentialProcess {
            version: 1,
            access_key_id: &keys.access_key_id,
            secret_access_key: keys.secret_access_key.expose(),
            session_token: keys.session_token.as_ref().map(Secret::expose),
            expiration: credential.lifetime.expires_at_here().to_string(),
            account_id: keys.account_id.as_deref(),
        };
        let document = serde_json::to_vec(&answer);
        let mut document = Zeroizing::new(document.map_err(Error::internal)?);
        document.push(b'\n');
        output.document(&document)
    }

    pub(super) fn refresh(&self, context: Context<'_>) -> Result<()> {
        let run = Run::open(context, &[&TABLE])?;
        self.options.obtain(&run, context, MINIMUM_LIFETIME).map(drop)
    }
}

/// Keys, and the region that was named on the way to them.
pub(super) struct Keys {
    credential: Credential<SessionKeys>,
    region: Option<String>,
}

impl Options {
    /// The keys of the role, from the cache or from STS, for a consumer that must get `least_life`.
    pub(super) fn obtain(
        &self,
        run: &Run,
        context: Context<'_>,
        minimum_lifetime: Duration,
    ) -> Result<Keys> {
        let settings = &run.settings;
        let role_arn = self.role_arn(settings);
        let sts = Sts::choose(self, settings, context.env, role_arn.as_ref())?;
        let role = RoleSession::read(self, settings, role_arn, &sts, run.service_account()?)?;
        let audience = super::audience(settings, &TABLE).unwrap_or_else(|| AUDIENCE.to_owned());
        let request =
            AssumeRole { sts: &sts, role: &role, id_token: run.id_token_request(&audience)? };
        let is_short = role.duration <= MINIMUM_LIFETIME;
        let minimum_lifetime =
            if is_short { MINIMUM_LIFETIME_OF_SHORT_KEYS } else { minimum_lifetime };
        let credential = run.obtain(&request, minimum_lifetime)?;
        Ok(Keys { credential, region: sts.named_region() })
    }

    fn role_arn(&self, settings: &Settings) -> Option<Setting<String>> {
        settings.consumer(&TABLE, "role_arn", self.role_arn.as_ref(), "--role-arn")
    }
}
