//! What can go wrong on the way to a server, in words: the one place that knows the HTTP client's
//! errors.

use std::error::Error as StdError;
use std::io;

use super::proxy_failure::ProxyFailure;
use super::reach::Advice;
use crate::error::{Code, Error, plain};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// A failure on the way, before any error message is made of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// From the HTTP client.
    Client(reqwest::Error),
    /// The answer is larger than any answer can be.
    TooLarge,
    /// The server sends us elsewhere.
    Redirect(ForeignText),
}

impl Failure {
    /// Whether the same request may well succeed in a moment. All our requests can be repeated: at
    /// worst a token is issued that nobody uses.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Client(error) => {
                !is_tls(error)
                    && !error.is_builder()
                    && (error.is_connect() || !error.is_timeout())
                    && proxy_failure(error).is_none_or(|failure| failure.is_passing())
            }
            Self::TooLarge | Self::Redirect(_) => false,
        }
    }

    /// The error a user meets, after so many seconds, with or without there having been a connection.
    pub(super) fn into_error(
        self,
        what: Message,
        host: &Message,
        seconds: f32,
        connected: bool,
        advice: &Advice,
    ) -> Error {
        let (code, problem, hint) = match self {
            Self::TooLarge => (
                Code::Foreign,
                message!("the answer of {host} is over 1 MiB and no token", host),
                "check that the endpoint is right and that no proxy answers in its place".into(),
            ),
            Self::Redirect(to) => (
                Code::Foreign,
                message!("{host} sends us to {to}", host, to),
                advice.redirect.into(),
            ),
            Self::Client(error) => client_failure(&error, host, seconds, connected, advice),
        };
        Error::Unreached { what, code, problem, hint }
    }
}

fn client_failure(
    error: &reqwest::Error,
    host: &Message,
    seconds: f32,
    connected: bool,
    advice: &Advice,
) -> (Code, Message, Message) {
    let proxy = proxy_failure(error);
    if let Some(cause) = find::<rustls::Error>(error) {
        let to_proxy = proxy == Some(ProxyFailure::Unreached);
        let (peer, hint) = if to_proxy {
            ("the proxy".into(), proxy_tls_hint(cause))
        } else {
            (host.clone(), tls_hint(cause, advice))
        };
        let reason = tls_reason(cause);
        return (
            Code::Tls,
            message!("the TLS connection to {peer} failed: {reason}", peer, reason),
            hint,
        );
    }
    if error.is_timeout() {
        let connecting = error.is_connect() || !connected;
        let stage = if connecting { "no connection to" } else { "no answer from" };
        return (
            Code::Timeout,
            message!("{stage} {host} within {seconds:.1} s", stage, host, seconds),
            "check the network and the proxy, or give more time with `--timeout`".into(),
        );
    }
    let cause = root_cause(error);
    if let Some(proxy) = proxy {
        let (problem, hint) = proxy.told(host, &cause);
        return (Code::Network, problem, hint);
    }
    if error.is_connect() {
        let problem = if cause.contains("lookup address") || cause.contains("dns error") {
            message!("the name {host} cannot be resolved: {cause}", host, cause)
        } else {
            message!("cannot connect to {host}: {cause}", host, cause)
        };
        return (
            Code::Network,
            problem,
            "check the network; behind a proxy, set HTTPS_PROXY or give `--proxy`".into(),
        );
    }
    (
        Code::Network,
        message!("the connection to {host} broke off: {cause}", host, cause),
        "try again; if it lasts, check what stands between: a proxy, a VPN, a firewall".into(),
    )
}

fn is_tls(error: &reqwest::Error) -> bool {
    find::<rustls::Error>(error).is_some()
}

fn tls_reason(cause: &rustls::Error) -> Message {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    match cause {
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            "its certificate is signed by an authority that is not trusted here".into()
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "its certificate has expired by this machine's clock".into()
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "its certificate is for another name".into()
        }
        other => ForeignText::sentence(&other.to_string()).into(),
    }
}

fn tls_hint(cause: &rustls::Error, advice: &Advice) -> Message {
    use rustls::CertificateError::{Expired, ExpiredContext};
    match cause {
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => "check this machine's date".into(),
        rustls::Error::InvalidCertificate(_) => advice.authority.into(),
        _ => "check that the endpoint speaks TLS; if your network inspects it, give its authority with `--ca-file`".into(),
    }
}

fn proxy_tls_hint(cause: &rustls::Error) -> Message {
    match cause {
        rustls::Error::InvalidCertificate(_) => {
            "give the proxy's certificate authority with `--ca-file` or SSL_CERT_FILE".into()
        }
        _ => "few proxies speak TLS themselves: write its address as `http://host:port`".into(),
    }
}

/// The innermost cause that says something, without the client's own wrapping and without URLs.
fn root_cause(error: &reqwest::Error) -> Message {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
        .downcast_ref::<io::Error>()
        .map_or_else(|| ForeignText::sentence(&cause.to_string()).into(), plain)
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

/// An I/O error hides what it wraps from `source`.
fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source())
}
