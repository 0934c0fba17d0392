//! `exec`: a command with credentials in its environment, for programs that cannot run a helper.
//!
//! The command takes the place of this process. Nothing renews its credentials, so at least half of their lifetime
//! must be left. Such credentials are never refreshed in the background.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::child;
use crate::credential::Credential;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::run::Context;
use crate::settings::{Decides, Field, Kind, Settings, Table};
use crate::source::IdTokenRequest;

use super::aws::{AssumeRole, Aws, SessionKeys};
use super::{Consumer, ConsumerRun, Delivery};

const AWS: Field = Field::new(Kind::Switch, "aws", "--aws", "YC_ID_TOKEN_EXEC_AWS")
    .help("", "Keys of an AWS role")
    .decides(Decides::Nothing);

pub(super) const TABLE: Table = Table { name: "exec", heading: "", settings: &[AWS] };

/// More than there can be: the broker asks for at most half of the lifetime.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Run a command with credentials in its environment
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "Example:
  yc-id-token exec --aws --profile prod -- terraform plan

The command has AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION, AWS_ACCOUNT_ID and, where one was named, \
the region; and no AWS_PROFILE or other variable that would win over them.")]
pub struct Args {
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A command, and the keys of an AWS role that it gets.
pub(super) struct Exec {
    aws: Aws,
    command: Vec<OsString>,
}

impl Consumer for Exec {
    const TABLE: &'static Table = &TABLE;
    const TABLES: &'static [&'static Table] = &[&TABLE, Aws::TABLE];

    type Args = Args;
    type Secret = SessionKeys;
    type Request<'a> = AssumeRole<'a>;

    /// Its credentials are those of `aws`, which has a forecast.
    fn is_configured(_: &Settings) -> bool {
        false
    }

    fn open(args: &Args, settings: &Settings, context: Context<'_>) -> Result<Self> {
        if !settings.is_on(&AWS)?.value {
            return Err(Error::Missing {
                problem: "which credentials the command is to have is not said".into(),
                hint: "give `--aws` for the keys of an AWS role".into(),
            });
        }
        let aws = Aws::new(settings, context)?;
        Ok(Self { aws, command: args.command.clone() })
    }

    fn audience(&self) -> Option<&str> {
        self.aws.audience()
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> AssumeRole<'a> {
        self.aws.request(id_token)
    }

    fn minimum_lifetime(&self) -> Duration {
        MINIMUM_LIFETIME
    }

    fn render(&self, credential: &Credential<SessionKeys>) -> Result<Delivery> {
        let mut command = command(&self.command);
        self.aws.put_into_environment(credential, &mut command);
        Ok(Delivery::Exec(command))
    }

    fn run(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        child::hand_on();
        ConsumerRun::<Self>::open(args, context)?.run(output)
    }
}

pub(super) fn command(words: &[OsString]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().map(OsString::as_os_str).unwrap_or_default());
    command.args(words);
    command
}
