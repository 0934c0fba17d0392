//! Random identifiers and opaque tokens in the vendor's formats, and a generator for the `rsa` crate.
//!
//! Formats: IDs are `aje` and 17 of `[a-z0-9]` (seen in public, not promised); IAM tokens match the expression on the
//! vendor's page *IAM token*; request IDs are version 4 UUIDs (RFC 9562).

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use rsa::rand_core::{TryCryptoRng, TryRng};

/// An identifier of a service account, a key or a person.
pub(super) fn resource_id() -> String {
    identifier("aje")
}

/// An identifier of a folder.
pub(super) fn folder_id() -> String {
    identifier("b1g")
}

fn identifier(begin: &str) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let tail = bytes::<17>().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    format!("{begin}{}", tail.iter().collect::<String>())
}

/// An IAM token: `t1.`, an opaque part, and 64 bytes in the place of a signature.
pub(super) fn iam_token() -> String {
    let payload = URL_SAFE_NO_PAD.encode(bytes::<96>());
    let signature = URL_SAFE_NO_PAD.encode(bytes::<64>());
    format!("t1.{payload}.{signature}")
}

/// A version 4 UUID.
pub(super) fn uuid() -> String {
    let mut raw = bytes::<16>();
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(raw));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The system's generator with the traits of the `rsa` crate.
pub(super) struct Generator;

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(bytes()))
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        fill(into);
        Ok(())
    }
}

impl TryCryptoRng for Generator {}

fn bytes<const N: usize>() -> [u8; N] {
    let mut raw = [0; N];
    fill(&mut raw);
    raw
}

/// Panics on failure, because no caller could continue or report more.
fn fill(into: &mut [u8]) {
    let filled = SystemRandom::new().fill(into);
    assert!(filled.is_ok(), "the operating system gives no random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_vendors_format() {
        let id = resource_id();
        assert_eq!(id.len(), 20);
        assert!(id.starts_with("aje"));
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(id, resource_id());
    }

    #[test]
    fn iam_tokens_have_three_parts_and_a_signature_of_86_characters() {
        let token = iam_token();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0], "t1");
        assert_eq!(parts[2].len(), 86);
    }

    #[test]
    fn uuids_have_their_version_and_variant() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
    }
}
