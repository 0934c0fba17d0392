//! How any credential is obtained: from the cache while it is fresh, else by one flight over all
//! processes, whose result, credential or failure, the others share.
//!
//! The rules hold for every credential alike; what differs, the key, the least life and the fetch,
//! comes in by [`Obtain`]. A hit takes no lock, starts no thread and no runtime.

mod flight;
mod freshness;
mod memo;

use std::time::Duration;

use tracing::{debug, info};

use crate::cache::{Cache, Digest, Key};
use crate::clock::{Clock, Deadline, Timestamp};
use crate::credential::{Credential, Restable};
use crate::error::{Error, Result};
use flight::{Flight, Pause};
use freshness::Freshness;

/// Something that the broker can obtain.
pub trait Obtain {
    /// What is obtained.
    type Secret: Restable + PartialEq;

    /// Its name in the cache: everything that changes the answer.
    fn key(&self) -> Key;

    /// What it is, in a sentence: "an ID token for audience `k8s`".
    fn what(&self) -> String;

    /// Whether it may rest in the cache, and be shared with other processes there.
    fn rests(&self) -> bool {
        true
    }

    /// Whether this one, now that it is known, may rest there after all. A credential for so many uses
    /// is its first user's.
    fn keeps(&self, _: &Credential<Self::Secret>) -> bool {
        true
    }

    /// Obtains it from its server. It has been checked: it is what was asked for, and alive.
    fn fetch(&self, broker: &Broker) -> impl Future<Output = Result<Credential<Self::Secret>>>;
}

/// The broker of one run.
#[derive(Debug)]
pub struct Broker {
    clock: Clock,
    cache: Cache,
    deadline: Deadline,
    force_refresh: bool,
    /// Over all settings that decide *how* a credential is obtained. A failure is remembered for
    /// these settings only: whoever changes one wants to see whether it helped.
    settings: Digest,
    started: Timestamp,
}

impl Broker {
    /// The broker of a run that begins now.
    #[must_use]
    pub fn new(
        clock: Clock,
        cache: Cache,
        deadline: Deadline,
        force_refresh: bool,
        settings: Digest,
    ) -> Self {
        Self { clock, cache, deadline, force_refresh, settings, started: clock.now() }
    }

    /// Lets failures be remembered for these settings of a consumer's own too.
    pub fn distinguish(&mut self, settings: Digest) {
        let both = self.settings.to_hex() + &settings.to_hex();
        self.settings = Digest::of(both.as_bytes());
    }

