//! `vault login`: the token where the CLIs look for it, which is with their token helper or in a file.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::broker::Request as _;
use crate::cache::Key;
use crate::child::{self, Kill, Outcome, Silence};
use crate::credential::{Credential, Secret};
use crate::env::{self, Env, Var};
use crate::error::{Code, Error, Result, plain, shown};
use crate::message;
use crate::output::Output;
use crate::private_file;
use crate::run::Context;
use crate::settings::{Flags, Locations};

use super::answer::VaultToken;
use super::cli_config::CliConfig;
use super::{Args, VaultRun, install, report, token_helper};
use crate::foreign_text::{ForeignText, Message};

const TOKEN: [Var; 2] = [env::BAO_OWN_TOKEN, env::VAULT_OWN_TOKEN];
const TOKEN_PATH: [Var; 2] = [env::BAO_OWN_TOKEN_PATH, env::VAULT_OWN_TOKEN_PATH];

/// Larger than any token.
const LIMIT: u64 = 64 * 1024;

pub(super) fn login(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let env = context.env;
    let vault = VaultRun::open(args, context.for_people())?;
    let (credential, unchecked) = vault.valid_token()?;
    if let Some(error) = unchecked {
        return Err(error);
    }
    let stored = keep(&vault, &credential, context)?;
    let left = credential.lifetime.left(vault.now());
    let mut lines = report::describe(&vault, &credential, Some(left));
    lines.extend(stored.into_iter().map(|place| ("stored", place)));
    if let Some((var, _)) = env.first(TOKEN) {
        lines.push(("but", message!("{} is set, and the CLI takes that one instead", var.name)));
    }
    output.say(&report::lines(&lines))
}

/// Stores a token, and tells where.
fn keep(
    vault: &VaultRun,
    credential: &Credential<VaultToken>,
    context: Context<'_>,
) -> Result<Vec<Message>> {
    let configs = CliConfig::of_both(context.env)?;
    // A CLI that cannot read its configuration runs no helper; `doctor vault` reports that.
    let named = |config: &CliConfig| config.token_helper().ok().flatten();
    let mut helpers: Vec<PathBuf> = configs.iter().filter_map(named).collect();
    helpers.dedup();
    if helpers.is_empty() {
        let path = token_file(context.env)?;
        private_file::write(&path, credential.secret.token.expose().as_bytes()).map_err(
            |error| Error::OutputFile { path: path.clone(), cause: plain(&error).into() },
        )?;
        return Ok(vec![message!("in {}", shown(&path))]);
    }
    helpers.iter().map(|helper| hand_to(helper, vault, credential, context)).collect()
}

fn hand_to(
    helper: &Path,
    vault: &VaultRun,
    credential: &Credential<VaultToken>,
    context: Context<'_>,
) -> Result<Message> {
    if !install::is_ourselves(helper) {
        run_helper(helper, vault, &credential.secret.token)?;
        return Ok(message!("by {}", shown(helper)));
    }
    if !would_be_had_by_helper(vault, context) {
        token_helper::put_override(vault, credential)?;
        return Ok("for the token helper, which is yc-id-token, until it expires".into());
    }
    token_helper::remove_override(vault)?;
    Ok(if credential.secret.num_uses > 0 {
        "nowhere: the token helper, yc-id-token, gets one for each command".into()
    } else {
        "for the token helper, which is yc-id-token".into()
    })
}

/// Whether the token helper, which is run without our flags, gets the same token by itself.
fn would_be_had_by_helper(vault: &VaultRun, context: Context<'_>) -> bool {
    let (args, flags) = (Args::default(), Flags::default());
    let key = |vault: &VaultRun| vault.request().map(|login| login.key()).ok();
    let helpers = VaultRun::open(&args, Context { flags: &flags, ..context });
    helpers.is_ok_and(|helpers| key(&helpers) == key(vault))
}

/// Runs `HELPER store`, which reads the token from its standard input.
fn run_helper(helper: &Path, vault: &VaultRun, token: &Secret) -> Result<()> {
    let prepare = |command: &mut Command| {
        command.arg("store").stdin(Stdio::piped()).stdout(Stdio::null());
        for name in ["BAO_ADDR", "VAULT_ADDR"] {
            command.env(name, vault.consumer.server.endpoint.as_str());
        }
    };
    let what = stored_by(helper);
    let name = Key::of("vault-helper").with("path", &helper.to_string_lossy()).build();
    let _under_way = vault.run.broker().begin(name.name(), &what)?;
    let (broker, deadline) = (vault.run.broker(), vault.run.http().deadline());
    let run = async {
        let started = child::start(helper, &broker.mark(), Kill::Group, prepare);
        let running = started.map_err(|error| failed(helper, &plain(&error)))?;
        let ended = running.finish(token.expose().as_bytes(), deadline).await;
        ended.map_err(|silence| silent(helper, silence))
    };
    let Outcome { status, stderr, .. } = broker.wait(&what, run)?;
    if status.success() {
        return Ok(());
    }
    // Security: it may repeat what it was given.
    let said = String::from_utf8_lossy(&stderr).replace(token.expose(), "[redacted]");
    Err(failed(helper, &message!("{} ({status})", ForeignText::sentence(&said), status)))
}

fn silent(helper: &Path, silence: Silence) -> Error {
    let (code, problem) = match silence {
        Silence::TooMuch => (Code::ConsumerRefused, "it prints without end".into()),
        Silence::Unheard(cause) => {
            (Code::ConsumerRefused, message!("its output cannot be read: {cause}", cause))
        }
        Silence::Late { budget, .. } => {
            (Code::Timeout, message!("it was not done within {budget:.1} s", budget))
        }
    };
    let hint = "run the helper by hand with `store`; give more time with `--timeout`".into();
    Error::Unreached { what: stored_by(helper), code, problem, hint }
}

fn stored_by(helper: &Path) -> Message {
    message!("the token stored by the token helper `{}`", shown(helper))
}

fn failed(helper: &Path, cause: &Message) -> Error {
    Error::Refused {
        what: stored_by(helper),
        code: Code::ConsumerRefused,
        reason: cause.clone(),
        request_id: None,
        hint: "correct the helper, or take it out of `~/.vault` and `~/.bao`".into(),
    }
}

fn token_file(env: &Env) -> Result<PathBuf> {
    if let Some((_, path)) = env.first(TOKEN_PATH) {
        return Ok(path.into());
    }
    let home = Locations::home().ok_or_else(|| Error::Missing {
        problem: "there is no home folder to store the token in".into(),
        hint: "set VAULT_TOKEN_PATH, or run the command by `yc-id-token vault exec`".into(),
    })?;
    Ok(home.join(".vault-token"))
}

/// Removes the file that a token was stored in, if it is still that token.
pub(super) fn remove_if_stored(token: &Secret, env: &Env) -> Result<Option<PathBuf>> {
    let Ok(path) = token_file(env) else { return Ok(None) };
    let Ok(stored) = private_file::read_own(&path, LIMIT) else { return Ok(None) };
    if stored.trim_ascii() != token.expose().as_bytes() {
        return Ok(None);
    }
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(Some(path)),
        Err(error) => Err(Error::OutputFile { path, cause: plain(&error).into() }),
    }
}
