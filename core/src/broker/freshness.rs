//! Decides whether a cached credential is returned, by two points of its lifetime.
//!
//! Before the *soft* point, half of the lifetime, a credential is fresh. Between the soft and the *hard* point it is
//! returned, and refreshed in the background. After the hard point it no longer has the consumer's minimum lifetime,
//! and is refreshed before the program answers.

use std::time::Duration;

use crate::clock::Moment;
use crate::credential::Lifetime;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Freshness {
    /// Before the soft point.
    Fresh,
    /// Past the soft point: due for a refresh in the background.
    Ageing,
    /// Past the hard point, or expired.
    Short,
}

impl Freshness {
    /// Judges a lifetime at a moment, for a consumer that needs a minimum lifetime.
    pub(super) fn judge(lifetime: &Lifetime, minimum_lifetime: Duration, now: Moment) -> Self {
        let half = lifetime.whole() / 2;
        // Some servers issue lifetimes shorter than the minimum. Without this limit, every run would fetch.
        let hard = minimum_lifetime.min(half);
        let left = lifetime.left(now);
        if left.is_zero() || left < hard {
            Self::Short
        } else if left < half {
            Self::Ageing
        } else {
            Self::Fresh
        }
    }

    pub(super) const fn is_good_enough(self) -> bool {
        matches!(self, Self::Fresh | Self::Ageing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Offset, Timestamp, Uptime};

    fn judged_after(life: u64, least: u64, age: u64) -> Freshness {
        let begin = Timestamp::from_unix_seconds(1_000_000);
        let expires_at = begin.plus(Duration::from_secs(life));
        let lifetime = Lifetime::new(begin.into(), expires_at, Offset::default());
        let now = begin.plus(Duration::from_secs(age)).into();
        Freshness::judge(&lifetime, Duration::from_secs(least), now)
    }

    #[test]
    fn a_lifetime_has_a_soft_and_a_hard_point() {
        assert_eq!(judged_after(3600, 120, 0), Freshness::Fresh);
        assert_eq!(judged_after(3600, 120, 1800), Freshness::Fresh);
        assert_eq!(judged_after(3600, 120, 1801), Freshness::Ageing);
        assert_eq!(judged_after(3600, 120, 3480), Freshness::Ageing);
        assert_eq!(judged_after(3600, 120, 3481), Freshness::Short);
        assert_eq!(
            judged_after(3600, 0, 3600),
            Freshness::Short,
            "an expired one is never returned"
        );
    }

    #[test]
    fn a_lifetime_below_the_minimum_is_used_for_its_first_half() {
        assert_eq!(judged_after(60, 600, 30), Freshness::Fresh);
        assert_eq!(judged_after(60, 600, 31), Freshness::Short);
    }

    #[test]
    fn a_credential_is_short_if_the_clock_was_set_back() {
        let begin = Timestamp::from_unix_seconds(1_000_000);
        let expires_at = begin.plus(Duration::from_secs(3600));
        let lifetime = Lifetime::new(begin.into(), expires_at, Offset::default());
        let now = begin.minus(Duration::from_secs(7200)).into();
        let judged = Freshness::judge(&lifetime, Duration::ZERO, now);
        assert_eq!(judged, Freshness::Short);
    }

    /// Seconds of any size, including the extremes and pairs of neighbours.
    fn seconds() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            -5..5_i64,
            1_800_000_000..1_800_000_010_i64,
            Just(i64::MIN),
            Just(i64::MAX)
        ]
    }

    fn moment() -> impl Strategy<Value = Moment> {
        let uptime = prop_oneof![any::<u64>(), 0..20_000_u64];
        (seconds(), proptest::option::of(uptime)).prop_map(|(at, uptime)| Moment {
            at: Timestamp::from_unix_seconds(at),
            uptime: uptime.map(Uptime::from_millis),
        })
    }

    fn lifetime() -> impl Strategy<Value = Lifetime> {
        (moment(), seconds(), seconds(), seconds()).prop_map(
            |(obtained, expires_at, server, local)| {
                let [expires_at, server, local] =
                    [expires_at, server, local].map(Timestamp::from_unix_seconds);
                Lifetime::new(obtained, expires_at, Offset::measured(server, local))
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_returned_credential_is_valid_by_every_clock(
            lifetime in lifetime(),
            minimum_lifetime in prop_oneof![any::<u64>(), 0..20_u64].prop_map(Duration::from_secs),
            now in moment(),
        ) {
            let left = lifetime.left(now);
            prop_assert!(left <= lifetime.whole());
            if Freshness::judge(&lifetime, minimum_lifetime, now).is_good_enough() {
                prop_assert!(!left.is_zero());
                prop_assert!(left >= minimum_lifetime.min(lifetime.whole() / 2));
                prop_assert!(now.at >= lifetime.obtained_at, "the clock has jumped back");
                prop_assert!(lifetime.expires_at > now.at.shifted(lifetime.clock_offset), "it has expired");
                if let (Some(then), Some(now)) = (lifetime.obtained_uptime, now.uptime) {
                    prop_assert!(now.since(then) < lifetime.whole(), "the machine has been up for longer");
                }
            }
        }

        #[test]
        fn what_gets_older_never_gets_fresher(
            lifetime in lifetime(),
            minimum_lifetime in 0..20_u64,
            age in prop_oneof![any::<u64>(), 0..20_000_u64],
            more in prop_oneof![any::<u64>(), 0..20_000_u64],
        ) {
            let at = |age| lifetime.obtained_at.plus(Duration::from_millis(age));
            let judge = |at: Timestamp| Freshness::judge(&lifetime, Duration::from_secs(minimum_lifetime), at.into());
            prop_assert!(judge(at(age.saturating_add(more))) >= judge(at(age)));
        }
    }
}
