//! What has become of a wish: reached by another process, failed a moment ago, or still to be obtained.

use std::time::Duration;

use tracing::{debug, info};

use super::freshness::Freshness;
use super::{Broker, Purpose, negative_cache};
use crate::cache::Key;
use crate::credential::{Cacheable, Credential};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// One run's wish for one credential, and what has become of it so far.
pub(super) struct Attempt<'a, T> {
    pub(super) broker: &'a Broker,
    pub(super) key: &'a Key,
    pub(super) settings: Digest,
    pub(super) minimum_lifetime: Duration,
    pub(super) refused: Option<&'a T>,
}

impl<T: Cacheable + PartialEq> Attempt<'_, T> {
    /// The result that another process, or an earlier run, has reached for us.
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
            if self.broker.is_sufficient(freshness) {
                return Some(Ok(credential));
            }
        }
        let negative_cache =
            negative_cache::recall(&self.broker.options.cache, self.key, self.settings)?;
        let now = self.broker.options.clock.now().at;
        let can_do_without =
            || matches!(self.broker.options.purpose, Purpose::Answer(_)) && self.alive().is_some();
        let holds =
            negative_cache.holds_at(now) || (negative_cache.is_recent(now) && can_do_without());
        let counts =
            self.broker.happened_during_run(negative_cache.at) || (holds && !self.wants_new());
        counts.then(|| {
            debug!(key = self.key.name(), "not asked again: it failed a moment ago");
            self.fall_back(negative_cache.into_error())
        })
    }

    /// After a failure: the credential of before, while it is still alive. A run that asked for a
    /// new one is told the failure instead.
    pub(super) fn fall_back(&self, failure: Error) -> Result<Credential<T>> {
        if self.wants_new() {
            return Err(failure);
        }
        let Some(credential) = self.alive() else { return Err(failure) };
        info!("{failure}; using the credential of before, which is still valid");
        Ok(credential)
    }

    /// What rests in the cache, while it is still alive.
    fn alive(&self) -> Option<Credential<T>> {
        let now = self.broker.options.clock.now();
        self.acceptable().ok()?.filter(|credential| !credential.lifetime.left(now).is_zero())
    }

    /// What rests in the cache, unless it is what we want to get away from.
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
