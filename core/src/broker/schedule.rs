//! Decides when a long-running process renews a credential: at a random moment before the soft point, and soon after
//! a failure.
//!
//! Random moments spread the requests of a fleet. Processes that got their credentials together, after a start or an
//! outage, would otherwise renew them in waves. The first renewal is at any moment before the soft point. Later ones
//! vary over a smaller part of the lifetime, which is enough to keep the processes apart.

use std::time::Duration;

use crate::clock::Moment;
use crate::credential::Lifetime;
use crate::error::Error;
use crate::random;

/// The shortest pause after a success, in case a server issues credentials that are already due.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after the first failed attempt. It doubles with each further failure. The broker remembers a failure for
/// the same time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause between failed attempts: this fraction of the lifetime, and at most `LONGEST_PAUSE`.
const PAUSES_IN_A_LIFETIME: u32 = 16;
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The longest pause while there is no valid credential.
const LONGEST_PAUSE_WITHOUT: Duration = Duration::from_secs(30);

/// How far before its soft point a credential is renewed.
#[derive(Clone, Copy, Debug)]
pub struct Lead {
    /// As a fraction of the lifetime.
    share: f64,
}

impl Lead {
    /// With this lead, a credential survives an outage of half of its lifetime, with time left for one attempt.
    const MIN: f64 = 0.02;
    const MAX: f64 = 0.2;

    /// A derived credential is renewed much more often than its parent. So this smaller part of the lifetime is
    /// enough to renew the parents of a fleet one after another, before they expire together.
    const OF_PARENT: f64 = 0.25;

    fn random() -> Self {
        Self { share: Self::MIN + random::fraction() * (Self::MAX - Self::MIN) }
    }

    /// A lead for any moment between `now` and the soft point.
    fn from_now(lifetime: &Lifetime, now: Moment) -> Self {
        let whole = lifetime.whole();
        let largest = lifetime.left(now).saturating_sub(whole / 2).div_duration_f64(whole);
        // `max` also replaces the quotient of two zeros.
        Self { share: Self::MIN + random::fraction() * (largest - Self::MIN).max(0.0) }
    }

    /// The time until a credential must be renewed; zero if it is due.
    pub(super) fn due_in(self, lifetime: &Lifetime, now: Moment) -> Duration {
        let whole = lifetime.whole();
        let due_in = lifetime.left(now).saturating_sub(whole / 2 + whole.mul_f64(self.share));
        // The clock has milliseconds. A smaller remainder would still be there after the pause.
        due_in.saturating_sub(Duration::from_nanos(u64::from(due_in.subsec_nanos() % 1_000_000)))
    }

    /// Whether the parent of a credential that is renewed now must be renewed too.
    pub(super) fn is_ending(self, parent: &Lifetime, now: Moment) -> bool {
        let share = self.share.min(Self::MAX) * Self::OF_PARENT;
        parent.left(now) < parent.whole().mul_f64(share)
    }
}

/// The schedule of one credential.
#[derive(Debug)]
pub struct Schedule {
    lead: Lead,
    /// The lifetime of the current credential.
    lifetime: Option<Lifetime>,
    failed: Option<Failed>,
    /// Whether other processes of a fleet may have got their credentials at the same moment.
    is_in_step: bool,
}

/// Failed attempts since the last success.
#[derive(Debug)]
struct Failed {
    times: u32,
    /// The server's `Retry-After`.
    retry_after: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { lead: Lead::random(), lifetime: None, failed: None, is_in_step: true }
    }
}

impl Schedule {
    pub const fn lead(&self) -> Lead {
        self.lead
    }

    pub const fn lifetime(&self) -> Option<&Lifetime> {
        self.lifetime.as_ref()
    }

    /// Records the new credential.
    pub const fn keep(&mut self, lifetime: Lifetime) {
        self.lifetime = Some(lifetime);
    }

    /// Records the result of an attempt.
    pub fn note(&mut self, failure: Option<&Error>, now: Moment) {
        if failure.is_none() {
            let first = self.lifetime.filter(|_| self.is_in_step);
            self.lead = first.map_or_else(Lead::random, |first| Lead::from_now(&first, now));
        }
        self.is_in_step = failure.is_some();
        self.failed = failure.map(|failure| Failed {
            times: self.failed.as_ref().map_or(0, |failed| failed.times) + 1,
            retry_after: failure.retry_after().unwrap_or_default(),
        });
    }

    /// The time until the next attempt.
    pub fn pause(&self, now: Moment) -> Duration {
        let due_in = |lifetime| self.lead.due_in(lifetime, now);
        let until_due = self.lifetime.as_ref().map(due_in).unwrap_or_default().max(SHORTEST_PAUSE);
        let Some(Failed { times, retry_after }) = &self.failed else { return until_due };
        let valid = self.lifetime.filter(|lifetime| !lifetime.left(now).is_zero());
        let longest = valid.map_or(LONGEST_PAUSE_WITHOUT, |lifetime| {
            let share = (lifetime.whole() / PAUSES_IN_A_LIFETIME).min(LONGEST_PAUSE);
            // Try at least once before it expires.
            share.min(lifetime.left(now) / 2).max(FIRST_PAUSE)
        });
        let doubled = FIRST_PAUSE.saturating_mul(1 << (times - 1).min(10)).min(longest);
        doubled.max(*retry_after).mul_f64(1.0 + random::fraction() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Offset, Timestamp};
    use crate::random::repeatable;

    const BEGIN: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    #[test]
    fn a_credential_is_due_after_the_pause() {
        repeatable::begin(1);
        for millis in 0..2_000 {
            for least in [0, 3_600_000] {
                let expires_at = BEGIN.plus(Duration::from_millis(least + millis));
                let lifetime = Lifetime::new(BEGIN.into(), expires_at, Offset::default());
                let mut schedule = Schedule::default();
                // The first renewal, and the second.
                for _ in 0..2 {
                    schedule.keep(lifetime);
                    schedule.note(None, BEGIN.into());
                    let later = BEGIN.plus(schedule.pause(BEGIN.into())).into();
                    let due_in = schedule.lead().due_in(&lifetime, later);
                    assert!(due_in.is_zero(), "{due_in:?} of {lifetime:?}");
                    let is_long_enough = least > 0;
                    assert!(!is_long_enough || lifetime.left(later) > lifetime.whole() / 2);
                }
            }
        }
    }
}
