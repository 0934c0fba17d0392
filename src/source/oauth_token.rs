//! An OAuth token of a person's account (vendor's "Getting an OAuth token"): exchanged for an IAM token.
//!
//! The vendor gives such tokens up by the end of 2026. They are of use to whoever has nothing else yet.

use std::path::Path;

use crate::cache::Digest;
use crate::credential::Secret;
use crate::error::{Error, Result};
use crate::secret_file;

const WHAT: &str = "the OAuth token file";

/// The vendor's limit for an OAuth token is 4000 bytes.
const LIMIT: u64 = 16 * 1024;

/// An OAuth token.
#[derive(Debug)]
pub struct OauthToken {
    token: Secret,
    /// Where it came from, for messages.
    pub origin: String,
}

impl OauthToken {
    /// Takes a token from `origin`. One that cannot be an OAuth token is refused before it is sent
    /// anywhere.
    pub fn new(text: &str, origin: String) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Value { origin, problem: "does not hold an OAuth token".into() });
        }
        if is_iam_token(text) {
            return Err(Error::Value {
                origin,
                problem: "holds an IAM token; an OAuth token (`y0_…`) is needed".into(),
            });
        }
        Ok(Self { token: Secret::new(text.to_owned()), origin })
    }

    /// Reads a token from a file, as it is now.
    pub fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read(WHAT, path, LIMIT)?;
        let text = std::str::from_utf8(&content).unwrap_or_default();
        Self::new(text, format!("{WHAT} `{}`", path.display()))
    }

    /// What identifies it in cache keys.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.token.expose().as_bytes())
    }

    /// The token itself.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.token
    }
}

/// OAuth tokens begin with `y0_` to `y3_` (vendor's documentation of OAuth tokens).
#[must_use]
pub fn is_oauth_token(text: &str) -> bool {
    matches!(text.as_bytes(), [b'y', b'0'..=b'3', b'_', ..])
}

/// Whether a token, of which only is known that it is one or the other, is an IAM token: as the vendor's
/// Terraform provider tells them apart.
#[must_use]
pub fn is_iam_token(text: &str) -> bool {
    text.starts_with("t1.") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_oauth_token_is_refused_before_it_is_sent() {
        for bad in ["", " \n", "y0_a b", "t1.9euelZ.c2ln"] {
            let error = OauthToken::new(bad, "YC_TOKEN".into()).unwrap_err();
            assert!(bad.trim().is_empty() || !error.to_string().contains(bad.trim()), "{error}");
        }
        assert!(OauthToken::new("y0_AgAAAA\n", "YC_TOKEN".into()).is_ok());
    }
}
