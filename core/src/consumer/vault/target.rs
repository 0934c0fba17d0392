//! The target of a token: a server and a namespace. The variables of the `vault` and `bao` CLIs decide where they
//! send theirs.

use crate::env::{self, Env};
use crate::foreign_text::{ForeignText, Message};
use crate::http::Endpoint;
use crate::message;

use super::connection::{ADDRESS, AGENT_ADDRESS, NAMESPACE, official};

/// A server and a namespace.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) address: String,
    pub(super) namespace: Option<String>,
}

impl Target {
    /// Its name in messages.
    pub(super) fn name(&self) -> Message {
        let address = ForeignText::new(&self.address);
        match &self.namespace {
            Some(namespace) => {
                message!("{address} (namespace `{}`)", ForeignText::new(namespace), address)
            }
            None => address.into(),
        }
    }

    /// Whether a token of this target is valid for the other one: for the same or a child namespace.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let is_below = || {
            let (above, below) = (self.namespace.as_deref()?, other.namespace.as_deref()?);
            below.strip_prefix(above)?.strip_prefix('/')
        };
        self == other || (self.address == other.address && is_below().is_some())
    }
}

/// Whether the address of the CLI is known.
pub(super) fn has_address(env: &Env) -> bool {
    official(env, ADDRESS).is_some()
}

/// The namespace of the CLI. A flag of the CLI, which can set another one, is not known.
pub(super) fn namespace_of_cli(env: &Env) -> Option<String> {
    official(env, NAMESPACE).map(|setting| setting.value.trim_matches('/').to_owned())
}

/// An address in the notation of [`Endpoint`]. The CLI supports addresses that this program does not, such as
/// `unix:///run/vault.sock`.
pub(super) fn normal_address(address: &str) -> Option<String> {
    let endpoint = Endpoint::parse("address of Vault", address).ok()?;
    Some(endpoint.as_str().to_owned())
}

/// Whether the official clients reach their server, or an agent, through a socket of this machine. OpenBao's client
/// then passes its token helper an address without a port, in place of the socket's (`ParseAddress` of its API
/// client).
pub(super) fn is_by_socket(env: &Env) -> bool {
    let address = [AGENT_ADDRESS, ADDRESS].into_iter().find_map(|vars| official(env, vars));
    address.is_some_and(|address| address.value.starts_with("unix:"))
        || env.get(env::BAO_OWN_ADDR).is_some_and(|address| address == "http://localhost")
}
