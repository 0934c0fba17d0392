//! The lock that kubectl uses to write a kubeconfig: a file `config.lock` beside it, which must not exist
//! before.
//!
//! A lock of this program contains a mark and is itself locked while the program runs. So a lock that remains
//! after SIGKILL can be recognised and removed. kubectl's own locks have no mark and are never removed.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result, shown};
use crate::message;
use crate::private_file;

/// kubectl holds the lock for some milliseconds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

const MARK: &[u8] = b"yc-id-token\n";

/// Dropping the lock removes the file.
#[derive(Debug)]
pub(in crate::command::setup) struct KubeconfigLock {
    path: PathBuf,
    _file: File,
}

impl KubeconfigLock {
    /// Acquires the lock of a kubeconfig. `None` if the folder is missing or not writable. As for kubectl, the lock is
    /// beside the path itself, not beside the target of a symbolic link.
    pub(in crate::command::setup) fn acquire(kubeconfig: &Path) -> Result<Option<Self>> {
        Self::acquire_within(kubeconfig, LOCK_TIMEOUT)
    }

    fn acquire_within(kubeconfig: &Path, timeout: Duration) -> Result<Option<Self>> {
        let mut name = kubeconfig.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(_locked) = stale(&lock) {
                // If this fails, `create_new` reports the file.
                let _ = std::fs::remove_file(&lock);
            }
            match private_file::create_new(&lock) {
                Ok(mut file) => {
                    // The mark is optional, because the disk can be full, or the file system may not support locks.
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
                    _ => return Err(Error::unwritten(lock, error)),
                },
            }
        }
    }
}

/// The lock file of a killed run, locked. While the result exists, no other process removes the file or one that
/// replaced it.
#[cfg(unix)]
fn stale(lock: &Path) -> Option<File> {
    use std::os::unix::fs::MetadataExt as _;

    // Reads regular files only.
    let content = private_file::read_plain(lock, MARK.len() as u64).ok()?;
    let file = File::open(lock).ok().filter(|_| content == MARK)?;
    file.try_lock().ok()?;
    let (here, there) = (file.metadata().ok()?, std::fs::symlink_metadata(lock).ok()?);
    ((here.dev(), here.ino()) == (there.dev(), there.ino())).then_some(file)
}

/// Always fails: the Windows standard library cannot compare file identities.
#[cfg(windows)]
const fn stale(_: &Path) -> Option<File> {
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

impl Drop for KubeconfigLock {
    fn drop(&mut self) {
        // If this fails, the next program that needs the lock reports it.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_waited_for_and_reported() {
        let folder = tempfile::tempdir().unwrap();
        let (kubeconfig, lock) = (folder.path().join("config"), folder.path().join("config.lock"));
        let held = KubeconfigLock::acquire(&kubeconfig).unwrap().unwrap();
        let error =
            KubeconfigLock::acquire_within(&kubeconfig, Duration::from_millis(30)).unwrap_err();
        assert!(error.to_string().contains("config.lock") && lock.exists(), "{error}");
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(60));
            drop(held);
        });
        drop(KubeconfigLock::acquire(&kubeconfig).unwrap());
        release.join().unwrap();
        assert!(!lock.exists());
        assert!(KubeconfigLock::acquire(&folder.path().join("none/config")).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn the_lock_of_a_killed_run_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (kubeconfig, lock) = (folder.path().join("config"), folder.path().join("config.lock"));
        private_file::write(&lock, MARK).unwrap();
        let lock_again =
            KubeconfigLock::acquire_within(&kubeconfig, Duration::ZERO).unwrap().unwrap();
        assert!(KubeconfigLock::acquire_within(&kubeconfig, Duration::ZERO).is_err(), "it is held");
        drop(lock_again);
        assert!(!lock.exists());
        for other in [&b""[..], b"yc-id-token"] {
            private_file::write(&lock, other).unwrap();
            assert!(KubeconfigLock::acquire_within(&kubeconfig, Duration::ZERO).is_err());
        }
    }
}
