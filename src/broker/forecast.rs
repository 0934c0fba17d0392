//! What would happen if a credential were wanted now, and why: for people. Nobody is asked for anything.

use std::time::Duration;

use super::freshness::Freshness;
use super::{Broker, Failure, Request, negative_cache};
use crate::cache::{EntryMetadata, Key, Parts};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::foreign_text::Message;

/// What would happen if a credential were wanted now.
#[derive(Debug)]
pub struct Forecast {
    /// What it is, in a sentence.
    pub what: Message,
    /// Whom it is had from, and for whom.
    pub about: EntryMetadata,
    /// Its name in the cache.
    pub key: Key,
    /// What makes that name. Secrets are in it by their digests.
    pub parts: Parts,
    /// What would happen.
    pub prediction: Prediction,
}

/// What would happen, and why. Times are on the local clock.
#[derive(Debug)]
pub enum Prediction {
    /// It is handed out from the cache.
    Hit {
        /// From when it is refreshed in the background.
        soft_at: Timestamp,
        /// When it expires.
        expires_at: Timestamp,
    },
    /// It is handed out from the cache, and refreshed.
    Ageing {
        /// Since when that is due.
        soft_at: Timestamp,
        /// When it expires.
        expires_at: Timestamp,
    },
    /// What is cached has not enough life left for who wants it.
    Short {
        /// When it expires.
        expires_at: Timestamp,
        /// What must be left.
        minimum_lifetime: Duration,
    },
    /// Nothing usable is cached.
    Absent,
    /// The last attempt failed a moment ago, and its error is told again until then.
    Fails(Failure, Timestamp),
    /// It never rests in the cache.
    NotKept,
}

impl Prediction {
    /// Whether the cache answers.
    #[must_use]
    pub const fn is_hit(&self) -> bool {
        matches!(self, Self::Hit { .. } | Self::Ageing { .. })
    }
}

impl Broker {
    /// What would happen if this were wanted now, by a consumer that must get `least_life`.
    pub fn forecast<O: Request>(&self, request: &O, minimum_lifetime: Duration) -> Forecast {
        let (key, parts) = request.identify(Key::told(O::KIND)).build_told();
        let prediction = if request.is_cacheable() {
            self.prediction(&key, minimum_lifetime, self.settings_of(request))
        } else {
            Prediction::NotKept
        };
        let (what, about) = (request.what(), request.about());
        Forecast { what, about, key, parts, prediction }
    }

    fn prediction(&self, key: &Key, minimum_lifetime: Duration, settings: Digest) -> Prediction {
        let now = self.options.clock.now();
        let prediction = self.options.cache.lifetime(key).map_or(Prediction::Absent, |lifetime| {
            let expires_at = lifetime.expires_at_here();
            let soft_at = expires_at.minus(lifetime.whole() / 2);
            match Freshness::judge(&lifetime, minimum_lifetime, now) {
                Freshness::Fresh => Prediction::Hit { soft_at, expires_at },
                Freshness::Ageing => Prediction::Ageing { soft_at, expires_at },
                Freshness::Short => Prediction::Short { expires_at, minimum_lifetime },
            }
        });
        if prediction.is_hit() {
            return prediction;
        }
        let negative_cache = negative_cache::recall(&self.options.cache, key, settings);
        match negative_cache.filter(|negative_cache| negative_cache.holds_at(now.at)) {
            Some(negative_cache) => {
                let until = negative_cache.until;
                Prediction::Fails(negative_cache.into(), until)
            }
            None => prediction,
        }
    }
}
