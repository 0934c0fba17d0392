//! An OAuth token of a person's account (vendor's "Getting an OAuth token"): exchanged for an IAM token.
//!
//! The vendor gives such tokens up by the end of 2026. They are of use to whoever has nothing else yet.

use std::path::Path;

use super::token_text::TokenText;
use crate::cache::Digest;
use crate::credential::Secret;
use crate::error::Result;

/// An OAuth token.
#[derive(Debug)]
pub struct OauthToken(TokenText);

impl OauthToken {
    /// Takes a token from `origin`. One that cannot be an OAuth token is refused before it is sent
    /// anywhere.
    pub fn new(text: &str, origin: String) -> Result<Self> {
        let other = |text: &str| {
            is_iam_token(text).then_some("holds an IAM token; an OAuth token (`y0_…`) is needed")
        };
        TokenText::new(text, origin, "OAuth", other).map(Self)
    }

    /// Reads a token from a file, as it is now.
    pub fn read(path: &Path) -> Result<Self> {
        let (text, origin) = TokenText::read("the OAuth token file", path)?;
        Self::new(&text, origin)
    }

    /// Where it came from, for messages.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// What identifies it in cache keys.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest()
    }

    /// The token itself.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0.secret
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
