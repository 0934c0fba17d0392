//! `vault token-helper`: a token helper of the `vault` and `bao` CLIs ("Token helpers" in either's documentation):
//! `get` prints the token, `store` reads one, `erase` removes it.
//!
//! The CLIs only know the path of a helper, so this is run by a link without options, see [`super::helper`]. OpenBao
//! sets `BAO_ADDR` to its server; Vault passes on its environment unchanged. Neither passes on a `-namespace` flag.
//!
//! The helper's own profile is for one server. For another server, the profile with that server in its `address` is
//! used, if there is exactly one. Without such a profile there is no token, because the CLI sends the token to its
//! server.

use std::ffi::OsStr;
use std::io::Read as _;

use tracing::info;
use zeroize::Zeroizing;

use crate::clock::Offset;
use crate::credential::{Lifetime, Secret};
use crate::env::Env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::output::Output;
use crate::pipe;
use crate::run::Context;
use crate::settings::schema::PROFILE;
use crate::settings::{Profile, Settings, list, profiles};
use crate::shell::EXPORT;

use super::super::Warning;
use super::answer::is_token;
use super::settings::{ADDRESS, NAMESPACE};
use super::target::{self, Target};
use super::{Args, VaultRun, token_store};

/// A request of the CLI.
#[derive(Clone, Copy, Debug)]
pub(super) enum HelperRequest {
    Get,
    Store,
    Erase,
}

/// Parses a request. A hit takes less time this way than with a list of values in clap.
pub(super) fn parse_request(word: &str) -> std::result::Result<HelperRequest, String> {
    match word {
        "get" => Ok(HelperRequest::Get),
        "store" => Ok(HelperRequest::Store),
        "erase" => Ok(HelperRequest::Erase),
        _ => Err("it must be `get`, `store` or `erase`".into()),
    }
}

/// Whether a word is such a request.
pub(in crate::consumer) fn is_request(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| parse_request(word).is_ok())
}

