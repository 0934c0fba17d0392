//! Decodes text files in the encodings that editors and shells write.
//!
//! PowerShell's `>` writes UTF-16 with a byte order mark, and several Windows editors put a mark before
//! UTF-8. Keys, tokens and the configuration file all use this module, so they accept the same encodings.

use std::fmt;

use zeroize::Zeroizing;

use crate::foreign_text::Printable;

/// Why bytes are not text, as the end of a sentence: "is UTF-16 without …".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotText {
    /// Every other byte is zero, and there is no byte order mark.
    Utf16WithoutMark,
    /// Neither UTF-8 nor UTF-16.
    NotUtf8,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf16WithoutMark => "is UTF-16 without a byte order mark; save it as UTF-8",
            Self::NotUtf8 => "is not a text file in UTF-8",
        })
    }
}

impl Printable for NotText {}

/// Decodes UTF-8 with or without a byte order mark, and UTF-16 with one. The bytes are wiped unless they are
/// reused for the text.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    let is_utf16_without_mark = matches!(bytes.as_slice(), [0, _, 0, _, ..] | [_, 0, _, 0, ..]);
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !is_utf16_without_mark && !text.starts_with('\u{feff}') => return Ok(text),
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let bytes = Zeroizing::new(bytes);
    match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            std::str::from_utf8(rest).map(str::to_owned).map_err(|_| NotText::NotUtf8)
        }
        [0xff, 0xfe, rest @ ..] => from_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => from_utf16(rest, u16::from_be_bytes),
        _ if is_utf16_without_mark => Err(NotText::Utf16WithoutMark),
        _ => Err(NotText::NotUtf8),
    }
}

/// The same for a secret, whose text is wiped too.
pub fn decode_secret(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, NotText> {
    decode(std::mem::take(&mut *bytes)).map(Zeroizing::new)
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units: Zeroizing<Vec<u16>> = Zeroizing::new(pairs.iter().map(|pair| unit(*pair)).collect());
    let text = String::from_utf16(&units).ok().ok_or(NotText::NotUtf8)?;
    if odd.is_empty() { Ok(text) } else { Err(NotText::NotUtf8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_utf_16_with_a_mark_are_decoded() {
        let text = "{\"id\": \"ключ\"}\r\n";
        let utf16 =
            |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let (le, be) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", le.as_slice()].concat(),
            [b"\xfe\xff", be.as_slice()].concat(),
        ] {
            assert_eq!(decode(bytes).as_deref(), Ok(text));
        }
        for bytes in [le, be] {
            assert_eq!(decode(bytes), Err(NotText::Utf16WithoutMark));
        }
        assert_eq!(decode(b"\xff\xfea".to_vec()), Err(NotText::NotUtf8), "half a unit");
        assert_eq!(decode(b"caf\xe9".to_vec()), Err(NotText::NotUtf8));
        assert_eq!(decode(Vec::new()).as_deref(), Ok(""));
    }
}
