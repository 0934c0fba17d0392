//! How a secret is recognised in text that may hold one.
//!
//! A list of known beginnings is not enough: a server can repeat a part of a token, and a variable can
//! hold a key in base64. So a long word also counts as a secret when its characters are as mixed as
//! those of random bytes in base64. Names, paths, hexadecimal digests and UUIDs are not.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::REDACTED;

/// How tokens begin: those of Yandex Cloud, a JWT, those of Vault and of GitHub; the last ones are tokens, a
/// JSON object and a PEM block in base64.
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

/// The tokens of OpenBao and of older Vaults, and Yandex Cloud's static keys. A name could begin like one,
/// so length decides too.
const SHORT_BEGINNINGS: &[&str] = &["s.", "b.", "r.", "YCM", "YCN", "YCO", "YCP"];

/// A beginning counts only if this much follows: `t1.txt` is a file.
const SHORTEST_TOKEN: usize = 24;

/// From this length on, a word can be a part of a secret that is wrapped.
const SHORTEST_PIECE: usize = 8;

/// From this length on, a word of mixed characters is a secret.
const SHORTEST_RANDOM: usize = 36;

/// From this length on, a word without any structure is a secret.
const LONGEST_WORD: usize = 64;

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

/// The words of token characters, each with what stands before it. The last one is empty if the text does
/// not end in a word.
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

/// Of each word, whether it is a part of a secret that is in several lines or pieces: with blanks alone
/// between them, and each too long and too mixed for a word of a sentence.
fn wrapped(words: &[(&str, &str)]) -> Vec<bool> {
    let is_piece = |word: &str| {
        let is_sentence = |c: char| c.is_ascii_lowercase();
        word.len() >= SHORTEST_PIECE && !word.chars().skip(1).all(is_sentence)
    };
    let mut found = vec![false; words.len()];
    let mut start = 0;
    while start < words.len() {
        let goes_on = |(between, word): &&(&str, &str)| {
            between.chars().all(char::is_whitespace) && is_piece(word)
        };
        let length = if is_piece(words[start].1) {
            1 + words[start + 1..].iter().take_while(goes_on).count()
        } else {
            1
        };
        let end = start + length;
        let whole: String = words[start..end].iter().map(|(_, word)| *word).collect();
        if length > 1 && (is_random(&whole) || begins_like_a_token(&whole, SHORTEST_TOKEN)) {
            found[start..end].fill(true);
        }
        start = end;
    }
    found
}

const fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '/' | '~' | '%')
}

/// Whether a word of token characters is a secret, also behind the escapes of an address.
fn is_secret(word: &str) -> bool {
    let is_plainly = |word: &str| {
        begins_like_a_token(word, 0)
            || is_random(word)
            || word.split('/').any(|segment| segment.len() > LONGEST_WORD)
    };
    is_plainly(word) || unescaped(word).is_some_and(|plain| is_plainly(&plain))
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

/// Whether a token begins anywhere in a word, after a character that could end what stands before it,
/// and is of this length at least.
fn begins_like_a_token(word: &str, shortest: usize) -> bool {
    let begins = |here: &str| {
        let with = |beginnings: &[&str], shortest: usize| {
            here.len() >= shortest && beginnings.iter().any(|start| here.starts_with(start))
        };
        with(BEGINNINGS, shortest) || with(SHORT_BEGINNINGS, SHORTEST_TOKEN.max(shortest))
    };
    let separates = |at: usize| at == 0 || !word.as_bytes()[at - 1].is_ascii_alphanumeric();
    (0..word.len()).any(|at| separates(at) && word.get(at..).is_some_and(begins))
}

/// Whether a long word is like random bytes in base64.
fn is_random(word: &str) -> bool {
    word.bytes().filter(u8::is_ascii_alphanumeric).count() >= SHORTEST_RANDOM && is_mixed(word)
}

/// Whether upper case, lower case and digits follow each other without order. In a name they make words.
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
    let least_words = if has(u8::is_ascii_digit) { 22 } else { 35 };
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && changes * 100 > length * 30
        && words * 100 > length * least_words
}

/// Cuts a private key out, which a PEM block holds in lines that are too short to stand out.
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

/// Cuts user and password out of addresses, also out of one that was taken for a path: that has lost a slash.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(":/") {
        let has_both = rest[at..].starts_with("://");
        // A drive of Windows has one letter.
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
            // As hints write it.
            Some(end) if &authority[..end] != "user:password" => {
                out.push_str(REDACTED);
                rest = &after[end..];
            }
            _ => {}
        }
    }
    out + rest
}

/// The parameters of an address that hold a secret, by the ends of their names.
const SECRET_PARAMETERS: &[&str] =
    &["token", "secret", "password", "passwd", "signature", "sig", "key", "jwt", "assertion"];

/// Cuts the values of such parameters out of addresses.
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

/// Cuts out what an address that stands in the place of a file's name has of secrets.
pub(super) fn without_secrets_of_addresses(text: &str) -> String {
    if text.contains(":/") {
        without_secret_parameters(&without_passwords(text))
    } else {
        text.to_owned()
    }
}

/// Whether this, in the place of a file's name, is a key or a token.
pub(super) fn is_secret_path(text: &str) -> bool {
    let is_secret_name = |name: &str| {
        let is_token = begins_like_a_token(name, SHORTEST_TOKEN);
        is_token && (name.len() > SHORTEST_RANDOM || !has_extension(name))
            || is_random(name)
            || name.len() > LONGEST_WORD && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_plainly = |text: &str| text.split(['/', '\\']).any(is_secret_name);
    text.contains("PRIVATE KEY")
        || text.contains(['{', '\n'])
        || holds_a_key(text)
        || is_plainly(text)
        || unescaped(text).is_some_and(|plain| is_plainly(&plain))
        || is_random(outside_folders(text)) && !text.contains(['\\', ':'])
}

/// Whether a name ends as that of a file does, such as in `.json`.
fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| (1..=5).contains(&end.len()))
}

/// What a path has behind the last folder that exists. Base64 has slashes too.
fn outside_folders(text: &str) -> &str {
    if text.starts_with(['.', '~']) {
        return "";
    }
    let ends = text.rmatch_indices('/').map(|(at, _)| at);
    let folder = ends.into_iter().find(|at| *at == 0 || Path::new(&text[..*at]).is_dir());
    folder.map_or(text, |at| &text[at + 1..])
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
