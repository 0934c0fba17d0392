//! The sweep: a run that fetches also removes some useless entries. Its cost is bounded for a folder of any size: it
//! reads the names, and checks a few of the files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::debug;

use super::entry::{self, MARKER};
use super::file::{ENTRY_LIMIT, Form};
use super::keyring;
use crate::clock::Timestamp;
use crate::private_file;

/// The most names of a folder that are read.
const MAX_ENTRIES: usize = 20_000;

/// The most files that are checked.
const MAX_CHECKS: usize = 64;

/// Files older than this are checked for removal.
const MIN_AGE: Duration = Duration::from_secs(24 * 3600);

/// The same for files of another version of the program, which may still use them.
const MIN_AGE_OF_OTHER_VERSIONS: Duration = Duration::from_secs(30 * 24 * 3600);

/// The same for temporary files, which their writer renames at once. It is the shortest of these ages.
const MIN_AGE_OF_TEMPORARY: Duration = Duration::from_secs(3600);

/// Sweeps a folder. Returns the markers of entries that a run with an open keyring can remove.
pub(super) fn sweep(folder: &Path, now: Timestamp) -> Vec<PathBuf> {
    // Never remove anything through a link, or from the folder of another user.
    if private_file::look_at_folder(folder).is_err() {
        return Vec::new();
    }
    let paths = private_file::list(folder, MAX_ENTRIES);
    // Start at a different file each time, so that every file is checked in turn.
    let begin = usize::try_from(now.unix_seconds()).unwrap_or(0).wrapping_mul(MAX_CHECKS);
    let turn = (0..paths.len().min(MAX_CHECKS)).map(|step| begin.wrapping_add(step) % paths.len());
    let mut in_keyring = Vec::new();
    for path in turn.map(|at| &paths[at]) {
        if path.extension() == Some(OsStr::new(MARKER)) {
            in_keyring.extend(is_remnant(path, now).then(|| path.clone()));
        } else if is_remnant(path, now) && std::fs::remove_file(path).is_ok() {
            debug!(path = %path.display(), "swept");
        }
    }
    in_keyring
}

fn is_remnant(path: &Path, now: Timestamp) -> bool {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return false };
    let is_older = |than: Duration| {
        let age = |at: SystemTime| now.since(Timestamp::of(at));
        metadata.modified().is_ok_and(|at| age(at) > than)
    };
    // Most files are younger than anything that is removed, and need not be read.
    if !is_older(MIN_AGE_OF_TEMPORARY) {
        return false;
    }
    match Form::of(path) {
        Form::Unfinished => true,
        Form::RememberedFailure => is_older(MIN_AGE),
        Form::Marker => is_older(MIN_AGE) && keyring::has_expired(path, now),
        Form::Lock => is_older(MIN_AGE) && is_abandoned(path),
        Form::Entry if path.extension() == Some(OsStr::new(entry::EXTENSION)) => {
            is_older(MIN_AGE) && has_expired(path, now)
        }
        Form::Entry => is_older(MIN_AGE_OF_OTHER_VERSIONS),
        Form::Other => false,
    }
}

/// An unreadable entry counts as expired.
fn has_expired(path: &Path, now: Timestamp) -> bool {
    let content = private_file::read_own(path, ENTRY_LIMIT).ok();
    let lifetime = content.and_then(|content| entry::lifetime(&content));
    lifetime.is_none_or(|lifetime| lifetime.expires_at_here() < now)
}

