//! Time: what o'clock it is here, and what the servers say of it.
//!
//! Every judgement about a credential's life is made on *server* time: the local clock plus the
//! offset that was measured when the credential was obtained (the `Date` header of RFC 9110
//! section 6.6.1). A laptop whose clock is ten minutes slow then neither keeps a token ten minutes
//! too long nor drops it ten minutes early.
//!
//! A clock can be set, even by hours. How long the machine has been up cannot: so a moment has both,
//! and of two accounts of the time that has passed the longer one counts.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl From<Timestamp> for SystemTime {
    /// As a time of the file system.
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
    }
}

impl Timestamp {
    /// From a `NumericDate` (RFC 7519 section 2): seconds since the epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Seconds since the epoch, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads an RFC 3339 timestamp with any offset and any fraction of a second.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::from_date_time)
    }

    /// Reads an HTTP `Date` (RFC 9110 section 5.6.7, the form that servers must send).
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc2822).ok().map(Self::from_date_time)
    }

    /// This point shifted by an offset.
    #[must_use]
    pub const fn shifted(self, offset: Offset) -> Self {
        Self(self.0.saturating_add(offset.0))
    }

    /// How long from `earlier` to this point; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// How long it is between two points, whichever is earlier.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        self.since(other).max(other.since(self))
    }

    /// A time of the file system. One before 1970 is as wrong as 1970.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    /// This point, and `duration` more.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This point, less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    fn from_date_time(at: OffsetDateTime) -> Self {
        Self(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    /// `YYYY-MM-DDTHH:MM:SSZ`: the one form that every consumer accepts. What it cannot say is as far
    /// off as it can.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.unix_seconds().clamp(FIRST_SECOND, LAST_SECOND);
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok().ok_or(fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What a year of four digits can say: 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;

/// How far a server's clock is ahead of ours (negative: behind), in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Offset(i64);

impl Offset {
    /// Within this, a difference is the `Date` header's whole seconds and the way of the answer,
    /// not a wrong clock.
    const NOISE: i64 = 2_000;

    /// The offset that a server's time `server`, received at the local time `local`, tells.
    #[must_use]
    pub const fn measured(server: Timestamp, local: Timestamp) -> Self {
        let difference = server.0.saturating_sub(local.0);
        if difference.saturating_abs() <= Self::NOISE { Self(0) } else { Self(difference) }
    }

    /// From the server's clock to ours.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// In seconds, rounded towards zero.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Whether it is more than clocks that are kept right differ by.
    #[must_use]
    pub const fn is_wrong_clock(self) -> bool {
        self.0.saturating_abs() > 60_000
    }
}

/// How long the machine has been up, in milliseconds, the time included that it was suspended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Uptime(u64);

impl Uptime {
    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// How long from `earlier` to this; zero if it is not later, as after a restart.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A moment, by the clock and by the machine's uptime.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// By the local clock.
    pub at: Timestamp,
    /// By the machine's uptime, where the system tells it.
    pub uptime: Option<Uptime>,
}

impl From<Timestamp> for Moment {
    /// A moment of which only the time is known.
    fn from(at: Timestamp) -> Self {
        Self { at, uptime: None }
    }
}

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Always the same, for tests.
    Fixed(Moment),
}

impl Clock {
    /// This moment.
    #[must_use]
    pub fn now(self) -> Moment {
        match self {
            Self::System => Moment { at: system_now(), uptime: system_uptime() },
            Self::Fixed(moment) => moment,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the room")]
fn system_now() -> Timestamp {
    Timestamp::of(SystemTime::now())
}

/// Only Linux has a clock that goes on while the machine is suspended and is not set. Whole seconds are
/// enough. In a static program, to look for the finer clock costs more than to ask for this one.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
fn system_uptime() -> Option<Uptime> {
    let seconds = u64::try_from(rustix::system::sysinfo().uptime).unwrap_or(0);
    Some(Uptime(seconds.saturating_mul(1000)))
}

#[cfg(not(target_os = "linux"))]
fn system_uptime() -> Option<Uptime> {
    None
}

/// The end of a run's time budget, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    budget: Duration,
}

impl Deadline {
    /// The deadline that is `budget` from now.
    #[must_use]
    pub fn within(budget: Duration) -> Self {
        let now = Instant::now();
        // An absurd budget overflows the clock on some systems; a day is as good as for ever here.
        let at = now.checked_add(budget).unwrap_or_else(|| now + Duration::from_secs(86_400));
        Self { at, budget }
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The whole budget, for messages.
    #[must_use]
    pub const fn budget(self) -> Duration {
        self.budget
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_is_printed_in_the_form_every_consumer_accepts() {
        assert_eq!(Timestamp::from_unix_seconds(1_795_464_938).to_string(), "2026-11-23T20:15:38Z");
        assert_eq!(Timestamp(999).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn vendor_and_http_dates_are_read() {
        let at = Timestamp::parse_rfc3339("2026-01-01T12:00:00.123456789Z").unwrap();
        assert_eq!(at, Timestamp(1_767_268_800_123));
        assert_eq!(
            Timestamp::parse_rfc3339("2026-01-01T15:00:00+03:00").unwrap().unix_seconds(),
            1_767_268_800
        );
        assert_eq!(
            Timestamp::parse_http_date("Thu, 01 Jan 2026 12:00:00 GMT").unwrap().unix_seconds(),
            1_767_268_800
        );
        assert_eq!(Timestamp::parse_rfc3339("2026-01-01 12:00"), None);
        assert_eq!(Timestamp::parse_http_date("soon"), None);
    }

    #[test]
    fn a_second_of_difference_is_not_a_wrong_clock() {
        let local = Timestamp::from_unix_seconds(1_000);
        assert_eq!(Offset::measured(Timestamp::from_unix_seconds(1_001), local), Offset::default());
        let behind = Offset::measured(Timestamp::from_unix_seconds(400), local);
        assert_eq!(local.shifted(behind), Timestamp::from_unix_seconds(400));
        assert!(behind.is_wrong_clock() && !Offset::default().is_wrong_clock());
    }

    proptest! {
        #[test]
        fn any_point_in_time_is_printed_and_read_back_to_the_second(millis in any::<i64>()) {
            let at = Timestamp(millis);
            let read = Timestamp::parse_rfc3339(&at.to_string()).unwrap();
            let printable = at.unix_seconds().clamp(FIRST_SECOND, LAST_SECOND);
            prop_assert_eq!(read.unix_seconds(), printable);
        }

        #[test]
        fn a_point_of_these_years_is_printed_as_it_is(seconds in FIRST_SECOND..=LAST_SECOND) {
            let at = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }

        #[test]
        fn no_text_is_too_odd_to_be_read_as_a_date(text in "\\PC{0,40}|[0-9TZ:+.-]{0,40}") {
            for read in [Timestamp::parse_rfc3339, Timestamp::parse_http_date] {
                if let Some(at) = read(&text) {
                    prop_assert!((FIRST_SECOND - 86_400..=LAST_SECOND + 86_400).contains(&at.unix_seconds()));
                }
            }
        }
    }
}
