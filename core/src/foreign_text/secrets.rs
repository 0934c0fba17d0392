//! Recognises secrets in text.
//!
//! Known token prefixes are not enough: a server can repeat a part of a token, and a variable can contain a
//! key in base64. So a long word also counts as a secret if its characters are as mixed as those of random
//! bytes in base64. Names, paths, hexadecimal digests and UUIDs are less mixed.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::REDACTED;

/// Prefixes of tokens: Yandex Cloud, JWT, Vault, GitHub; the last ones are tokens, a JSON object and a PEM
/// block in base64.
const PREFIXES: &[&str] = &[
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
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "dDEu",
    "ZXlK",
    "eTBf",
    "aHZz",
    "ewog",
    "ewoJ",
    "ewoi",
    "ewoN",
    "ew0K",
    "LS0tLS1CRUdJTi",
];

/// Prefixes of tokens of OpenBao and older Vaults, and of Yandex Cloud's static keys. Names can have them
/// too, so they count only for words of at least [`MIN_TOKEN`] characters.
const SHORT_PREFIXES: &[&str] = &["s.", "b.", "r.", "YCM", "YCN", "YCO", "YCP"];

/// The minimum length of a token; `t1.txt` is a file.
const MIN_TOKEN: usize = 24;

/// The minimum length of a word that can be a part of a wrapped secret.
const MIN_PIECE: usize = 8;

/// The minimum length of a secret that is recognised by its mixed characters.
const MIN_RANDOM: usize = 36;

/// A longer word is always a secret.
const MAX_WORD: usize = 64;

/// Replaces each secret of a text.
pub(super) fn redact(text: &str) -> String {
    let text = without_secret_parameters(&without_passwords(&without_pem(text)));
    let words = words(&text);
    let wrapped = wrapped(&words);
    let mut out = String::with_capacity(text.len());
    for (at, (between, word)) in words.iter().enumerate() {
        out.push_str(between);
        let is_secret = wrapped[at] || is_secret(word);
        out.push_str(if is_secret { REDACTED } else { word });
    }
    out
}

/// The words of token characters, each with the text before it. The last word is empty if the text does not
/// end in a word.
fn words(text: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (between, after) = rest.split_at(rest.find(is_token_character).unwrap_or(rest.len()));
        let (word, after) =
            after.split_at(after.find(|c| !is_token_character(c)).unwrap_or(after.len()));
        words.push((between, word));
        rest = after;
    }
    words
}

/// For each word, whether it is a part of a secret that is wrapped over several lines: the parts are
/// separated by blanks only, and each is too long and too mixed for a word of a sentence.
fn wrapped(words: &[(&str, &str)]) -> Vec<bool> {
    let is_piece = |word: &str| {
        let is_plain_word = word.chars().skip(1).all(|c| c.is_ascii_lowercase());
        word.len() >= MIN_PIECE && !is_plain_word
    };
    let mut found = vec![false; words.len()];
    let mut start = 0;
    while start < words.len() {
        let continues = |(between, word): &&(&str, &str)| {
            between.chars().all(char::is_whitespace) && is_piece(word)
        };
        let length = if is_piece(words[start].1) {
            1 + words[start + 1..].iter().take_while(continues).count()
        } else {
            1
        };
        let end = start + length;
        let whole: String = words[start..end].iter().map(|(_, word)| *word).collect();
        if length > 1 && (is_random(&whole) || has_token_prefix(&whole, MIN_TOKEN)) {
            found[start..end].fill(true);
        }
        start = end;
    }
    found
}

const fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '/' | '~' | '%')
}

/// Whether a word of token characters is a secret, plain or percent-encoded.
fn is_secret(word: &str) -> bool {
    let is_plain_secret = |word: &str| {
        has_token_prefix(word, 0)
            || is_random(word)
            || word.split('/').any(|segment| segment.len() > MAX_WORD)
    };
    is_plain_secret(word) || unescaped(word).is_some_and(|plain| is_plain_secret(&plain))
}

/// A word without percent-encoding, if it has any.
fn unescaped(word: &str) -> Option<String> {
    let mut parts = word.split('%');
    let mut plain = parts.next()?.as_bytes().to_vec();
    let mut has_escapes = false;
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => plain.extend(std::iter::once(byte).chain(part.bytes().skip(2))),
            None => plain.extend(std::iter::once(b'%').chain(part.bytes())),
        }
        has_escapes |= byte.is_some();
    }
    has_escapes.then(|| String::from_utf8_lossy(&plain).into_owned())
}

/// Whether a token of at least this length begins in a word, at its start or after a separator.
fn has_token_prefix(word: &str, minimum: usize) -> bool {
    let is_token = |rest: &str| {
        let has_prefix = |prefixes: &[&str], minimum: usize| {
            rest.len() >= minimum && prefixes.iter().any(|prefix| rest.starts_with(prefix))
        };
        has_prefix(PREFIXES, minimum) || has_prefix(SHORT_PREFIXES, MIN_TOKEN.max(minimum))
    };
    let is_start = |at: usize| at == 0 || !word.as_bytes()[at - 1].is_ascii_alphanumeric();
    (0..word.len()).any(|at| is_start(at) && word.get(at..).is_some_and(is_token))
}

