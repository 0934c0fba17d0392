//! `vault exec`: a command with the token in its environment.
//!
//! The command takes the place of this process. With `--revoke` this process waits for it, passes on signals, revokes
//! the token, and ends with the exit status of the command.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use tracing::info;

use crate::child;
use crate::credential::Secret;
use crate::error::Result;
use crate::output::Output;
use crate::run::Context;
use crate::runtime;

use super::super::delivery::{Delivery, not_run};
use super::super::exec::command;
use super::{Args, VaultRun};

pub(super) fn run(
    args: &Args,
    revoke: bool,
    words: &[OsString],
    context: Context<'_>,
    output: &mut Output<'_>,
) -> Result<ExitCode> {
    child::hand_on();
    let vault = VaultRun::open(args, context)?;
    let mut command = command(words);
    if revoke {
        return run_and_revoke(&vault, command);
    }
    let (credential, unchecked) = vault.valid_token()?;
    if let Some(error) = unchecked {
        info!("{error}; using the token of before");
    }
    put_into_environment(&vault, &credential.secret.token, &mut command);
    Delivery::Exec(command).carry_out(output)
}

/// Puts the token into the environment of a child. OpenBao's clients prefer their own
/// variables, even empty ones, and so these are set too.
fn put_into_environment(vault: &VaultRun, token: &Secret, child: &mut Command) {
    let mut variables = vault.consumer.server.variables();
    variables.push(("TOKEN", Some(token.expose().to_owned())));
    for (name, value) in variables {
        for name in [format!("VAULT_{name}"), format!("BAO_{name}")] {
            match &value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
    }
}

/// The token is requested for this command alone: other runs use the one in the cache.
fn run_and_revoke(vault: &VaultRun, mut command: Command) -> Result<ExitCode> {
    let credential = vault.obtain()?;
    let instead = "leave out `--revoke`; or let the role have `token_type=service`";
    vault.check_revocable(&credential, instead)?;
    let token = &credential.secret.token;
    put_into_environment(vault, token, &mut command);
    let ended = system::run(command);
    let http = vault.run.http().anew();
    match (ended, runtime::finish(vault.consumer.server.revoke(token, &http))) {
        (Ok(0), Err(error)) => Err(error),
        // The command's own error comes first.
        (ended, revoked) => {
            if let Err(error) = revoked {
                info!("{error}");
            }
            ended.map(ExitCode::from)
        }
    }
}

#[cfg(unix)]
mod system {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use tokio::signal::unix::{SignalKind, signal};

    use super::{Command, Result, not_run, runtime};
    use crate::error::{Cause, Error};
    use crate::harden;

    /// Runs a command and returns its exit status. Signals that end a process are passed to the command. After it has
    /// ended they are ignored, so that the token is revoked.
    pub(super) fn run(command: Command) -> Result<u8> {
        runtime::finish(async {
            let shown = Command::new(command.get_program());
            let mut streams = Vec::new();
            for (kind, number, by_terminal) in [
                (SignalKind::interrupt(), Signal::INT, true),
                (SignalKind::quit(), Signal::QUIT, true),
                (SignalKind::hangup(), Signal::HUP, true),
                (SignalKind::terminate(), Signal::TERM, false),
            ] {
                if runtime::is_ignored(number.as_raw()) {
                    continue;
                }
                let stream = signal(kind);
                let stream = stream.map_err(|error| {
                    Error::Internal(Cause::from(error).context("cannot wait for signals"))
                })?;
                streams.push((stream, number, by_terminal));
            }
            let mut command = tokio::process::Command::from(command);
            let child = harden::with_original_limits(|| command.spawn());
            let mut child = child.map_err(|error| not_run(&shown, error))?;
            let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
            for (mut stream, number, by_terminal) in streams {
                tokio::spawn(async move {
                    while stream.recv().await.is_some() {
                        if let Some(pid) = pid.filter(|_| !(by_terminal && is_in_foreground())) {
                            // It may have ended just now.
                            let _ = kill_process(pid, number);
                        }
                    }
                });
            }
            child.wait().await.map(code).map_err(|error| not_run(&shown, error))
        })
    }

    /// Whether what is typed at a terminal reaches this process: then it has reached the command too, and
    /// a second interrupt would mean something else to it.
    fn is_in_foreground() -> bool {
        let terminal = crate::private_file::open_terminal();
        terminal.is_ok_and(|terminal| {
            rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
        })
    }

    fn code(status: ExitStatus) -> u8 {
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }
}

#[cfg(windows)]
mod system {
    use super::{Command, Result, not_run};

    /// The console tells the command of a break by itself.
    pub(super) fn run(mut command: Command) -> Result<u8> {
        let ended = command.status().map_err(|error| not_run(&command, error))?;
        Ok(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}
