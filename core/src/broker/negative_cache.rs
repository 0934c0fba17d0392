//! The negative cache: a failed fetch is remembered for a few seconds. kubectl's five other runs, and the processes
//! that waited, then fail at once with the same text.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::cache::{Cache, EntryMetadata, FileCache, Key};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::{Code, Error, Exit};
use crate::foreign_text::Message;
use crate::message;
use crate::private_file;

/// Long enough for the runs of one kubectl command, short enough that a retry after a fix does not see the old
/// error.
const FAILURE_TTL: Duration = Duration::from_secs(5);

/// The longest time that a server's `Retry-After` is honoured.
const MAX_FAILURE_TTL: Duration = Duration::from_secs(60);

/// While a valid credential exists, a failing server is tried again at most this often.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// The texts of a failure are capped, so no valid file is larger.
const MAX_SIZE: u64 = 64 * 1024;

/// A failure, as it is stored beside the cache entry.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct RememberedFailure {
    /// The fingerprint of the failed run's settings. With other settings, a run may succeed.
    settings: String,
    pub(super) at: Timestamp,
    pub(super) until: Timestamp,
    pub(super) code: Code,
    pub(super) message: Message,
    hint: Option<Message>,
    /// Whether the run failed because it may not prompt in the background. A run with a user may prompt.
    #[serde(default)]
    pub(super) for_background: bool,
    #[serde(default)]
    pub(super) about: EntryMetadata,
}

impl RememberedFailure {
    /// Remembers the failure of a run with these settings, if a repeated run would fail in the same way.
    pub(super) fn new(
        error: &Error,
        settings: Digest,
        now: Timestamp,
        is_background: bool,
        about: EntryMetadata,
    ) -> Option<Self> {
        let code = error.code();
        let would_come_again = match code.exit() {
            Exit::Source | Exit::Consumer | Exit::Temporary => code != Code::Lock,
            // A keyring can be slow to fail, and its prompt must not reappear at once.
            _ => matches!(code, Code::Keyring | Code::Locked),
        };
        let ttl = error.retry_after().unwrap_or(FAILURE_TTL).clamp(FAILURE_TTL, MAX_FAILURE_TTL);
        would_come_again.then(|| Self {
            settings: settings.to_hex(),
            at: now,
            until: now.plus(ttl),
            code,
            message: message!("{error}", error),
            hint: error.hint(),
            for_background: code == Code::Locked && is_background,
            about,
        })
    }

    /// Stores it for other runs. Returns whether other runs can read it.
    pub(super) fn store(&self, cache: &Cache, key: &Key) -> bool {
        let Some(files) = cache.files() else { return false };
        // A folder of another user is never written to, even if its mode allows it.
        let written = serde_json::to_vec(self).map_err(Into::into).and_then(|text| {
            files.prepare()?;
            private_file::write_cached(&files.failure_path(key), &text)
        });
        if let Err(error) = &written {
            debug!(key = key.name(), %error, "cannot remember the failure");
        }
        written.is_ok()
    }

    /// Whether the failure is still valid. One from the future is not: the clock was set back.
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        !self.for_background && self.at <= now && now < self.until
    }

    /// Whether the failure is too recent for a retry by a run that has a valid credential.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        self.at <= now && now.since(self.at) < RETRY_INTERVAL
    }

    pub(super) fn into_error(self) -> Error {
        Error::Remembered { code: self.code, message: self.message, hint: self.hint }
    }
}

/// Reads the failure that is remembered for these settings, however old it is.
pub(super) fn recall(cache: &Cache, key: &Key, settings: Digest) -> Option<RememberedFailure> {
    let text = private_file::read_own(&cache.files()?.failure_path(key), MAX_SIZE).ok()?;
    let failure: RememberedFailure = serde_json::from_slice(&text).ok()?;
    (failure.settings == settings.to_hex()).then_some(failure)
}

/// All remembered failures in a folder, each with the key that could not be obtained.
pub(super) fn all(files: &FileCache) -> Vec<(Key, RememberedFailure)> {
    let remembered_failures = files.remembered_failures().into_iter();
    let read = |path: &Path| private_file::read_own(path, MAX_SIZE).ok();
    remembered_failures
        .filter_map(|(key, path)| Some((key, serde_json::from_slice(&read(&path)?).ok()?)))
        .collect()
}

/// Removes the failure, after a success.
pub(super) fn forget(cache: &Cache, key: &Key) {
    if let Some(files) = cache.files() {
        let _ = std::fs::remove_file(files.failure_path(key));
    }
}
