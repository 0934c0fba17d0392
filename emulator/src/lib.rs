//! Yandex Cloud IAM, its OIDC issuer and the instance metadata service on loopback: for tests of programs that get IAM
//! tokens or ID tokens, and for trying out trust policies without a cloud.
//!
//! [`Emulator::start`] runs it on a thread of its own, on a free port. It stops when the [`Emulator`] is dropped.
//!
//! ```
//! use yc_id_token_emulator::{Emulator, Fault, KeySize, Route};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start()?;
//! let account = emulator.add_service_account("robot", "b1gfolder");
//! let key_file = emulator.add_authorized_key(&account, KeySize::Rsa2048).to_json();
//! emulator.script(Route::TokenExchange, [Fault::Status(503), Fault::Reset]);
//! // … point a client at `emulator.url()`: its third attempt succeeds.
//! # let _ = key_file;
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! One address serves several hosts of Yandex Cloud; the path distinguishes them:
//!
//! | call | host | file |
//! | --- | --- | --- |
//! | `POST /iam/v1/tokens`, `:createForServiceAccount`, `:revoke` | `iam.api.cloud.yandex.net` | `iam_token`, `assertion` |
//! | `GET /iam/v1/serviceAccounts`, `/{id}` | `iam.api.cloud.yandex.net` | `service_accounts` |
//! | `GET /resource-manager/v1/folders` | `resource-manager.api.cloud.yandex.net` | `folders` |
//! | `GET /endpoints`, `/{id}` | `api.cloud.yandex.net` | `discovery` |
//! | `POST /oauth/token` | `auth.yandex.cloud` | `oauth`, `id_token` |
//! | `GET /oauth/jwks/keys`, `/.well-known/openid-configuration` | `auth.yandex.cloud` | `id_token`, `discovery` |
//! | `GET /computeMetadata/v1/instance/service-accounts/default/token` | `169.254.169.254` | `metadata` |
//!
//! Each of these files names the document or RFC that it follows, and marks what is known and what is assumed.
//! `cloud` contains the state. `service` handles a request from arrival to answer, `traffic` logs it, and `fault` has
//! the faults that a test injects. `server` is the thread, the listener and the connections. `program` is the program around them.

mod answer;
mod assertion;
mod authorized_key;
mod call;
mod clock;
mod cloud;
mod discovery;
mod fault;
mod folders;
mod iam_token;
mod id_token;
mod metadata;
mod oauth;
#[cfg(feature = "program")]
#[doc(hidden)]
pub mod program;
mod random;
mod server;
mod service;
mod service_accounts;
#[cfg(test)]
mod testing;
mod tls;
mod traffic;
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use self::clock::Clock;
use self::cloud::Cloud;
use self::id_token::{Issuer, SigningKey};
use self::server::{Bound, Server};
use self::service::Service;

pub use self::answer::ErrorShape;
pub use self::authorized_key::{AuthorizedKey, KeySize};
pub use self::fault::Fault;
pub use self::id_token::{AudienceClaim, ExpiryClaim, IdTokenVariant, TokenField, TokenForm};
pub use self::tls::TlsError;
pub use self::traffic::{Request, Route};

/// The options of an emulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 is any free one. The emulator returns credentials to every client, so keep it
    /// on loopback.
    pub address: SocketAddr,
    /// Whether to serve HTTPS, with a certificate from [`Emulator::ca_pem`].
    pub tls: bool,
    /// `iss` of the ID tokens; `None` is the emulator's own URL.
    pub issuer: Option<String>,
    /// The lifetime of ID tokens.
    pub id_token_life: Duration,
    /// The lifetime of IAM tokens.
    pub iam_token_life: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            issuer: None,
            id_token_life: Duration::from_secs(3600),
            iam_token_life: Duration::from_secs(12 * 3600),
        }
    }
}

/// Why an emulator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address in the options.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The issuer's key could not be created.
    #[error("cannot make the issuer's key")]
    Key(#[source] rsa::Error),
    /// The certificates could not be created.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
}

/// A running emulator. Dropping it closes the listener and every connection, and waits for that.
pub struct Emulator {
    service: Arc<Service>,
    ca_pem: Option<String>,
    _server: Server,
}

