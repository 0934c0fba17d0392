//! The lock by which kubectl keeps others from writing a kubeconfig: a file beside it that must not exist.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result, shown};
use crate::message;
use crate::private_file;

/// kubectl holds the lock for some milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// The lock; dropping it removes the file.
#[derive(Debug)]
pub(super) struct KubeLock(PathBuf);

impl KubeLock {
    /// Takes the lock of a kubeconfig. `None` where no lock can be made: the folder is missing, or closed to
    /// this user. kubectl does not follow a link to find it.
    pub(super) fn take(kubeconfig: &Path) -> Result<Option<Self>> {
        Self::take_within(kubeconfig, PATIENCE)
    }

    fn take_within(kubeconfig: &Path, patience: Duration) -> Result<Option<Self>> {
        let mut name = kubeconfig.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let deadline = Instant::now() + patience;
        loop {
            match private_file::create_new(&lock) {
                Ok(_) => return Ok(Some(Self(lock))),
                Err(error) => match error.kind() {
                    ErrorKind::AlreadyExists if Instant::now() < deadline => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    ErrorKind::AlreadyExists => return Err(held(&lock)),
                    ErrorKind::NotFound
                    | ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem => return Ok(None),
                    _ => return Err(Error::OutputFile { path: lock, cause: error.into() }),
                },
            }
        }
    }
}

fn held(lock: &Path) -> Error {
    Error::Conflict {
        problem: message!(
            "`{}` exists: another program is writing the kubeconfig, or was killed while it did",
            shown(lock)
        ),
        hint: message!(
            "run the command again; if no kubectl is running, delete `{}` first",
            shown(lock)
        ),
    }
}

impl Drop for KubeLock {
    fn drop(&mut self) {
        // One that stays is named by the next program that wants it.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_and_a_stale_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (kubeconfig, lock) = (folder.path().join("config"), folder.path().join("config.lock"));
        let held = KubeLock::take(&kubeconfig).unwrap().unwrap();
        let error = KubeLock::take_within(&kubeconfig, Duration::from_millis(30)).unwrap_err();
        assert!(error.to_string().contains("config.lock") && lock.exists(), "{error}");
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(60));
            drop(held);
        });
        drop(KubeLock::take(&kubeconfig).unwrap());
        release.join().unwrap();
        assert!(!lock.exists());
        assert!(KubeLock::take(&folder.path().join("none/config")).unwrap().is_none());
    }
}
