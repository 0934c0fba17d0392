//! One flight per key over all processes: an OS lock on a file beside the entry.
//!
//! The lock goes with the process that holds it, however that ends, so nothing is ever stale. It is
//! tried without blocking and waited for by looking again: a blocked `flock` could not be given up
//! at the deadline.

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

/// How long the processes that want the same credential do not wait for each other, after one has got
/// a result that it could not share.
const UNSHARED: Duration = Duration::from_secs(20);

/// How often a server is asked for a credential that is still good.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// The flight for a key: ours once we have taken off, until this is dropped.
pub(super) struct SingleFlight {
    /// `None` where there is nothing to lock, or a lock could hang: then everyone flies alone.
    lock: Option<(File, PathBuf)>,
}

impl SingleFlight {
    /// The flight for a key, not yet taken.
    pub(super) fn to(cache: &Cache, key: &Key) -> Self {
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
            debug!(folder = %files.folder().display(), %error, "the cache cannot be written; each run is on its own");
            None
        });
        Self { lock }
    }

    /// Takes off, unless another process is in flight.
    pub(super) fn try_lock(&mut self, now: Timestamp) -> bool {
        let Some((file, path)) = &mut self.lock else {
            return true;
        };
        match file.try_lock() {
            Ok(()) if is_marked(file, now) => {}
            Ok(()) => write_pid(file),
            Err(TryLockError::WouldBlock) => return false,
            Err(TryLockError::Error(error)) => {
                debug!(path = %path.display(), %error, "no locks here; flying alone");
            }
        }
        true
    }

    /// Tells the processes that wait for this flight whether they can have its result. A lock is for
    /// sharing a result. Where that is not possible (the cache cannot be written, the credential is for
    /// one user only), they would fetch one after the other, and run out of time.
    ///
    /// The mark is the time of the lock file, set to a moment ahead: that works on a full disk, needs
    /// no cleaning up after a crash, and wears off by itself.
    pub(super) fn lands(&self, is_shared: bool, now: Timestamp) {
        let Some((file, _)) = &self.lock else { return };
        if is_shared && !is_marked(file, now) {
            return;
        }
        let time = if is_shared { now } else { now.plus(UNSHARED) };
        if let Err(error) = file.set_modified(time.into()) {
            debug!(%error, "the lock file cannot be marked; others wait for their turn");
        }
    }

    /// Whether the last flight could not share its result, so that nothing is to be waited for.
    pub(super) fn is_unshared(&self, now: Timestamp) -> bool {
        self.lock.as_ref().is_some_and(|(file, _)| is_marked(file, now))
    }

    /// Who is in flight, and the lock file, for the message when we have waited too long.
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

/// Claims a refresh in the background for this process: at most one in half a minute is granted, to
/// one process, and none while another one is in flight.
///
/// A flight begins with writing into the lock file, so the time of that writing is when the last one
/// began. A file system without locks grants no refresh: there each run is on its own.
pub(super) fn try_claim_refresh(cache: &Cache, key: &Key, now: Timestamp) -> bool {
    let Some(files) = cache.files() else { return false };
    let Some(path) = files.lock_path(key) else { return false };
    // An empty one has just been made.
    let is_due = |metadata: &Metadata| {
        let is_old = |at| now.distance(Timestamp::of(at)) >= REFRESH_INTERVAL;
        metadata.len() == 0 || metadata.modified().is_ok_and(is_old)
    };
    if std::fs::metadata(&path).is_ok_and(|metadata| !is_due(&metadata)) {
        return false;
    }
    // The lock ends with this function: the process that we start takes it again.
    private_file::open_lock(&path).is_ok_and(|mut file| {
        let is_ours =
            file.try_lock().is_ok() && file.metadata().is_ok_and(|metadata| is_due(&metadata));
        if is_ours {
            write_pid(&mut file);
        }
        is_ours
    })
}

fn is_marked(file: &File, now: Timestamp) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    // A second is more than two clocks of one machine differ by.
    modified.is_ok_and(|at| Timestamp::of(at) > now.plus(Duration::from_secs(1)))
}

/// Writes who we are into the lock file. It is only for the message; that it fails is no matter.
fn write_pid(file: &mut File) {
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()));
}

/// How long to wait before looking again: a little at first, as most flights are short, and not the
/// same in each process, so that two hundred of them do not look at once.
pub(super) struct Pause {
    next: Duration,
}

impl Pause {
    const LONGEST: Duration = Duration::from_millis(25);

    pub(super) fn new() -> Self {
        Self { next: Duration::from_micros(2_000 + u64::from(std::process::id() % 16) * 250) }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 3 / 2).min(Self::LONGEST);
        pause
    }
}
