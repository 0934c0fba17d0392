//! Text that came from outside, and messages that can hold it safely.
//!
//! [`ForeignText`] is one value that a server, a child process, a file or a variable supplied. It is
//! filtered when it is made: secrets become `[redacted]`, characters that steer a terminal or hide
//! text become visible, and the length is capped. [`Message`] is text for people. It is built from
//! literals, numbers and foreign text by [`message!`](crate::message), and from nothing else: a plain
//! `String` does not implement [`Printable`], so the compiler rejects a value that skipped the filter.
//!
//! Errors, `status`, `doctor`, the log and the remembered failures take messages only.

mod secrets;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use secrets::from_base64;
use secrets::redact;

/// The longest value that is repeated, in characters. More of a server's text helps nobody.
pub const VALUE_LIMIT: usize = 300;

/// The longest message that is read back from a file, in characters.
const MESSAGE_LIMIT: usize = 4_000;

/// What replaces a secret.
pub const REDACTED: &str = "[redacted]";

/// One value from outside the program, fit to be printed anywhere.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ForeignText(String);

impl ForeignText {
    /// Filters one value: a request ID, a role, a claim, a name.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(capped(&redact(&visible(text)), VALUE_LIMIT))
    }

    /// Filters a sentence, such as a server's reason. The final period goes, as the sentence becomes
    /// part of a longer one.
    #[must_use]
    pub fn sentence(text: &str) -> Self {
        Self::new(text.trim().trim_end_matches('.'))
    }

    /// Filters what a child process wrote.
    #[must_use]
    pub fn output(bytes: &[u8]) -> Self {
        Self::sentence(&String::from_utf8_lossy(bytes))
    }

    /// Filters a line of the log, which holds several values.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self(capped(&redact(&visible(text)), MESSAGE_LIMIT))
    }

    /// Filters the name of a file. A name that no file can have, or that is itself a key or a token,
    /// is not quoted at all: somebody put the secret where its file's name belongs.
    #[must_use]
    pub fn path(path: &Path) -> Self {
        let text = path.to_string_lossy();
        if is_no_path(&text) || (secrets::is_secret_path(&text) && !path.exists()) {
            return Self(REDACTED.into());
        }
        Self(capped(&visible(&text), libc_path_max()))
    }

    /// The filtered text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest path of a file, in bytes, on the systems that have such a limit (`PATH_MAX`).
const fn libc_path_max() -> usize {
    4096
}

/// The longest name of a file within its folder, in bytes (`NAME_MAX`).
const NAME_MAX: usize = 255;

fn is_no_path(text: &str) -> bool {
    text.len() > libc_path_max() || text.split(['/', '\\']).any(|name| name.len() > NAME_MAX)
}

/// Whether this is a secret, or cannot be the name of a file, although it stands where one belongs.
#[must_use]
pub fn is_misplaced_secret(path: &Path) -> bool {
    let text = path.to_string_lossy();
    is_no_path(&text) || secrets::is_secret_path(&text)
}

