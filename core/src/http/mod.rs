//! The HTTP layer: TLS, proxies, deadlines, retries, size limits, and error messages.
//!
//! Other modules do not see types of the HTTP client. Every request is bounded by the run's deadline, and is tried up
//! to three times after connection failures, 429, 500, 502, 503 and 504. Redirects are not followed.

mod answer;
mod authorities;
mod client;
mod connect_ahead;
mod endpoint;
mod failure;
mod names;
mod no_proxy;
mod probe;
mod proxy;
mod proxy_failure;
mod proxy_question;
pub mod record;
mod retry;
mod route;
mod server_options;
mod system_trust;
mod tls;
mod tls_words;
mod verifier;

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Proxy};
use rustls::ClientConfig;

use crate::clock::{Clock, Deadline};
use crate::env::Env;
use crate::error::{Cause, Error, Result};
use crate::foreign_text::Message;
use crate::message;
pub use client::{Body, Client, HttpRequest, Reply};
use client::{Passage, Tries};
pub use endpoint::Endpoint;
pub use probe::Steps;
pub use proxy::ProxyAddress;
pub use route::Route;
pub use server_options::{Advice, Authorities, ClientCertificate, ServerOptions};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const USER_AGENT: &str = concat!("yc-id-token/", env!("CARGO_PKG_VERSION"));

#[derive(Debug)]
pub struct Http {
    clock: Clock,
    deadline: Deadline,
    ca_file: Option<PathBuf>,
    proxy: Option<ProxyAddress>,
    tls: OnceCell<ClientConfig>,
    clients: RefCell<Vec<(Endpoint, Client)>>,
}

impl Http {
    /// Servers are reached within the deadline, with the authorities of the system and `ca_file`, through `proxy` or
    /// the system's proxy.
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

    /// The same, with a new time budget: for requests after a command of the user has run.
    #[must_use]
    pub fn anew(&self) -> Self {
        let deadline = Deadline::within(self.deadline.budget());
        Self::new(self.clock, deadline, self.ca_file.clone(), self.proxy.clone())
    }

    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The client of one server. All requests share it, and so its connection. `what` names the first request in
    /// messages.
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
        let client = self.build(endpoint, tls, None, None, Advice::default())?;
        self.clients.borrow_mut().push((endpoint.clone(), client.clone()));
        Ok(client)
    }

    /// The client of a server that has its own connection options.
    pub fn client_by(
        &self,
        options: &ServerOptions,
        endpoint: &Endpoint,
        what: &Message,
    ) -> Result<Client> {
        let tls = || tls::client_config_by(options, self.ca_file.as_deref(), what);
        self.build(
            endpoint,
            tls,
            options.proxy.as_ref(),
            options.authorities.as_ref(),
            options.advice,
        )
    }

    fn build(
        &self,
        endpoint: &Endpoint,
        tls: impl FnOnce() -> Result<ClientConfig>,
        own_proxy: Option<&ProxyAddress>,
        authorities: Option<&Authorities>,
        advice: Advice,
    ) -> Result<Client> {
        let builder = builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
        let proxy = self.route(endpoint, own_proxy, &Env::Real)?.proxy().cloned();
        let builder = match &proxy {
            Some(proxy) => {
                let all = Proxy::all(proxy.url().clone());
                builder.proxy(all.map_err(|error| internal("the proxy's address", error))?)
            }
            None => builder,
        };
        let builder = if endpoint.is_tls() {
            builder.https_only(true).tls_backend_preconfigured(tls()?)
        } else {
            builder.tls_backend_preconfigured(tls::unused_config()?)
        };
        let ca_file = match authorities {
            Some(Authorities::File(path)) => Some(path.clone()),
            Some(_) => None,
            None => self.ca_file.clone(),
        };
        let has_authorities = authorities.is_some() || ca_file.is_some();
        let passage = Passage { advice, proxy, has_authorities, ca_file };
        Client::build(builder, endpoint.clone(), self.clock, self.deadline, Tries::Several, passage)
    }

    /// The route of requests to a server. `own_proxy` is the server's own setting.
    pub fn route(
        &self,
        endpoint: &Endpoint,
        own_proxy: Option<&ProxyAddress>,
        env: &Env,
    ) -> Result<Route> {
        route::decide(endpoint, own_proxy.or(self.proxy.as_ref()), env)
    }

    /// The client of the metadata service. It is on this machine, so it is never reached through a proxy, and one
    /// short try is enough.
    pub fn metadata_client(
        &self,
        endpoint: &Endpoint,
        connect_timeout: Duration,
    ) -> Result<Client> {
        let builder = builder()
            .no_proxy()
            .tls_backend_preconfigured(tls::unused_config()?)
            .connect_timeout(connect_timeout);
        let passage = Passage::default();
        Client::build(builder, endpoint.clone(), self.clock, self.deadline, Tries::One, passage)
    }
}

#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
fn builder() -> ClientBuilder {
    reqwest::Client::builder().user_agent(USER_AGENT).redirect(Policy::none()).http1_only()
}

fn internal(what: &'static str, cause: reqwest::Error) -> Error {
    let cause = Cause::new(cause.without_url());
    Error::Internal(cause.context(message!("the HTTP client cannot use {what}", what)))
}
