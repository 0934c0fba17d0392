//! Fuzzes cache entries: raw bytes, and bytes behind a valid first line.

use super::{Key, entry};
use crate::clock::Timestamp;
use crate::credential::IdToken;

/// An entry that is read is the same after it is written and read again.
///
/// # Panics
/// If that does not hold.
pub fn cache_entry(data: &[u8]) {
    let key = Key::of("id-token").build();
    let sealed = entry::sealed(data);
    for bytes in [data, &sealed] {
        let Some(credential) = entry::parse::<IdToken>(bytes, &key) else { continue };
        let lifetime = credential.lifetime;
        assert_eq!(entry::lifetime(bytes), Some(lifetime));
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        assert!(lifetime.left(now.into()) <= lifetime.whole());
        assert!(!lifetime.expires_at_here().to_string().is_empty());
        let again = entry::render(&key, &credential, &super::EntryMetadata::default()).ok();
        let again = again.and_then(|bytes| entry::parse::<IdToken>(&bytes, &key));
        assert!(
            again.is_some_and(
                |again| again.secret == credential.secret && again.lifetime == lifetime
            )
        );
    }
}
