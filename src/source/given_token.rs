//! A token that was given, in the environment or in a file that someone keeps fresh: an IAM token, or an
//! OAuth token of a person (vendor's "Getting an OAuth token"), which is exchanged for one.
//!
//! The vendor gives OAuth tokens up by the end of 2026. They are of use to whoever has nothing else yet.

use std::path::Path;
use std::time::Duration;

use crate::cache::Digest;
use crate::clock::{Moment, Offset};
use crate::credential::{Credential, IamToken, Lifetime, Secret};
use crate::encoding;
use crate::error::{Error, Result, shown};
use crate::foreign_text::Message;
use crate::message;
use crate::secret_file;

/// The vendor's tokens have at most 4096 bytes.
const LIMIT: u64 = 16 * 1024;

/// A given token does not say how long it lives. It is used at once and never kept, so this only has
/// to be longer than a run.
const ASSUMED_LIFE: Duration = Duration::from_secs(3600);

/// Which of the vendor's tokens one is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenKind {
    /// `t1.…`, opaque.
    Iam,
    /// `y0_…`, of a person.
    Oauth,
}

/// A token that was given.
#[derive(Debug)]
pub struct GivenToken {
    secret: Secret,
    origin: Message,
}

impl GivenToken {
    /// Takes a token from `origin`. One that cannot be of this kind is refused before it is sent
    /// anywhere.
    pub fn new(kind: TokenKind, text: &str, origin: impl Into<Message>) -> Result<Self> {
        let origin = origin.into();
        let text = text.trim();
        let is_text = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let problem = match kind {
            TokenKind::Iam if !is_text => "does not hold an IAM token",
            TokenKind::Oauth if !is_text => "does not hold an OAuth token",
            TokenKind::Iam if is_oauth_token(text) => {
                "holds an OAuth token; an IAM token (`t1.…`) is needed"
            }
            TokenKind::Oauth if is_iam_token(text) => {
                "holds an IAM token; an OAuth token (`y0_…`) is needed"
            }
            _ if text.starts_with("YCAJ") => {
                "holds the ID of a static access key (for S3), not a token of IAM"
            }
            _ if text.starts_with("AQVN") => "holds an API key, not a token of IAM",
            _ if text.starts_with("eyJ") => "holds a JWT, not a token of IAM",
            _ if text.starts_with('{') => "holds JSON, not the token alone",
            _ => return Ok(Self { secret: Secret::new(text.to_owned()), origin }),
        };
        Err(Error::Value { origin, problem: problem.into() })
    }

    /// Reads a token from a file, as it is now.
    pub fn read(kind: TokenKind, path: &Path) -> Result<Self> {
        let what = match kind {
            TokenKind::Iam => "the IAM token file",
            TokenKind::Oauth => "the OAuth token file",
        };
        let content = secret_file::read(what, path, LIMIT)?;
        let origin = message!("{what} `{}`", shown(path), what);
        match encoding::decode_secret(&content) {
            Ok(text) => Self::new(kind, &text, origin),
            Err(problem) => Err(Error::Value { origin, problem: message!("{problem}", problem) }),
        }
    }

    /// Where it came from, for messages.
    #[must_use]
    pub const fn origin(&self) -> &Message {
        &self.origin
    }

    /// What identifies it in cache keys. Another token may be another identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.secret.expose().as_bytes())
    }

    /// The token itself.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// An IAM token as a credential.
    #[must_use]
    pub fn credential(&self, now: Moment) -> Credential<IamToken> {
        let lifetime = Lifetime::new(now, now.at.plus(ASSUMED_LIFE), Offset::default());
        Credential { secret: IamToken(self.secret.clone()), lifetime }
    }
}

/// OAuth tokens begin with `y0_` to `y3_` (vendor's documentation of OAuth tokens).
fn is_oauth_token(text: &str) -> bool {
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
    fn what_is_not_of_its_kind_is_refused_before_it_is_sent() {
        let given = |kind, text| GivenToken::new(kind, text, "YC_TOKEN");
        for (kind, wrong) in [
            (TokenKind::Iam, &["", " \n", "t1.a b.c", "t1.ключ", "y0_AgAAAA"][..]),
            (TokenKind::Oauth, &["", " \n", "y0_a b", "t1.9euelZ.c2ln"]),
        ] {
            for text in wrong {
                let error = given(kind, text).unwrap_err().to_string();
                assert!(text.trim().is_empty() || !error.contains(text.trim()), "{error}");
            }
        }
        assert!(given(TokenKind::Iam, "t1.abc.def\n").is_ok());
        assert!(given(TokenKind::Oauth, "y0_AgAAAA\n").is_ok());
    }
}
