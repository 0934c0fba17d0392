//! The emulator's clock, which tests can set wrong, and the three formats of its time.
//!
//! A server whose clock differs from the client's shows it in every answer: the `Date` header, `iat` and `exp` of its
//! tokens, `expiresAt`, and the validation of JWT assertions. So all of these read this clock.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// The system's time plus a shift.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    shift: time::Duration,
}

impl Clock {
    pub(super) const fn shifted_by(seconds: i64) -> Self {
        Self { shift: time::Duration::seconds(seconds) }
    }

    pub(super) fn now(self) -> OffsetDateTime {
        system_now().saturating_add(self.shift)
    }

    pub(super) fn after(self, life: Duration) -> OffsetDateTime {
        let life = time::Duration::try_from(life).unwrap_or(time::Duration::MAX);
        self.now().saturating_add(life)
    }
}

/// `2026-01-01T12:00:00Z`, as `created_at` of a key.
pub(super) fn rfc3339(at: OffsetDateTime) -> String {
    let date = at.date();
    let (hour, minute, second) = at.to_hms();
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-01-01T12:00:00.123456789Z`: proto3 JSON allows 0, 3, 6 or 9 digits, and IAM sends 9.
pub(super) fn rfc3339_nanos(at: OffsetDateTime) -> String {
    let whole = rfc3339(at);
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), at.nanosecond())
}

/// `Thu, 01 Jan 2026 12:00:00 GMT`, the `IMF-fixdate` of RFC 9110, section 5.6.7.
pub(super) fn http_date(at: OffsetDateTime) -> String {
    let weekday = at.weekday().to_string();
    let month = at.month().to_string();
    let (hour, minute, second) = at.to_hms();
    format!(
        "{}, {:02} {} {:04} {hour:02}:{minute:02}:{second:02} GMT",
        &weekday[..3],
        at.day(),
        &month[..3],
        at.year()
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the emulator is a server: its clock is not the one that tests fix for the client"
)]
fn system_now() -> OffsetDateTime {
    OffsetDateTime::from(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_each_reader_expects() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_767_268_800_000_000_042).unwrap();
        assert_eq!(rfc3339(at), "2026-01-01T12:00:00Z");
        assert_eq!(rfc3339_nanos(at), "2026-01-01T12:00:00.000000042Z");
        assert_eq!(http_date(at), "Thu, 01 Jan 2026 12:00:00 GMT");
    }

    #[test]
    fn a_shift_of_any_size_works() {
        let _ = Clock::shifted_by(i64::MAX).after(Duration::MAX);
        let _ = Clock::shifted_by(i64::MIN).now();
    }
}
