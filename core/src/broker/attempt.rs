//! The state of a request: answered by another process, failed a moment ago, or still to be fetched.

use std::time::Duration;

use tracing::{debug, info};

use super::freshness::Freshness;
use super::{Broker, Purpose, negative_cache};
use crate::cache::Key;
use crate::credential::{Cacheable, Credential};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A run's attempt to obtain one credential.
pub(super) struct Attempt<'a, T> {
    pub(super) broker: &'a Broker,
    pub(super) key: &'a Key,
    pub(super) settings: Digest,
    pub(super) minimum_lifetime: Duration,
    pub(super) refused: Option<&'a T>,
}

impl<T: Cacheable + PartialEq> Attempt<'_, T> {
    /// The result that another process or an earlier run has stored, if this run can use it.
    pub(super) fn check_cache(&self) -> Option<Result<Credential<T>>> {
        let cached = match self.acceptable() {
            Ok(cached) => cached,
            Err(error) => return Some(Err(error)),
        };
        if let Some(credential) = cached {
            let freshness = Freshness::judge(
                &credential.lifetime,
                self.minimum_lifetime,
                self.broker.options.clock.now(),
            );
            if self.broker.is_sufficient(freshness, &credential.lifetime) {
                return Some(Ok(credential));
            }
        }
        let failure = negative_cache::recall(&self.broker.options.cache, self.key, self.settings)?;
        let now = self.broker.options.clock.now().at;
        let can_do_without = || {
            matches!(self.broker.options.purpose, Purpose::Answer(_)) && self.unexpired().is_some()
        };
        let holds = failure.holds_at(now) || (failure.is_recent(now) && can_do_without());
        let counts = self.broker.happened_during_run(failure.at) || (holds && !self.wants_new());
        counts.then(|| {
            debug!(key = self.key.name(), "not retried: it failed a moment ago");
            self.fall_back(failure.into_error())
        })
    }

    /// After a failure: the cached credential, until it expires. A run that needs a new one fails.
    pub(super) fn fall_back(&self, failure: Error) -> Result<Credential<T>> {
        if self.wants_new() || self.broker.returns_failures() {
            return Err(failure);
        }
        let Some(credential) = self.unexpired() else { return Err(failure) };
        info!("{failure}; using the previous credential, which is still valid");
        Ok(credential)
    }

    /// The cached credential, unless it has expired.
    fn unexpired(&self) -> Option<Credential<T>> {
        let now = self.broker.options.clock.now();
        self.acceptable().ok()?.filter(|credential| !credential.lifetime.left(now).is_zero())
    }

    /// The cached credential, unless it is the one that has to be replaced.
    fn acceptable(&self) -> Result<Option<Credential<T>>> {
        let Some(credential) = self.broker.options.cache.get::<T>(self.key)? else {
            return Ok(None);
        };
        let refused = self.refused.is_some_and(|refused| *refused == credential.secret);
        let too_old = self.broker.options.force_refresh
            && !self.broker.happened_during_run(credential.lifetime.obtained_at);
        Ok((!refused && !too_old).then_some(credential))
    }

    const fn wants_new(&self) -> bool {
        self.broker.options.force_refresh || self.refused.is_some()
    }
}
