//! The file cache: a folder of mode 0700 with a file of mode 0600 for each credential. The lock and the last failure
//! of a credential are beside it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use tracing::debug;
use zeroize::Zeroizing;

use super::entry::{self, MARKER};
use super::key::Key;
use crate::private_file::{self, Unread};

/// Larger than any credential: an ID token has about 1 kB, a chain of AWS session keys some more.
pub(super) const ENTRY_LIMIT: u64 = 64 * 1024;

/// The most file names of a folder that are read.
const MAX_ENTRIES: usize = 20_000;

#[derive(Clone, Debug)]
pub struct FileCache {
    folder: PathBuf,
    runtime_folder: Option<PathBuf>,
}

impl FileCache {
    /// The cache in a folder, which need not exist yet. Locks are in the `runtime_folder` if locks on the cache
    /// folder could hang.
    pub const fn new(folder: PathBuf, runtime_folder: Option<PathBuf>) -> Self {
        Self { folder, runtime_folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates or repairs the folder, so that it can be written to.
    pub fn prepare(&self) -> io::Result<()> {
        private_file::make_own_folder(&self.folder)
    }

    /// The lock file for fetching a credential. Its name has no version, because two versions of the program must not
    /// fetch at once either. `None` where a lock could hang.
    pub fn lock_path(&self, key: &Key) -> Option<PathBuf> {
        let folder = if private_file::locks_can_hang(&self.folder) {
            let folder = self.runtime_folder.as_ref()?;
            private_file::make_own_folder(folder).ok()?;
            folder
        } else {
            &self.folder
        };
        Some(folder.join(format!("{}.lock", key.name())))
    }

    /// The file of the last failure to obtain a credential.
    pub fn failure_path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{}.failure", key.name(), entry::EXTENSION))
    }

    /// All remembered failures: the key that could not be obtained, and the path.
    pub fn remembered_failures(&self) -> Vec<(Key, PathBuf)> {
        self.named(&format!(".{}.failure", entry::EXTENSION))
    }

    /// The files whose names end with `end`, each with its key.
    pub(super) fn named(&self, end: &str) -> Vec<(Key, PathBuf)> {
        let paths = private_file::list(&self.folder, MAX_ENTRIES).into_iter();
        let key = |path: &Path| Key::read(path.file_name()?.to_str()?.strip_suffix(end)?);
        let mut found: Vec<(Key, PathBuf)> =
            paths.filter_map(|path| Some((key(&path)?, path))).collect();
        found.sort();
        found
    }

    /// The marker file of an entry in the keyring.
    pub(super) fn marker_path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{}.{MARKER}", key.name(), entry::EXTENSION))
    }

    /// Removes all entries and remembered failures, and temporary files of killed writers; or only the entries and
    /// failures of some keys. Locks stay, because a process may hold one. Files that are not in this program's format
    /// stay too. A folder that is a link, or belongs to another user, is not changed.
    pub(super) fn clear(&self, only: Option<&[Key]>) -> io::Result<Cleared> {
        match private_file::look_at_folder(&self.folder) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Cleared::default()),
            Err(error) => return Err(error),
        }
        let is_chosen = |path: &Path| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let key = name.split('.').next();
            only.is_none_or(|keys| keys.iter().any(|chosen| Some(chosen.name()) == key))
        };
        let mut cleared = Cleared::default();
        for path in
            private_file::list(&self.folder, usize::MAX).into_iter().filter(|it| is_chosen(it))
        {
            let removed = match Form::of(&path) {
                Form::Lock => continue,
                Form::Marker => {
                    cleared.markers.push(path);
                    continue;
                }
                Form::Other => {
                    cleared.left += 1;
                    continue;
                }
                Form::Entry => std::fs::remove_file(&path).map(|()| cleared.removed += 1),
                Form::RememberedFailure | Form::Unfinished => std::fs::remove_file(&path),
            };
            match removed {
                // Another process may have removed it first.
                Err(error) if error.kind() != io::ErrorKind::NotFound => cleared.left += 1,
                _ => {}
            }
        }
        Ok(cleared)
    }

    fn entry_path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{}", key.name(), entry::EXTENSION))
    }

    pub(super) fn read(&self, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
        let path = self.entry_path(key);
        match private_file::read_own(&path, ENTRY_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(Unread::Absent) => None,
            Err(Unread::Unusable(problem)) => {
                debug!(path = %path.display(), problem, "the cache entry is not used");
                None
            }
            Err(Unread::Io(error)) => {
                debug!(path = %path.display(), %error, "the cache entry cannot be read");
                None
            }
        }
    }

    pub(super) fn write(&self, key: &Key, content: &[u8]) -> io::Result<()> {
        if content.len() as u64 > ENTRY_LIMIT {
            // A larger entry would not be read back.
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "it is too large for the cache",
            ));
        }
        // A folder of another user must not hold secrets, even if it is writable.
        self.prepare()?;
        let path = self.entry_path(key);
        private_file::write_cached(&path, content).or_else(|error| {
            // A file cannot be renamed over a folder, so an empty one is removed.
            match std::fs::remove_dir(&path) {
                Ok(()) => private_file::write_cached(&path, content),
                Err(_) => Err(error),
            }
        })
    }

    pub(super) fn remove(&self, key: &Key) -> io::Result<()> {
        match std::fs::remove_file(self.entry_path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Cleared {
    pub(super) removed: usize,
    /// How many files were left: files of other programs, and files that could not be removed.
    pub(super) left: usize,
    /// The markers of entries in the keyring.
    pub(super) markers: Vec<PathBuf>,
}

/// What a file of the cache folder is, by its name and, for credentials, by its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Entry,
    RememberedFailure,
    Lock,
    Marker,
    /// The temporary file of a writer that was killed.
    Unfinished,
    /// A file of another program.
    Other,
}

impl Form {
    pub(super) fn of(path: &Path) -> Self {
        let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if !is_file {
            return Self::Other;
        }
        if name.starts_with(private_file::TEMPORARY) {
            return Self::Unfinished;
        }
        let Some((key, extension)) = name.split_once('.') else { return Self::Other };
        if Key::read(key).is_none() {
            return Self::Other;
        }
        match extension.split_once('.') {
            None if extension == "lock" => Self::Lock,
            None if is_entry(extension) && entry::is_one(path) => Self::Entry,
            Some((version, "failure")) if is_entry(version) => Self::RememberedFailure,
            Some((version, MARKER)) if is_entry(version) => Self::Marker,
            _ => Self::Other,
        }
    }
}

/// Entries of every version: a user who clears the cache means all of them.
fn is_entry(extension: &str) -> bool {
    extension.strip_prefix('v').is_some_and(|version| version.parse::<u8>().is_ok())
}
