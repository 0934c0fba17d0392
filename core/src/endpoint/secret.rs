//! The secret of an endpoint. Its clients read it from a private file for each request. It changes regularly, and the
//! previous one stays valid for a while, for clients that have just read it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Moment, Offset};
use crate::credential::Lifetime;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::private_file::{self, Access};
use crate::random;

/// How long a secret stays valid after a change. The next change is not earlier, so at most two secrets are valid.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// A secret that clients send.
pub struct Secret {
    /// The file with the secret; `None` if clients know it already.
    path: Option<PathBuf>,
    secrets: Mutex<Secrets>,
}

/// The digests of secrets. Comparing digests takes the same time for every wrong secret.
struct Secrets {
    current: Digest,
    previous: Option<Digest>,
    grace: Lifetime,
}

impl Secret {
    /// A new secret, in a file.
    pub fn written(path: PathBuf, now: Moment) -> Result<Self> {
        let current = write_secret(&path)?;
        Ok(Self::new(Some(path), current, now))
    }

    /// A secret that clients know already.
    pub fn known(secret: &[u8], now: Moment) -> Self {
        Self::new(None, Digest::of(secret), now)
    }

    fn new(path: Option<PathBuf>, current: Digest, now: Moment) -> Self {
        let secrets = Secrets { current, previous: None, grace: grace(now) };
        Self { path, secrets: Mutex::new(secrets) }
    }

    /// Writes another secret into the file, if the last change was long enough ago.
    pub fn change(&self, now: Moment) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut secrets = self.secrets();
        if secrets.grace.left(now).is_zero() {
            let current = write_secret(path)?;
            let previous = Some(secrets.current);
            *secrets = Secrets { current, previous, grace: grace(now) };
        }
        Ok(())
    }

    pub fn is_right(&self, given: &[u8], now: Moment) -> bool {
        let given = Digest::of(given);
        let secrets = self.secrets();
        given == secrets.current
            || (secrets.previous == Some(given) && !secrets.grace.left(now).is_zero())
    }

    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grace(now: Moment) -> Lifetime {
    Lifetime::new(now, now.at.plus(GRACE), Offset::default())
}

/// Writes a new secret, and returns its digest.
fn write_secret(path: &Path) -> Result<Digest> {
    let secret = random::secret()?;
    private_file::write_output(path, secret.as_bytes(), Access::PRIVATE)
        .map_err(|error| Error::unwritten(path, error))?;
    Ok(Digest::of(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn after(seconds: i64) -> Moment {
        Timestamp::from_unix_seconds(1_900_000_000 + seconds).into()
    }

    #[test]
    fn a_changed_secret_and_the_previous_one_are_valid_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = || std::fs::read(&path).unwrap();
        let secret = Secret::written(path.clone(), after(0)).unwrap();
        let first = read();
        assert!(secret.is_right(&first, after(100_000)), "it does not expire");
        assert!(!secret.is_right(b"", after(0)));

        secret.change(after(599)).unwrap();
        assert_eq!(read(), first, "it is new");
        secret.change(after(600)).unwrap();
        let second = read();
        assert_ne!(second, first);
        let are_right = |at| [&first, &second].map(|it| secret.is_right(it, after(at)));
        assert_eq!(are_right(600), [true, true]);
        assert_eq!(are_right(1199), [true, true]);
        assert_eq!(are_right(1200), [false, true]);
        // The elapsed time is unknown if the clock was set back.
        assert_eq!(are_right(0), [false, true]);
    }

    #[test]
    fn a_secret_is_not_changed_if_it_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/secret");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let secret = Secret::written(path.clone(), after(0)).unwrap();
        let first = std::fs::read(&path).unwrap();
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(secret.change(after(3600)).is_err());
        assert!(secret.is_right(&first, after(7200)));
    }
}
