//! What the consumer's server is to trust: what a token says of itself.

use std::time::Duration;

use super::{Setup, told_error, unchanged, word};
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::jwt;
use crate::message;

/// It is only looked at.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// Issuer, subject and audience of the tokens.
pub(super) struct Trust {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: String,
    /// Where these come from, in a sentence or two.
    pub(super) note: Message,
}

impl Trust {
    /// Gets a token with the settings as they will be, and reads it. Where there is none, the issuer is what
    /// it most likely is; but nothing is applied unseen on such a footing.
    pub(super) fn find(setup: &Setup<'_>, audience: &str) -> Result<Self> {
        let run = setup.run()?;
        let subject = fit(run.service_account()?);
        let guess = |why: &Message| Self {
            issuer: run.issuer_by_guess().to_owned(),
            subject: subject.clone(),
            audience: audience.to_owned(),
            note: message!(
                "{why}\nThe issuer below is a guess: it must be `iss` of a real token, `yc-id-token token --profile={} --audience={} --decode`.",
                word(setup.profile()),
                word(audience),
                why
            ),
        };
        if setup.common.offline {
            return Ok(guess(&"No token was requested.".into()));
        }
        let token = match run.id_token(audience, MINIMUM_LIFETIME) {
            Ok(token) => token,
            Err(error) if setup.common.apply => return Err(unchanged(&error)),
            Err(error) => {
                return Ok(guess(&message!(
                    "No token could be had with these settings:\n{}",
                    told_error(&error)
                )));
            }
        };
        let claims = jwt::all_claims(token.secret.0.expose())
            .map_err(|problem| Error::Internal(problem.into()))?;
        let claim = |name: &str| claims.get(name).and_then(|claim| claim.as_str()).map(fit);
        Ok(Self {
            issuer: claim("iss").unwrap_or_default(),
            subject: claim("sub").unwrap_or_default(),
            audience: audience.to_owned(),
            note: "Issuer, subject and audience below are those of a token that was got with these settings.".into(),
        })
    }
}

/// Security: what a token says becomes part of commands and files.
fn fit(claim: &str) -> String {
    claim.chars().filter(|c| c.is_ascii_graphic() && !"'\"\\`$".contains(*c)).collect()
}
