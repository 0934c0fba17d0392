//! `exec`: a command that has credentials in its environment, for programs that know no helper.
//!
//! The command takes this process's place, so that signals, the terminal and the exit status are its
//! own. It has the credentials for as long as they live; nothing renews them. So it is given such as
//! have at least half of their life before them.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use super::aws;
use crate::child;
use crate::error::{Code, Error, Result, plain};
#[cfg(unix)]
use crate::harden;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::settings::{Decides, Field, Kind, Table, is_on};

const AWS: Field =
    Field::new(Kind::Switch, "aws", "--aws", "YC_ID_TOKEN_EXEC_AWS")
        .help("", "Keys of an AWS role")
        .decides(Decides::Nothing);

pub(super) const TABLE: Table = Table {
    name: "exec",
    heading: "",
    settings: &[AWS],
};

/// As much as there can be: the broker never asks for more than half of a life.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Run a command with credentials in its environment
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  yc-id-token exec --aws --profile prod -- terraform plan

The command has AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION, AWS_ACCOUNT_ID and, where one was named, \
the region; and no AWS_PROFILE or other variable that would win over them.")]
pub struct Args {
    /// Keys of an AWS role
    #[arg(long)]
    aws: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    aws_options: aws::Options,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, _: &mut Output<'_>) -> Result<ExitCode> {
        child::hand_on();
        let run = Run::open(context, &[&TABLE, &aws::TABLE])?;
        if !is_on(&run.settings, &TABLE, "aws", self.aws, "--aws")?.value {
            return Err(Error::Missing {
                problem: "which credentials the command is to have is not said".into(),
                hint: "give `--aws` for the keys of an AWS role".into(),
            });
        }
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        self.aws_options.obtain(&run, context, MINIMUM_LIFETIME)?.hand_over(&mut command);
        become_command(command)
    }

    /// Nothing is handed out past its soft point, so there is nothing to refresh: that process would
    /// become a child of the command, which does not know it.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "every consumer can be asked to refresh"
    )]
    pub(super) fn refresh(&self, _: Context<'_>) -> Result<()> {
        Ok(())
    }
}

/// On Unix, this returns only if it fails.
#[cfg(unix)]
pub(super) fn become_command(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = harden::as_before(|| command.exec());
    Err(not_run(&command, &error))
}

#[cfg(windows)]
pub(super) fn become_command(mut command: Command) -> Result<ExitCode> {
    let status = command.status().map_err(|error| not_run(&command, &error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

pub(super) fn not_run(command: &Command, error: &std::io::Error) -> Error {
    let is_absent = error.kind() == std::io::ErrorKind::NotFound;
    Error::Command {
        command: command.get_program().to_string_lossy().into_owned().into(),
        code: if is_absent { Code::NoCommand } else { Code::NotRun },
        cause: plain(error).into(),
    }
}
