//! What would happen if a credential were wanted now, and why: for people. Nobody is asked for anything.

use std::time::Duration;

use super::freshness::Freshness;
use super::{Broker, Failure, Obtain, memo};
use crate::cache::{About, Digest, Key, Parts};
use crate::clock::Timestamp;
use crate::foreign_text::Message;

/// What would happen if a credential were wanted now.
#[derive(Debug)]
pub struct Prospect {
    /// What it is, in a sentence.
    pub what: Message,
    /// Whom it is had from, and for whom.
    pub about: About,
    /// Its name in the cache.
    pub key: Key,
    /// What makes that name. Secrets are in it by their digests.
    pub parts: Parts,
    /// What would happen.
    pub outlook: Outlook,
}

/// What would happen, and why. Times are on the local clock.
#[derive(Debug)]
pub enum Outlook {
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
        least_life: Duration,
    },
    /// Nothing usable is cached.
    Absent,
    /// The last attempt failed a moment ago, and its error is told again until then.
    Fails(Failure, Timestamp),
    /// It never rests in the cache.
    NotKept,
}

impl Outlook {
    /// Whether the cache answers.
    #[must_use]
    pub const fn is_hit(&self) -> bool {
        matches!(self, Self::Hit { .. } | Self::Ageing { .. })
    }
}

impl Broker {
    /// What would happen if this were wanted now, by a consumer that must get `least_life`.
    pub fn prospect<O: Obtain>(&self, wanted: &O, least_life: Duration) -> Prospect {
        let (key, parts) = wanted.identify(Key::told(O::KIND)).build_told();
        let outlook = if wanted.rests() {
            self.outlook(&key, least_life, self.settings_of(wanted))
        } else {
            Outlook::NotKept
        };
        let (what, about) = (wanted.what(), wanted.about());
        Prospect { what, about, key, parts, outlook }
    }

    fn outlook(&self, key: &Key, least_life: Duration, settings: Digest) -> Outlook {
        let now = self.clock.now();
        let outlook = self.cache.lifetime(key).map_or(Outlook::Absent, |lifetime| {
            let expires_at = lifetime.expires_at_here();
            let soft_at = expires_at.minus(lifetime.whole() / 2);
            match Freshness::judge(&lifetime, least_life, now) {
                Freshness::Fresh => Outlook::Hit { soft_at, expires_at },
                Freshness::Ageing => Outlook::Ageing { soft_at, expires_at },
                Freshness::Short => Outlook::Short { expires_at, least_life },
            }
        });
        if outlook.is_hit() {
            return outlook;
        }
        let memo = memo::recall(&self.cache, key, settings);
        match memo.filter(|memo| memo.holds_at(now.at)) {
            Some(memo) => {
                let until = memo.until;
                Outlook::Fails(memo.into(), until)
            }
            None => outlook,
        }
    }
}
