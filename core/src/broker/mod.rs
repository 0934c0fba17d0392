//! Obtains any credential: from the cache while it is fresh, otherwise by a single flight over all processes, which
//! share the result (a credential or a failure).
//!
//! The rules are the same for every credential. What differs (the key, the minimum lifetime, the fetch) is in its
//! [`Request`]. A cache hit takes no lock, and starts no thread and no runtime.
//!
//! | to find | look in |
//! | --- | --- |
//! | when a cached credential is used | `freshness` |
//! | the result of another process | `attempt` |
//! | the lock, and the wait for it | `single_flight` |
//! | remembered failures | `negative_cache` |
//! | when a long-running process renews a credential | `schedule` |
//! | the process that refreshes in the background | `background_refresh` |
//! | the exchange of one credential for another | `exchange` |
//! | what `status` shows | `forecast`, `overview` |
//! | protection against recursion through other programs | `within` |

mod attempt;
mod background_refresh;
mod exchange;
mod forecast;
mod freshness;
mod negative_cache;
mod overview;
mod schedule;
mod single_flight;
mod within;

use std::time::Duration;

use tracing::{debug, info};

use crate::cache::{Cache, EntryMetadata, Key, KeyBuilder};
use crate::clock::{Clock, Deadline, Timestamp};
use crate::credential::{Cacheable, Credential, Lifetime};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::runtime;
use crate::spinner::Spinner;
use attempt::Attempt;
pub use background_refresh::{REFRESH, Rerun, begin_session};
pub use forecast::{Forecast, Prediction};
use freshness::Freshness;
use negative_cache::RememberedFailure;
pub use overview::{CachedCredential, Failure, Row, State, overview};
pub use schedule::{Lead, Schedule};
use single_flight::{Pause, SingleFlight};
pub use within::UnderWay;
use within::Within;

/// A credential that the broker can obtain.
pub trait Request {
    type Secret: Cacheable + PartialEq;

    /// Its kind, with which its name in the cache begins.
    const KIND: &'static str;

    /// Adds everything that changes the answer to its cache key.
    fn identify(&self, key: KeyBuilder) -> KeyBuilder;

    fn key(&self) -> Key {
        self.identify(Key::of(Self::KIND)).build()
    }

    /// The metadata that `status` shows.
    fn about(&self) -> EntryMetadata;

    /// A phrase that describes it: "an ID token for audience `k8s`".
    fn what(&self) -> Message;

    /// Whether it can be cached, and so shared with other processes.
    fn is_cacheable(&self) -> bool {
        true
    }

    /// Whether this credential can be cached. One with a use limit must not be shared.
    fn should_store(&self, _: &Credential<Self::Secret>) -> bool {
        true
    }

    /// A fingerprint of the request's own settings that decide *how* it is obtained. A change invalidates a
    /// remembered failure.
    fn connection_fingerprint(&self) -> String {
        String::new()
    }

    /// Fetches it from its server. Checks that it matches the request and has not expired.
    fn fetch(&self, broker: &Broker) -> impl Future<Output = Result<Credential<Self::Secret>>>;
}

#[derive(Clone, Debug)]
pub enum Purpose {
    /// Return a credential. One past its soft point is refreshed by this command line, if it can be run again.
    Answer(Option<Rerun>),
    /// Refresh one, in the background.
    Refresh,
    /// Renew one, in a long-running process that has the previous one. A failure is returned even if the previous one
    /// is still valid.
    Renew(Lead),
}

#[derive(Debug)]
pub struct Broker {
    options: BrokerOptions,
    started: Timestamp,
    /// What this run, and the runs that started it, are obtaining.
    within: Within,
}

#[derive(Debug)]
pub struct BrokerOptions {
    pub clock: Clock,
    pub cache: Cache,
    pub deadline: Deadline,
    pub purpose: Purpose,
    /// Get a new credential even if one is cached.
    pub force_refresh: bool,
    /// The fingerprint of all settings that decide *how* a credential is obtained. A failure is remembered for these
    /// settings only, so that a retry after a fix does not see the old error.
    pub settings: Fingerprint,
    pub asker: Asker,
    pub spinner: Spinner,
    /// The [`mark`](Broker::mark) of the run that started this one; empty if none did.
    pub outer_runs: String,
}