impl Emulator {
    /// Starts an emulator on a free port of 127.0.0.1, over plain HTTP. It is listening when this returns, and stops
    /// when it is dropped.
    ///
    /// It needs no async runtime, and can be called within one.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(Options::default())
    }

    /// Starts an emulator with another address, issuer, lifetimes, or TLS.
    pub fn start_with(options: Options) -> Result<Self, StartError> {
        let key = SigningKey::generate().map_err(StartError::Key)?;
        let identity = options.tls.then(tls::Identity::generate).transpose()?;
        let bound = Bound::bind(options.address)
            .map_err(|source| StartError::Listen { address: options.address, source })?;

        let scheme = if options.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", bound.address());
        let issuer = Issuer::new(options.issuer.unwrap_or_else(|| url.clone()), key);
        let cloud = Cloud::new(options.id_token_life, options.iam_token_life);
        let service = Arc::new(Service::new(url, issuer, cloud));

        let (ca_pem, acceptor) = identity.map(|tls| (tls.ca_pem, tls.acceptor)).unzip();
        let router = service::router(Arc::clone(&service));
        let server = bound
            .serve(router, acceptor, service.connection_counter())
            .map_err(StartError::Thread)?;
        Ok(Self { service, ca_pem, _server: server })
    }

    /// `http://127.0.0.1:PORT`, or `https`, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// `iss` of the ID tokens.
    pub fn issuer(&self) -> &str {
        &self.service.issuer.name
    }

    /// The address of the keys that verify the ID tokens.
    pub fn jwks_url(&self) -> String {
        format!("{}/oauth/jwks/keys", self.url())
    }

    /// The certificate that clients have to trust, if TLS is enabled. The server's certificate is for `127.0.0.1`,
    /// `::1` and `localhost`.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }
}

/// State of the cloud.
impl Emulator {
    /// Adds a service account, with the role to create tokens for itself, and returns its ID. Names need not be unique.
    pub fn add_service_account(&self, name: &str, folder_id: &str) -> String {
        self.service.cloud().add_service_account(name, folder_id)
    }

    /// Adds a label to an account.
    pub fn label_service_account(&self, id: &str, name: &str, value: &str) {
        self.service.cloud().label_service_account(id, name, value);
    }

    /// Adds a folder to a cloud, and returns its ID.
    pub fn add_folder(&self, name: &str, cloud_id: &str) -> String {
        self.service.cloud().add_folder(name, cloud_id)
    }

    /// Adds a person with an OAuth token, and returns the person's ID.
    pub fn add_person(&self, oauth_token: &str) -> String {
        self.service.cloud().add_person(oauth_token)
    }

    /// Grants `iam.serviceAccounts.tokenCreator` on the account to a subject.
    pub fn grant_token_creator(&self, service_account_id: &str, to_subject: &str) {
        self.service.cloud().grant_token_creator(service_account_id, to_subject);
    }

    /// Revokes that role from a subject.
    pub fn revoke_token_creator(&self, service_account_id: &str, from_subject: &str) {
        self.service.cloud().revoke_token_creator(service_account_id, from_subject);
    }

    /// Creates a key pair and registers its public key.
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn add_authorized_key(&self, service_account_id: &str, size: KeySize) -> AuthorizedKey {
        let created_at = clock::rfc3339(self.service.cloud().clock.now());
        let key = AuthorizedKey::generate(size, created_at)
            .unwrap_or_else(|error| panic!("cannot make an authorized key: {error}"));
        self.adopt_authorized_key(service_account_id, &key)
    }

    /// Registers an existing pair, perhaps of another emulator, and returns it with its new ID. A key of 4096 bits
    /// takes a second or more to generate, so tests generate it once.
    ///
    /// # Panics
    ///
    /// If the public key has been changed and is not an RSA key.
    pub fn adopt_authorized_key(
        &self,
        service_account_id: &str,
        key: &AuthorizedKey,
    ) -> AuthorizedKey {
        let id = self.register_authorized_key(service_account_id, &key.public_key_pem);
        let mut cloud = self.service.cloud();
        key.secrets().iter().for_each(|secret| cloud.keep_secret(secret));
        key.renamed(&id, service_account_id)
    }

