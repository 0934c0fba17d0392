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

/// Keep credentials fresh in files, and serve them at local endpoints
///
/// Use it for programs that read a token from a file or a URL. Without `--file` and `--serve`, the agent writes the
/// `[[agent.files]]` and serves the `[[agent.endpoints]]` of the configuration file. It replaces a file atomically before
/// half of the lifetime of its credential has passed. If that fails, the file does not change, and the agent tries
/// again.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:
  yc-id-token agent --file /run/user/1000/aws.jwt --profile aws

Examples: with the files and endpoints of the configuration file,
  yc-id-token agent
  yc-id-token agent --once

Example: in the configuration file,
  [[agent.files]]
  profile = \"aws\"
  path = \"/run/user/1000/aws.jwt\"
  on_change = [\"systemctl\", \"--user\", \"reload\", \"app\"]

  [[agent.endpoints]]
  type = \"aws-container\"
  profile = \"aws\"
  listen = \"127.0.0.1:9911\"
  secret_file = \"/run/user/1000/aws.secret\"

SIGHUP makes the agent read the configuration again, SIGTERM ends it. It reports its state to systemd (Type=notify)."
)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Write all files once and exit, without serving endpoints
    #[arg(long, conflicts_with = "serve")]
    once: bool,
    /// Format of the log on stderr, and of errors unless `--error-format` is set
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_short_help = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
}

/// Check that the files and endpoints of a running agent are valid
///
/// A file must contain a credential that is valid for 10 more minutes, or for half of its lifetime if that is less. An
/// endpoint must report at `/readyz` that all credentials of the agent are valid. No other server is called, so a
/// Kubernetes probe can run it often.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: in a container,
  startupProbe:
    exec:
      command: [yc-id-token, agent, check, --file=/run/yc-id-token/token]

Exit status: 0 if all are valid, 2 wrong command line, 3 expired credential (E_EXPIRED) or wrong configuration, 6 no response from an endpoint")]
struct Check {
    #[command(flatten)]
    plan: PlanArgs,
}

/// One file or endpoint, instead of those of the configuration.
#[derive(clap::Args, Debug, Default)]
struct PlanArgs {
    /// File to keep fresh, instead of those of the configuration file
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Format of the file: raw, json, header, curl, env, terraform, kubectl, aws, gcp [default: raw]
    #[arg(long, value_name = "FORMAT", requires = "file")]
    format: Option<String>,
    /// Permissions of the file (not on Windows): 0600, 0400, 0640 or 0440 [default: 0600, or 0640 with a group]
    #[arg(long, value_name = "MODE", requires = "file", hide_short_help = true)]
    mode: Option<String>,
    /// Group of the file, by name or number
    #[arg(long, value_name = "GROUP", requires = "file", hide_short_help = true)]
    group: Option<String>,
    /// Command to run after a change of the file; repeat the option for each argument
    #[arg(
        long,
        value_name = "WORD",
        requires = "file",
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    on_change: Vec<String>,
    /// Signal to send to the process of `--pid-file` when the file has changed
    #[arg(long, value_name = "NAME", requires_all = ["file", "pid_file"], hide_short_help = true)]
    signal: Option<String>,
    /// File with the process ID for `--signal`
    #[arg(long, value_name = "PATH", requires_all = ["file", "signal"], hide_short_help = true)]
    pid_file: Option<PathBuf>,
    /// Remove the file when the agent exits
    #[arg(long, requires = "file", hide_short_help = true)]
    remove_on_exit: bool,
    /// Type of endpoint to serve: aws-container, github, gcp-url or token
    #[arg(long, value_name = "TYPE", requires = "listen")]
    serve: Option<String>,
    /// Address of the endpoint: 127.0.0.1:PORT, unix:PATH or systemd:NAME
    #[arg(long, value_name = "ADDRESS", requires = "serve")]
    listen: Option<String>,
    /// File for the secret of the endpoint; required for 127.0.0.1
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
