//! Credentials: secrets that cannot be printed by accident, and their lifetimes.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::clock::{Moment, Offset, Timestamp, Uptime};

/// Secret text. `Debug` prints `[redacted]`, there is no `Display`, and the memory is wiped on drop.
///
/// Security: wiping is best effort. JSON parsers, TLS and the buffer of standard output make copies that are not
/// wiped, which is one reason why the process is not dumpable.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Each call marks a place where a secret leaves this type: a request body, a cache
    /// entry, a rendered document.
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

/// Serialises a secret into a cache entry. `Secret` itself is not `Serialize`, so that each field must opt
/// in.
pub fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// An IAM token (`t1.…`): opaque, authenticates to Yandex Cloud.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IamToken(#[serde(serialize_with = "exposed")] pub Secret);

/// An OIDC ID token of a service account: an RS256 JWT.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct IdToken(#[serde(serialize_with = "exposed")] pub Secret);

/// A secret that can be stored in the cache.
pub trait Cacheable: DeserializeOwned + Serialize {}
impl Cacheable for IamToken {}
impl Cacheable for IdToken {}

#[derive(Clone, Debug)]
pub struct Credential<T> {
    pub secret: T,
    pub lifetime: Lifetime,
}

/// When a credential was obtained and when it expires, with the data to judge that under a wrong local clock.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lifetime {
    /// By the local clock.
    pub obtained_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obtained_uptime: Option<Uptime>,
    /// By the server's clock.
    pub expires_at: Timestamp,
    /// The offset when the credential was obtained.
    pub clock_offset: Offset,
}

impl Lifetime {
    pub const fn new(obtained: Moment, expires_at: Timestamp, clock_offset: Offset) -> Self {
        Self {
            obtained_at: obtained.at,
            obtained_uptime: obtained.uptime,
            expires_at,
            clock_offset,
        }
    }

    /// The whole lifetime, from obtaining the credential to its expiry.
    pub fn whole(&self) -> Duration {
        self.expires_at.since(self.obtained_at.shifted(self.clock_offset))
    }

    /// The expiry by the local clock, for programs on this machine.
    pub fn expires_at_here(&self) -> Timestamp {
        self.expires_at.shifted(self.clock_offset.reversed())
    }

    /// The same, but earlier by `skew`, so that a program refreshes in time. At most a tenth of the lifetime, or a
    /// token that is valid for a minute would be reported as expired.
    pub fn expires_early_here(&self, skew: Duration) -> Timestamp {
        self.expires_at_here().minus(skew.min(self.whole() / 10))
    }

    /// The remaining lifetime; zero after expiry.
    ///
    /// If the clock is now before `obtained_at`, it was set back and the elapsed time is unknown: the result is zero.
    /// If it was set back by less, the uptime gives the elapsed time.
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
    fn the_lifetime_is_measured_by_the_servers_clock() {
        let seconds = Timestamp::from_unix_seconds;
        // The local clock is ten minutes slow: the server's was 1600 when the local one read 1000.
        let lifetime = Lifetime::new(
            seconds(1_000).into(),
            seconds(1_600 + 3_600),
            Offset::measured(seconds(1_600), seconds(1_000)),
        );
        assert_eq!(lifetime.whole(), Duration::from_secs(3_600));
        assert_eq!(lifetime.left(seconds(1_000).into()), Duration::from_secs(3_600));
        assert_eq!(lifetime.left(seconds(4_600).into()), Duration::ZERO);
        assert_eq!(lifetime.expires_at_here(), seconds(4_600));
        assert_eq!(lifetime.left(seconds(999).into()), Duration::ZERO, "a clock that was set back");
    }

    #[test]
    fn the_larger_elapsed_time_of_clock_and_uptime_counts() {
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
    fn an_entry_without_uptime_is_still_read() {
        let text = r#"{"obtained_at":1000,"expires_at":5000,"clock_offset":0}"#;
        let lifetime: Lifetime = serde_json::from_str(text).unwrap();
        assert_eq!(lifetime.obtained_uptime, None);
        assert_eq!(serde_json::to_string(&lifetime).unwrap(), text);
    }
}
