//! Messages for humans, which contain no unfiltered text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};

use super::ForeignText;

/// Text for humans, built only from literals, numbers and [`ForeignText`].
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct Message(Cow<'static, str>);

impl Message {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[inline(never)]
    pub fn join(parts: &[Self], separator: &'static str) -> Self {
        let parts: Vec<&str> = parts.iter().map(Self::as_str).collect();
        Self(parts.join(separator).into())
    }

    /// Pads the text at its end to this many characters.
    #[must_use]
    pub fn padded(&self, width: usize) -> Self {
        Self(format!("{self:<width$}").into())
    }

    /// Pads the text on both sides to this many characters.
    #[must_use]
    pub fn centred(&self, width: usize) -> Self {
        Self(format!("{self:^width$}").into())
    }

    pub fn repeated(character: char, times: usize) -> Self {
        Self(std::iter::repeat_n(character, times).collect::<String>().into())
    }

    /// Inserts a text at a byte offset, which must be a character boundary.
    #[must_use]
    pub fn with_inserted(&self, at: usize, inserted: &Self) -> Self {
        let (before, after) = self.0.split_at(at);
        Self([before, &inserted.0, after].concat().into())
    }

    /// Makes the first letter upper case.
    #[must_use]
    pub fn capitalised(&self) -> Self {
        let mut letters = self.0.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        Self((first.unwrap_or_default() + letters.as_str()).into())
    }

    /// Removes blanks at the end.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self(self.0.trim_end().to_owned().into())
    }

    /// Replaces each `pattern`, to fill in a template.
    #[must_use]
    pub fn replaced(&self, pattern: &'static str, by: &Self) -> Self {
        Self(self.0.replace(pattern, &by.0).into())
    }

    /// Only for [`message!`](crate::message), which checks that all arguments are [`Printable`]. There are 800 places
    /// that call it.
    #[doc(hidden)]
    #[inline(never)]
    pub fn from_printable(arguments: fmt::Arguments<'_>) -> Self {
        match arguments.as_str() {
            Some(literal) => Self(literal.into()),
            None => Self(arguments.to_string().into()),
        }
    }
}

/// Builds a [`Message`] as `format!` builds a `String`. Every argument must be [`Printable`] and must be
/// passed after the literal: `message!("cannot read {path}: {}", cause.text(), path)`.
#[macro_export]
macro_rules! message {
    (@ $text:literal [$($at:expr,)*] [$($name:ident = $value:expr,)*]) => {
        // `concat!` prevents the literal from capturing variables, which would bypass the check.
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

/// Types whose values a message may contain: no text that came unfiltered from outside.
#[diagnostic::on_unimplemented(
    message = "`{Self}` may hold unfiltered text from outside",
    note = "wrap a value that came from outside in `ForeignText`, a path in `ForeignText::path`"
)]
pub trait Printable {}

/// The same value; restricts its type.
#[doc(hidden)]
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
    crate::clock::RelativeTime,
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

impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// A message from a file is filtered again: the file may have been changed.
impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self(ForeignText::line(&text).0.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_positional_or_named() {
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
    fn a_message_read_back_from_a_file_is_filtered() {
        let message: Message = serde_json::from_str(r#""eyJhbGciOi\u001b[2J""#).unwrap();
        assert_eq!(message.as_str(), "[redacted]\u{fffd}[2J");
    }
}