/// What asks for credentials, for `status`.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    pub command: Option<&'static str>,
    pub profile: Option<String>,
}

/// A digest that is computed only when needed, because a cache hit must not pay for it.
pub struct Fingerprint(pub Box<dyn Fn() -> Digest>);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl Broker {
    pub fn new(options: BrokerOptions) -> Self {
        let (started, within) = (options.clock.now().at, Within::of(&options.outer_runs));
        Self { options, started, within }
    }

    /// A list of what is being obtained, for the environment of a helper program.
    pub fn mark(&self) -> String {
        self.within.mark()
    }

    /// Marks the start of obtaining something, called `name`. A helper program must not start to obtain the same.
    pub fn begin(&self, name: &str, what: &Message) -> Result<UnderWay<'_>> {
        self.within.begin(name, what)
    }

    pub const fn cache(&self) -> &Cache {
        &self.options.cache
    }

    pub const fn clock(&self) -> Clock {
        self.options.clock
    }

    /// Obtains a credential with a minimum lifetime. A cache hit does nothing else.
    pub fn obtain<O: Request>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
    ) -> Result<Credential<O::Secret>> {
        if let Some((hit, freshness)) = self.look(request, minimum_lifetime)?
            && self.is_sufficient(freshness, &hit.lifetime)
        {
            self.refresh_soon(request, freshness);
            return Ok(hit);
        }
        // A required cache that cannot be used fails the run before any request. While a person unlocks it, the run
        // can be interrupted here.
        self.options.cache.open()?;
        self.wait(&request.what(), self.fetch_shared(request, minimum_lifetime, None))
    }

    /// Waits for work over the network, unless this run is interrupted. `what` names the work in the error.
    pub fn wait<T>(&self, what: &Message, work: impl Future<Output = Result<T>>) -> Result<T> {
        let watches_parent = matches!(self.options.purpose, Purpose::Answer(_));
        let doing = message!("getting {what}", what);
        runtime::wait(&self.options.spinner, &doing, what, watches_parent, work)
    }

    /// The cached credential, if it has the minimum lifetime.
    pub fn cached<O: Request>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
    ) -> Result<Option<Credential<O::Secret>>> {
        let found = self.look(request, minimum_lifetime)?;
        let good = found.filter(|(_, freshness)| freshness.is_good_enough());
        Ok(good.map(|(credential, _)| credential))
    }

    fn look<O: Request>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
    ) -> Result<Option<(Credential<O::Secret>, Freshness)>> {
        if self.options.force_refresh || !request.is_cacheable() {
            return Ok(None);
        }
        let key = request.key();
        let Some(credential) = self.options.cache.get::<O::Secret>(&key)? else { return Ok(None) };
        let freshness =
            Freshness::judge(&credential.lifetime, minimum_lifetime, self.options.clock.now());
        debug!(key = key.name(), ?freshness, "found in the cache");
        Ok(Some((credential, freshness)))
    }

    /// Whether this is fresh enough for the purpose of this run.
    fn is_sufficient(&self, freshness: Freshness, lifetime: &Lifetime) -> bool {
        match self.options.purpose {
            Purpose::Answer(_) => freshness.is_good_enough(),
            Purpose::Refresh => matches!(freshness, Freshness::Fresh),
            Purpose::Renew(lead) => !lead.due_in(lifetime, self.options.clock.now()).is_zero(),
        }
    }

    /// Past the soft point, starts a process that obtains the next credential.
    fn refresh_soon<O: Request>(&self, request: &O, freshness: Freshness) {
        if let (Purpose::Answer(Some(rerun)), Freshness::Ageing) =
            (&self.options.purpose, freshness)
            && single_flight::try_claim_refresh(
                &self.options.cache,
                &request.key(),
                self.options.clock.now().at,
            )
        {
            rerun.start();
        }
    }

    /// Fetches a credential that is not cached, in a single flight with other processes. A cached one that equals
    /// `refused`, which a server has just rejected, is ignored.
    pub async fn fetch_shared<O: Request>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
        refused: Option<&O::Secret>,
    ) -> Result<Credential<O::Secret>> {
        let key = request.key();
        let _under_way = self.begin(key.name(), &request.what())?;
        if !request.is_cacheable() {
            return request.fetch(self).await;
        }
        let settings = self.fingerprint(request);
        let attempt = Attempt { broker: self, key: &key, settings, minimum_lifetime, refused };
        let mut flight = SingleFlight::new(&self.options.cache, &key);
        let mut pause = Pause::new();
        loop {
            if let Some(result) = attempt.check_cache() {
                return result;
            }
            let now = self.options.clock.now().at;
            if flight.try_lock(now) {
                break;
            }
            if flight.is_unshared(now) {
                debug!(
                    key = key.name(),
                    "its result cannot be shared; not waiting for other processes"
                );
                break;
            }
            let left = self.options.deadline.left();
            if left.is_zero() {
                let (holder, lock) = flight.holder();
                return attempt.fall_back(Error::LockTimeout {
                    what: request.what(),
                    holder,
                    lock,
                    budget: self.options.deadline.budget(),
                });
            }
            tokio::time::sleep(pause.next().min(left)).await;
        }
        // Another process may have stored the result between the last look and the lock.
        if let Some(result) = attempt.check_cache() {
            return result;
        }
        info!("getting {}", request.what());
        match request.fetch(self).await {
            Ok(credential) => {
                let is_shared = self.store(request, &key, &credential);
                let now = self.options.clock.now().at;
                flight.finish(is_shared, now);
                negative_cache::forget(&self.options.cache, &key);
                self.options.cache.sweep(now);
                Ok(credential)
            }
            Err(error) => {
                let now = self.options.clock.now().at;
                let is_background = self.is_unattended();
                let about = self.about(request);
                let failure = RememberedFailure::new(&error, settings, now, is_background, about);
                let is_shared = failure.is_some_and(|it| it.store(&self.options.cache, &key));
                flight.finish(is_shared, now);
                attempt.fall_back(error)
            }
        }
    }

    /// Stores a credential for other runs, if it can be shared. Returns whether other runs can use it.
    fn store<O: Request>(
        &self,
        request: &O,
        key: &Key,
        credential: &Credential<O::Secret>,
    ) -> bool {
        if !request.should_store(credential) {
            debug!(key = key.name(), "it has a use limit, and is not cached");
            return false;
        }
        let stored = self.options.cache.put(key, credential, &self.about(request));
        if let Err(error) = &stored {
            debug!(key = key.name(), %error, "cannot store it in the cache");
        }
        stored.is_ok()
    }

    /// The fingerprint of all settings that decide how this request is fetched.
    fn fingerprint<O: Request>(&self, request: &O) -> Digest {
        match request.connection_fingerprint() {
            connection_fingerprint if connection_fingerprint.is_empty() => {
                (self.options.settings.0)()
            }
            connection_fingerprint => Digest::of(
                ((self.options.settings.0)().to_hex() + &connection_fingerprint).as_bytes(),
            ),
        }
    }

    fn about<O: Request>(&self, request: &O) -> EntryMetadata {
        let Asker { command, profile } = self.options.asker.clone();
        EntryMetadata {
            consumer: command.map(ForeignText::from),
            profile: profile.map(ForeignText::from),
            ..request.about()
        }
    }

    /// Whether this runs in the background, where no user can answer a prompt.
    pub const fn is_unattended(&self) -> bool {
        matches!(self.options.purpose, Purpose::Refresh | Purpose::Renew(_))
    }

    /// Whether a failure is returned although a valid credential is cached: when a long-running process renews this
    /// credential, and not when it is only the parent of another one.
    fn returns_failures(&self) -> bool {
        matches!(self.options.purpose, Purpose::Renew(_)) && self.within.is_outermost()
    }

    /// Whether something that happened at `at` happened during this run. A time in the future means that the clock
    /// was set back, so it was before this run.
    pub fn happened_during_run(&self, at: Timestamp) -> bool {
        at >= self.started && at <= self.options.clock.now().at
    }
}

#[cfg(test)]
mod fleet;
#[cfg(test)]
mod tests;
