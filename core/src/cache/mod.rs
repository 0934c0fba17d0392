//! The cache: where credentials are stored between runs, in files or in the keyring.
//!
//! A cache is optional: if it cannot be used, the credential is still fetched and returned. The exception is `--cache
//! keyring`: an unusable keyring is an error. An entry that is corrupt, foreign or readable by others is never used,
//! and the next credential replaces it.

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
#[cfg(test)]
use std::{cell::RefCell, collections::HashMap, rc::Rc};

use zeroize::Zeroizing;

use crate::clock::Timestamp;
#[cfg(test)]
use crate::credential::Lifetime;
use crate::credential::{Cacheable, Credential};
use crate::error::{Cause, Error, Result, shown};
use crate::message;

pub use file::FileCache;
pub use key::{Key, KeyBuilder, KeyInputs};
pub use keyring::KeyringCache;
pub use list::{ListedEntry, Place, list};
pub use metadata::EntryMetadata;

/// Where credentials are stored.
#[derive(Debug)]
pub enum Cache {
    /// Files that only this user can read.
    File(FileCache),
    /// The keyring of this user. `--cache keyring`.
    Keyring(KeyringCache),
    /// No cache: each run obtains its own. `--cache none`, or no usable folder.
    None,
    /// Entries in memory, for the simulation of many machines.
    #[cfg(test)]
    Memory(Memory),
}

/// The secrets of one machine, by key name.
#[cfg(test)]
pub(crate) type Memory = Rc<RefCell<HashMap<String, (serde_json::Value, Lifetime)>>>;

impl Cache {
    /// The files of this cache: everything, or the locks and remembered failures.
    pub const fn files(&self) -> Option<&FileCache> {
        match self {
            Self::File(files) => Some(files),
            Self::Keyring(keyring) => Some(keyring.files()),
            Self::None => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Checks that the cache can be used, if it is required.
    pub fn open(&self) -> Result<()> {
        match self {
            Self::Keyring(keyring) => keyring.open(),
            Self::File(_) | Self::None => Ok(()),
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// The credential of a key. An unusable entry counts as missing, and is logged. An unusable keyring is an error.
    pub fn get<T: Cacheable>(&self, key: &Key) -> Result<Option<Credential<T>>> {
        let parse = |entry: &[u8]| entry::parse(entry, key);
        Ok(match self {
            Self::File(files) => files.read(key).and_then(|entry| parse(&entry)),
            Self::Keyring(keyring) => keyring.read(key)?.and_then(|entry| parse(entry.as_bytes())),
            Self::None => None,
            #[cfg(test)]
            Self::Memory(entries) => {
                entries.borrow().get(key.name()).and_then(|(secret, lifetime)| {
                    Some(Credential { secret: T::deserialize(secret).ok()?, lifetime: *lifetime })
                })
            }
        })
    }

    /// Removes some entries that are no longer useful.
    pub fn sweep(&self, now: Timestamp) {
        let Some(files) = self.files() else { return };
        let in_keyring = sweep::sweep(files.folder(), now);
        if let Self::Keyring(keyring) = self {
            keyring.sweep(in_keyring);
        }
    }

    /// Stores a credential under a key, with the metadata that `status` shows.
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
            #[cfg(test)]
            Self::Memory(entries) => {
                let secret = serde_json::to_value(&credential.secret).unwrap_or_default();
                entries.borrow_mut().insert(key.name().to_owned(), (secret, credential.lifetime));
                Ok(())
            }
        }
    }

    /// Removes the entry of a key, if there is one.
    pub fn remove(&self, key: &Key) -> Result<()> {
        match self {
            Self::File(files) => files.remove(key).map_err(unusable),
            Self::Keyring(keyring) => keyring.remove(key),
            Self::None => Ok(()),
            #[cfg(test)]
            Self::Memory(entries) => {
                entries.borrow_mut().remove(key.name());
                Ok(())
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Cleared {
    pub removed: usize,
    /// How many files of the folder belong to other programs, or could not be removed.
    pub left: usize,
}

/// Removes every credential, or only those of some keys: from the files of a cache, and within `limit` from the
/// keyring if any are there.
pub fn clear(files: &FileCache, only: Option<&[Key]>, limit: Duration) -> Result<Cleared> {
    let in_folder = |folder: &Path, error| {
        Error::Cache(Cause::from(error).context(message!("`{}`", shown(folder))))
    };
    let cleared = files.clear(only).map_err(|error| in_folder(files.folder(), error))?;
    let removed = cleared.removed + keyring::clear(cleared.markers, limit)?;
    Ok(Cleared { removed, left: cleared.left })
}

fn unusable(error: std::io::Error) -> Error {
    Error::Cache(error.into())
}
