//! Standard output: one document, written once, after success.
//!
//! What a program reads is a document of bytes. What a person reads is a [`Message`], which holds no text
//! that skipped the filter.
//!
//! One that is closed (`>&-`) is `/dev/null` by the time `main` begins: Rust's runtime opens that in its
//! place, so that no file takes its number. What it was cannot be told afterwards: Python and Node hand
//! `/dev/null` over opened in the same way. To look before the runtime does takes unsafe code.

use std::io::Write;

use crate::error::{Error, Result};
use crate::foreign_text::Message;

/// Standard output, or what stands for it.
pub struct Output<'a> {
    out: Box<dyn Write + 'a>,
}

impl<'a> Output<'a> {
    /// Writes go to `out`.
    pub fn new(out: impl Write + 'a) -> Self {
        Self { out: Box::new(out) }
    }

    /// Writes a whole document for a program: a credential, JSON, a script. A reader that went away is an
    /// error: whoever waits for the document must not take half of it for success.
    pub fn document(&mut self, document: &[u8]) -> Result<()> {
        self.out
            .write_all(document)
            .and_then(|()| self.out.flush())
            .map_err(|error| Error::Stdout(error.into()))
    }

    /// Writes lines for a person. The last one ends, whether the message says so or not.
    pub fn say(&mut self, message: &Message) -> Result<()> {
        let end = if message.ends_with('\n') { "" } else { "\n" };
        self.document([message, end].concat().as_bytes())
    }
}
