//! Claims of an ID token, for hints about a server that refuses it.

use crate::clock::Timestamp;
use crate::credential::IdToken;
use crate::foreign_text::{ForeignText, Message};
use crate::jwt::Claims;
use crate::message;

/// The claims that trust policies compare.
pub(super) struct ShownClaims {
    pub(super) issuer: ForeignText,
    pub(super) audience: ForeignText,
    pub(super) subject: ForeignText,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl ShownClaims {
    pub(super) fn read(token: &IdToken) -> Self {
        let claims = Claims::read(token.0.expose()).ok();
        let claims = claims.as_ref();
        let shown = |claim: Option<&str>| ForeignText::new(claim.unwrap_or("nothing"));
        Self {
            issuer: shown(claims.and_then(|claims| claims.iss.as_deref())),
            audience: shown(claims.and_then(|claims| claims.aud.first())),
            subject: shown(claims.and_then(|claims| claims.sub.as_deref())),
            issued_at: claims.and_then(Claims::issued_at),
            expires_at: claims.and_then(Claims::expires_at),
        }
    }

    /// The name of the provider in IAM, and in the keys of its conditions: the issuer without its scheme.
    pub(super) fn provider(&self) -> ForeignText {
        let issuer = self.issuer.as_str();
        ForeignText::new(issuer.split_once("://").map_or(issuer, |(_, rest)| rest))
    }

    pub(super) fn all(&self) -> Message {
        let Self { issuer, audience, subject, .. } = self;
        message!(
            "the token has `iss` = `{issuer}`, `aud` = `{audience}`, `sub` = `{subject}`",
            issuer,
            audience,
            subject
        )
    }

    pub(super) fn times(&self) -> Message {
        let time = |at: Option<Timestamp>| {
            at.map_or_else(|| Message::from("nothing"), |at| message!("{at}", at))
        };
        message!("`iat` = {}, `exp` = {}", time(self.issued_at), time(self.expires_at))
    }
}
