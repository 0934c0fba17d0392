//! Standard output: one document, written once, after success.
//!
//! Documents for programs are bytes. Text for humans is a [`Message`], which contains only filtered text.
//!
//! A closed standard output (`>&-`) is not detected: Rust's runtime opens `/dev/null` in its place before
//! `main`, and Python and Node pass `/dev/null` to their children in the same way. Looking earlier would need
//! `unsafe`.

use std::io::Write;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::foreign_text::Message;

/// Standard output, or a replacement for it in tests.
pub struct Output<'a> {
    out: Box<dyn Write + 'a>,
}

impl<'a> Output<'a> {
    pub fn new(out: impl Write + 'a) -> Self {
        Self { out: Box::new(out) }
    }

    /// Writes a whole document for a program. A closed pipe is an error, so that the reader does not take a
    /// part of the document for success.
    pub fn document(&mut self, document: &[u8]) -> Result<()> {
        self.out
            .write_all(document)
            .and_then(|()| self.out.flush())
            .map_err(|error| Error::Stdout(error.into()))
    }

    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
        self.document((text + "\n").as_bytes())
    }

    /// Writes text for humans, ending with a newline.
    pub fn say(&mut self, message: &Message) -> Result<()> {
        let end = if message.ends_with('\n') { "" } else { "\n" };
        self.document([message, end].concat().as_bytes())
    }
}
