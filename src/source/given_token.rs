//! An IAM token that was given: in the environment, or in a file that someone keeps fresh.

use std::path::Path;
use std::time::Duration;

use crate::cache::Digest;
use crate::clock::{Moment, Offset};
use crate::credential::{Credential, IamToken, Lifetime, Secret};
use crate::error::{Error, Result};
use crate::secret_file;

use super::oauth_token::is_oauth_token;

const WHAT: &str = "the IAM token file";

/// The vendor's limit for an IAM token is 4096 bytes.
const LIMIT: u64 = 16 * 1024;

/// A given token does not say how long it lives. It is used at once and never kept, so this only has
/// to be longer than a run.
const ASSUMED_LIFE: Duration = Duration::from_secs(3600);

/// An IAM token that was given.
#[derive(Debug)]
pub struct GivenToken {
    token: IamToken,
    /// Where it came from, for messages.
    pub origin: String,
}

impl GivenToken {
    /// Takes a token from `origin`. One that cannot be an IAM token is refused before it is sent
    /// anywhere.
    pub fn new(text: &str, origin: String) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Value { origin, problem: "does not hold an IAM token".into() });
        }
        if is_oauth_token(text) {
            return Err(Error::Value {
                origin,
                problem: "holds an OAuth token; an IAM token (`t1.…`) is needed".into(),
            });
        }
        Ok(Self { token: IamToken(Secret::new(text.to_owned())), origin })
    }

    /// Reads a token from a file, as it is now.
    pub fn read(path: &Path) -> Result<Self> {
        let content = secret_file::read(WHAT, path, LIMIT)?;
        let text = std::str::from_utf8(&content).unwrap_or_default();
        Self::new(text, format!("{WHAT} `{}`", path.display()))
    }

    /// What identifies it in cache keys. Another token may be another identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.token.0.expose().as_bytes())
    }

    /// The token as a credential.
    #[must_use]
    pub fn credential(&self, now: Moment) -> Credential<IamToken> {
        let lifetime = Lifetime::new(now, now.at.plus(ASSUMED_LIFE), Offset::default());
        Credential { secret: self.token.clone(), lifetime }
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