/// Whether a word looks like random bytes in base64.
fn is_random(word: &str) -> bool {
    word.bytes().filter(u8::is_ascii_alphanumeric).count() >= MIN_RANDOM && is_mixed(word)
}

/// Whether upper case, lower case and digits alternate without order. In a name they form words.
fn is_mixed(text: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| text.as_bytes().iter().any(wanted);
    let class = |c: u8| (c.is_ascii_uppercase(), c.is_ascii_digit());
    let length = text.bytes().filter(u8::is_ascii_alphanumeric).count();
    let pairs = text.as_bytes().windows(2);
    let pairs = pairs.filter(|pair| pair.iter().all(u8::is_ascii_alphanumeric));
    let pairs = pairs.filter(|pair| class(pair[0]) != class(pair[1]));
    let is_capitalised =
        |pair: &&[u8]| pair[0].is_ascii_uppercase() && pair[1].is_ascii_lowercase();
    let (changes, capitalised) = (pairs.clone().count(), pairs.filter(is_capitalised).count());
    // A capital letter and what follows it in lower case are one word.
    let words = changes - capitalised;
    let min_words = if has(u8::is_ascii_digit) { 22 } else { 35 };
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && changes * 100 > length * 30
        && words * 100 > length * min_words
}

/// Replaces private keys in PEM: their lines are too short to be recognised one by one.
fn without_pem(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("PRIVATE KEY") {
        let (before, block) = rest.split_at(rest[..at].rfind("-----BEGIN").unwrap_or(at));
        out.extend([before, REDACTED]);
        let end = block.find("-----END").and_then(|end| {
            let close = block[end + 8..].find("-----")?;
            Some(end + 8 + close + 5)
        });
        rest = end.map_or("", |end| &block[end..]);
    }
    out + rest
}

/// Replaces user and password in URLs, also in those that were parsed as a path and lost a slash.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(":/") {
        let has_both = rest[at..].starts_with("://");
        // One letter is a Windows drive.
        let is_scheme =
            rest[..at].bytes().rev().take(2).filter(u8::is_ascii_alphabetic).count() == 2;
        let (before, after) = rest.split_at(at + if has_both { 3 } else { 2 });
        out.push_str(before);
        rest = after;
        if !has_both && !is_scheme {
            continue;
        }
        let authority = after.find(|c: char| c.is_whitespace() || "/?#`\"'<>".contains(c));
        let authority = &after[..authority.unwrap_or(after.len())];
        match authority.rfind('@') {
            // The placeholder in hints.
            Some(end) if &authority[..end] != "user:password" => {
                out.push_str(REDACTED);
                rest = &after[end..];
            }
            _ => {}
        }
    }
    out + rest
}

/// Query parameters that contain a secret, by the end of their names.
const SECRET_PARAMETERS: &[&str] =
    &["token", "secret", "password", "passwd", "signature", "sig", "key", "jwt", "assertion"];

/// Replaces the values of [`SECRET_PARAMETERS`] in URLs.
fn without_secret_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        rest = after;
        let name_end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let Some((name, value)) = name_end.map(|end| after.split_at(end)) else { continue };
        let lower = name.to_ascii_lowercase();
        if !value.starts_with('=')
            || !SECRET_PARAMETERS.iter().any(|secret| lower.ends_with(secret))
        {
            continue;
        }
        let end = value.find(|c: char| c.is_whitespace() || "&#`\"'<>".contains(c));
        out.extend([name, "=", REDACTED]);
        rest = &value[end.unwrap_or(value.len())..];
    }
    out + rest
}

/// Replaces the secrets in a path that may be a URL.
pub(super) fn without_url_secrets(text: &str) -> String {
    if text.contains(":/") {
        without_secret_parameters(&without_passwords(text))
    } else {
        text.to_owned()
    }
}

/// Whether a value that should be a path is a key or a token.
pub(super) fn is_secret_path(text: &str) -> bool {
    let is_secret_name = |name: &str| {
        let is_token = has_token_prefix(name, MIN_TOKEN);
        is_token && (name.len() > MIN_RANDOM || !has_extension(name))
            || is_random(name)
            || name.len() > MAX_WORD && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_plain_secret = |text: &str| text.split(['/', '\\']).any(is_secret_name);
    text.contains("PRIVATE KEY")
        || text.contains(['{', '\n'])
        || holds_a_key(text)
        || is_plain_secret(text)
        || unescaped(text).is_some_and(|plain| is_plain_secret(&plain))
        || is_random(outside_folders(text)) && !text.contains(['\\', ':'])
}

/// Whether a name has a file extension, such as `.json`.
fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| (1..=5).contains(&end.len()))
}

/// The part of a path after its last existing folder. Base64 contains slashes too.
fn outside_folders(text: &str) -> &str {
    if text.starts_with(['.', '~']) {
        return "";
    }
    let ends = text.rmatch_indices('/').map(|(at, _)| at);
    let folder = ends.into_iter().find(|at| *at == 0 || Path::new(&text[..*at]).is_dir());
    folder.map_or(text, |at| &text[at + 1..])
}

/// Whether a text is base64 of a JSON or PEM key.
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
