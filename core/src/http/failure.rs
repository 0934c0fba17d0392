//! Failures on the way to a server, and their error messages. Only this module knows the HTTP client's errors.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use super::proxy::ProxyAddress;
use super::proxy_failure::ProxyFailure;
use super::server_options::Advice;
use super::tls_words;
use crate::error::{Cause, Code, Error, plain};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// A failure to reach a server, before it becomes an error.
#[derive(Debug)]
pub(super) enum Failure {
    Client(reqwest::Error),
    /// The answer is larger than the limit.
    TooLarge,
    Redirect(ForeignText),
    /// The answer has a content coding (RFC 9110 section 8.4) that was not accepted.
    Encoded(ForeignText),
}

impl Failure {
    /// Whether the same request may succeed soon. Every request can be repeated: at worst, a token is issued and not
    /// used.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Client(error) => {
                !is_tls(error)
                    && !error.is_builder()
                    && (error.is_connect() || !error.is_timeout())
                    && proxy_failure(error).is_none_or(|failure| failure.is_passing())
            }
            Self::TooLarge | Self::Redirect(_) | Self::Encoded(_) => false,
        }
    }

    /// The error for the user.
    pub(super) fn into_error(self, what: Message, way: &Way<'_>) -> Error {
        let host = way.host;
        let (code, problem, hint) = match self {
            Self::TooLarge => (
                Code::Foreign,
                message!("the answer of {host} is larger than 1 MiB", host).into(),
                "check that the endpoint is right and that no proxy answers in its place".into(),
            ),
            Self::Redirect(to) => (
                Code::Foreign,
                message!("{host} redirects to {to}", host, to).into(),
                way.advice.redirect.into(),
            ),
            Self::Encoded(coding) => (
                Code::Foreign,
                message!(
                    "{host} answered in the coding `{coding}`, which was not requested",
                    host,
                    coding
                )
                .into(),
                "check for a proxy or a gateway on the way that compresses answers".into(),
            ),
            Self::Client(error) => {
                let (code, problem, hint) = client_failure(&error, way);
                // Security: an address can hold a secret.
                (code, Cause::worded(error.without_url(), problem), hint)
            }
        };
        Error::Unreached { what, code, problem, hint }
    }

    /// The failure of the proxy, if it explains this one.
    pub(super) fn of_proxy(&self) -> Option<ProxyFailure> {
        match self {
            Self::Client(error) => proxy_failure(error),
            _ => None,
        }
    }
}

/// How a request reached a server, for messages.
pub(super) struct Way<'a> {
    pub(super) host: &'a Message,
    pub(super) is_on_loopback: bool,
    /// How long the request took.
    pub(super) seconds: f32,
    /// Whether a connection was made.
    pub(super) connected: bool,
    /// The name that was still being looked up.
    pub(super) name: Option<ForeignText>,
    pub(super) proxy: Option<&'a ProxyAddress>,
    /// Why the proxy cannot be reached, from a second connection.
    pub(super) proxy_cause: Option<Message>,
    /// The authentication schemes that the proxy offers.
    pub(super) offered: Vec<ForeignText>,
    /// Whether the user has configured certificate authorities.
    pub(super) has_authorities: bool,
    /// The file of these authorities.
    pub(super) ca_file: Option<&'a Path>,
    pub(super) advice: &'a Advice,
}

fn client_failure(error: &reqwest::Error, way: &Way<'_>) -> (Code, Message, Message) {
    let Way { host, seconds, .. } = *way;
    let proxy = proxy_failure(error);
    if let Some(cause) = find::<rustls::Error>(error) {
        let to_proxy = proxy == Some(ProxyFailure::Unreached);
        let (peer, hint) = if to_proxy {
            ("the proxy".into(), tls_words::proxy_hint(cause))
        } else {
            (host.clone(), tls_words::hint(cause, way))
        };
        let reason = tls_words::reason(cause);
        return (
            Code::Tls,
            message!("the TLS connection to {peer} failed: {reason}", peer, reason),
            hint,
        );
    }
    if error.is_timeout() {
        if let Some(name) = &way.name {
            return (
                Code::Timeout,
                message!("the name {name} was not looked up within {seconds:.1} s", name, seconds),
                "check the name server (`/etc/resolv.conf`) and the VPN, or give more time with `--timeout`".into(),
            );
        }
        let connecting = error.is_connect() || !way.connected;
        let stage = if connecting { "no connection to" } else { "no answer from" };
        return (
            Code::Timeout,
            message!("{stage} {host} within {seconds:.1} s", stage, host, seconds),
            "check the network and the proxy, or give more time with `--timeout`".into(),
        );
    }
    let cause = root_cause(error);
    if let Some(proxy) = proxy {
        let (problem, hint) = proxy.explained(host, &cause, way);
        return (Code::Network, problem, hint);
    }
    let is_name = cause.contains("lookup address") || cause.contains("dns error");
    if let Some(proxy) = way.proxy.filter(|proxy| is_name && proxy.wants_addresses()) {
        return (
            Code::Network,
            message!("the name {host} cannot be resolved: {cause}", host, cause),
            message!(
                "the proxy {} is given addresses; write it as `socks5h://…`, so that it looks names up itself",
                ForeignText::new(&proxy.shown())
            ),
        );
    }
    if error.is_connect() {
        let problem = if is_name {
            message!("the name {host} cannot be resolved: {cause}", host, cause)
        } else {
            message!("cannot connect to {host}: {cause}", host, cause)
        };
        let hint = match way.proxy {
            None if way.is_on_loopback && is_refused(error) => {
                "start the server, or correct its address"
            }
            None => "check the network; behind a proxy, set HTTPS_PROXY or give `--proxy`",
            Some(_) => "check the network, and the proxy's address",
        };
        return (Code::Network, problem, hint.into());
    }
    if cause.starts_with("invalid ") {
        // The texts of the HTTP client's parser: a version, a header, the size of a chunk.
        return (
            Code::Foreign,
            message!("the server at {host} does not speak HTTP", host),
            "check the endpoint and its port, and any proxy or gateway on the way".into(),
        );
    }
    (
        Code::Network,
        message!("the connection to {host} broke off: {cause}", host, cause),
        "try again; if it persists, check the proxy, VPN or firewall on the way".into(),
    )
}

fn is_tls(error: &reqwest::Error) -> bool {
    find::<rustls::Error>(error).is_some()
}

/// Whether nothing listens at the port.
fn is_refused(error: &reqwest::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The innermost cause with a useful text, without the client's own wrapping and links to its documentation.
fn root_cause(error: &reqwest::Error) -> Message {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it was closed in the middle".into()
        }
        Some(error) => without_address(&plain(error)),
        None => without_address(&cause.to_string()),
    }
}

fn without_address(text: &str) -> Message {
    let end = ["http://", "https://"].iter().filter_map(|start| text.find(start)).min();
    let text = end.map_or(text, |end| text[..end].trim_end_matches([' ', ':', '(']));
    ForeignText::sentence(text).into()
}

fn proxy_failure(error: &reqwest::Error) -> Option<ProxyFailure> {
    causes(error).find_map(ProxyFailure::read)
}

/// The first cause of a type.
fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// All causes, the outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| cause_of(*cause))
}

/// `source` skips the error that an I/O error wraps.
fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source())
}
