//! The route of requests to a server: direct or through a proxy. The client and `doctor` both use it, so they
//! agree.

use super::no_proxy;
use super::{Endpoint, ProxyAddress};
use crate::env::{self, Env, Var};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The route of requests to a server.
#[derive(Debug)]
pub enum Route {
    Direct { why: Message },
    Proxy { address: ProxyAddress, why: Message },
}

const HTTPS: [Var; 2] = [env::HTTPS_PROXY, env::HTTPS_PROXY_LOWER];
const ALL: [Var; 2] = [env::ALL_PROXY, env::ALL_PROXY_LOWER];
const NO: [Var; 2] = [env::NO_PROXY, env::NO_PROXY_LOWER];

/// Chooses the route to a server: the proxy that is set for it, otherwise the environment, otherwise the system's
/// settings (macOS, Windows). A variable with an invalid proxy address is an error, because a direct connection would
/// be a surprise.
pub(super) fn decide(endpoint: &Endpoint, set: Option<&ProxyAddress>, env: &Env) -> Result<Route> {
    let direct = |why| Ok(Route::Direct { why });
    if !endpoint.is_tls() {
        // Security: plain http is only allowed on this machine. A proxy is not.
        return direct("plain http is for this machine only".into());
    }
    let (address, why) = match set {
        Some(address) => (address.clone(), "it is set".into()),
        None => match env.first(HTTPS).or_else(|| env.first(ALL)) {
            Some((var, value)) => (read(var, &value)?, message!("{} is set", var.name)),
            None => match system(endpoint) {
                Some(address) => (address, "the system's settings name it".into()),
                None => return direct("no proxy is set".into()),
            },
        },
    };
    let (host, port) = endpoint.host_and_port();
    match env.first(NO) {
        Some((var, list)) if no_proxy::covers(&list, &host, port) => {
            direct(message!("{} names it", var.name))
        }
        _ => Ok(Route::Proxy { address, why }),
    }
}

/// Security: the value is not quoted, because it can contain a password.
fn read(var: Var, value: &str) -> Result<ProxyAddress> {
    ProxyAddress::parse(value).ok_or_else(|| Error::Value {
        origin: var.name.into(),
        problem: "is not the address of a proxy: it must be `[http://][user:password@]host:port`, `https://…` or `socks5h://…`".into(),
    })
}

/// The proxy in the system's settings. Linux has none besides the environment.
#[cfg(any(target_os = "macos", windows))]
fn system(endpoint: &Endpoint) -> Option<ProxyAddress> {
    let uri = endpoint.as_str().parse::<http::Uri>().ok()?;
    let proxy = hyper_util::client::proxy::matcher::Matcher::from_system().intercept(&uri)?;
    ProxyAddress::parse(&proxy.uri().to_string())
}

#[cfg(not(any(target_os = "macos", windows)))]
const fn system(_: &Endpoint) -> Option<ProxyAddress> {
    None
}

impl Route {
    pub const fn proxy(&self) -> Option<&ProxyAddress> {
        match self {
            Self::Direct { .. } => None,
            Self::Proxy { address, .. } => Some(address),
        }
    }

    /// Describes the route: `through the proxy ADDRESS (HTTPS_PROXY is set)`.
    pub fn described(&self) -> Message {
        match self {
            Self::Direct { why } => message!("without a proxy ({why})", why),
            Self::Proxy { address, why } => message!(
                "through the proxy {address} ({why})",
                address = ForeignText::new(&address.shown()),
                why
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(set: Option<&str>, address: &str, variables: &[(&'static str, &str)]) -> String {
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let env = Env::Fake(variables.collect());
        let endpoint = Endpoint::parse("address", address).unwrap();
        let set = set.map(|set| ProxyAddress::parse(set).unwrap());
        match decide(&endpoint, set.as_ref(), &env) {
            Ok(route) => route.described().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_route_is_described_with_its_reason() {
        let set = Some("http://user:hunter2@proxy.example:3128");
        let iam = "https://iam.example";
        assert_eq!(
            described(set, iam, &[]),
            "through the proxy http://proxy.example:3128/ (it is set)"
        );
        assert_eq!(
            described(set, iam, &[("NO_PROXY", "iam.example:443")]),
            "without a proxy (NO_PROXY names it)"
        );
        assert_eq!(
            described(None, iam, &[("https_proxy", "me:p@ss@proxy.example:1")]),
            "through the proxy http://proxy.example:1/ (https_proxy is set)"
        );
        assert_eq!(
            described(set, "http://127.0.0.1:1", &[]),
            "without a proxy (plain http is for this machine only)"
        );
        assert_eq!(described(None, iam, &[]), "without a proxy (no proxy is set)");
    }

    #[test]
    fn an_invalid_proxy_variable_is_an_error_that_does_not_quote_it() {
        let error =
            described(None, "https://iam.example", &[("HTTPS_PROXY", "ftp://me:hunter2@x")]);
        assert!(error.starts_with("HTTPS_PROXY: is not the address of a proxy"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
