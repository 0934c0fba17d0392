//! What is handed around: secrets that cannot be printed by accident, and how long they live.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::clock::{Moment, Offset, Timestamp, Uptime};

/// Secret text. `Debug` prints `[redacted]`, there is no `Display`, and the memory is wiped when it
/// is dropped.
///
/// Security: wiping is best effort. JSON parsers, TLS and the standard output buffer make copies
/// that nobody wipes; that is why the process is not dumpable either.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Each use marks a place where a secret leaves this type: a request body, a
    /// cache entry, a rendered document.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Writes a secret into a cache entry; `Secret` itself is not `Serialize`, so that every place that
/// writes one says so.
pub fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// An IAM token (`t1.…`): opaque, proves an identity to Yandex Cloud.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IamToken(#[serde(serialize_with = "exposed")] pub Secret);

/// An OIDC ID token of a service account: an RS256 JWT.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IdToken(#[serde(serialize_with = "exposed")] pub Secret);

/// What a cache entry can hold.
pub trait Cacheable: DeserializeOwned + Serialize {}
impl Cacheable for IamToken {}
impl Cacheable for IdToken {}

/// A secret and its lifetime.
#[derive(Clone, Debug)]
pub struct Credential<T> {
    /// The token or the keys.
    pub secret: T,
    /// From when until when they are good.
    pub lifetime: Lifetime,
}

/// From when until when a credential is good, and how to tell from a clock that may be wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lifetime {
    /// When it was obtained, on the local clock.
    pub obtained_at: Timestamp,
    /// The same by the machine's uptime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obtained_uptime: Option<Uptime>,
    /// When it stops being good, on the server's clock.
    pub expires_at: Timestamp,
    /// How far the server's clock was ahead of the local one when it was obtained.
    pub clock_offset: Offset,
}

impl Lifetime {
    /// The life of what was obtained at a moment, from a server whose clock was ahead by `clock_offset`.
    #[must_use]
    pub const fn new(obtained: Moment, expires_at: Timestamp, clock_offset: Offset) -> Self {
        Self {
            obtained_at: obtained.at,
            obtained_uptime: obtained.uptime,
            expires_at,
            clock_offset,
        }
    }

    /// The whole life, from obtaining it to its end.
    #[must_use]
    pub fn whole(&self) -> Duration {
        self.expires_at.since(self.obtained_at.shifted(self.clock_offset))
    }

    /// When it stops being good by the local clock, which is the one that programs on this machine
    /// judge by.
    #[must_use]
    pub fn expires_at_here(&self) -> Timestamp {
        self.expires_at.shifted(self.clock_offset.reversed())
    }

    /// What is left of it; zero once it has expired.
    ///
    /// A clock that reads less than when the credential was obtained has jumped back, and then says
    /// nothing about the time that has passed: nothing is left. One that has jumped back by less is
    /// found out by the machine's uptime.
    #[must_use]
    pub fn left(&self, now: Moment) -> Duration {
        if now.at < self.obtained_at {
            return Duration::ZERO;
        }
        let by_clock = self.expires_at.since(now.at.shifted(self.clock_offset));
        match (self.obtained_uptime, now.uptime) {
            (Some(then), Some(now)) => by_clock.min(self.whole().saturating_sub(now.since(then))),
            _ => by_clock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("t1.verysecret".into());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:?}", IdToken(secret)), "IdToken([redacted])");
    }

    #[test]
    fn life_is_measured_on_the_servers_clock() {
        let seconds = Timestamp::from_unix_seconds;
        // The local clock is ten minutes slow: the server said 1600 when it read 1000.
        let lifetime = Lifetime::new(
            seconds(1_000).into(),
            seconds(1_600 + 3_600),
            Offset::measured(seconds(1_600), seconds(1_000)),
        );
        assert_eq!(lifetime.whole(), Duration::from_secs(3_600));
        assert_eq!(lifetime.left(seconds(1_000).into()), Duration::from_secs(3_600));
        assert_eq!(lifetime.left(seconds(4_600).into()), Duration::ZERO);
        assert_eq!(lifetime.expires_at_here(), seconds(4_600));
        assert_eq!(
            lifetime.left(seconds(999).into()),
            Duration::ZERO,
            "a clock that jumped back proves nothing"
        );
    }

    #[test]
    fn of_clock_and_uptime_the_one_counts_by_which_more_time_has_passed() {
        let moment = |at, uptime: u64| Moment {
            at: Timestamp::from_unix_seconds(at),
            uptime: Some(Uptime::from_millis(uptime * 1000)),
        };
        let expires_at = Timestamp::from_unix_seconds(1_000 + 3_600);
        let lifetime = Lifetime::new(moment(1_000, 500), expires_at, Offset::default());
        let left = |at, uptime| lifetime.left(moment(at, uptime)).as_secs();
        assert_eq!(left(2_000, 1_500), 2_600, "they agree");
        assert_eq!(left(1_200, 3_500), 600, "the clock was set back by 2,800 s");
        assert_eq!(left(4_000, 600), 600, "it was set ahead, or the machine has been restarted");
        assert_eq!(left(2_000, 100), 2_600, "the machine has been restarted");
        assert_eq!(left(1_100, 4_100), 0, "expired, whatever the clock says");
    }

    #[test]
    fn an_entry_of_before_uptimes_is_still_read() {
        let text = r#"{"obtained_at":1000,"expires_at":5000,"clock_offset":0}"#;
        let lifetime: Lifetime = serde_json::from_str(text).unwrap();
        assert_eq!(lifetime.obtained_uptime, None);
        assert_eq!(serde_json::to_string(&lifetime).unwrap(), text);
    }
}
