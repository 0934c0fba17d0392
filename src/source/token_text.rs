//! A token that somebody gives as text, in a variable or a file.

use std::path::Path;

use crate::cache::Digest;
use crate::credential::Secret;
use crate::error::{Error, Result};
use crate::secret_file;

/// The vendor's tokens have at most 4096 bytes.
const LIMIT: u64 = 16 * 1024;

/// A token, and where it came from.
#[derive(Debug)]
pub(super) struct TokenText {
    pub(super) secret: Secret,
    /// For messages.
    pub(super) origin: String,
}

impl TokenText {
    /// Takes a token of some `kind` from `origin`. What can be none is refused before it is sent anywhere:
    /// `other` says which other kind a text is of, and what was meant.
    pub(super) fn new(
        text: &str,
        origin: String,
        kind: &str,
        other: fn(&str) -> Option<&'static str>,
    ) -> Result<Self> {
        let text = text.trim();
        let problem = if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some(format!("does not hold an {kind} token"))
        } else {
            other(text).map(str::to_owned)
        };
        match problem {
            Some(problem) => Err(Error::Value { origin, problem }),
            None => Ok(Self { secret: Secret::new(text.to_owned()), origin }),
        }
    }

    /// What is in a file, as it is now, and how the file is called in messages.
    pub(super) fn read(what: &'static str, path: &Path) -> Result<(String, String)> {
        let content = secret_file::read(what, path, LIMIT)?;
        let text = std::str::from_utf8(&content).unwrap_or_default();
        Ok((text.to_owned(), format!("{what} `{}`", path.display())))
    }

    /// What identifies it in cache keys. Another token may be another identity.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.secret.expose().as_bytes())
    }
}
