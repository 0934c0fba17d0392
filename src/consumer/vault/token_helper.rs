//! `vault token-helper`: a token helper of the `vault` and `bao` CLIs ("Token helpers" in either's documentation):
//! `get` prints the token, `store` reads one, `erase` removes it.
//!
//! The CLIs know only the path of a helper, so this is run by a link named `yc-id-token-vault`, without options. Its
//! settings are variables and the configuration file. OpenBao sets `BAO_ADDR` to the server; Vault passes on its
//! own environment.

use std::ffi::OsStr;
use std::io::Read as _;

use tracing::info;
use zeroize::Zeroizing;

use crate::clock::Offset;
use crate::credential::{Lifetime, Secret};
use crate::env::Env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::ForeignText;
use crate::output::Output;
use crate::pipe;
use crate::run::Context;

use super::answer::is_token;
use super::{Args, VaultRun, connection, token_store};

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

impl HelperRequest {
    pub(super) fn run(
        self,
        args: &Args,
        context: Context<'_>,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let vault = match VaultRun::open(args, context) {
            Ok(vault) => vault,
            // A failure would end the command of the CLI, and there can be no token for that address.
            Err(Error::Endpoint { .. })
                if !matches!(self, Self::Store) && connection::is_by_socket(context.env) =>
            {
                not_for_sockets();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let server = vault.consumer.server.address_of_cli(context.env);
        match self {
            Self::Get => get(&vault, &server, context.env, output),
            Self::Store => store(&vault, &server),
            Self::Erase => erase(&vault, &server),
        }
    }
}

/// What answers on a socket is most often a proxy, which signs its clients in.
fn not_for_sockets() {
    info!("the CLI talks to a socket of this machine; there is no token for that");
}

fn get(vault: &VaultRun, asking: &str, env: &Env, output: &mut Output<'_>) -> Result<()> {
    if let Some(token) = token_store::stored_override(vault, asking)? {
        return output.document(token.expose().as_bytes());
    }
    if connection::is_by_socket(env) {
        not_for_sockets();
        return Ok(());
    }
    // Security: the CLI sends the token to its server, which may be another one.
    if asking != vault.consumer.server.endpoint.as_str() {
        info!(cli = %ForeignText::new(asking), ours = %vault.consumer.server.endpoint.as_str(), "no token for that server");
        return Ok(());
    }
    match vault.obtain() {
        Ok(credential) => output.document(credential.secret.token.expose().as_bytes()),
        // The CLI runs the helper before any command, also before `operator unseal`. It reports a sealed server itself.
        Err(error) if error.code() == Code::ConsumerSealed => Ok(()),
        Err(error) => Err(error),
    }
}

fn store(vault: &VaultRun, server: &str) -> Result<()> {
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
    // Only its server knows its lifetime, and to look it up is a use.
    let expires_at = now.at.plus(std::time::Duration::from_secs(10 * 366 * 86_400));
    let lifetime = Lifetime::new(now, expires_at, Offset::default());
    let token = Secret::new(token.to_owned());
    token_store::store_override(vault, server, token, lifetime)
}

fn erase(vault: &VaultRun, server: &str) -> Result<()> {
    token_store::remove_override(vault, server)?;
    // Without a service account there is no token of its own.
    if vault.run.service_account().is_ok() { vault.forget() } else { Ok(()) }
}
