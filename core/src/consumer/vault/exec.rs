//! `vault exec`: runs a command with the token in its environment.
//!
//! The command replaces this process. With `--revoke` this process waits for it, passes on signals, revokes the
//! token, and ends with the command's exit status.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::rc::Rc;

use tracing::info;

use crate::child;
use crate::credential::Secret;
use crate::error::Result;
use crate::foreign_text::Message;
use crate::message;
use crate::run::{Context, Run};
use crate::runtime;

use super::super::command::{Signals, of_words, own_status, replace_process};
use super::super::exchange;
use super::{Action, Args, VaultRun};

pub(super) fn run(
    args: &Args,
    revoke: bool,
    words: &[OsString],
    context: Context<'_>,
) -> Result<ExitCode> {
    child::keep_for_command();
    let vault = VaultRun::open(args, context)?;
    let mut command = of_words(words);
    if revoke {
        return run_and_revoke(&vault, command);
    }
    vault.put_into_environment(&mut command)?;
    replace_process(command)
}

impl VaultRun {
    /// For a command that also gets other credentials. Its settings were read before.
    pub(in crate::consumer) fn for_command(run: Rc<Run>, context: Context<'_>) -> Result<Self> {
        let action = Action::Exec { revoke: false, command: Vec::new() };
        Self::within(run, &Args { action }, context)
    }

    /// Sets a valid token in the environment of a child.
    pub(in crate::consumer) fn put_into_environment(&self, child: &mut Command) -> Result<()> {
        let (credential, unchecked) = self.valid_token()?;
        if let Some(error) = unchecked {
            info!("{error}; using the previous token");
        }
        put_into_environment(self, &credential.secret.token, child);
        Ok(())
    }
}

/// Sets a token in the environment of a child. OpenBao's clients prefer their own variables, even empty ones, so
/// these are set too.
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

/// Tests a login whose token is revoked immediately. A token that cannot be revoked expires.
pub(super) fn try_and_revoke(vault: &VaultRun) -> Result<Message> {
    let (what, credential) = exchange::try_out(vault)?;
    if credential.secret.is_batch {
        return Ok(message!("{what}; a batch token, which cannot be revoked", what));
    }
    let (server, token) = (&vault.consumer.server, &credential.secret.token);
    runtime::finish(server.revoke(token, vault.run.http()))?;
    Ok(message!("{what}; it was for this check, and is revoked", what))
}

/// Requests a token for this command only: other runs use the cached one.
fn run_and_revoke(vault: &VaultRun, mut command: Command) -> Result<ExitCode> {
    let credential = vault.obtain()?;
    let instead = "leave out `--revoke`; or set `token_type=service` on the role";
    vault.check_revocable(&credential, instead)?;
    let token = &credential.secret.token;
    put_into_environment(vault, token, &mut command);
    // No signal ends this process before the token is revoked.
    let ended = runtime::finish(async { Signals::catch()?.start(command)?.wait().await });
    let http = vault.run.http().anew();
    match (ended, runtime::finish(vault.consumer.server.revoke(token, &http))) {
        (Ok(0), Err(error)) => Err(error),
        // The command's own error has precedence.
        (ended, revoked) => {
            if let Err(error) = revoked {
                info!("{error}");
            }
            ended.map(own_status)
        }
    }
}
