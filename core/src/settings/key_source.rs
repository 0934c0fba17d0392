//! Where an authorized key is: in a file, on standard input, or in a variable.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::resolve::checked_path;
use super::{Origin, Setting};
use crate::credential::Secret;
use crate::digest::Digest;
use crate::error::Result;
use crate::foreign_text::from_base64;

/// Where an authorized key is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    File(PathBuf),
    /// On standard input, which contains nothing else.
    Stdin,
    /// In a variable, as CI systems pass secrets.
    Text(KeyText),
}

impl KeySource {
    /// Reads a variable that contains the key or names its file. A secret of another kind is refused.
    pub fn of_variable(value: &str, variable: &'static str, home: Option<&Path>) -> Result<Self> {
        if let Some(text) = KeyText::read(value, variable) {
            return Ok(Self::Text(text));
        }
        let setting = Setting { value: value.to_owned(), origin: Origin::Variable(variable) };
        checked_path(setting, Path::new(""), home).map(|path| Self::File(path.value))
    }
}

/// The content of a key file, and its variable.
#[derive(Clone, Eq, PartialEq)]
pub struct KeyText {
    content: Secret,
    variable: &'static str,
}

impl KeyText {
    /// Parses JSON, or JSON in base64. Any other text is a file name.
    pub fn read(value: &str, variable: &'static str) -> Option<Self> {
        let text = value.trim_start_matches('\u{feff}').trim();
        if text.starts_with('{') {
            return Some(Self { content: Secret::new(text.to_owned()), variable });
        }
        let decoded = Zeroizing::new(from_base64(text.as_bytes())?);
        let json = std::str::from_utf8(&decoded).ok()?.trim_start_matches('\u{feff}').trim();
        let is_json = json.starts_with('{');
        is_json.then(|| Self { content: Secret::new(json.to_owned()), variable })
    }

    pub const fn content(&self) -> &Secret {
        &self.content
    }

    pub const fn variable(&self) -> &'static str {
        self.variable
    }
}

/// Prints a digest instead of the key: the settings' fingerprint is computed from `Debug`, and must change with the
/// key.
impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = Digest::of(self.content.expose().as_bytes()).to_hex();
        f.debug_tuple("KeyText").field(&self.variable).field(&digest).finish()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_variable_has_json_or_base64_or_a_file_name() {
        let json = "{\n  \"id\": \"ajek????>>>>\"\n}";
        let wrapped = BASE64_STANDARD.encode(json).chars().collect::<Vec<_>>();
        let wrapped = wrapped.chunks(16).map(|line| line.iter().collect::<String>());
        for value in [
            json.to_owned(),
            format!("\u{feff}{json}\n"),
            BASE64_STANDARD.encode(json),
            BASE64_URL_SAFE_NO_PAD.encode(json),
            wrapped.collect::<Vec<_>>().join("\n"),
        ] {
            let key = KeyText::read(&value, "V").map(|key| key.content.expose().to_owned());
            assert_eq!(key.as_deref(), Some(json), "{value}");
        }
        for path in ["/home/me/key.json", "key.json", "keys", "~/robot/key"] {
            assert!(KeyText::read(path, "V").is_none(), "{path}");
        }
    }

    #[test]
    fn two_keys_have_two_fingerprints_and_are_not_shown() {
        let key = |id: &str| format!("{:?}", KeyText::read(&format!("{{\"id\":\"{id}\"}}"), "V"));
        assert_ne!(key("ajeone"), key("ajetwo"));
        assert!(!key("ajeone").contains("ajeone"));
    }
}
