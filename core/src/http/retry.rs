//! The delay before a request is retried.

use std::time::Duration;

use crate::clock::Timestamp;

/// The longest `Retry-After` that is honoured.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// The delay before the next try: the server's `Retry-After`, but at least the usual delay, plus a random part of the
/// same size. So clients that were refused together do not retry together.
pub(super) fn spread(usual: Duration, retry_after: Option<Duration>, chance: f64) -> Duration {
    let retry_after = retry_after.unwrap_or_default();
    usual.max(retry_after) + usual.max(retry_after / 2).mul_f64(chance.clamp(0.0, 1.0))
}

/// Parses `Retry-After` (RFC 9110 section 10.2.3): seconds, however many, or a date on the server's clock.
pub(super) fn read_retry_after(text: &str, server_now: Timestamp) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let retry_after = if is_number {
        Some(text.parse().map_or(MAX_WAIT, Duration::from_secs))
    } else {
        Timestamp::parse_http_date(text).map(|at| at.since(server_now))
    };
    retry_after.map(|retry_after| retry_after.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse_http_date("Thu, 01 Jan 2026 12:00:00 GMT").unwrap();
        let seconds = |text| read_retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Thu, 01 Jan 2026 12:02:00 GMT"), Some(120));
        assert_eq!(seconds("Thu, 01 Jan 2026 11:00:00 GMT"), Some(0));
        for no_time in ["soon", "", "-5", "1.5", "+5"] {
            assert_eq!(seconds(no_time), None, "{no_time}");
        }
        for long in ["18446744073709551615", "99999999999999999999999"] {
            assert_eq!(seconds(long), Some(3600), "{long}");
        }
        assert_eq!(seconds("Fri, 01 Jan 2100 12:00:00 GMT"), Some(3600));
    }

    #[test]
    fn a_fleet_that_was_refused_together_retries_spread_out() {
        const CLIENTS: usize = 1_000;
        const SLOTS: usize = 20;
        // A fixed sequence of random numbers, so that the result of the test is always the same.
        let mut state = 42_u64;
        let mut chance = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX)
        };
        let usual = Duration::from_millis(200);
        for retry_after in [None, Some(0), Some(10), Some(3600)] {
            let retry_after = retry_after.map(Duration::from_secs);
            let waits: Vec<Duration> =
                (0..CLIENTS).map(|_| spread(usual, retry_after, chance())).collect();
            let least = usual.max(retry_after.unwrap_or_default());
            let most = spread(usual, retry_after, 1.0);
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{retry_after:?}");
            let mut histogram = [0; SLOTS];
            for wait in waits {
                let part = wait.saturating_sub(least).as_secs_f64()
                    / most.saturating_sub(least).as_secs_f64();
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "0 to 20"
                )]
                let slot = (part * 20.0) as usize;
                histogram[slot.min(SLOTS - 1)] += 1;
            }
            let peak = histogram.iter().max().unwrap();
            assert!(*peak < 2 * CLIENTS / SLOTS, "{retry_after:?}: {histogram:?}");
        }
    }

    #[test]
    fn two_clients_wait_for_different_times() {
        let waits: Vec<u64> = (0..8).map(|_| random::fraction().to_bits()).collect();
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
    }
}
