//! The format of a cache entry: a line that identifies it, then one JSON object.
//!
//! ```text
//! yc-id-token 1 <CRC-32 of what follows, 8 hexadecimal digits>
//! {"key":"id-token-…","secret":"eyJ…","lifetime":{…},"about":{…}}
//! ```
//!
//! The checksum detects a file that was cut or changed, as by a power failure: entries are not synced. Its credential
//! would be rejected for no visible reason. A cryptographic digest would not detect more, because anyone who can write
//! the file can compute it, and would cost a hit 20,000 instructions. The key inside detects an entry that was copied
//! over another one.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tracing::debug;
use zeroize::Zeroizing;

use super::file::ENTRY_LIMIT;
use super::key::Key;
use super::metadata::EntryMetadata;
use crate::credential::{Cacheable, Credential, Lifetime};
use crate::digest::HEX_DIGITS;
use crate::private_file;

/// The version of the format. It is part of the file name, so that two versions of the program do not remove each
/// other's entries. Increase it when the format changes.
pub(super) const EXTENSION: &str = "v1";

/// The extension of the marker file of an entry in the keyring.
pub(super) const MARKER: &str = "keyring";

const MAGIC: &str = "yc-id-token 1 ";

/// The length of the checksum.
const CHECKSUM: usize = 8;

#[derive(Deserialize)]
struct Dated {
    lifetime: Lifetime,
}

/// The parts of an entry that a cache hit reads.
#[derive(Deserialize)]
struct Stored<K, T> {
    key: K,
    secret: T,
    lifetime: Lifetime,
}

#[derive(Serialize)]
struct Written<'a, T> {
    key: &'a str,
    secret: &'a T,
    lifetime: Lifetime,
    about: &'a EntryMetadata,
}

/// Everything but the secret.
#[derive(Deserialize)]
pub(super) struct Described {
    pub(super) key: String,
    pub(super) lifetime: Lifetime,
    /// Missing in entries of older versions.
    #[serde(default)]
    pub(super) about: EntryMetadata,
}

pub(super) fn render<T: Cacheable>(
    key: &Key,
    credential: &Credential<T>,
    about: &EntryMetadata,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let Credential { secret, lifetime } = credential;
    let stored = Written { key: key.name(), secret, lifetime: *lifetime, about };
    let body = Zeroizing::new(serde_json::to_vec(&stored)?);
    Ok(sealed(&body))
}

pub(super) fn sealed(body: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut entry = Zeroizing::new(Vec::with_capacity(MAGIC.len() + CHECKSUM + 1 + body.len()));
    entry.extend_from_slice(MAGIC.as_bytes());
    entry.extend_from_slice(&checksum(body));
    entry.push(b'\n');
    entry.extend_from_slice(body);
    entry
}

pub(super) fn parse<T: Cacheable>(entry: &[u8], key: &Key) -> Option<Credential<T>> {
    let parsed = parse_body(entry, key);
    if parsed.is_none() {
        debug!(key = key.name(), "the cache entry is corrupt, and is not used");
    }
    parsed
}

/// Whether the first line marks a file as an entry, of any version and in any state: files that are readable by
/// others or truncated are removed too. A full disk leaves empty files, which count as entries.
pub(super) fn is_one(path: &Path) -> bool {
    let begin = private_file::read_plain(path, ENTRY_LIMIT).unwrap_or_default();
    let begin = Zeroizing::new(begin);
    let family = MAGIC.split(' ').next().unwrap_or_default().as_bytes();
    begin.is_empty() || begin.starts_with(family) || family.starts_with(&begin)
}

/// The lifetime in an entry of any key.
pub(super) fn lifetime(entry: &[u8]) -> Option<Lifetime> {
    serde_json::from_slice::<Dated>(body(entry)?).ok().map(|dated| dated.lifetime)
}

pub(super) fn described(entry: &[u8]) -> Option<Described> {
    serde_json::from_slice(body(entry)?).ok()
}

fn parse_body<T: Cacheable>(entry: &[u8], key: &Key) -> Option<Credential<T>> {
    let stored: Stored<&str, T> = serde_json::from_slice(body(entry)?).ok()?;
    (stored.key == key.name())
        .then_some(Credential { secret: stored.secret, lifetime: stored.lifetime })
}

/// The part after the first line, if its checksum is right.
fn body(entry: &[u8]) -> Option<&[u8]> {
    let rest = entry.strip_prefix(MAGIC.as_bytes())?;
    let (sum, body) = rest.split_at_checked(CHECKSUM)?;
    let body = body.strip_prefix(b"\n")?;
    (checksum(body) == sum).then_some(body)
}

/// In hexadecimal. `format!` would cost more, and call other functions if the first digit is zero: the same hit must
/// always call the same functions, because `release/binary` orders them by that.
fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let sum = crc32fast::hash(body);
    std::array::from_fn(|at| HEX_DIGITS[(sum >> (28 - 4 * at)) as usize & 0xf])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Offset, Timestamp};
    use crate::credential::{IdToken, Secret};

    fn sample() -> (Key, Credential<IdToken>) {
        let lifetime = Lifetime::new(
            Timestamp::from_unix_seconds(1_000).into(),
            Timestamp::from_unix_seconds(4_600),
            Offset::default(),
        );
        let secret = IdToken(Secret::new("eyJh.eyJz.c2ln".into()));
        (Key::of("id-token").with("audience", "k8s").build(), Credential { secret, lifetime })
    }

    #[test]
    fn an_entry_is_read_back_as_written() {
        let (key, credential) = sample();
        let back: Credential<IdToken> =
            parse(&render(&key, &credential, &EntryMetadata::default()).unwrap(), &key).unwrap();
        assert_eq!(back.secret, credential.secret);
        assert_eq!(back.lifetime, credential.lifetime);
    }

    #[test]
    fn an_entry_is_described_without_its_secret() {
        let (key, credential) = sample();
        let about = EntryMetadata {
            profile: Some("prod".into()),
            ..EntryMetadata::from("https://server.example")
        };
        let described = described(&render(&key, &credential, &about).unwrap()).unwrap();
        assert_eq!((described.key.as_str(), &described.about), (key.name(), &about));
        let body = serde_json::json!({
            "key": key.name(),
            "secret": "eyJh.eyJz.c2ln",
            "lifetime": credential.lifetime,
        });
        let old = sealed(body.to_string().as_bytes());
        assert!(parse::<IdToken>(&old, &key).is_some());
        assert_eq!(super::described(&old).unwrap().about, EntryMetadata::default());
    }

    #[test]
    fn an_entry_cut_or_changed_at_any_byte_is_not_used() {
        let (key, credential) = sample();
        let whole = render(&key, &credential, &EntryMetadata::default()).unwrap();
        for at in 0..whole.len() {
            assert!(parse::<IdToken>(&whole[..at], &key).is_none(), "cut at {at}");
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(parse::<IdToken>(&flipped, &key).is_none(), "flipped at {at}");
        }
    }

    #[test]
    fn an_entry_copied_over_another_is_not_used() {
        let (key, credential) = sample();
        let other = Key::of("id-token").with("audience", "vault").build();
        assert!(
            parse::<IdToken>(
                &render(&key, &credential, &EntryMetadata::default()).unwrap(),
                &other
            )
            .is_none()
        );
    }
}
