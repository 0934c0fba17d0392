//! Where credentials rest between runs.
//!
//! A cache is a convenience: whatever is wrong with it, the credential is obtained anew and handed
//! out. What is corrupt, someone else's or open to others is never used, and is replaced by the next
//! credential.

mod entry;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod key;
mod sweep;

use std::io;

use crate::clock::Timestamp;
use crate::credential::{Credential, Restable};

pub use file::FileCache;
pub use key::{Digest, Key, KeyBuilder};

/// A place where credentials rest.
#[derive(Debug)]
pub enum Cache {
    /// Files that only this user can read.
    File(FileCache),
    /// Nowhere: each run obtains its own. `--cache none`, or no folder to use.
    None,
}

impl Cache {
    /// The credential that rests under a key. Whatever cannot be used is the same as none, but for a
    /// word in the log.
    #[must_use]
    pub fn get<T: Restable>(&self, key: &Key) -> Option<Credential<T>> {
        match self {
            Self::File(files) => entry::parse(&files.read(key)?, key),
            Self::None => None,
        }
    }

    /// Removes some of what nobody will use again.
    pub fn sweep(&self, now: Timestamp) {
        if let Self::File(files) = self {
            sweep::sweep(files.folder(), now);
        }
    }

    /// Lets a credential rest under a key.
    pub fn put<T: Restable>(&self, key: &Key, credential: &Credential<T>) -> io::Result<()> {
        match self {
            Self::File(files) => files.write(key, &entry::render(key, credential)?),
            Self::None => Ok(()),
        }
    }

    /// Removes what rests under a key, if anything does.
    pub fn remove(&self, key: &Key) -> io::Result<()> {
        match self {
            Self::File(files) => files.remove(key),
            Self::None => Ok(()),
        }
    }
}