impl HelperRequest {
    pub(super) fn run(
        self,
        args: &Args,
        context: Context<'_>,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let Opened { vault, target } = match open(args, context) {
            Ok(opened) => opened,
            // A failure would end the command of the CLI, and this address can never have a token.
            Err(Error::Endpoint { .. })
                if !matches!(self, Self::Store) && target::is_by_socket(context.env) =>
            {
                not_for_sockets();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self {
            Self::Get => get(&vault, &target, context.env, output),
            Self::Store => store(&vault, &target),
            Self::Erase => erase(&vault, &target),
        }
    }
}

/// A run, and the target of the CLI's token.
pub(super) struct Opened {
    pub(super) vault: VaultRun,
    target: Target,
}

/// Opens the run for the CLI's server, with the profile of this run or another one for that server.
pub(super) fn open(args: &Args, context: Context<'_>) -> Result<Opened> {
    let vault = VaultRun::open(args, context)?;
    let server = &vault.consumer.server;
    let target = server.target_of_cli(context.env);
    let Settings { profile, identity, .. } = &*vault.run.settings;
    let has_settings = server.is_configured_here || profile.is_some() || identity.is_some();
    if (has_settings && server.target() == target) || target::is_by_socket(context.env) {
        return Ok(Opened { vault, target });
    }
    let profiles = profiles_for(&target.address, context)?;
    let [profile] = &*profiles else {
        info!("{} profiles are for {}", profiles.len(), ForeignText::new(&target.address));
        return Ok(Opened { vault, target });
    };
    let flags = context.flags.clone().with(&PROFILE, profile);
    let other = VaultRun::open(args, Context { flags: &flags, ..context })?;
    let server = &other.consumer.server;
    let of_other = server.target_of_cli(context.env);
    // A flag or a variable can have precedence over the profile.
    if server.target() != of_other {
        return Ok(Opened { vault, target });
    }
    info!("profile `{}`, which is for {}", ForeignText::new(profile), of_other.name());
    Ok(Opened { vault: other, target: of_other })
}

/// The profiles for this address and the namespace of the CLI. Profiles with this namespace come before those without
/// any. If the CLI has no namespace, all match.
fn profiles_for(address: &str, context: Context<'_>) -> Result<Vec<String>> {
    let Context { flags, env, locations, consumers, .. } = context;
    let namespace = target::namespace_of_cli(env);
    let (mut exact, mut open) = (Vec::new(), Vec::new());
    let profiles = profiles(flags, env, locations, consumers)?;
    for Profile { name, settings, .. } in profiles.into_iter().flat_map(|profiles| profiles.all) {
        let Ok(settings) = settings else { continue };
        let own = settings.own(&ADDRESS).and_then(|own| target::normal_address(&own.value));
        if own.as_deref() != Some(address) {
            continue;
        }
        let own = settings.own(&NAMESPACE).map(|own| own.value.trim_matches('/').to_owned());
        if own == namespace {
            exact.push(name);
        } else if own.is_none() || namespace.is_none() {
            open.push(name);
        }
    }
    Ok(if exact.is_empty() { open } else { exact })
}

/// For `doctor`: why the CLI, with its variables, gets no token from a helper with these flags, or one for another
/// server. Fails if the helper's profile cannot be used.
pub(super) fn check_profile(context: Context<'_>) -> Result<Vec<Warning>> {
    let Opened { vault, target } = open(&Args::default(), context)?;
    let server = &vault.consumer.server;
    let own = server.target();
    let address = ForeignText::new(&own.address);
    let mut warnings = Vec::new();
    if target::is_by_socket(context.env) {
        return Ok(warnings);
    }
    if server.is_configured_here && !target::has_address(context.env) {
        warnings.push(Warning {
            problem: message!(
                "VAULT_ADDR is not set, and the token helper's profile is for {address}: without `-address`, the CLI talks to https://127.0.0.1:8200",
                address
            ),
            hint: message!("{EXPORT}{}", address.assigned_to("VAULT_ADDR"), EXPORT),
        });
    }
    if !own.covers(&target) {
        let profiles = profiles_for(&target.address, context)?;
        let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
        let which = match &*profiles {
            [] => "no profile is for that server".into(),
            several => message!("for that server it could be {}", list(several)),
        };
        warnings.push(Warning {
            problem: message!(
                "the CLI gets no token for {}: the token helper's profile is for {}, and {which}",
                target.name(),
                own.name(),
                which
            ),
            hint: "let exactly one profile have its `address` and `namespace` in the table `vault`; `yc-id-token setup vault --profile=NAME` makes one".into(),
        });
    } else if let Some(namespace) = &own.namespace
        && target::namespace_of_cli(context.env).is_none()
    {
        let namespace = ForeignText::new(namespace);
        warnings.push(Warning {
            problem: message!(
                "the token helper's profile is for the namespace `{namespace}`, and VAULT_NAMESPACE is not set: the CLI does not pass the namespace of a `-namespace` flag to its helper",
                namespace
            ),
            hint: message!("{EXPORT}{}", namespace.assigned_to("VAULT_NAMESPACE"), EXPORT),
        });
    }
    Ok(warnings)
}

/// The program on a socket is usually a proxy, which authenticates its clients itself.
fn not_for_sockets() {
    info!("the CLI talks to a socket of this machine; there is no token for that");
}

fn get(vault: &VaultRun, target: &Target, env: &Env, output: &mut Output<'_>) -> Result<()> {
    if let Some(token) = token_store::stored_override(vault, target)? {
        return output.document(token.expose().as_bytes());
    }
    if target::is_by_socket(env) {
        not_for_sockets();
        return Ok(());
    }
    // Security: the CLI sends the token to its own server, which may be another one.
    let own = vault.consumer.server.target();
    if !own.covers(target) {
        info!("no token for {}: this one would be for {}", target.name(), own.name());
        return Ok(());
    }
    match vault.obtain() {
        Ok(credential) => output.document(credential.secret.token.expose().as_bytes()),
        // The CLI runs the helper before every command, including `operator unseal`. It reports a sealed server
        // itself.
        Err(error) if error.code() == Code::ConsumerSealed => Ok(()),
        Err(error) => Err(error),
    }
}

fn store(vault: &VaultRun, target: &Target) -> Result<()> {
    let mut text = Zeroizing::new(String::new());
    let read =
        pipe::stdin().and_then(|stdin| stdin.take(token_store::LIMIT).read_to_string(&mut text));
    let token = text.trim();
    if read.is_err() || !is_token(token) {
        return Err(Error::Usage {
            problem: "there is no token on standard input".into(),
            hint:
                "this is for the `vault` and `bao` CLIs; to log in, run `yc-id-token vault login`"
                    .into(),
        });
    }
    let now = vault.now();
    // Only its server knows its lifetime, and a lookup counts as a use.
    let expires_at = now.at.plus(std::time::Duration::from_secs(10 * 366 * 86_400));
    let lifetime = Lifetime::new(now, expires_at, Offset::default());
    let token = Secret::new(token.to_owned());
    token_store::store_override(vault, target, token, lifetime)
}

fn erase(vault: &VaultRun, target: &Target) -> Result<()> {
    token_store::remove_override(vault, target)?;
    // Without a service account, the helper cannot get its own token.
    let has_own = vault.consumer.server.target() == *target && vault.run.service_account().is_ok();
    if has_own { vault.forget() } else { Ok(()) }
}
