//! The one HTTP layer: TLS, proxy, deadline, retry, size cap, and what an error means.
//!
//! Nothing above sees a type of the HTTP client. Every request is bounded by the run's deadline, and
//! is tried up to three times where that is useful: on connection failures, 429, 500, 502, 503 and
//! 504. Redirects are not followed.

mod answer;
mod client;
mod connect_ahead;
mod endpoint;
mod failure;
mod probe;
mod proxy_failure;
mod reach;
mod tls;
mod verifier;

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, NoProxy, Proxy, Url};
use rustls::ClientConfig;

use crate::clock::{Clock, Deadline};
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::message;
use client::Tries;
pub use client::{Body, Client, Reply, Request};
pub use endpoint::Endpoint;
pub use probe::{Route, Steps};
pub use reach::{Advice, Authorities, ClientCertificate, Reach};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const USER_AGENT: &str = concat!("yc-id-token/", env!("CARGO_PKG_VERSION"));

/// How servers are reached in this run.
#[derive(Debug)]
pub struct Http {
    clock: Clock,
    deadline: Deadline,
    ca_file: Option<PathBuf>,
    proxy: Option<ProxyAddress>,
    tls: OnceCell<ClientConfig>,
    clients: RefCell<Vec<(Endpoint, Client)>>,
}

/// The address of a proxy. It may hold a password, so it is never printed whole.
#[derive(Clone)]
pub struct ProxyAddress(Url);

impl ProxyAddress {
    /// Reads `http://`, `https://` or `socks5://` and `[user:password@]host:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let absolute =
            if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&absolute).ok()?;
        let known =
            matches!(url.scheme(), "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h");
        (known && url.host().is_some()).then_some(Self(url))
    }

    /// The whole address, with its password: for the cache of failures, which keeps a digest of it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&endpoint::without_credentials(&self.0))
    }
}

impl Http {
    /// How servers are reached: within the deadline, trusting the system and `ca_file`, through
    /// `proxy` or what the system says.
    #[must_use]
    pub const fn new(
        clock: Clock,
        deadline: Deadline,
        ca_file: Option<PathBuf>,
        proxy: Option<ProxyAddress>,
    ) -> Self {
        Self {
            clock,
            deadline,
            ca_file,
            proxy,
            tls: OnceCell::new(),
            clients: RefCell::new(Vec::new()),
        }
    }

    /// The same, with the whole time budget before it: for what is done after a command of the user's
    /// has run.
    #[must_use]
    pub fn anew(&self) -> Self {
        let deadline = Deadline::within(self.deadline.budget());
        Self::new(self.clock, deadline, self.ca_file.clone(), self.proxy.clone())
    }

    /// When this run must be done.
    #[must_use]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The client of one server; the same for all that is asked of it, so that its connection is too.
    /// `what` is wanted from it, for messages.
    pub fn client(&self, endpoint: &Endpoint, what: &Message) -> Result<Client> {
        let made = self.clients.borrow().iter().find(|(of, _)| of == endpoint).cloned();
        if let Some((_, client)) = made {
            return Ok(client);
        }
        let tls = || match self.tls.get() {
            Some(tls) => Ok(tls.clone()),
            None => {
                let made = tls::client_config(self.ca_file.as_deref(), what)?;
                Ok(self.tls.get_or_init(|| made).clone())
            }
        };
        let client = self.build(endpoint, tls, None, Advice::default())?;
        self.clients.borrow_mut().push((endpoint.clone(), client.clone()));
        Ok(client)
    }

    /// The client of a server that has settings of its own for how it is reached.
    pub fn client_by(&self, reach: &Reach, endpoint: &Endpoint, what: &Message) -> Result<Client> {
        let tls = || tls::client_config_by(reach, self.ca_file.as_deref(), what);
        self.build(endpoint, tls, reach.proxy.as_ref(), reach.advice)
    }

    fn build(
        &self,
        endpoint: &Endpoint,
        tls: impl FnOnce() -> Result<ClientConfig>,
        own_proxy: Option<&ProxyAddress>,
        advice: Advice,
    ) -> Result<Client> {
        let builder = builder().connect_timeout(CONNECT_TIMEOUT);
        let builder = if endpoint.is_tls() {
            let builder = builder.https_only(true).tls_backend_preconfigured(tls()?);
            match own_proxy.or(self.proxy.as_ref()) {
                Some(ProxyAddress(url)) => {
                    let proxy =
                        Proxy::all(url.clone()).map_err(|_| internal("the proxy address"))?;
                    builder.proxy(proxy.no_proxy(NoProxy::from_env()))
                }
                None => builder,
            }
        } else {
            // Security: plain http is for this machine only. A proxy would take it elsewhere.
            builder.no_proxy().tls_backend_preconfigured(tls::unused_config()?)
        };
        Client::build(builder, endpoint.clone(), self.clock, self.deadline, Tries::Several, advice)
    }

    /// The client of the metadata service: this machine's own affair, so never through a proxy, and
    /// where nothing answers at once, nothing is there. One try.
    pub fn metadata_client(
        &self,
        endpoint: &Endpoint,
        connect_timeout: Duration,
    ) -> Result<Client> {
        let builder = builder()
            .no_proxy()
            .tls_backend_preconfigured(tls::unused_config()?)
            .connect_timeout(connect_timeout);
        let advice = Advice::default();
        Client::build(builder, endpoint.clone(), self.clock, self.deadline, Tries::One, advice)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the room")]
fn builder() -> ClientBuilder {
    reqwest::Client::builder().user_agent(USER_AGENT).redirect(Policy::none()).http1_only()
}

fn internal(what: &'static str) -> Error {
    Error::Internal(message!("the HTTP client cannot use {what}", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_not_printed() {
        let proxy = ProxyAddress::parse("http://user:hunter2@proxy.example:3128").unwrap();
        assert_eq!(format!("{proxy:?}"), "http://proxy.example:3128/");
        assert!(ProxyAddress::parse("proxy.example:3128").is_some());
        assert!(ProxyAddress::parse("ftp://proxy.example").is_none());
    }
}
