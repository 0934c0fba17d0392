//! Where credentials rest between runs.
//!
//! A cache is a convenience: whatever is wrong with it, the credential is obtained anew and handed
//! out. Only a keyring that was asked for by name and cannot be used is an error. What is corrupt, someone else's or open to others is never used, and is replaced by the next
//! credential.

mod entry;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod key;
mod keyring;
mod list;
mod metadata;
mod sweep;

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::credential::{Cacheable, Credential};
use crate::error::{Cause, Error, Result, shown};
use crate::message;

pub use file::FileCache;
pub use key::{Key, KeyBuilder, Parts};
pub use keyring::KeyringCache;
pub use list::{ListedEntry, Place, list};
pub use metadata::EntryMetadata;

/// A place where credentials rest.
#[derive(Debug)]
pub enum Cache {
    /// Files that only this user can read.
    File(FileCache),
    /// The keyring of this user. `--cache keyring`.
    Keyring(KeyringCache),
    /// Nowhere: each run obtains its own. `--cache none`, or no folder to use.
    None,
}

impl Cache {
    /// What of it is in files: all, or the locks and the memos.
    #[must_use]
    pub const fn files(&self) -> Option<&FileCache> {
        match self {
            Self::File(files) => Some(files),
            Self::Keyring(keyring) => Some(keyring.files()),
            Self::None => None,
        }
    }

    /// Finds out whether it can be used, if that has to be known before something is obtained.
    pub fn open(&self) -> Result<()> {
        match self {
            Self::Keyring(keyring) => keyring.open(),
            Self::File(_) | Self::None => Ok(()),
        }
    }

    /// The credential that rests under a key. What is there and cannot be used is the same as none, but
    /// for a word in the log; a keyring that cannot be used is an error.
    pub fn get<T: Cacheable>(&self, key: &Key) -> Result<Option<Credential<T>>> {
        let parse = |entry: &[u8]| entry::parse(entry, key);
        Ok(match self {
            Self::File(files) => files.read(key).and_then(|entry| parse(&entry)),
            Self::Keyring(keyring) => keyring.read(key)?.and_then(|entry| parse(entry.as_bytes())),
            Self::None => None,
        })
    }

    /// Removes some of what nobody will use again.
    pub fn sweep(&self, now: Timestamp) {
        let Some(files) = self.files() else { return };
        let in_keyring = sweep::sweep(files.folder(), now);
        if let Self::Keyring(keyring) = self {
            keyring.sweep(in_keyring);
        }
    }

    /// Lets a credential rest under a key, with what `status` can say of it.
    pub fn put<T: Cacheable>(
        &self,
        key: &Key,
        credential: &Credential<T>,
        about: &EntryMetadata,
    ) -> Result<()> {
        let render = || entry::render(key, credential, about).map_err(unusable);
        match self {
            Self::File(files) => files.write(key, &render()?).map_err(unusable),
            Self::Keyring(keyring) => {
                let entry = Zeroizing::new(String::from_utf8_lossy(&render()?).into_owned());
                keyring.write(key, credential.lifetime, about, entry)
            }
            Self::None => Ok(()),
        }
    }

    /// Removes what rests under a key, if anything does.
    pub fn remove(&self, key: &Key) -> Result<()> {
        match self {
            Self::File(files) => files.remove(key).map_err(unusable),
            Self::Keyring(keyring) => keyring.remove(key),
            Self::None => Ok(()),
        }
    }
}

/// What clearing the cache came to.
#[derive(Clone, Copy, Debug)]
pub struct Cleared {
    /// How many credentials were removed.
    pub removed: usize,
    /// How many files of the folder are not this program's, or could not be removed.
    pub left: usize,
}

/// Removes every credential, from the files of a cache and, if any are there, within `limit` from the keyring.
pub fn clear(files: &FileCache, limit: Duration) -> Result<Cleared> {
    let in_folder = |folder: &Path, error| {
        Error::Cache(Cause::from(error).context(message!("`{}`", shown(folder))))
    };
    let cleared = files.clear().map_err(|error| in_folder(files.folder(), error))?;
    let removed = cleared.removed + keyring::clear(cleared.markers, limit)?;
    Ok(Cleared { removed, left: cleared.left })
}

fn unusable(error: std::io::Error) -> Error {
    Error::Cache(error.into())
}
