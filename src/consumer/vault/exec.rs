//! `vault exec`: a command with the token in its environment.
//!
//! The command takes this process's place. With `--revoke` it cannot, as there is something to do after
//! it: then this process waits, hands on the signals it is sent, and ends as the command did.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use tracing::info;

use crate::broker;
use crate::child;
use crate::credential::Secret;
use crate::error::Result;
use crate::run::Context;

use super::super::exec::{become_command, not_run};
use super::login::Sharing;
use super::{Options, Vault, revoke};

/// As much as there can be, half of a life: nothing renews what a command was given. And nothing is
/// refreshed in the background, by a process that would become the command's child.
const MINIMUM_LIFETIME: Duration = Duration::MAX;

pub(super) fn run(
    options: &Options,
    revoke: bool,
    words: &[OsString],
    context: Context<'_>,
) -> Result<ExitCode> {
    child::hand_on();
    let vault = Vault::open(options, context)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    if revoke {
        return run_and_revoke(&vault, command);
    }
    let (credential, doubt) = vault.living_token(MINIMUM_LIFETIME)?;
    if let Some(error) = doubt {
        info!("{error}; using the token of before");
    }
    hand_over(&vault, &credential.secret.token, &mut command);
    become_command(command)
}

/// Puts the token into the environment that a child will have. OpenBao's clients prefer their own
/// variables, even empty ones, and so these are set too.
fn hand_over(vault: &Vault, token: &Secret, child: &mut Command) {
    let mut variables = vault.server.variables();
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

/// The token is the command's own: to revoke one that is shared would pull it from under others.
fn run_and_revoke(vault: &Vault, mut command: Command) -> Result<ExitCode> {
    let credential = vault.obtain(Sharing::Own, MINIMUM_LIFETIME)?;
    let instead = "leave out `--revoke`; or let the role have `token_type=service`";
    revoke::check_revocable(vault, &credential, instead)?;
    let token = &credential.secret.token;
    hand_over(vault, token, &mut command);
    let ended = system::run(command);
    let http = vault.run.http().anew();
    match (ended, broker::finish(vault.server.revoke(token, &http))) {
        (Ok(0), Err(error)) => Err(error),
        // What the command has to say comes first.
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

    use super::{Command, Result, broker, not_run};
    use crate::error::{Cause, Error};
    use crate::{harden, message};

    /// Runs a command, and tells how it ended. The signals that end a process are the command's from now
    /// on; once there is no command, they are nobody's, so that what is done after it is not cut off.
    pub(super) fn run(command: Command) -> Result<u8> {
        broker::finish(async {
            let shown = Command::new(command.get_program());
            let mut streams = Vec::new();
            for (kind, number, by_terminal) in [
                (SignalKind::interrupt(), Signal::INT, true),
                (SignalKind::quit(), Signal::QUIT, true),
                (SignalKind::hangup(), Signal::HUP, true),
                (SignalKind::terminate(), Signal::TERM, false),
            ] {
                if broker::is_ignored(number.as_raw()) {
                    continue;
                }
                let stream = signal(kind);
                let stream = stream.map_err(|error| {
                    Error::Internal(message!("cannot wait for signals: {}", Cause::from(error)))
                })?;
                streams.push((stream, number, by_terminal));
            }
            let mut command = tokio::process::Command::from(command);
            let child = harden::with_original_limits(|| command.spawn());
            let mut child = child.map_err(|error| not_run(&shown, &error))?;
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
            child.wait().await.map(code).map_err(|error| not_run(&shown, &error))
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
        let ended = command.status().map_err(|error| not_run(&command, &error))?;
        Ok(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}
