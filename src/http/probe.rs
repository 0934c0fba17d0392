//! How long each step to a server takes, and which way the requests go: for people who look for what is wrong.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::{Endpoint, Http, ProxyAddress, Reach, tls};
use crate::env::{self, Env, Var};
use crate::error::Result;

/// Which way requests to a server go.
#[derive(Debug, Eq, PartialEq)]
pub enum Route {
    /// Straight to it.
    Direct {
        /// Why.
        why: String,
    },
    /// Through a proxy.
    Proxy {
        /// Its address, without its password.
        address: String,
        /// Why.
        why: String,
    },
}

/// How long each step took, as far as it came. What is wrong is told by a request.
#[derive(Debug, Default)]
pub struct Steps {
    /// Looking the name up.
    pub name: Option<Duration>,
    /// Connecting.
    pub connection: Option<Duration>,
    /// The handshake of TLS.
    pub tls: Option<Duration>,
}

const HTTPS: [Var; 2] = [env::HTTPS_PROXY, env::HTTPS_PROXY_LOWER];
const ALL: [Var; 2] = [env::ALL_PROXY, env::ALL_PROXY_LOWER];
const NO: [Var; 2] = [env::NO_PROXY, env::NO_PROXY_LOWER];

impl Http {
    /// Which way requests to a server go, decided by what the HTTP client decides it by.
    #[must_use]
    pub fn route(&self, endpoint: &Endpoint, reach: &Reach, env: &Env) -> Route {
        let direct = |why: &str| Route::Direct { why: why.into() };
        if !endpoint.is_tls() {
            return direct("plain http is for this machine only");
        }
        let Ok(uri) = endpoint.as_str().parse::<http::Uri>() else { return direct("no proxy") };
        let own = reach.proxy.as_ref().or(self.proxy.as_ref());
        let no_proxy = env.first(NO);
        let matcher = match own {
            Some(ProxyAddress(url)) => {
                let no = no_proxy.as_ref().map_or("", |(_, hosts)| hosts);
                Matcher::builder().all(url.to_string()).no(no.to_owned()).build()
            }
            None => Matcher::from_system(),
        };
        let named = env.first(HTTPS).or_else(|| env.first(ALL)).map(|(var, _)| var.name);
        match (matcher.intercept(&uri), own, named) {
            (Some(proxy), own, named) => Route::Proxy {
                address: proxy.uri().to_string(),
                why: match (own, named) {
                    (Some(_), _) => "it is set".into(),
                    (None, Some(variable)) => format!("{variable} is set"),
                    (None, None) => "the system says so".into(),
                },
            },
            (None, Some(_), _) | (None, None, Some(_)) => match no_proxy {
                Some((var, _)) => direct(&format!("{} names it", var.name)),
                None => direct("the proxy is not for it"),
            },
            (None, None, None) => direct("no proxy is set"),
        }
    }

    /// Whether the certificate authorities can be read.
    pub fn trust(&self) -> Result<()> {
        tls::client_config(self.ca_file.as_deref(), &"the certificate authorities".into()).map(drop)
    }

    /// Takes each step to a server by itself, without a proxy, in `limit` at most.
    pub async fn steps(
        &self,
        endpoint: &Endpoint,
        reach: &Reach,
        limit: Duration,
    ) -> Result<Steps> {
        let ca_file = self.ca_file.as_deref();
        let config = endpoint
            .is_tls()
            .then(|| tls::client_config_by(reach, ca_file, &endpoint.host()))
            .transpose()?;
        let (host, port) = endpoint.host_and_port();
        // The system's resolver cannot be broken off, so it has a thread to hang in.
        let taken = tokio::task::spawn_blocking(move || take(&host, port, config, limit));
        Ok(match tokio::time::timeout(limit, taken).await {
            Ok(Ok(steps)) => steps,
            Ok(Err(_)) | Err(_) => Steps::default(),
        })
    }
}

fn take(host: &str, port: u16, config: Option<ClientConfig>, limit: Duration) -> Steps {
    let mut steps = Steps::default();
    // What it came to before something failed stays in `steps`.
    let _ = try_to_take(&mut steps, host, port, config, limit);
    steps
}

fn try_to_take(
    steps: &mut Steps,
    host: &str,
    port: u16,
    config: Option<ClientConfig>,
    limit: Duration,
) -> Option<()> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut began = Instant::now();
    let mut lap = || Some(std::mem::replace(&mut began, Instant::now()).elapsed());
    let mut addresses = (bare, port).to_socket_addrs().ok()?;
    steps.name = lap();
    let mut stream =
        addresses.find_map(|address| TcpStream::connect_timeout(&address, limit).ok())?;
    steps.connection = lap();
    let name = ServerName::try_from(bare.to_owned()).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config?), name).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.set_write_timeout(Some(limit)).ok()?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    steps.tls = lap();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Deadline};

    #[test]
    fn the_way_is_told_with_the_reason() {
        let env = |no: &str| Env::Fake([("NO_PROXY", no.to_owned())].into());
        let http = |proxy: Option<&str>| {
            let deadline = Deadline::within(Duration::from_secs(1));
            Http::new(Clock::System, deadline, None, proxy.and_then(ProxyAddress::parse))
        };
        let endpoint = |address| Endpoint::parse("address", address).unwrap();
        let route = |proxy, address, no: &str| {
            http(proxy).route(&endpoint(address), &Reach::default(), &env(no))
        };
        let proxy = Some("http://user:hunter2@proxy.example:3128");
        let Route::Proxy { address, why } = route(proxy, "https://iam.example", "") else {
            panic!("not through the proxy")
        };
        assert_eq!((address.as_str(), why.as_str()), ("http://proxy.example:3128/", "it is set"));
        let direct = |why: &str| Route::Direct { why: why.into() };
        assert_eq!(route(proxy, "https://iam.example", ".example"), direct("NO_PROXY names it"));
        assert_eq!(
            route(proxy, "http://127.0.0.1:1", ""),
            direct("plain http is for this machine only")
        );
    }
}
