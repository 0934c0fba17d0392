//! Text from outside the program, and messages that can safely contain it.
//!
//! [`ForeignText`] is one value from a server, a child process, a file or a variable. It is filtered when it
//! is created: secrets become `[redacted]`, control characters and invisible characters become visible, and
//! the length is capped. [`Message`] is text for humans. It is built by [`message!`](crate::message) from
//! literals, numbers and foreign text only: a plain `String` does not implement [`Printable`], so the
//! compiler rejects unfiltered values.
//!
//! Errors, `status`, `doctor`, the log and the negative cache accept only messages.

mod message;
mod secrets;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use serde::{Deserialize, Serialize};

#[doc(hidden)]
pub use message::printable;
pub use message::{Message, Printable};
pub(crate) use secrets::from_base64;
use secrets::redact;

use crate::shell;

/// The longest value that is printed, in characters.
pub const VALUE_LIMIT: usize = 300;

/// The longest line of the log, and the longest message that is read from a file, in characters.
const MESSAGE_LIMIT: usize = 4_000;

/// The replacement for a secret.
pub const REDACTED: &str = "[redacted]";

/// One filtered value from outside the program. It can be printed anywhere.
#[derive(Clone, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(from = "Cow<'_, str>")]
pub struct ForeignText(String);

impl ForeignText {
    /// Filters one value: a request ID, a role, a claim, a name.
    pub fn new(text: &str) -> Self {
        Self(truncated(&redact(&visible(text)), VALUE_LIMIT))
    }

    /// Filters a sentence, such as a server's reason, and removes the final period.
    pub fn sentence(text: &str) -> Self {
        Self::new(text.trim().trim_end_matches('.'))
    }

    /// Filters the output of a child process.
    pub fn output(bytes: &[u8]) -> Self {
        Self::sentence(&String::from_utf8_lossy(bytes))
    }

    /// Filters a longer text with several values, such as a line of the log.
    pub fn line(text: &str) -> Self {
        Self(truncated(&redact(&visible(text)), MESSAGE_LIMIT))
    }

    /// Filters a path. A path that no file can have, or that is itself a key or a token, becomes
    /// `[redacted]`: the user passed the secret instead of the name of its file.
    pub fn path(path: &Path) -> Self {
        let text = path.to_string_lossy();
        if is_no_path(&text) || (secrets::is_secret_path(&text) && !path.exists()) {
            return Self(REDACTED.into());
        }
        Self(truncated(&secrets::without_url_secrets(&visible(&text)), PATH_MAX))
    }

    /// The text as one word of a command in the user's own shell.
    #[must_use]
    pub fn quoted(&self) -> Self {
        Self(shell::quoted_here(&self.0))
    }

    /// The text as one word of a script for `sh`.
    #[must_use]
    pub fn quoted_for_sh(&self) -> Self {
        Self(shell::quoted(&self.0))
    }

