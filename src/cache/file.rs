//! The file cache: a folder of mode 0700, a file of mode 0600 for each credential, and beside it the
//! lock and the memo of its last failure.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use tracing::debug;
use zeroize::Zeroizing;

use super::entry;
use super::key::Key;
use super::keyring::MARKER;
use crate::private_file::{self, Unread};

/// Larger than any credential: an ID token has about 1 kB, a chain of AWS session keys some more.
pub(super) const ENTRY_LIMIT: u64 = 64 * 1024;

/// A folder with more names than this is listed in part.
const NAMES: usize = 20_000;

/// The cache folder.
#[derive(Clone, Debug)]
pub struct FileCache {
    folder: PathBuf,
    runtime_folder: Option<PathBuf>,
}

impl FileCache {
    /// The cache in a folder, which need not exist yet. Locks are taken in the `runtime_folder`
    /// where locks on the cache folder could hang.
    #[must_use]
    pub const fn new(folder: PathBuf, runtime_folder: Option<PathBuf>) -> Self {
        Self { folder, runtime_folder }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder ready to be written to.
    pub fn prepare(&self) -> io::Result<()> {
        private_file::make_own_folder(&self.folder)
    }

    /// The lock that is held while a credential is being obtained. It outlives the program's
    /// versions: two versions must not fetch at once either. `None` where a lock could hang.
    #[must_use]
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

    /// Where the last failure to obtain a credential is remembered.
    #[must_use]
    pub fn memo_path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{}.failure", key.name(), entry::EXTENSION))
    }

    /// The file that says of an entry that it is in the keyring.
    /// All that is remembered of failures: the name of what could not be obtained, and the path.
    #[must_use]
    pub fn memos(&self) -> Vec<(String, PathBuf)> {
        self.named(&format!(".{}.failure", entry::EXTENSION))
    }

    /// The files whose names end so, each with what comes before.
    pub(super) fn named(&self, end: &str) -> Vec<(String, PathBuf)> {
        let paths = private_file::list(&self.folder, NAMES).into_iter();
        let mut found: Vec<(String, PathBuf)> = paths
            .filter_map(|path| Some((path.file_name()?.to_str()?.strip_suffix(end)?.into(), path)))
            .collect();
        found.sort();
        found
    }

    pub(super) fn marker_path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{}.{MARKER}", key.name(), entry::EXTENSION))
    }

    /// Removes all entries and memos, and what a killed writer has left. Locks stay: a process may
    /// be holding one. Returns how many entries there were, and what there is in the keyring.
    pub(super) fn clear(&self) -> io::Result<(usize, Vec<PathBuf>)> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, Vec::new())),
            Err(error) => return Err(error),
        };
        let (mut removed, mut markers) = (0, Vec::new());
        for entry in entries {
            let path = entry?.path();
            let extension = path.extension().and_then(OsStr::to_str);
            if extension == Some("lock") {
                continue;
            }
            if extension == Some(MARKER) {
                markers.push(path);
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => removed += usize::from(extension.is_some_and(is_entry)),
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((removed, markers))
    }

    fn entry_path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{}", key.name(), entry::EXTENSION))
    }

    pub(super) fn read(&self, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
        let path = self.entry_path(key);
        match private_file::read_own(&path, ENTRY_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(Unread::Absent) => None,
            Err(Unread::Unfit(problem)) => {
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
        // A folder of someone else's is not for our secrets, even where we could write to it.
        self.prepare()?;
        let path = self.entry_path(key);
        private_file::write(&path, content).or_else(|error| {
            // A folder in the entry's place cannot be renamed over; an empty one can go.
            std::fs::remove_dir(&path).map_err(|_| error)?;
            private_file::write(&path, content)
        })
    }

    pub(super) fn remove(&self, key: &Key) -> io::Result<()> {
        match std::fs::remove_file(self.entry_path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// Entries of every version: a user who clears the cache means all of them.
pub(super) fn is_entry(extension: &str) -> bool {
    extension.strip_prefix('v').is_some_and(|version| version.parse::<u8>().is_ok())
}
