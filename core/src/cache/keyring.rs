//! The cache in the keyring. Each credential there has a marker file without secrets, beside its lock.
//!
//! Without a marker the keyring is not called, neither on a miss nor to clear or sweep the cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::debug;
use zeroize::Zeroizing;

use super::file::FileCache;
use super::key::Key;
use super::metadata::EntryMetadata;
use crate::clock::{Deadline, Timestamp};
use crate::credential::Lifetime;
use crate::error::{Cause, Code, Error, Result, shown};
use crate::keyring::{Keyring, Problem};
use crate::message;
use crate::private_file;

const LIMIT: u64 = 8 * 1024;

/// The most items that one sweep removes, because a run waits for it.
const SWEPT: usize = 4;

#[derive(Deserialize, Serialize)]
pub(super) struct Marker {
    pub(super) lifetime: Lifetime,
    #[serde(default)]
    pub(super) about: EntryMetadata,
}

/// The keyring, and the folder of locks, remembered failures and markers.
#[derive(Debug)]
pub struct KeyringCache {
    files: FileCache,
    keyring: Keyring,
}

impl KeyringCache {
    pub const fn new(files: FileCache, keyring: Keyring) -> Self {
        Self { files, keyring }
    }

    /// The folder of its markers, locks and remembered failures.
    pub(super) const fn files(&self) -> &FileCache {
        &self.files
    }

    /// Checks that the keyring can be used, before a credential is fetched that must be stored there.
    pub(super) fn open(&self) -> Result<()> {
        self.keyring.open().map_err(|problem| unusable(problem, "store credentials in the keyring"))
    }

    pub(super) fn read(&self, key: &Key) -> Result<Option<Zeroizing<String>>> {
        let marker = self.files.marker_path(key);
        let Some(item) = item(&marker).filter(|_| marker.exists()) else { return Ok(None) };
        let read = self.keyring.get(&item);
        read.map_err(|problem| unusable(problem, "read the cache in the keyring"))
    }

    /// Writes the marker first, because `cache clear` finds items by their markers.
    pub(super) fn write(
        &self,
        key: &Key,
        lifetime: Lifetime,
        about: &EntryMetadata,
        entry: Zeroizing<String>,
    ) -> Result<()> {
        let path = self.files.marker_path(key);
        let Some(item) = item(&path) else { return Ok(()) };
        let text = serde_json::to_vec(&Marker { lifetime, about: about.clone() })
            .map_err(std::io::Error::from);
        let marked = text.and_then(|text| {
            self.files.prepare()?;
            private_file::write(&path, &text)
        });
        marked.map_err(|error| Error::Cache(error.into()))?;
        let written = self.keyring.set(&item, entry);
        written.map_err(|problem| unusable(problem, "store credentials in the keyring"))
    }

    pub(super) fn remove(&self, key: &Key) -> Result<()> {
        remove(&self.files.marker_path(key), |item| self.keyring.remove(item)).map(|_| ())
    }

    /// Removes some credentials that expired a while ago.
    pub(super) fn sweep(&self, remnants: Vec<PathBuf>) {
        // A run does not prompt for credentials that it does not use.
        let remove_item = |item: &str| self.keyring.remove_without_prompt(item);
        for path in remnants.into_iter().take(SWEPT) {
            if let Err(error) = remove(&path, remove_item) {
                debug!(%error, "not swept");
                return;
            }
        }
    }
}

/// Removes the items of these markers from the keyring within `limit`, and returns how many there were.
pub(super) fn clear(markers: Vec<PathBuf>, limit: Duration) -> Result<usize> {
    // The keyring is opened only if there is something to remove.
    let keyring = Keyring::of_system(Some(Deadline::within(limit)));
    let mut removed = 0;
    for path in markers {
        removed += usize::from(remove(&path, |item| keyring.remove(item))?);
    }
    Ok(removed)
}

/// Whether the credential of this marker has expired. An unreadable marker counts as expired.
pub(super) fn has_expired(marker: &Path, now: Timestamp) -> bool {
    read_marker(marker).is_none_or(|marker| marker.lifetime.expires_at_here() < now)
}

pub(super) fn read_marker(path: &Path) -> Option<Marker> {
    serde_json::from_slice(&private_file::read_own(path, LIMIT).ok()?).ok()
}

