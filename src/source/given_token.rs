//! An IAM token that was given: in the environment, or in a file that someone keeps fresh.

use std::path::Path;
use std::time::Duration;

use super::oauth_token::is_oauth_token;
use super::token_text::TokenText;
use crate::cache::Digest;
use crate::clock::{Moment, Offset};
use crate::credential::{Credential, IamToken, Lifetime};
use crate::error::Result;

/// A given token does not say how long it lives. It is used at once and never kept, so this only has
/// to be longer than a run.
const ASSUMED_LIFE: Duration = Duration::from_secs(3600);

/// An IAM token that was given.
#[derive(Debug)]
pub struct GivenToken(TokenText);

impl GivenToken {
    /// Takes a token from `origin`. One that cannot be an IAM token is refused before it is sent
    /// anywhere.
    pub fn new(text: &str, origin: String) -> Result<Self> {
        let other = |text: &str| {
            is_oauth_token(text).then_some("holds an OAuth token; an IAM token (`t1.…`) is needed")
        };
        TokenText::new(text, origin, "IAM", other).map(Self)
    }

    /// Reads a token from a file, as it is now.
    pub fn read(path: &Path) -> Result<Self> {
        let (text, origin) = TokenText::read("the IAM token file", path)?;
        Self::new(&text, origin)
    }

    /// Where it came from, for messages.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// What identifies it in cache keys. Another token may be another identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest()
    }

    /// The token as a credential.
    #[must_use]
    pub fn credential(&self, now: Moment) -> Credential<IamToken> {
        let lifetime = Lifetime::new(now, now.at.plus(ASSUMED_LIFE), Offset::default());
        Credential { secret: IamToken(self.0.secret.clone()), lifetime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_iam_token_is_refused_before_it_is_sent() {
        for bad in ["", " \n", "t1.a b.c", "t1.ключ", "y0_AgAAAA"] {
            let error = GivenToken::new(bad, "YC_TOKEN".into()).unwrap_err();
            assert!(bad.trim().is_empty() || !error.to_string().contains(bad.trim()), "{error}");
        }
        assert!(GivenToken::new("t1.abc.def\n", "YC_TOKEN".into()).is_ok());
    }
}
