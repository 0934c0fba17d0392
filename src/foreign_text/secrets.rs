//! How a secret is recognised in text that may hold one.
//!
//! A list of known beginnings is not enough: a server can repeat a part of a token, and a variable can
//! hold a key in base64. So a long word also counts as a secret when its characters are as mixed as
//! those of random bytes in base64. Names, paths, hexadecimal digests and UUIDs are not.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::REDACTED;

/// How tokens begin: those of Yandex Cloud, a JWT, those of Vault; the last ones in base64, and a JSON
/// object or a PEM block in base64.
const BEGINNINGS: &[&str] = &[
    "t1.",
    "eyJ",
    "y0_",
    "y1_",
    "y2_",
    "y3_",
    "hvs.",
    "hvb.",
    "hvr.",
    "AQVN",
    "dDEu",
    "ZXlK",
    "eTBf",
    "aHZz",
    "ewog",
    "ewoJ",
    "ewoi",
    "ewog",
    "ewoN",
    "ew0K",
    "LS0tLS1CRUdJTi",
];

/// The tokens of OpenBao and of older Vaults. A host name could begin like one, so length decides too.
const SHORT_BEGINNINGS: &[&str] = &["s.", "b.", "r."];

/// A beginning counts only if this much follows: `t1.txt` is a file.
const SHORTEST_TOKEN: usize = 24;

/// From this length on, a word of mixed characters is a secret.
const SHORTEST_RANDOM: usize = 40;

/// From this length on, a word without any structure is a secret.
const LONGEST_WORD: usize = 64;

/// Replaces each secret of a text.
pub(super) fn redact(text: &str) -> String {
    let text = without_passwords(&without_pem(text));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !is_token_character(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        out.push_str(if is_secret(word) { REDACTED } else { word });
        rest = after;
    }
    out
}

const fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '/' | '~' | '%')
}

/// Whether a word of token characters is a secret.
fn is_secret(word: &str) -> bool {
    begins_like_a_token(word, 0)
        || is_random(word)
        || word.split('/').any(|segment| segment.len() > LONGEST_WORD)
}

/// Whether a token begins anywhere in a word, after a character that could end what stands before it,
/// and is of this length at least.
fn begins_like_a_token(word: &str, shortest: usize) -> bool {
    let begins = |at: usize| {
        // A name of a file has letters of more than one byte too.
        let Some(here) = word.get(at..) else { return false };
        let with = |beginnings: &[&str], shortest: usize| {
            here.len() >= shortest && beginnings.iter().any(|start| here.starts_with(start))
        };
        with(BEGINNINGS, shortest) || with(SHORT_BEGINNINGS, SHORTEST_TOKEN.max(shortest))
    };
    let separates = |at: usize| at == 0 || !word.as_bytes()[at - 1].is_ascii_alphanumeric();
    (0..word.len()).any(|at| separates(at) && begins(at))
}

/// Whether the characters are mixed as in random bytes in base64: upper case, lower case and digits
/// that follow each other without order.
fn is_random(word: &str) -> bool {
    let characters: Vec<u8> = word.bytes().filter(u8::is_ascii_alphanumeric).collect();
    if characters.len() < SHORTEST_RANDOM {
        return false;
    }
    let class = |c: u8| (c.is_ascii_uppercase(), c.is_ascii_digit());
    let has = |wanted: fn(&u8) -> bool| characters.iter().any(wanted);
    let changes = characters.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && changes * 10 > characters.len() * 3
}

/// Cuts a private key out, which a PEM block holds in lines that are too short to stand out.
fn without_pem(text: &str) -> String {
    let Some(at) = text.find("PRIVATE KEY") else { return text.to_owned() };
    let start = text[..at].rfind("-----BEGIN").unwrap_or(at);
    let (before, block) = text.split_at(start);
    let end = block.find("-----END").and_then(|end| {
        let close = block[end + 8..].find("-----")?;
        Some(end + 8 + close + 5)
    });
    let after = end.map_or("", |end| &block[end..]);
    format!("{before}{REDACTED}{}", without_pem(after))
}

/// Cuts user and password out of addresses.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = after.find(|c: char| c.is_whitespace() || "/?#`\"'<>".contains(c));
        let authority = &after[..authority.unwrap_or(after.len())];
        match authority.rfind('@') {
            // As hints write it.
            Some(end) if &authority[..end] == "user:password" => rest = after,
            Some(end) => {
                out.push_str(REDACTED);
                rest = &after[end..];
            }
            None => rest = after,
        }
    }
    out + rest
}

/// Whether this, in the place of a file's name, is a key or a token.
pub(super) fn is_secret_path(text: &str) -> bool {
    text.contains("PRIVATE KEY")
        || text.contains(['{', '\n'])
        || holds_a_key(text)
        || text.split(['/', '\\']).any(|name| {
            begins_like_a_token(name, SHORTEST_TOKEN) && name.len() > SHORTEST_RANDOM
                || name.len() > SHORTEST_RANDOM && is_random(name)
        })
        || (is_random(text) && !text.starts_with(['/', '.', '~']) && !text.contains(['\\', ':']))
}

/// Whether a text is a key in base64: JSON or PEM when decoded.
pub(super) fn holds_a_key(text: &str) -> bool {
    from_base64(text.as_bytes()).is_some_and(|bytes| {
        let start = bytes.trim_ascii_start();
        start.starts_with(b"{") || start.starts_with(b"-----BEGIN")
    })
}

/// Decodes base64 in either alphabet, with or without padding and line breaks.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut compact: Vec<u8> = text.iter().copied().filter(|c| !c.is_ascii_whitespace()).collect();
    let is_url = compact.iter().any(|c| matches!(c, b'-' | b'_'));
    let alphabet = if is_url { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let decoded = GeneralPurpose::new(&alphabet, config).decode(&compact).ok();
    zeroize::Zeroize::zeroize(&mut compact);
    decoded.filter(|bytes| bytes.len() > 16)
}