/// Removes the marker last, because `cache clear` finds items by their markers.
fn remove(
    marker: &Path,
    remove_item: impl Fn(&str) -> std::result::Result<bool, Problem>,
) -> Result<bool> {
    let Some(item) = item(marker).filter(|_| marker.exists()) else { return Ok(false) };
    let removed = remove_item(&item).map_err(|problem| {
        let otherwise = "remove the items of `yc-id-token` with the system's own keyring program";
        problem.into_error("remove credentials from the keyring", Code::Cache, otherwise)
    })?;
    match std::fs::remove_file(marker) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Cache(Cause::from(error).context(message!("`{}`", shown(marker)))))
        }
        _ => Ok(removed),
    }
}

/// The keyring item of a marker.
fn item(marker: &Path) -> Option<String> {
    Some(format!("cache/{}", marker.file_stem()?.to_str()?))
}

fn unusable(problem: Problem, what: &'static str) -> Error {
    problem.into_error(what, Code::Cache, "give `--cache file`, or `--cache none`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::clock::Offset;
    use crate::credential::{Credential, IdToken, Secret};

    fn key(audience: &str) -> Key {
        Key::of("id-token").with("audience", audience).build()
    }

    fn credential(length: usize) -> Credential<IdToken> {
        let begin = Timestamp::from_unix_seconds(1_800_000_000);
        let expires_at = begin.plus(Duration::from_secs(3600));
        let lifetime = Lifetime::new(begin.into(), expires_at, Offset::default());
        Credential { secret: IdToken(Secret::new("s".repeat(length))), lifetime }
    }

    fn cache(folder: &tempfile::TempDir, keyring: Keyring) -> Cache {
        let files = FileCache::new(folder.path().join("cache"), None);
        Cache::Keyring(KeyringCache::new(files, keyring))
    }

    #[test]
    fn a_credential_in_the_keyring_is_in_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, Keyring::fake());
        for length in [10, 10_000] {
            assert!(cache.get::<IdToken>(&key("a")).unwrap().is_none());
            let credential = credential(length);
            cache.put(&key("a"), &credential, &EntryMetadata::default()).unwrap();
            let back = cache.get::<IdToken>(&key("a")).unwrap().unwrap();
            assert_eq!((back.secret, back.lifetime), (credential.secret, credential.lifetime));
            assert!(cache.get::<IdToken>(&key("b")).unwrap().is_none());
            for path in private_file::list(&folder.path().join("cache"), 10) {
                assert!(!std::fs::read_to_string(path).unwrap().contains("sss"));
            }
            cache.remove(&key("a")).unwrap();
        }
        assert_eq!(
            private_file::list(&folder.path().join("cache"), 10),
            [""; 0].map(PathBuf::from)
        );
    }

    #[test]
    fn an_unusable_keyring_is_an_error_except_on_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let usable = cache(&folder, Keyring::fake());
        usable.put(&key("a"), &credential(10), &EntryMetadata::default()).unwrap();
        let absent = cache(&folder, Keyring::absent());
        assert!(absent.get::<IdToken>(&key("b")).unwrap().is_none());
        absent.remove(&key("b")).unwrap();
        let error = absent.get::<IdToken>(&key("a")).unwrap_err();
        assert_eq!((error.code(), error.exit_status()), (Code::Cache, 7));
        assert!(absent.open().is_err());
        assert!(absent.put(&key("a"), &credential(10), &EntryMetadata::default()).is_err());
        assert!(absent.remove(&key("a")).is_err());
        assert!(usable.get::<IdToken>(&key("a")).unwrap().is_some());
    }

    #[test]
    fn credentials_that_expired_a_day_ago_are_removed_from_the_keyring() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, Keyring::fake());
        cache.put(&key("a"), &credential(10), &EntryMetadata::default()).unwrap();
        // The marker file has today's time, which is before the credential's.
        let marker = private_file::list(&folder.path().join("cache"), 1).remove(0);
        let of_credential = std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        private_file::open_lock(&marker).unwrap().set_modified(of_credential).unwrap();
        for (hours, is_left) in [(2, true), (30, false)] {
            let now = Timestamp::from_unix_seconds(1_800_000_000 + hours * 3600);
            cache.sweep(now);
            assert_eq!(cache.get::<IdToken>(&key("a")).unwrap().is_some(), is_left);
        }
    }
}
