//! The lock by which kubectl keeps others from writing a kubeconfig: a file beside it that must not exist.
//!
//! A lock of this program is marked, and locked itself while the program runs. So one that stayed when a run
//! was killed is known, and removed. kubectl's have no mark, and stay.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result, shown};
use crate::message;
use crate::private_file;

/// kubectl holds the lock for some milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

const MARK: &[u8] = b"yc-id-token\n";

/// The lock; dropping it removes the file.
#[derive(Debug)]
pub(super) struct KubeLock {
    path: PathBuf,
    _file: File,
}

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
            if let Some(_locked) = dead(&lock) {
                // If it stays, it is named below.
                let _ = std::fs::remove_file(&lock);
            }
            match private_file::create_new(&lock) {
                Ok(mut file) => {
                    // On a full disk, or where nothing can be locked, it has no mark.
                    if file.try_lock().is_ok() {
                        let _ = file.write_all(MARK);
                    }
                    return Ok(Some(Self { path: lock, _file: file }));
                }
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

/// The lock of a run that was killed. While its file is open, no other process removes it, and with it the
/// lock that took its place.
#[cfg(unix)]
fn dead(lock: &Path) -> Option<File> {
    use std::os::unix::fs::MetadataExt as _;

    // Nothing but a regular file is opened.
    let content = private_file::read_plain(lock, MARK.len() as u64).ok()?;
    let file = File::open(lock).ok().filter(|_| content == MARK)?;
    file.try_lock().ok()?;
    let (here, there) = (file.metadata().ok()?, std::fs::symlink_metadata(lock).ok()?);
    ((here.dev(), here.ino()) == (there.dev(), there.ino())).then_some(file)
}

/// The standard library cannot tell there whether two files are one.
#[cfg(windows)]
const fn dead(_: &Path) -> Option<File> {
    None
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
        let _ = std::fs::remove_file(&self.path);
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

    #[cfg(unix)]
    #[test]
    fn a_lock_of_a_run_that_was_killed_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let (kubeconfig, lock) = (folder.path().join("config"), folder.path().join("config.lock"));
        private_file::write(&lock, MARK).unwrap();
        let taken = KubeLock::take_within(&kubeconfig, Duration::ZERO).unwrap().unwrap();
        assert!(KubeLock::take_within(&kubeconfig, Duration::ZERO).is_err(), "it is held");
        drop(taken);
        assert!(!lock.exists());
        for other in [&b""[..], b"yc-id-token"] {
            private_file::write(&lock, other).unwrap();
            assert!(KubeLock::take_within(&kubeconfig, Duration::ZERO).is_err());
        }
    }
}