/// A lock that is held is not removed. If another process opens it at this moment, two processes fetch at once, which
/// costs one extra request.
fn is_abandoned(path: &Path) -> bool {
    let has = |extension: &str| path.with_extension(extension).exists();
    let has_entry = has(entry::EXTENSION) || has(&format!("{}.{MARKER}", entry::EXTENSION));
    !has_entry && private_file::open_lock(path).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Cache, EntryMetadata, FileCache, Key};
    use crate::clock::Offset;
    use crate::credential::{Credential, IdToken, Lifetime, Secret};
    use std::fs::{self, File};

    const HOUR: u64 = 3600;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn file(&self, name: &str, hours_old: u64) -> PathBuf {
            let path = self.0.path().join(name);
            private_file::write(&path, b"yc-id-token 9 cut off").unwrap();
            self.touch(&path, hours_old);
            path
        }

        /// Creates a file beside the entry of a key.
        fn of_key(&self, audience: &str, extension: &str, hours_old: u64) -> PathBuf {
            let key = Key::of("id-token").with("audience", audience).build();
            self.file(&format!("{}.{extension}", key.name()), hours_old)
        }

        fn entry(&self, audience: &str, hours_old: u64, life: u64) -> PathBuf {
            let cache = Cache::File(FileCache::new(self.0.path().into(), None));
            let key = Key::of("id-token").with("audience", audience).build();
            let begin = now().minus(Duration::from_secs(hours_old * HOUR));
            let expires_at = begin.plus(Duration::from_secs(life * HOUR));
            let lifetime = Lifetime::new(begin.into(), expires_at, Offset::default());
            let secret = IdToken(Secret::new("eyJh.eyJz.c2ln".into()));
            cache.put(&key, &Credential { secret, lifetime }, &EntryMetadata::default()).unwrap();
            let path = self.0.path().join(key.name()).with_extension(entry::EXTENSION);
            self.touch(&path, hours_old);
            path
        }

        fn touch(&self, path: &Path, hours_old: u64) {
            assert!(path.starts_with(self.0.path()));
            let at = SystemTime::UNIX_EPOCH
                + Duration::from_secs(u64::try_from(now().unix_seconds()).unwrap())
                - Duration::from_secs(hours_old * HOUR);
            private_file::open_lock(path).unwrap().set_modified(at).unwrap();
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000)
    }

    #[test]
    fn useless_files_are_removed_and_others_stay() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let remnants = [
            folder.entry("expired", 30, 1),
            folder.of_key("corrupt", entry::EXTENSION, 30),
            folder.of_key("x", "v1.failure", 30),
            folder.of_key("x", "lock", 30),
            folder.file(".yc-id-token-Ab3dEf", 2),
            folder.of_key("x", "v0", 31 * 24),
        ];
        let held = folder.of_key("held", "lock", 30);
        let lock = File::open(&held).unwrap();
        lock.lock().unwrap();
        let alive = folder.entry("long", 30, 32 * 24);
        let kept = [
            alive.with_extension("lock"),
            folder.entry("just-expired", 2, 1),
            folder.of_key("y", "v1.failure", 1),
            folder.of_key("y", "lock", 1),
            folder.file(".yc-id-token-Ab3dEg", 0),
            folder.of_key("y", "v2", 30),
            folder.file("another file", 100 * 24),
            folder.file("notes.v1", 100 * 24),
            folder.file("notes.failure", 100 * 24),
            alive,
            held,
        ];
        folder.touch(&kept[0], 30);
        sweep(folder.0.path(), now());
        assert_eq!(remnants.iter().find(|path| path.exists()), None, "swept");
        assert_eq!(kept.iter().find(|path| !path.exists()), None, "kept");
    }

    #[test]
    fn a_sweep_of_a_large_folder_is_bounded_and_reaches_every_file() {
        let folder = Folder(tempfile::tempdir().unwrap());
        for number in 0..300 {
            folder.of_key(&number.to_string(), "v1.failure", 30);
        }
        let count = || fs::read_dir(folder.0.path()).unwrap().count();
        let mut seconds = 0;
        while count() > 0 {
            let before = count();
            sweep(folder.0.path(), now().plus(Duration::from_secs(seconds)));
            assert!(before - count() <= MAX_CHECKS, "{before}");
            seconds += 1;
            assert!(seconds < 20, "{} are left", count());
        }
    }
}
