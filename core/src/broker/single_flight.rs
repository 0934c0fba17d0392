//! Single flight: of all processes that need the same credential, one fetches it. It holds an OS lock on a
//! file beside the cache entry.
//!
//! The system releases the lock when the process ends in any way, so no lock is ever stale. The lock is polled,
//! because a blocked `flock` cannot be interrupted at the deadline.

use std::fs::{File, Metadata, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use tracing::debug;

use crate::cache::{Cache, Key};
use crate::clock::Timestamp;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;

/// For how long processes stop waiting for each other after a result that could not be shared.
const UNSHARED_TTL: Duration = Duration::from_secs(20);

/// The shortest time between two background refreshes.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// The lock of a key. Once taken, it is held until this is dropped.
pub(super) struct SingleFlight {
    /// `None` if the file system has no locks, or a lock could hang. Each process then fetches by itself.
    lock: Option<(File, PathBuf)>,
}

impl SingleFlight {
    /// The lock of a key, not yet taken.
    pub(super) fn new(cache: &Cache, key: &Key) -> Self {
        let Some(files) = cache.files() else {
            return Self { lock: None };
        };
        let lock = files.prepare().and_then(|()| {
            let Some(path) = files.lock_path(key) else {
                return Ok(None);
            };
            private_file::open_lock(&path).map(|file| Some((file, path)))
        });
        let lock = lock.unwrap_or_else(|error| {
            debug!(folder = %files.folder().display(), %error, "the cache cannot be written; each run fetches by itself");
            None
        });
        Self { lock }
    }

    /// Takes the lock, unless another process holds it. Returns whether this process may fetch.
    pub(super) fn try_lock(&mut self, now: Timestamp) -> bool {
        let Some((file, path)) = &mut self.lock else {
            return true;
        };
        match file.try_lock() {
            Ok(()) if is_marked(file, now) => {}
            Ok(()) => write_pid(file),
            Err(TryLockError::WouldBlock) => return false,
            Err(TryLockError::Error(error)) => {
                debug!(path = %path.display(), %error, "no locks here; not waiting for other processes");
            }
        }
        true
    }

    /// Marks for waiting processes whether they can use the result. If they cannot (the cache is read-only, the
    /// credential has a use limit), they would fetch one after another and run out of time.
    ///
    /// The mark is the lock file's time, set to a moment ahead. That works on a full disk, needs no cleanup
    /// after a crash, and expires by itself.
    pub(super) fn finish(&self, is_shared: bool, now: Timestamp) {
        let Some((file, _)) = &self.lock else { return };
        if is_shared && !is_marked(file, now) {
            return;
        }
        let time = if is_shared { now } else { now.plus(UNSHARED_TTL) };
        if let Err(error) = file.set_modified(time.into()) {
            debug!(%error, "the lock file cannot be marked; other processes wait for the lock");
        }
    }

    /// Whether the last process could not share its result, so that waiting is useless.
    pub(super) fn is_unshared(&self, now: Timestamp) -> bool {
        self.lock.as_ref().is_some_and(|(file, _)| is_marked(file, now))
    }

    /// Describes the process that holds the lock, and the lock file, for the error of a run that waited too long.
    pub(super) fn holder(&self) -> (Message, PathBuf) {
        let Some((mut file, path)) = self.lock.as_ref().map(|(file, path)| (file, path)) else {
            return ("unknown".into(), PathBuf::new());
        };
        let mut pid = String::new();
        let read = file.rewind().and_then(|()| file.take(20).read_to_string(&mut pid));
        let holder = match read {
            Ok(1..) => message!("process {}", ForeignText::new(pid.trim())),
            _ => "unknown".into(),
        };
        (holder, path.clone())
    }
}

/// Claims a background refresh for this process. At most one is granted per [`REFRESH_INTERVAL`], and none while
/// another process holds the lock.
pub(super) fn try_claim_refresh(cache: &Cache, key: &Key, now: Timestamp) -> bool {
    let Some(files) = cache.files() else { return false };
    let Some(path) = files.lock_path(key) else { return false };
    // An empty file was just created.
    let is_due = |metadata: &Metadata| {
        let is_old = |at| now.distance(Timestamp::of(at)) >= REFRESH_INTERVAL;
        metadata.len() == 0 || metadata.modified().is_ok_and(is_old)
    };
    if std::fs::metadata(&path).is_ok_and(|metadata| !is_due(&metadata)) {
        return false;
    }
    // The lock is released when this function returns: the refreshing process takes it again.
    private_file::open_lock(&path).is_ok_and(|mut file| {
        let is_claimed =
            file.try_lock().is_ok() && file.metadata().is_ok_and(|metadata| is_due(&metadata));
        if is_claimed {
            write_pid(&mut file);
        }
        is_claimed
    })
}

fn is_marked(file: &File, now: Timestamp) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    // Two clocks of one machine differ by less than a second.
    modified.is_ok_and(|at| Timestamp::of(at) > now.plus(Duration::from_secs(1)))
}

/// Writes the process ID into the lock file. It is only used in a message, so errors are ignored.
fn write_pid(file: &mut File) {
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()));
}

/// The pauses between attempts to take the lock: short at first, because most fetches are short, and different in
/// each process, so that many processes do not poll together.
pub(super) struct Pause {
    next: Duration,
}

impl Pause {
    const MAX: Duration = Duration::from_millis(25);

    pub(super) fn new() -> Self {
        Self { next: Duration::from_micros(2_000 + u64::from(std::process::id() % 16) * 250) }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 3 / 2).min(Self::MAX);
        pause
    }
}