    /// Registers a public key (SPKI) and returns its ID.
    ///
    /// # Panics
    ///
    /// If it is not an RSA public key.
    pub fn register_authorized_key(
        &self,
        service_account_id: &str,
        public_key_pem: &str,
    ) -> String {
        let public_key = authorized_key::parse_public_key(public_key_pem)
            .unwrap_or_else(|error| panic!("not an RSA public key: {error}"));
        self.service.cloud().register_key(service_account_id, public_key)
    }

    /// Deletes a key: assertions that it signs are rejected from now on.
    pub fn revoke_authorized_key(&self, key_id: &str) {
        self.service.cloud().revoke_key(key_id);
    }

    /// Attaches an account to the virtual machine, for which the metadata service then returns tokens; `None` detaches
    /// it.
    pub fn attach_to_instance(&self, service_account_id: Option<&str>) {
        self.service.cloud().attached_to_instance = service_account_id.map(str::to_owned);
    }

    /// Sets whether the metadata service names the attached account. Yandex Cloud documents only the name `default/`,
    /// so that is the default.
    pub fn name_attached_account(&self, is_named: bool) {
        self.service.cloud().names_attached_account = is_named;
    }

    /// Sets the only `subject_token_type` that the token exchange accepts for a service account, because Yandex Cloud
    /// does not document it.
    pub fn accept_subject_token_type(&self, subject_token_type: &str) {
        subject_token_type.clone_into(&mut self.service.cloud().subject_token_type);
    }

    /// Accepts exactly this external JWT in exchange for an IAM token of the account.
    pub fn federate(&self, external_jwt: &str, service_account_id: &str) {
        self.service.cloud().federate(external_jwt, service_account_id);
    }

    /// Issues an IAM token without a request. The subject need not be a service account.
    pub fn issue_iam_token(&self, subject_id: &str) -> String {
        self.service.cloud().issue_iam_token(subject_id).token
    }

    /// Revokes all IAM tokens issued so far.
    pub fn revoke_iam_tokens(&self) {
        self.service.cloud().revoke_iam_tokens();
    }

    /// Every secret issued or received so far, for a test that searches for leaks: IAM tokens, ID tokens, JWT
    /// assertions, external JWTs, and the base64 of private keys, line by line and joined.
    pub fn secrets(&self) -> Vec<String> {
        self.service.cloud().secrets()
    }
}

/// Faults.
impl Emulator {
    /// Answers the next requests to the route with these faults, one each, and then as usual. Appends to the rest of an
    /// earlier script.
    pub fn script(&self, route: Route, faults: impl IntoIterator<Item = Fault>) {
        self.service.traffic().script(route, faults);
    }

    /// Answers every request to the route with this fault, after its script is used up; `None` ends that.
    pub fn always(&self, route: Route, fault: Option<Fault>) {
        self.service.traffic().always(route, fault);
    }

    /// Delays every answer of the route; zero ends that.
    pub fn delay(&self, route: Route, delay: Duration) {
        self.service.traffic().delay(route, delay);
    }

    /// Changes later ID tokens, and the answers around them.
    pub fn set_id_token_variant(&self, variant: IdTokenVariant) {
        self.service.cloud().id_token_variant = variant;
    }

    /// Sets the server's clock this many seconds ahead (behind, if negative): the `Date` header, the times in tokens
    /// and answers, and the validation of assertions and IAM tokens.
    pub fn set_clock_shift(&self, seconds: i64) {
        self.service.cloud().clock = Clock::shifted_by(seconds);
    }
}

/// Record of the requests.
impl Emulator {
    /// All requests that have arrived, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.service.traffic().requests().to_vec()
    }

    /// The number of requests to this route.
    pub fn count(&self, route: Route) -> usize {
        self.service.traffic().requests().iter().filter(|request| request.route == route).count()
    }

    /// Clears the record of requests, but not of secrets.
    pub fn clear_requests(&self) {
        self.service.traffic().clear_requests();
    }

    /// The number of TCP connections accepted since the start.
    pub fn connections(&self) -> usize {
        self.service.connections()
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("url", &self.url()).finish_non_exhaustive()
    }
}
