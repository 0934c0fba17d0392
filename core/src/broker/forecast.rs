//! Predicts how a request would be served, and why, for `status`. Sends no request.

use std::time::Duration;

use super::freshness::Freshness;
use super::{Broker, Failure, Request, negative_cache};
use crate::cache::{EntryMetadata, Key, KeyInputs};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::foreign_text::Message;

/// How a request would be served now.
#[derive(Debug)]
pub struct Forecast {
    /// A phrase that describes the credential, such as "an ID token for audience `k8s`".
    pub what: Message,
    pub about: EntryMetadata,
    pub key: Key,
    /// The inputs of the cache key. Secrets are replaced by their digests.
    pub inputs: KeyInputs,
    pub prediction: Prediction,
}

/// How the request would be served, and why. Times are on the local clock.
#[derive(Debug)]
pub enum Prediction {
    /// It is returned from the cache.
    Hit {
        /// When it will be refreshed in the background.
        soft_at: Timestamp,
        expires_at: Timestamp,
    },
    /// It is returned from the cache, and refreshed in the background.
    Ageing {
        /// Since when a refresh is due.
        soft_at: Timestamp,
        expires_at: Timestamp,
    },
    /// The cached credential does not have the minimum lifetime.
    Short { expires_at: Timestamp, minimum_lifetime: Duration },
    /// Nothing usable is cached.
    Absent,
    /// The last attempt failed, and its error is repeated until this time.
    Fails(Failure, Timestamp),
    /// The credential is never cached.
    NotCached,
}

impl Prediction {
    /// Whether the cache answers.
    pub const fn is_hit(&self) -> bool {
        matches!(self, Self::Hit { .. } | Self::Ageing { .. })
    }
}

impl Broker {
    /// How a request with a minimum lifetime would be served now.
    pub fn forecast<O: Request>(&self, request: &O, minimum_lifetime: Duration) -> Forecast {
        let (key, inputs) = request.identify(Key::with_inputs(O::KIND)).build_with_inputs();
        let prediction = if request.is_cacheable() {
            self.prediction(&key, minimum_lifetime, self.fingerprint(request))
        } else {
            Prediction::NotCached
        };
        let (what, about) = (request.what(), request.about());
        Forecast { what, about, key, inputs, prediction }
    }

    fn prediction(&self, key: &Key, minimum_lifetime: Duration, settings: Digest) -> Prediction {
        let now = self.options.clock.now();
        let prediction = self.options.cache.lifetime(key).map_or(Prediction::Absent, |lifetime| {
            let expires_at = lifetime.expires_at_here();
            let soft_at = expires_at.minus(lifetime.whole() / 2);
            match Freshness::judge(&lifetime, minimum_lifetime, now) {
                Freshness::Fresh => Prediction::Hit { soft_at, expires_at },
                Freshness::Ageing => Prediction::Ageing { soft_at, expires_at },
                Freshness::Short => {
                    let minimum_lifetime = minimum_lifetime.min(lifetime.whole() / 2);
                    Prediction::Short { expires_at, minimum_lifetime }
                }
            }
        });
        if prediction.is_hit() {
            return prediction;
        }
        let failure = negative_cache::recall(&self.options.cache, key, settings);
        match failure.filter(|failure| failure.holds_at(now.at)) {
            Some(failure) => {
                let until = failure.until;
                Prediction::Fails(failure.into(), until)
            }
            None => prediction,
        }
    }
}
