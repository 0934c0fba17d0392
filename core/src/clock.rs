//! Local time, server time and the offset between them.
//!
//! Expiry is always judged by *server* time: the local clock plus the offset that was measured when the
//! credential was obtained (the `Date` header of RFC 9110 section 6.6.1). So a wrong local clock neither
//! keeps a token too long nor drops it too early.
//!
//! The local clock can be set, the machine's uptime cannot. A [`Moment`] has both, and the larger elapsed time
//! counts.

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
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
    }
}

impl Timestamp {
    /// From a `NumericDate` (RFC 7519 section 2).
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Seconds since 1970, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Parses an RFC 3339 timestamp with any offset and any fraction of a second.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::from_date_time)
    }

    /// Parses an HTTP `Date` (RFC 9110 section 5.6.7, the format that servers must send).
    pub fn parse_http_date(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc2822).ok().map(Self::from_date_time)
    }

    #[must_use]
    pub const fn shifted(self, offset: Offset) -> Self {
        Self(self.0.saturating_add(offset.0))
    }

    /// The time since `earlier`; zero if that is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The time between two timestamps in any order.
    pub fn distance(self, other: Self) -> Duration {
        self.since(other).max(other.since(self))
    }

    /// Converts a time of the file system. Times before 1970 become 1970.
    pub fn of(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// The timestamp with its distance from `now`, for people.
    pub const fn beside(self, now: Self) -> RelativeTime {
        RelativeTime { at: self, now }
    }

    fn from_date_time(at: OffsetDateTime) -> Self {
        Self(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    /// `YYYY-MM-DDTHH:MM:SSZ`, the format that every consumer accepts. Other years are clamped to 0000 and 9999. The
    /// digits are set without `{:02}`, which costs more, and calls other functions for a leading zero: the same hit must
    /// always call the same functions, because `release/binary` orders them by that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.unix_seconds().clamp(FIRST_SECOND, LAST_SECOND);
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok().ok_or(fmt::Error)?;
        let year = at.year().unsigned_abs();
        let pairs = [
            year / 100,
            year % 100,
            u8::from(at.month()).into(),
            at.day().into(),
            at.hour().into(),
            at.minute().into(),
            at.second().into(),
        ];
        let mut text = *b"0000-00-00T00:00:00Z";
        for (pair, at) in pairs.into_iter().zip([0, 2, 5, 8, 11, 14, 17]) {
            text[at] = DIGITS[pair as usize / 10 % 10];
            text[at + 1] = DIGITS[pair as usize % 10];
        }
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// A timestamp with its distance from the current time: `2026-11-23T20:15:38Z (in 41 min)`.
#[derive(Clone, Copy, Debug)]
pub struct RelativeTime {
    at: Timestamp,
    now: Timestamp,
}

impl fmt::Display for RelativeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, now } = *self;
        let seconds = at.distance(now).as_secs();
        let (one, unit) = match seconds {
            0 => return write!(f, "{at} (now)"),
            1..60 => (1, "s"),
            60..7_200 => (60, "min"),
            7_200..172_800 => (3_600, "h"),
            _ => (86_400, "days"),
        };
        let number = (seconds + one / 2) / one;
        if at > now {
            write!(f, "{at} (in {number} {unit})")
        } else {
            write!(f, "{at} ({number} {unit} ago)")
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

const DIGITS: &[u8; 10] = b"0123456789";

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = 253_402_300_799;

/// How far a server's clock is ahead of the local one (negative: behind), in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Offset(i64);

impl Offset {
    /// Smaller differences are caused by the whole seconds of the `Date` header and by the network latency.
    const NOISE: i64 = 2_000;

    /// The offset, if the server reported the time `server` at the local time `local`.
    pub const fn measured(server: Timestamp, local: Timestamp) -> Self {
        let difference = server.0.saturating_sub(local.0);
        if difference.saturating_abs() <= Self::NOISE { Self(0) } else { Self(difference) }
    }

    /// The offset from the server's clock to the local one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// Rounded towards zero.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Whether the difference is too large for synchronised clocks.
    pub const fn is_wrong_clock(self) -> bool {
        self.0.saturating_abs() > 60_000
    }
}

/// The time since the machine booted, in milliseconds, including suspended time.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Uptime(u64);

impl Uptime {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time since `earlier`; zero after a reboot.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A point in time, by the local clock and by the machine's uptime.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    pub at: Timestamp,
    /// `None` on systems that do not report it.
    pub uptime: Option<Uptime>,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { at, uptime: None }
    }
}

/// The source of the current time.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    System,
    /// A fixed time, for tests.
    Fixed(Moment),
    /// For tests of long-running processes: time passes only while they sleep.
    #[cfg(test)]
    Simulated(&'static SimulatedTime),
}

/// A time that tests set: milliseconds since 1970-01-01T00:00:00Z.
#[cfg(test)]
#[derive(Debug)]
pub struct SimulatedTime(std::sync::atomic::AtomicI64);

#[cfg(test)]
impl SimulatedTime {
    pub fn starting_at(begin: Timestamp) -> &'static Self {
        Box::leak(Box::new(Self(begin.0.into())))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }

    pub fn pass(&self, duration: Duration) {
        self.0.fetch_add(millis(duration), std::sync::atomic::Ordering::Relaxed);
    }
}

impl Clock {
    pub fn now(self) -> Moment {
        match self {
            Self::System => Moment { at: system_now(), uptime: system_uptime() },
            Self::Fixed(moment) => moment,
            #[cfg(test)]
            Self::Simulated(time) => time.now().into(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
fn system_now() -> Timestamp {
    Timestamp::of(SystemTime::now())
}

/// Only Linux has a clock that cannot be set and includes suspended time. `sysinfo` has whole seconds, which is
/// enough, and costs a static program less than a search for the vDSO's clock.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not report it")]
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
    pub fn within(budget: Duration) -> Self {
        let now = Instant::now();
        // A huge budget overflows the clock on some systems. A day is more than any run takes.
        let at = now.checked_add(budget).unwrap_or_else(|| now + Duration::from_secs(86_400));
        Self { at, budget }
    }

    /// The remaining time; zero after the deadline.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    pub const fn budget(self) -> Duration {
        self.budget
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_is_printed_in_rfc_3339_to_the_second() {
        assert_eq!(Timestamp::from_unix_seconds(1_795_464_938).to_string(), "2026-11-23T20:15:38Z");
        assert_eq!(Timestamp(999).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_time_is_shown_with_its_rounded_distance() {
        let now = Timestamp::from_unix_seconds(1_795_464_938);
        for (seconds, distance) in [
            (0, "(now)"),
            (1, "(in 1 s)"),
            (59, "(in 59 s)"),
            (60, "(in 1 min)"),
            (89, "(in 1 min)"),
            (90, "(in 2 min)"),
            (3_599, "(in 60 min)"),
            (7_200, "(in 2 h)"),
            (43_199, "(in 12 h)"),
            (172_800, "(in 2 days)"),
            (-59, "(59 s ago)"),
            (-200, "(3 min ago)"),
            (-864_000, "(10 days ago)"),
        ] {
            let at = Timestamp::from_unix_seconds(now.unix_seconds() + seconds);
            assert_eq!(at.beside(now).to_string(), format!("{at} {distance}"));
        }
    }

    #[test]
    fn rfc_3339_and_http_dates_are_parsed() {
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
    fn a_second_of_difference_is_no_offset() {
        let local = Timestamp::from_unix_seconds(1_000);
        assert_eq!(Offset::measured(Timestamp::from_unix_seconds(1_001), local), Offset::default());
        let behind = Offset::measured(Timestamp::from_unix_seconds(400), local);
        assert_eq!(local.shifted(behind), Timestamp::from_unix_seconds(400));
        assert!(behind.is_wrong_clock() && !Offset::default().is_wrong_clock());
    }

    proptest! {
        #[test]
        fn any_timestamp_survives_printing_and_parsing(millis in any::<i64>()) {
            let at = Timestamp(millis);
            let read = Timestamp::parse_rfc3339(&at.to_string()).unwrap();
            let printable = at.unix_seconds().clamp(FIRST_SECOND, LAST_SECOND);
            prop_assert_eq!(read.unix_seconds(), printable);
        }

        #[test]
        fn timestamps_of_four_digit_years_are_not_clamped(seconds in FIRST_SECOND..=LAST_SECOND) {
            let at = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Some(at));
        }

        #[test]
        fn parsing_never_panics_or_leaves_the_range(text in "\\PC{0,40}|[0-9TZ:+.-]{0,40}") {
            for read in [Timestamp::parse_rfc3339, Timestamp::parse_http_date] {
                if let Some(at) = read(&text) {
                    prop_assert!((FIRST_SECOND - 86_400..=LAST_SECOND + 86_400).contains(&at.unix_seconds()));
                }
            }
        }
    }
}