    /// The text as the value of a variable, in the user's own shell.
    #[must_use]
    pub fn assigned_to(&self, name: &str) -> Self {
        Self(shell::assignment_here(name, &self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest path, in bytes, on Linux.
const PATH_MAX: usize = 4096;

/// The longest name of a file within its folder, in bytes, on Linux.
const NAME_MAX: usize = 255;

fn is_no_path(text: &str) -> bool {
    text.len() > PATH_MAX || text.split(['/', '\\']).any(|name| name.len() > NAME_MAX)
}

/// Whether a value that should be a path is a secret, or cannot be a path.
pub fn is_misplaced_secret(path: &Path) -> bool {
    let text = path.to_string_lossy();
    is_no_path(&text) || secrets::is_secret_path(&text)
}

/// Replaces control characters and invisible characters.
///
/// Security: an escape sequence could rewrite the terminal's content, a line break could forge a second
/// message, and a bidirectional control character could disguise a name.
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Whether a character has no width or changes the direction of others (Unicode's `Default_Ignorable` and
/// `Bidi_Control` properties), is a line or paragraph separator, or is for private use.
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

fn truncated(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Deref for ForeignText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ForeignText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for ForeignText {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<String> for ForeignText {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Cow<'_, str>> for ForeignText {
    fn from(text: Cow<'_, str>) -> Self {
        Self::new(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_and_invisible_characters_are_replaced() {
        for hidden in [
            "\u{1b}[2J",
            "\u{9b}31m",
            "\u{202e}",
            "\u{2066}",
            "\u{2028}",
            "\u{200b}",
            "\u{feff}",
            "\u{ad}",
            "\u{e0041}",
        ] {
            let shown = ForeignText::new(&format!("a{hidden}b")).to_string();
            assert!(!shown.contains(hidden), "{hidden:?}");
            assert!(shown.starts_with('a') && shown.ends_with('b'), "{shown:?}");
        }
        assert_eq!(ForeignText::new("two\nlines\tand Ключ").as_str(), "two lines and Ключ");
    }

    fn sentence(text: &str) -> String {
        ForeignText::sentence(text).to_string()
    }

    #[test]
    fn a_token_in_a_servers_answer_is_redacted() {
        assert_eq!(
            sentence("bad actor_token: t1.9eu.abc, jwt=eyJh.eyJz.c2ln"),
            "bad actor_token: [redacted], jwt=[redacted]"
        );
        assert_eq!(
            sentence("token s.AFULgPM4asDQAQndXPfTjPtc of s.example, hvs.CAES"),
            "token [redacted] of s.example, [redacted]"
        );
        assert_eq!(sentence(&"A".repeat(65)), "[redacted]");
        assert_eq!(
            sentence("The required field 'kid' is missing."),
            "The required field 'kid' is missing"
        );
    }

    #[test]
    fn secrets_in_urls_are_redacted_also_percent_encoded() {
        assert_eq!(
            text("https://x.example/a?id=1&access_token=hunter2&n=2#f, https://y.example/?sig=abc"),
            "https://x.example/a?id=1&access_token=[redacted]&n=2#f, https://y.example/?sig=[redacted]"
        );
        assert_eq!(text("code=%74%31%2e9euelZPtYgjmUhBel31i"), "code=[redacted]");
        for name in
            ["MyTeamRobotRoleForEksProdEuCentral1", "eks-ManagedNodeGroup1-NodeInstanceRole-1ABC"]
        {
            assert_eq!(text(name), name);
        }
    }

    #[test]
    fn a_wrapped_secret_is_redacted_and_a_sentence_is_not() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhamV4In0.Qm9Kd8sQ1mWv7LpX2aRt9Bc4Ue6Gf0HzhY8Kd8sQ1mWv7L";
        for length in [8, 10, 30, 40] {
            let pieces: Vec<String> = token
                .as_bytes()
                .chunks(length)
                .map(|piece| String::from_utf8_lossy(piece).into_owned())
                .collect();
            for between in [" ", "\n", "\r\n"] {
                let shown = ForeignText::new(&format!("no: {}", pieces.join(between)));
                let is_shown = |piece: &String| piece.len() >= 8 && shown.contains(&**piece);
                assert!(!pieces.iter().any(is_shown), "{shown}");
            }
        }
        for sentence in [
            "AccessDenied InvalidIdentityToken SignatureDoesNotMatch ExpiredTokenException",
            "connect to 192.168.100.100:8200 /home/Me/Projects2/Key1.json ajexc2jgc83aqhjr2fg8",
            "2026-11-28T12:48:13.246857Z 550e8400-e29b-41d4-a716-446655440000 PERMISSION_DENIED",
        ] {
            assert_eq!(text(sentence), sentence);
        }
    }

    fn text(text: &str) -> String {
        ForeignText::new(text).to_string()
    }

    #[test]
    fn long_values_are_truncated() {
        let keys = "-----BEGIN PRIVATE KEY-----x-----END PRIVATE KEY-----".repeat(20_000);
        assert_eq!(text(&keys).len(), VALUE_LIMIT + '…'.len_utf8());
        let long = "word ".repeat(1_000);
        assert_eq!(ForeignText::new(&long).as_str().chars().count(), VALUE_LIMIT + 1);
        assert!(ForeignText::new(&long).as_str().ends_with('…'));
    }

    #[test]
    fn a_path_is_printed_unless_it_is_a_secret() {
        let path = |text: &str| ForeignText::path(Path::new(text)).to_string();
        for name in [
            "/home/me/key.json",
            "~/keys/robot key.json",
            "t1.txt",
            "/home/é юзер/%é/-ключ",
            "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/yc-id-token/config.toml",
            "C:\\Users\\Me\\AppData\\Roaming\\yc-id-token\\config.toml",
            "/nix/store/0h1i2j3k4l5m6n7p8q9r0s1v2w3x4y5z-yc-id-token-0.1.0/bin/yc-id-token",
            "/home/иван/ключи/робот.json",
            "/home/me/GoProjects/MyService2/deploy/K8sProd/RobotKey1.json",
        ] {
            assert_eq!(path(name), name);
        }
        assert_eq!(path(&"a".repeat(256)), REDACTED);
        assert_eq!(path(r#"{"id":"ajek"}"#), REDACTED);
        for secret in [
            "kWcrlUX5JEDGM/LtmEENI/aVmYvHNif5zB+d9+ct",
            "/tmp/kWcrlUX5JEDGM/LtmEENI/aVmYvHNif5zB+d9+ct",
            "keys/AQVNyZh3Kd8sQ1mWv7LpX2aRt9Bc4Ue6Gf0H",
            "hvs.zhY8Kd8sQ1mWv7LpX2aRt9Bc",
            "s.AFULgPM4asDQAQndXPfTjPtc",
            "%74%31%2E9euelZPtYgjmUhBel31iEl2hpChYgCfrL1spNxny",
        ] {
            assert_eq!(path(secret), REDACTED, "{secret}");
        }
        assert_eq!(path("https://me:hunter2@key.example/k"), "https://[redacted]@key.example/k");
        assert_eq!(
            path("/home/me/https:/me:hunter2@key.example/k?token=hunter2"),
            "/home/me/https:/[redacted]@key.example/k?token=[redacted]"
        );
        assert_eq!(path("C:/me@home/key.json"), "C:/me@home/key.json");
    }

    proptest! {
        #[test]
        fn filtering_twice_changes_nothing_more(text in "\\PC{0,400}") {
            let once = ForeignText::new(&text);
            if once.as_str().chars().count() <= VALUE_LIMIT {
                prop_assert_eq!(ForeignText::new(once.as_str()), once);
            }
        }
    }
}
