//! `agent`: one process that keeps any number of credentials fresh, in files or served on loopback, for programs that
//! cannot run a helper.
//!
//! | to find | look in |
//! | --- | --- |
//! | the configured files and endpoints | `plan` |
//! | a credential, and the notification of its readers | `credential`, `change` |
//! | HTTP servers | `endpoint` |
//! | the state of all credentials, and metrics | `state` |
//! | signals, reload, the end | `process` |
//! | systemd's protocol for services | `service_manager` |
//! | `agent check` | `check` |

mod change;
mod check;
mod credential;
mod endpoint;
mod plan;
mod process;
mod service_manager;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;

pub(crate) use crate::consumer::document::TABLES;
use crate::error::{Error, Result};
use crate::keyring::forbid_prompts;
use crate::log::LogFormat;
use crate::run::{Context, OwnedContext};
use crate::runtime;
pub(crate) use endpoint::names as endpoint_names;
use plan::Plan;

/// Keep credentials in files fresh, and serve them on loopback
///
/// It is for programs that read a token from a file or an address. Without `--file` and `--serve`, it keeps the
/// `[[agent.files]]` and serves the `[[agent.endpoints]]` of the configuration file. A file is replaced as a whole before
/// half of the lifetime of its credential has passed. If that fails, the file stays as it is, and the agent tries
/// again.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  yc-id-token agent
  yc-id-token agent --once
  yc-id-token agent --file /run/user/1000/aws.jwt --profile aws --signal HUP --pid-file /run/user/1000/app.pid

In the configuration:
  [[agent.files]]
  profile = \"aws\"
  path = \"/run/user/1000/aws.jwt\"
  on_change = [\"systemctl\", \"--user\", \"reload\", \"app\"]

  [[agent.endpoints]]
  type = \"aws-container\"
  profile = \"aws\"
  listen = \"127.0.0.1:9911\"
  secret_file = \"/run/user/1000/aws.secret\"

SIGHUP reads the configuration again, and SIGTERM ends the agent. It reports to systemd (Type=notify)."
)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Write all files, and end; endpoints are not served
    #[arg(long, conflicts_with = "serve")]
    once: bool,
    /// Format of the log on stderr, and of errors unless `--error-format` sets that
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
}

/// Check that every credential can be used, in files and at endpoints
///
/// A file must hold a credential with at least 10 minutes left, or half of its lifetime if that is less. An endpoint
/// must answer at `/readyz` that all credentials of the agent are valid. No other server is asked, so a probe of
/// Kubernetes can run it as often as it likes.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: in a container,
  startupProbe:
    exec:
      command: [yc-id-token, agent, check, --file=/run/yc-id-token/token]

Exit status: 0 if all can be used, 2 usage, 3 a credential that cannot be used (E_EXPIRED) or the configuration, 6 an endpoint that does not answer")]
struct Check {
    #[command(flatten)]
    plan: PlanArgs,
}

/// One file or endpoint, instead of those of the configuration.
#[derive(clap::Args, Debug, Default)]
struct PlanArgs {
    /// Keep this file, with the settings of `--profile` and other options, instead of those of the configuration
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Format of the file: raw, json, header, curl, env, terraform, kubectl, aws or gcp [default: raw]
    #[arg(long, value_name = "FORMAT", requires = "file")]
    format: Option<String>,
    /// Permissions of the file: 0600, 0400, 0640 or 0440 [default: 0600, or 0640 with a group]
    #[arg(long, value_name = "MODE", requires = "file")]
    mode: Option<String>,
    /// Group of the file, by its name or number
    #[arg(long, value_name = "GROUP", requires = "file")]
    group: Option<String>,
    /// Command to run when the file has changed, one word each time; no shell reads it
    #[arg(long, value_name = "WORD", requires = "file", allow_hyphen_values = true)]
    on_change: Vec<String>,
    /// Signal to send when the file has changed, to the process of `--pid-file`
    #[arg(long, value_name = "NAME", requires_all = ["file", "pid_file"])]
    signal: Option<String>,
    /// File with the ID of the process that gets the signal
    #[arg(long, value_name = "PATH", requires_all = ["file", "signal"])]
    pid_file: Option<PathBuf>,
    /// Remove the file when the agent ends
    #[arg(long, requires = "file")]
    remove_on_exit: bool,
    /// Serve an endpoint of this type: aws-container, github, gcp-url or token
    #[arg(long, value_name = "TYPE", requires = "listen")]
    serve: Option<String>,
    /// Address of the endpoint: one of loopback, such as 127.0.0.1:9911; `unix:` and a path; or `systemd:` and the name
    /// of a socket that systemd has opened
    #[arg(long, value_name = "ADDRESS", requires = "serve")]
    listen: Option<String>,
    /// File that the agent writes the secret into that clients of the endpoint must send; needed for loopback
    #[arg(long, value_name = "PATH", requires = "serve")]
    secret_file: Option<PathBuf>,
}

impl Args {
    /// The log format of an agent that keeps running. With `--once` and `check`, it only reports errors.
    pub(crate) const fn service_log(&self) -> Option<LogFormat> {
        if self.once || self.action.is_some() { None } else { Some(self.log_format) }
    }

    pub(crate) fn run(&self, context: Context<'_>) -> Result<()> {
        if let Some(Action::Check(Check { plan })) = &self.action {
            return check::check(&Plan::read(plan, context)?, context);
        }
        // A service has no user who could answer a prompt.
        forbid_prompts();
        let read_plan = || Plan::read(&self.plan, context);
        let plan = read_plan()?;
        let owned = Arc::new(OwnedContext::of(context));
        if self.once {
            return runtime::finish(process::write_once(plan, &owned));
        }
        runtime::finish(process::serve(plan, &read_plan, &owned, context.env))
    }
}

/// The mistakes in the agent's part of the configuration.
pub(crate) fn check_tables(context: Context<'_>) -> Vec<Error> {
    let mut mistakes = Vec::new();
    let read = Plan::read_with(&PlanArgs::default(), context, &mut |mistake| {
        mistakes.push(mistake);
        Ok(())
    });
    mistakes.extend(read.err());
    mistakes
}