    /// Where credentials rest.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The clock of this run.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Obtains a credential that lives for `least_life` yet. On a hit, nothing else is touched.
    pub fn obtain<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
    ) -> Result<Credential<O::Secret>> {
        if let Some(hit) = self.cached(wanted, least_life) {
            return Ok(hit);
        }
        wait(self.miss(wanted, least_life, None))
    }

    /// The credential that rests in the cache, if it is good enough.
    pub fn cached<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
    ) -> Option<Credential<O::Secret>> {
        if self.force_refresh || !wanted.rests() {
            return None;
        }
        let key = wanted.key();
        let credential = self.cache.get::<O::Secret>(&key)?;
        let freshness = Freshness::judge(&credential.lifetime, least_life, self.clock.now());
        debug!(key = key.name(), ?freshness, "found in the cache");
        freshness.is_good_enough().then_some(credential)
    }

    /// Obtains a credential on the way to another one, within its flight. A credential equal to
    /// `refused` does not count as cached: a server has just turned it down.
    pub async fn miss<O: Obtain>(
        &self,
        wanted: &O,
        least_life: Duration,
        refused: Option<&O::Secret>,
    ) -> Result<Credential<O::Secret>> {
        if !wanted.rests() {
            return wanted.fetch(self).await;
        }
        let key = wanted.key();
        let attempt = Attempt { broker: self, key: &key, least_life, refused };
        let mut flight = Flight::to(&self.cache, &key);
        let mut pause = Pause::new();
        loop {
            if let Some(result) = attempt.settled() {
                return result;
            }
            if flight.take_off() {
                break;
            }
            let left = self.deadline.left();
            if left.is_zero() {
                let (holder, lock) = flight.holder();
                return Err(Error::LockTimeout {
                    what: wanted.what(),
                    holder,
                    lock,
                    budget: self.deadline.budget(),
                });
            }
            tokio::time::sleep(pause.next().min(left)).await;
        }
        // The flight before ours may have landed between our last look and the lock.
        if let Some(result) = attempt.settled() {
            return result;
        }
        info!("getting {}", wanted.what());
        match wanted.fetch(self).await {
            Ok(credential) => {
                if !wanted.keeps(&credential) {
                    debug!(
                        key = key.name(),
                        "it is not for others, and does not rest in the cache"
                    );
                } else if let Err(error) = self.cache.put(&key, &credential) {
                    debug!(key = key.name(), %error, "cannot keep it in the cache");
                }
                memo::forget(&self.cache, &key);
                Ok(credential)
            }
            Err(error) => {
                memo::remember(&self.cache, &key, &error, self.settings, self.clock.now());
                attempt.fall_back(error)
            }
        }
    }

    /// Whether something that happened at `at` happened in this run, or in one that ran beside it. What
    /// is still to come by this clock happened before the clock jumped back.
    #[must_use]
    pub fn is_news(&self, at: Timestamp) -> bool {
        at >= self.started && at <= self.clock.now()
    }
}

/// Waits for what goes over the network.
pub fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Error::Internal(format!("cannot start the network runtime: {error}")))?;
    let result = runtime.block_on(work);
    // A name lookup that hangs in the system's resolver must not hold up the exit.
    runtime.shutdown_background();
    result
}

/// One run's wish for one credential, and what has become of it so far.
struct Attempt<'a, T> {
    broker: &'a Broker,
    key: &'a Key,
    least_life: Duration,
    refused: Option<&'a T>,
}

impl<T: Restable + PartialEq> Attempt<'_, T> {
    /// The result that another process, or an earlier run, has reached for us.
    fn settled(&self) -> Option<Result<Credential<T>>> {
        if let Some(credential) = self.acceptable() {
            let freshness =
                Freshness::judge(&credential.lifetime, self.least_life, self.broker.clock.now());
            if freshness.is_good_enough() {
                return Some(Ok(credential));
            }
        }
        let memo = memo::recall(&self.broker.cache, self.key, self.broker.settings)?;
        let now = self.broker.clock.now();
        let counts = self.broker.is_news(memo.at) || (memo.holds_at(now) && !self.wants_new());
        counts.then(|| {
            debug!(key = self.key.name(), "not asked again: it failed a moment ago");
            self.fall_back(memo.into_error())
        })
    }

    /// After a failure: the credential of before, while it is still alive. A run that asked for a
    /// new one is told the failure instead.
    fn fall_back(&self, failure: Error) -> Result<Credential<T>> {
        if self.wants_new() {
            return Err(failure);
        }
        match self.acceptable() {
            Some(credential) if !credential.lifetime.left(self.broker.clock.now()).is_zero() => {
                info!("{failure}; using the credential of before, which is still valid");
                Ok(credential)
            }
            _ => Err(failure),
        }
    }

    /// What rests in the cache, unless it is what we want to get away from.
    fn acceptable(&self) -> Option<Credential<T>> {
        let credential = self.broker.cache.get::<T>(self.key)?;
        let refused = self.refused.is_some_and(|refused| *refused == credential.secret);
        let too_old =
            self.broker.force_refresh && !self.broker.is_news(credential.lifetime.obtained_at);
        (!refused && !too_old).then_some(credential)
    }

    const fn wants_new(&self) -> bool {
        self.broker.force_refresh || self.refused.is_some()
    }
}

#[cfg(test)]
mod tests;
