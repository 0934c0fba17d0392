//! `vault token-helper`: what the `vault` and `bao` CLIs ask of a token helper ("Token helpers" in either's
//! documentation): `get` prints the token, `store` reads one, `erase` removes it.
//!
//! A helper is named by a path alone, so this is run by a link named `yc-id-token-vault`, without
//! arguments of ours: its settings are variables and the configuration file. OpenBao tells it by `BAO_ADDR`
//! which server it is for; Vault hands on what it inherited.

use std::ffi::OsStr;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use tracing::info;
use zeroize::Zeroizing;

use crate::cache::{Cache, EntryMetadata, Key};
use crate::clock::Offset;
use crate::credential::{Cacheable, Credential, Lifetime, Secret, exposed};
use crate::env::Env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::ForeignText;
use crate::http::Endpoint;
use crate::output::Output;
use crate::pipe;
use crate::run::Context;

use super::answer::{VaultToken, is_token};
use super::connection::{self, official};
use super::{Args, VaultRun, revoke};

/// Larger than any token.
const LIMIT: u64 = 64 * 1024;

/// A request of the CLI.
#[derive(Clone, Copy, Debug)]
pub(super) enum HelperRequest {
    Get,
    Store,
    Erase,
}

/// Reads a request. This costs a hit less than a list of values that the parser of arguments knows.
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

/// A token that the user has logged in with by other means, or with settings that the helper does not know.
/// It has the say until it is erased.
#[derive(Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
struct Override(#[serde(serialize_with = "exposed")] Secret);

impl Cacheable for Override {}

impl HelperRequest {
    pub(super) fn run(
        self,
        args: &Args,
        context: Context<'_>,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let vault = match VaultRun::open(args, context) {
            Ok(vault) => vault,
            // The CLI would take a failure for its own, and a token for that address cannot be ours.
            Err(Error::Endpoint { .. })
                if !matches!(self, Self::Store) && connection::is_by_socket(context.env) =>
            {
                not_for_sockets();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self {
            Self::Get => get(&vault, context.env, output),
            Self::Store => store(&vault, context.env),
            Self::Erase => erase(&vault, context.env),
        }
    }
}

/// What answers on a socket is most often a proxy, which signs its clients in.
fn not_for_sockets() {
    info!("the CLI talks to a socket of this machine; there is no token for that");
}

fn get(vault: &VaultRun, env: &Env, output: &mut Output<'_>) -> Result<()> {
    let asking = address_of_cli(vault, env);
    if let Some(Override(token)) = overriding(vault, &asking)? {
        return output.document(token.expose().as_bytes());
    }
    if connection::is_by_socket(env) {
        not_for_sockets();
        return Ok(());
    }
    // Security: the CLI sends what it is given to its server, which may be another than ours.
    if asking != vault.consumer.server.endpoint.as_str() {
        info!(cli = %ForeignText::new(&asking), ours = %vault.consumer.server.endpoint.as_str(), "no token for that server");
        return Ok(());
    }
    match vault.obtain() {
        Ok(credential) => output.document(credential.secret.token.expose().as_bytes()),
        // The CLI asks before it does anything, unsealing included. It will say by itself what is wrong.
        Err(error) if error.code() == Code::ConsumerSealed => Ok(()),
        Err(error) => Err(error),
    }
}

fn store(vault: &VaultRun, env: &Env) -> Result<()> {
    let mut text = Zeroizing::new(String::new());
    let read = pipe::stdin().and_then(|stdin| stdin.take(LIMIT).read_to_string(&mut text));
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
    // How long it lives is for its server to say, and asking could be one use too many.
    let expires_at = now.at.plus(std::time::Duration::from_secs(10 * 366 * 86_400));
    let lifetime = Lifetime::new(now, expires_at, Offset::default());
    let token = Secret::new(token.to_owned());
    put(vault, &address_of_cli(vault, env), token, lifetime)
}

/// Keeps a token that the helper would not get by itself, for as long as it lives.
pub(super) fn put_override(vault: &VaultRun, credential: &Credential<VaultToken>) -> Result<()> {
    let token = credential.secret.token.clone();
    put(vault, vault.consumer.server.endpoint.as_str(), token, credential.lifetime)
}

fn put(vault: &VaultRun, server: &str, token: Secret, lifetime: Lifetime) -> Result<()> {
    let cache = vault.run.broker().cache();
    if matches!(cache, Cache::None) {
        return Err(Error::Cache("there is no place to store the token".into()));
    }
    let consumer = Some(super::TABLE.name.into());
    let about = EntryMetadata { consumer, ..EntryMetadata::from(server) };
    let kept =
        cache.put(&key(vault, server), &Credential { secret: Override(token), lifetime }, &about);
    kept.map_err(|error| error.within_cache("the token is not stored"))
}

fn erase(vault: &VaultRun, env: &Env) -> Result<()> {
    remove(vault, &address_of_cli(vault, env))?;
    // Where nothing says who we are, there is no token of ours either.
    if vault.run.service_account().is_ok() { revoke::forget(vault) } else { Ok(()) }
}

/// The token that was stored for the CLI, and which it would be given instead of ours.
pub(super) fn stored(vault: &VaultRun, env: &Env) -> Result<Option<Secret>> {
    let stored = overriding(vault, &address_of_cli(vault, env))?;
    Ok(stored.map(|Override(token)| token))
}

/// Removes what the CLI has stored for our server.
pub(super) fn remove_override(vault: &VaultRun) -> Result<()> {
    remove(vault, vault.consumer.server.endpoint.as_str())
}

fn remove(vault: &VaultRun, server: &str) -> Result<()> {
    let removed = vault.run.broker().cache().remove(&key(vault, server));
    removed.map_err(|error| error.within_cache("the token stays in it"))
}

fn overriding(vault: &VaultRun, server: &str) -> Result<Option<Override>> {
    let found = vault.run.broker().cache().get::<Override>(&key(vault, server))?;
    let alive = found.filter(|credential| !credential.lifetime.left(vault.now()).is_zero());
    Ok(alive.map(|credential| credential.secret))
}

fn key(vault: &VaultRun, server: &str) -> Key {
    Key::of("vault-override")
        .with("address", server)
        .with("namespace", vault.consumer.server.namespace.as_deref().unwrap_or_default())
        .build()
}

/// The server that the CLI is about to talk to, as far as it tells. It can talk to addresses that this
/// program cannot, such as `unix:///run/vault.sock`.
fn address_of_cli(vault: &VaultRun, env: &Env) -> String {
    let ours = || vault.consumer.server.endpoint.as_str().to_owned();
    official(env, connection::ADDRESS).filter(|_| vault.consumer.server.is_ours).map_or_else(
        ours,
        |told| {
            let known = Endpoint::parse("address of Vault", &told.value);
            known.map_or(told.value, |endpoint| endpoint.as_str().to_owned())
        },
    )
}
