//! Proxy failures, recognised by the error texts of the HTTP client.
//!
//! The HTTP client has no public types for them. Tests with real proxies fail when a text changes.

use super::failure::Way;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use std::error::Error as StdError;

#[derive(Debug, Eq, PartialEq)]
pub(super) enum ProxyFailure {
    /// It could not be reached.
    Unreached,
    /// It requires a user and a password, or rejected the given ones.
    Credentials,
    /// It refused to connect, with its reason if it gave one.
    Refused(Option<ForeignText>),
    /// It closed the connection, or does not speak the protocol.
    BrokeOff,
}

impl ProxyFailure {
    /// The proxy failure that one cause of an error describes.
    pub(super) fn read(cause: &(dyn StdError + 'static)) -> Option<Self> {
        let text = cause.to_string();
        if let Some(problem) = text.strip_prefix("tunnel error: ") {
            return Some(match problem {
                "failed to create underlying connection" => Self::Unreached,
                "proxy authorization required" => Self::Credentials,
                "unsuccessful" => Self::Refused(None),
                _ => Self::BrokeOff,
            });
        }
        Some(match text.strip_prefix("SOCKS error: ")? {
            "failed to create underlying connection" => Self::Unreached,
            "credentials not accepted"
            | "server does not support user/pass authentication"
            | "server implements authentication incorrectly" => Self::Credentials,
            "io error during SOCKS handshake" | "failed parsing server response" => Self::BrokeOff,
            problem => Self::Refused(Some(ForeignText::sentence(problem))),
        })
    }

    /// Whether a retry may succeed.
    ///
    /// A refusal may be due to the password, but the HTTP client hides its status. Retries with a wrong password can
    /// lock an account.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreached | Self::BrokeOff)
    }

    /// The error text and the hint for a failure on the way to `host`. `cause` is the system's error.
    pub(super) fn explained(
        &self,
        host: &Message,
        cause: &Message,
        way: &Way<'_>,
    ) -> (Message, Message) {
        let address = "the proxy's address in `--proxy`, HTTPS_PROXY or ALL_PROXY";
        let offered: Vec<Message> = way.offered.iter().cloned().map(Message::from).collect();
        match self {
            Self::Unreached => {
                // The failure of a SOCKS proxy hides the system's error, so that came from a second connection.
                let hidden = cause.starts_with("SOCKS error");
                let cause = match (&way.proxy_cause, hidden) {
                    (Some(cause), _) => message!(": {cause}", cause),
                    (None, true) => Message::default(),
                    (None, false) => message!(": {cause}", cause),
                };
                (
                    message!("cannot connect to the proxy{cause}", cause),
                    message!(
                        "check {address}; hosts that need none are listed in NO_PROXY",
                        address
                    ),
                )
            }
            Self::Credentials if !way.offered.is_empty() && !offers_basic(&way.offered) => (
                message!(
                    "the proxy does not offer Basic authentication, which is all that this program supports: it offers {}",
                    Message::join(&offered, ", ")
                ),
                "run a local proxy that signs in for you, such as `cntlm` or `px`, and give its address with `--proxy`".into(),
            ),
            Self::Credentials => (
                "the proxy requires a user and a password, or rejected those that it got".into(),
                message!(
                    "write them into {address}, as in `http://user:password@host:port`, with `%40` for an `@`",
                    address
                ),
            ),
            Self::Refused(reason) => {
                let reason = reason
                    .as_ref()
                    .map(|reason| message!(": {reason}", reason))
                    .unwrap_or_default();
                (
                    message!("the proxy did not connect to {host}{reason}", host, reason),
                    message!(
                        "check that the proxy lets you reach {host}, and the user and password in {address}",
                        host,
                        address
                    ),
                )
            }
            Self::BrokeOff => (
                "the proxy closed the connection, or is not a proxy of this kind".into(),
                message!(
                    "check {address}: `http://`, `https://` or `socks5://`, and the port",
                    address
                ),
            ),
        }
    }
}

fn offers_basic(offered: &[ForeignText]) -> bool {
    offered.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"))
}
