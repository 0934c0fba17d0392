//! Lists cached credentials, without secrets.

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
    /// When it was obtained and when it expires.
    pub lifetime: Lifetime,
    pub about: EntryMetadata,
}

impl Cache {
    /// The lifetime of the entry of a key, for `status`, without reading the keyring.
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

/// The entries in files, and those in the keyring by their markers, without reading the keyring. Unusable entries are
/// left out.
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
