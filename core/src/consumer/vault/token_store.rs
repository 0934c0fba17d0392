//! Stores a token for the `vault` and `bao` CLIs ("Token helpers" in their documentation): with the token helper in
//! their configuration, which can be this program, or in the file that they read.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::broker::Request as _;
use crate::cache::{Cache, EntryMetadata, Key};
use crate::child::{self, ChildError, Kill, Outcome};
use crate::credential::{Cacheable, Credential, Lifetime, Secret, exposed};
use crate::env::{self, Env, Var};
use crate::error::{Code, Error, Result, plain, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::run::Context;
use crate::settings::Flags;

use super::answer::VaultToken;
use super::cli_config::{CliConfig, home_of_cli, is_this_program};
use super::connection::ADDRESS;
use super::helper::Helper;
use super::target::Target;
use super::{Args, TABLE, VaultRun, token_helper};

const TOKEN_PATH: [Var; 2] = [env::BAO_OWN_TOKEN_PATH, env::VAULT_OWN_TOKEN_PATH];

/// More than any token.
pub(super) const LIMIT: u64 = 64 * 1024;

/// Stores a token, and describes the place.
pub(super) fn store(
    vault: &VaultRun,
    credential: &Credential<VaultToken>,
    context: Context<'_>,
) -> Result<Vec<Message>> {
    let configs = CliConfig::of_both(context)?;
    // A CLI with an invalid configuration runs no helper; `doctor vault` reports that.
    let named = |config: &CliConfig| config.token_helper().ok().flatten();
    let mut helpers: Vec<PathBuf> = configs.iter().filter_map(named).collect();
    helpers.dedup();
    if helpers.is_empty() {
        let path = token_file(context)?;
        private_file::write(&path, credential.secret.token.expose().as_bytes())
            .map_err(|error| Error::unwritten(&path, error))?;
        return Ok(vec![message!("in {}", shown(&path))]);
    }
    helpers.iter().map(|helper| store_with(helper, vault, credential, context)).collect()
}

fn store_with(
    helper: &Path,
    vault: &VaultRun,
    credential: &Credential<VaultToken>,
    context: Context<'_>,
) -> Result<Message> {
    let token = &credential.secret.token;
    if !is_this_program(helper) {
        run_helper(helper, vault, token)?;
        return Ok(message!("by {}", shown(helper)));
    }
    let target = vault.consumer.server.target();
    if !is_what_helper_gets(helper, vault, context) {
        store_override(vault, &target, token.clone(), credential.lifetime)?;
        return Ok("for the token helper, which is yc-id-token, until it expires".into());
    }
    remove_override(vault, &target)?;
    Ok(if credential.secret.num_uses > 0 {
        "nowhere: the token helper, yc-id-token, gets one for each command".into()
    } else {
        "for the token helper, which is yc-id-token".into()
    })
}

/// Whether a token helper that is this program gets the same token itself, for this server.
fn is_what_helper_gets(helper: &Path, vault: &VaultRun, context: Context<'_>) -> bool {
    let flags = Helper::of_file(helper).map_or_else(Flags::default, |helper| helper.flags());
    let server = &vault.consumer.server;
    let addresses = ADDRESS.iter().filter(|_| server.is_configured_here);
    let changes = addresses.map(|var| (var.name.to_owned(), server.endpoint.as_str().to_owned()));
    let env = &Env::Changed { changes: changes.collect(), rest: Box::new(context.env.clone()) };
    let key = |vault: &VaultRun| vault.request().map(|login| login.key()).ok();
    let helpers = token_helper::open(&Args::default(), Context { flags: &flags, env, ..context });
    helpers.is_ok_and(|helpers| key(&helpers.vault) == key(vault))
}

/// Runs `HELPER store`, which reads the token from its standard input.
fn run_helper(helper: &Path, vault: &VaultRun, token: &Secret) -> Result<()> {
    let prepare = |command: &mut Command| {
        command.arg("store").stdin(Stdio::piped()).stdout(Stdio::null());
        for name in ["BAO_ADDR", "VAULT_ADDR"] {
            command.env(name, vault.consumer.server.endpoint.as_str());
        }
    };
    let what = message!("the token stored by the token helper `{}`", shown(helper));
    let failed = |reason: Message| Error::Refused {
        what: what.clone(),
        code: Code::ConsumerRefused,
        reason,
        request_id: None,
        hint: "correct the helper, or take it out of `~/.vault` and `~/.bao`".into(),
    };
    let name = Key::of("vault-helper").with("path", &helper.to_string_lossy()).build();
    let (broker, deadline) = (vault.run.broker(), vault.run.http().deadline());
    let _under_way = broker.begin(name.name(), &what)?;
    let run = async {
        let started = child::start(helper, &broker.mark(), Kill::Group, prepare);
        let running = started.map_err(|error| failed(plain(&error)))?;
        let ended = running.finish(token.expose().as_bytes(), deadline).await;
        ended.map_err(|silence| unheard(what.clone(), silence))
    };
    let Outcome { status, stderr, .. } = broker.wait(&what, run)?;
    if status.success() {
        return Ok(());
    }
    // Security: the helper may print its input.
    let printed = String::from_utf8_lossy(&stderr).replace(token.expose(), "[redacted]");
    Err(failed(message!("{} ({status})", ForeignText::sentence(&printed), status)))
}

fn unheard(what: Message, silence: ChildError) -> Error {
    let (code, problem) = match silence {
        ChildError::TooMuch => (Code::ConsumerRefused, "its output is too large".into()),
        ChildError::UnreadableOutput(cause) => {
            (Code::ConsumerRefused, cause.context("its output cannot be read"))
        }
        ChildError::Late { budget, .. } => {
            (Code::Timeout, message!("it did not finish within {budget:.1} s", budget).into())
        }
    };
    let hint = "run the helper by hand with `store`; give more time with `--timeout`".into();
    Error::Unreached { what, code, problem, hint }
}

fn token_file(context: Context<'_>) -> Result<PathBuf> {
    if let Some((_, path)) = context.env.first(TOKEN_PATH) {
        return Ok(path.into());
    }
    let home = home_of_cli(context).ok_or_else(|| Error::Missing {
        problem: "there is no home folder to store the token in".into(),
        hint: "set VAULT_TOKEN_PATH, or run the command by `yc-id-token vault exec`".into(),
    })?;
    Ok(home.join(".vault-token"))
}

/// Removes the file of a stored token, if it still contains that token.
pub(super) fn remove_file_of(token: &Secret, context: Context<'_>) -> Result<Option<PathBuf>> {
    let Ok(path) = token_file(context) else { return Ok(None) };
    let Ok(stored) = private_file::read_own(&path, LIMIT) else { return Ok(None) };
    if stored.trim_ascii() != token.expose().as_bytes() {
        return Ok(None);
    }
    std::fs::remove_file(&path).map_err(|error| Error::unwritten(&path, error))?;
    Ok(Some(path))
}

/// A token from another login, or from settings that the helper does not know. The helper returns it until it is
/// erased.
#[derive(Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
struct Override(#[serde(serialize_with = "exposed")] Secret);

impl Cacheable for Override {}

/// The token that the token helper returns for a server in place of its own.
pub(super) fn stored_override(vault: &VaultRun, target: &Target) -> Result<Option<Secret>> {
    let found = vault.run.broker().cache().get::<Override>(&override_key(target))?;
    let valid = found.filter(|credential| !credential.lifetime.left(vault.now()).is_zero());
    Ok(valid.map(|credential| credential.secret.0))
}

pub(super) fn store_override(
    vault: &VaultRun,
    target: &Target,
    token: Secret,
    lifetime: Lifetime,
) -> Result<()> {
    let cache = vault.run.broker().cache();
    if matches!(cache, Cache::None) {
        return Err(Error::Cache("there is no place to store the token".into()));
    }
    let consumer = Some(TABLE.name.into());
    let about = EntryMetadata { consumer, ..EntryMetadata::from(&target.address) };
    let credential = Credential { secret: Override(token), lifetime };
    let stored = cache.put(&override_key(target), &credential, &about);
    stored.map_err(|error| error.within_cache("the token is not stored"))
}

pub(super) fn remove_override(vault: &VaultRun, target: &Target) -> Result<()> {
    vault.remove_from_cache(&override_key(target))
}

fn override_key(target: &Target) -> Key {
    Key::of("vault-override")
        .with("address", &target.address)
        .with("namespace", target.namespace.as_deref().unwrap_or_default())
        .build()
}
