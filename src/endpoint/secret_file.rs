//! The secret of an endpoint, in a private file that its clients read. It changes from time to time, and the one before
//! stays valid for a while, for clients that have just read it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::clock::{Moment, Offset};
use crate::credential::Lifetime;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::private_file::{self, Access};

/// How long a secret stays valid after a change. Until then there is no other change, so that there are at most two
/// valid ones.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// A secret that clients send.
pub(crate) struct SecretFile {
    path: PathBuf,
    secrets: Mutex<Secrets>,
}

/// The digests of secrets, so that a comparison takes as long for every wrong one.
struct Secrets {
    current: Digest,
    previous: Option<Digest>,
    grace: Lifetime,
}

impl SecretFile {
    /// Writes a new secret.
    pub(crate) fn write(path: PathBuf, now: Moment) -> Result<Self> {
        let secrets = Secrets { current: write_secret(&path)?, previous: None, grace: grace(now) };
        Ok(Self { path, secrets: Mutex::new(secrets) })
    }

    /// Writes another secret, if the last change was long enough ago.
    pub(crate) fn change(&self, now: Moment) -> Result<()> {
        let mut secrets = self.secrets();
        if secrets.grace.left(now).is_zero() {
            let current = write_secret(&self.path)?;
            let previous = Some(secrets.current);
            *secrets = Secrets { current, previous, grace: grace(now) };
        }
        Ok(())
    }

    pub(crate) fn is_right(&self, given: &[u8], now: Moment) -> bool {
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
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let filled = SystemRandom::new().fill(&mut *bytes);
    filled.map_err(|_| Error::Internal("there is no randomness".into()))?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
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
    fn a_changed_secret_and_the_one_before_are_right_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = || std::fs::read(&path).unwrap();
        let secret = SecretFile::write(path.clone(), after(0)).unwrap();
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
    fn a_secret_that_cannot_be_written_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/secret");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        let secret = SecretFile::write(path.clone(), after(0)).unwrap();
        let first = std::fs::read(&path).unwrap();
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(secret.change(after(3600)).is_err());
        assert!(secret.is_right(&first, after(7200)));
    }
}
