//! Causes of errors: the error of a library or the system, with a text for people.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::foreign_text::{ForeignText, Message, Printable};
use crate::message;

/// The cause of an [`Error`](super::Error). `Display` prints its innermost text, filtered and without the operating
/// system's number. `source` returns the error itself, for the log.
#[derive(Clone)]
pub struct Cause {
    text: Message,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Cause {
    /// Wraps an error. Its innermost cause is what people read.
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self { text: innermost(&error), source: Some(Arc::new(error)) }
    }

    /// Wraps an error, with another text for people.
    pub fn worded(error: impl StdError + Send + Sync + 'static, text: impl Into<Message>) -> Self {
        Self { text: text.into(), source: Some(Arc::new(error)) }
    }

    /// The same cause, with the failed action before its text.
    #[must_use]
    pub fn context(self, what: impl Into<Message>) -> Self {
        Self { text: message!("{}: {}", what.into(), self.text), source: self.source }
    }

    /// The text for people.
    pub const fn text(&self) -> &Message {
        &self.text
    }
}

fn innermost(error: &(dyn StdError + 'static)) -> Message {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.downcast_ref().map_or_else(|| ForeignText::sentence(&cause.to_string()).into(), plain)
}

/// The text of an I/O error, as part of a sentence and without the operating system's number.
pub fn plain(cause: &io::Error) -> Message {
    let text = cause.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut plain = text[..end].to_owned();
    if let Some(first) = plain.get(..1) {
        let lower = first.to_lowercase();
        plain.replace_range(..1, &lower);
    }
    ForeignText::sentence(&plain).into()
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Prints the text only: libraries put their input into the `Debug` of their errors.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl Printable for Cause {}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

/// A cause that is not the error of a library.
impl From<Message> for Cause {
    fn from(text: Message) -> Self {
        Self { text, source: None }
    }
}

impl From<&'static str> for Cause {
    fn from(text: &'static str) -> Self {
        Self { text: text.into(), source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_is_worded_and_keeps_its_source() {
        let missing = || io::Error::from_raw_os_error(2);
        assert_eq!(Cause::from(missing()).to_string(), "no such file or directory");
        assert!(Cause::from(missing()).source().is_some());
        let worded = Cause::worded(missing(), "there is no key");
        assert_eq!(
            (worded.to_string().as_str(), worded.source().is_some()),
            ("there is no key", true)
        );
        assert_eq!(plain(&io::Error::other("")).as_str(), "");
    }

    #[test]
    fn a_cause_repeats_no_secret() {
        let error = io::Error::other("cannot read t1.9euelZqUzpSQkMjGx8mMlM2Lns2Zx8ftx1");
        let cause = Cause::new(error);
        assert_eq!(cause.to_string(), "cannot read [redacted]");
        assert!(!format!("{cause:?}").contains("t1."));
    }
}
