//! The list of what is cached, without secrets.

use super::file::{ENTRY_LIMIT, FileCache};
use super::{Cache, EntryMetadata, Key, entry, keyring};
use crate::credential::Lifetime;
use crate::private_file;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    File,
    Keyring,
}

#[derive(Debug)]
pub struct ListedEntry {
    pub key: Key,
    pub place: Place,
    /// From when until when it is good.
    pub lifetime: Lifetime,
    pub about: EntryMetadata,
}

impl Cache {
    /// The lifetime of what is stored under a key, for `status`: the keyring is not read.
    pub fn lifetime(&self, key: &Key) -> Option<Lifetime> {
        match self {
            Self::File(files) => entry::described(&files.read(key)?)
                .filter(|described| described.key == key.name())
                .map(|described| described.lifetime),
            Self::Keyring(keyring) => {
                let marker = keyring::read_marker(&keyring.files().marker_path(key))?;
                Some(marker.lifetime)
            }
            Self::None => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }
}

/// The entries in files, and those in the keyring by their markers: the keyring is not read. What cannot be used
/// is not there.
pub fn list(files: &FileCache) -> Vec<ListedEntry> {
    let entries = files.named(&format!(".{}", entry::EXTENSION)).into_iter();
    let in_files = entries.filter_map(|(key, path)| {
        let described = entry::described(&private_file::read_own(&path, ENTRY_LIMIT).ok()?)?;
        let entry::Described { lifetime, about, .. } = described;
        (described.key == key.name()).then_some(ListedEntry {
            key,
            place: Place::File,
            lifetime,
            about,
        })
    });
    let markers = files.named(&format!(".{}.{}", entry::EXTENSION, entry::MARKER)).into_iter();
    let in_keyring = markers.filter_map(|(key, path)| {
        let keyring::Marker { lifetime, about } = keyring::read_marker(&path)?;
        Some(ListedEntry { key, place: Place::Keyring, lifetime, about })
    });
    in_files.chain(in_keyring).collect()
}
