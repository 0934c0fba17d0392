//! The failure memo: a failed fetch is remembered for a few seconds, so that kubectl's five other
//! runs, and everyone who waited for the flight, fail at once and with the same words.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::debug;

use super::Purpose;
use crate::cache::{Cache, EntryMetadata, FileCache, Key};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::error::{Code, Error, Exit};
use crate::foreign_text::Message;
use crate::message;
use crate::private_file;

/// Long enough for the runs of one kubectl command, short enough that a retry after a fix does not see the old
/// error.
const HOLDS: Duration = Duration::from_secs(5);

/// A server may ask for more, but not for an hour of silence.
const HOLDS_AT_MOST: Duration = Duration::from_secs(60);

/// While a valid credential exists, a failing server is tried again at most this often.
const PATIENCE: Duration = Duration::from_secs(30);

/// Its texts are capped, so no failure is larger.
const LIMIT: u64 = 64 * 1024;

/// A failure as it rests beside the cache entry.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct RememberedFailure {
    /// Of the run that failed. Another one's failure says nothing about ours.
    settings: String,
    pub(super) at: Timestamp,
    pub(super) until: Timestamp,
    pub(super) code: Code,
    pub(super) message: Message,
    hint: Option<Message>,
    /// Whether it failed because a process in the background opens no prompt. A run with a user may open it.
    #[serde(default)]
    pub(super) for_background: bool,
    /// For `status`.
    #[serde(default)]
    pub(super) about: EntryMetadata,
}

impl RememberedFailure {
    /// Whether it still stands. A clock that reads less than when it was written has jumped.
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        !self.for_background && self.at <= now && now < self.until
    }

    /// Whether it is too recent to ask again, for a run that can do without.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        self.at <= now && now.since(self.at) < PATIENCE
    }

    pub(super) fn into_error(self) -> Error {
        Error::Remembered { code: self.code, message: self.message, hint: self.hint }
    }
}

/// Remembers a failure, if it is one that would come again. Returns whether other runs can know of it.
pub(super) fn remember(
    cache: &Cache,
    key: &Key,
    error: &Error,
    settings: Digest,
    now: Timestamp,
    about: EntryMetadata,
    purpose: &Purpose,
) -> bool {
    let Some(files) = cache.files() else { return false };
    let code = error.code();
    let would_come_again = match code.exit() {
        Exit::Source | Exit::Consumer | Exit::Temporary => code != Code::Lock,
        // To wait for a keyring costs its time too, and its prompt should not come back at once.
        _ => matches!(code, Code::Keyring | Code::Locked),
    };
    if !would_come_again {
        return false;
    }
    let holds = error.retry_after().unwrap_or(HOLDS).clamp(HOLDS, HOLDS_AT_MOST);
    let negative_cache = RememberedFailure {
        settings: settings.to_hex(),
        at: now,
        until: now.plus(holds),
        code,
        message: message!("{error}", error),
        hint: error.hint(),
        for_background: code == Code::Locked && matches!(purpose, Purpose::Refresh),
        about,
    };
    // A folder that belongs to another user is not written to, even where it could be.
    let written = serde_json::to_vec(&negative_cache).map_err(Into::into).and_then(|text| {
        files.prepare()?;
        private_file::write(&files.failure_path(key), &text)
    });
    if let Err(error) = &written {
        debug!(key = key.name(), %error, "cannot remember the failure");
    }
    written.is_ok()
}

/// The failure that is remembered for these settings, however old.
pub(super) fn recall(cache: &Cache, key: &Key, settings: Digest) -> Option<RememberedFailure> {
    let text = private_file::read_own(&cache.files()?.failure_path(key), LIMIT).ok()?;
    let negative_cache: RememberedFailure = serde_json::from_slice(&text).ok()?;
    (negative_cache.settings == settings.to_hex()).then_some(negative_cache)
}

/// The failures that are remembered in a folder, each with the name of what could not be obtained.
pub(super) fn all(files: &FileCache) -> Vec<(Key, RememberedFailure)> {
    let remembered_failures = files.remembered_failures().into_iter();
    let read = |path: &Path| private_file::read_own(path, LIMIT).ok();
    remembered_failures
        .filter_map(|(key, path)| Some((key, serde_json::from_slice(&read(&path)?).ok()?)))
        .collect()
}

/// Forgets the failure, after a success.
pub(super) fn forget(cache: &Cache, key: &Key) {
    if let Some(files) = cache.files() {
        let _ = std::fs::remove_file(files.failure_path(key));
    }
}