/// Makes the characters visible that steer a terminal, reorder text or have no width.
///
/// Security: an escape sequence could rewrite what the terminal shows, a line break forge a second
/// message, and a bidirectional control character show a name that is not the real one.
#[must_use]
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() || is_invisible(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Characters without a width, or that change the direction of others (Unicode's `Default_Ignorable`
/// and `Bidi_Control` properties), line and paragraph separators, and private use.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

fn capped(text: &str, limit: usize) -> String {
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

impl<'de> Deserialize<'de> for ForeignText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

impl Serialize for ForeignText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Text for people that holds nothing unfiltered: made of literals, numbers and [`ForeignText`].
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Message(Cow<'static, str>);

impl Message {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Joins messages with `separator`.
    #[must_use]
    pub fn join(parts: &[Self], separator: &'static str) -> Self {
        let parts: Vec<&str> = parts.iter().map(Self::as_str).collect();
        Self(parts.join(separator).into())
    }

    /// For [`message!`](crate::message) alone, whose arguments are all [`Printable`].
    #[doc(hidden)]
    #[must_use]
    pub fn from_printable(arguments: fmt::Arguments<'_>) -> Self {
        match arguments.as_str() {
            Some(literal) => Self(literal.into()),
            None => Self(arguments.to_string().into()),
        }
    }
}

/// Builds a [`Message`] as `format!` builds a `String`. Every argument has to be [`Printable`], and has
/// to be named after the literal: `message!("cannot read {path}: {}", cause.text(), path)`.
#[macro_export]
macro_rules! message {
    (@ $text:literal [$($at:expr,)*] [$($name:ident = $value:expr,)*]) => {
        // `concat!` keeps the literal from capturing variables, which would skip the check.
        $crate::foreign_text::Message::from_printable(::std::format_args!(
            ::std::concat!($text)
            $(, $crate::foreign_text::printable(&$at))*
            $(, $name = $crate::foreign_text::printable(&$value))*
        ))
    };
    (@ $text:literal [$($at:tt)*] [$($named:tt)*] $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $crate::message!(@ $text [$($at)*] [$($named)* $name = $value,] $($($rest)*)?)
    };
    (@ $text:literal [$($at:tt)*] [$($named:tt)*] $name:ident $(, $($rest:tt)*)?) => {
        $crate::message!(@ $text [$($at)*] [$($named)* $name = $name,] $($($rest)*)?)
    };
    (@ $text:literal [$($at:tt)*] [$($named:tt)*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::message!(@ $text [$($at)* $value,] [$($named)*] $($($rest)*)?)
    };
    ($text:literal $(, $($rest:tt)*)?) => {
        $crate::message!(@ $text [] [] $($($rest)*)?)
    };
}

/// What a message may hold: nothing that a stranger could have chosen freely.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may hold unfiltered text from outside",
    note = "wrap a value that came from outside in `ForeignText`, a path in `ForeignText::path`"
)]
pub trait Printable {}

/// The same value, if a message may hold it.
#[doc(hidden)]
#[must_use]
pub const fn printable<T: Printable + ?Sized>(value: &T) -> &T {
    value
}

macro_rules! printable {
    ($($type:ty),+ $(,)?) => { $(impl Printable for $type {})+ };
}

printable!(
    &'static str,
    bool,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    ForeignText,
    Message,
    crate::error::Code,
    crate::clock::Timestamp,
    std::time::Duration,
    std::num::NonZeroUsize,
    std::net::IpAddr,
    std::net::SocketAddr,
    std::process::ExitStatus,
);

impl<T: Printable> Printable for &T {}

impl<T: Printable> Printable for Option<T> {}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl From<ForeignText> for Message {
    fn from(text: ForeignText) -> Self {
        Self(text.0.into())
    }
}

impl From<&Self> for Message {
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

impl Deref for Message {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A message that was written to a file is foreign when it comes back: somebody may have changed it.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self(capped(&redact(&visible(&text)), MESSAGE_LIMIT).into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_or_hides_text_is_printed() {
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
    fn a_server_that_repeats_a_token_does_not_make_us_print_it() {
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
    fn a_value_is_capped() {
        let long = "word ".repeat(1_000);
        assert_eq!(ForeignText::new(&long).as_str().chars().count(), VALUE_LIMIT + 1);
        assert!(ForeignText::new(&long).as_str().ends_with('…'));
    }

    #[test]
    fn a_message_takes_filtered_arguments_by_place_and_by_name() {
        let (name, count) = (ForeignText::new("a\u{1b}b"), 3);
        let cause = || ForeignText::new("why");
        assert_eq!(
            message!("{count:02} of {name:?}: {}", cause(), count, name).as_str(),
            "03 of \"a\u{fffd}b\": why"
        );
        assert_eq!(message!("{why}", why = cause()).as_str(), "why");
        assert_eq!(message!("plain").as_str(), "plain");
    }

    #[test]
    fn a_path_is_quoted_unless_it_is_a_secret_in_the_place_of_a_path() {
        let path = |text: &str| ForeignText::path(Path::new(text)).to_string();
        for name in [
            "/home/me/key.json",
            "~/keys/robot key.json",
            "t1.txt",
            "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/yc-id-token/config.toml",
            "C:\\Users\\Me\\AppData\\Roaming\\yc-id-token\\config.toml",
            "/nix/store/0h1i2j3k4l5m6n7p8q9r0s1v2w3x4y5z-yc-id-token-0.1.0/bin/yc-id-token",
        ] {
            assert_eq!(path(name), name);
        }
        assert_eq!(path(&"a".repeat(256)), REDACTED);
        assert_eq!(path(r#"{"id":"ajek"}"#), REDACTED);
    }

    #[test]
    fn a_message_read_back_from_a_file_is_filtered() {
        let message: Message = serde_json::from_str(r#""eyJhbGciOi\u001b[2J""#).unwrap();
        assert_eq!(message.as_str(), "[redacted]\u{fffd}[2J");
    }

    proptest! {
        #[test]
        fn what_is_filtered_stays_as_it_is_when_filtered_again(text in "\\PC{0,400}") {
            let once = ForeignText::new(&text);
            if once.as_str().chars().count() <= VALUE_LIMIT {
                prop_assert_eq!(ForeignText::new(once.as_str()), once);
            }
        }
    }
}
