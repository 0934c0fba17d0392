//! What the consumer's server must trust: issuer, subject and audience of the tokens, read from a test token.

use std::time::Duration;

use super::{Setup, error_lines, shell_word};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::jwt;
use crate::message;

/// The test token is only read, so any remaining lifetime is enough.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// Issuer, subject and audience of the tokens.
pub(super) struct Trust {
    pub(super) issuer: ForeignText,
    pub(super) subject: ForeignText,
    pub(super) audience: ForeignText,
    /// The origin of these values, in a sentence or two.
    pub(super) note: Message,
}

impl Trust {
    /// Gets a token with the new settings and reads it. Without a token, the issuer is a guess; `--apply` fails then,
    /// because the user would not see that.
    pub(super) fn find(setup: &Setup<'_>, audience: &str) -> Result<Self> {
        let run = setup.run()?;
        let subject = sanitized(run.service_account()?);
        let guess = |why: &Message| Self {
            issuer: ForeignText::line(run.issuer_by_guess()),
            subject: subject.clone(),
            audience: ForeignText::line(audience),
            note: message!(
                "{why}\nThe issuer below is a guess: it must be `iss` of a real token, `yc-id-token token --profile={} --audience={} --decode`.",
                shell_word(setup.profile()),
                shell_word(audience),
                why
            ),
        };
        if setup.common.offline {
            return Ok(guess(&"No token was requested.".into()));
        }
        let token = match run.id_token(audience, MINIMUM_LIFETIME) {
            Ok(token) => token,
            Err(error) if setup.common.consent.apply => {
                let addition = "nothing has been changed; `--offline` sets up without a token";
                return Err(error.with_hint(&addition.into()));
            }
            Err(error) => {
                return Ok(guess(&message!(
                    "Cannot get a token with these settings:\n{}",
                    error_lines(&error)
                )));
            }
        };
        let claims = jwt::all_claims(token.secret.0.expose())
            .map_err(|problem| Error::Internal(problem.into()))?;
        let claim = |name: &str| claims.get(name).and_then(|claim| claim.as_str()).map(sanitized);
        Ok(Self {
            issuer: claim("iss").unwrap_or_default(),
            subject: claim("sub").unwrap_or_default(),
            audience: ForeignText::line(audience),
            note:
                "Issuer, subject and audience below are from a token obtained with these settings."
                    .into(),
        })
    }
}

/// Security: claims become part of commands and files.
fn sanitized(claim: &str) -> ForeignText {
    let is_safe = |c: &char| c.is_ascii_graphic() && !"'\"\\`$".contains(*c);
    ForeignText::line(&claim.chars().filter(is_safe).collect::<String>())
}
