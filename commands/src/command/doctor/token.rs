//! A new ID token, checked as a server would check it.

use std::time::Duration;

use crate::error::{Exit, Result};
use crate::jwt::{self, Claims};
use crate::message;
use crate::run::Run;
use crate::source::{IdTokenRequest, Issuer};

use super::profile::ProfileCheck;
use super::report::Group;
use super::{Checks, identity};
use crate::foreign_text::{ForeignText, Message};

/// Checks a new token. Returns whether the request for it was refused, so that another route may work.
pub(super) fn check(check: &ProfileCheck<'_>, group: &mut Group<'_>) -> bool {
    let checks = check.checks;
    // A new run, because its time limit starts now.
    let Some(Ok(run)) = check.run.as_ref().and_then(|_| identity::run(check)) else {
        return false;
    };
    let run = &run;
    let token = audience(check, run).and_then(|audience| run.id_token(&audience, Duration::ZERO));
    let credential = match token {
        Ok(credential) => credential,
        Err(error) => {
            checks.end_if_interrupted(&error);
            group.error(&error);
            return IdTokenRequest::is_refused(&error);
        }
    };
    let token = credential.secret.0.expose();
    let claims = match Claims::read(token) {
        Ok(claims) => claims,
        Err(problem) => {
            group.bad(
                Exit::Source,
                message!("the ID token: {problem}", problem),
                "check the endpoints",
            );
            return false;
        }
    };
    group.add_token(token, &claims);
    let now = checks.context.clock.now().at;
    let at = |at: Option<crate::clock::Timestamp>| {
        at.map_or_else(|| Message::from("?"), |at| message!("{}", at.beside(now)))
    };
    let text = |claim: &Option<String>| ForeignText::new(claim.as_deref().unwrap_or("?"));
    group.good(message!(
        "a new ID token: iss {}, sub {}, aud {}, iat {}, exp {}",
        text(&claims.iss),
        text(&claims.sub),
        ForeignText::new(&claims.aud.to_string()),
        at(claims.issued_at()),
        at(claims.expires_at())
    ));
    match &claims.iss {
        Some(iss) => check_signature(checks, run, iss, token, group),
        None => group.bad(
            Exit::Source,
            "the ID token has no issuer, so no server can verify it",
            "check the endpoints",
        ),
    }
    false
}

/// The audience of the first consumer whose entries use the profile or that is named, or else the profile's audience.
pub(super) fn audience(check: &ProfileCheck<'_>, run: &Run) -> Result<String> {
    let mut forecasts = check.forecasts.iter();
    let audience = forecasts.find_map(|(name, forecast)| {
        let audience = forecast.as_ref().ok()?.audience.clone()?;
        let is_it = !check.entries.is_empty() || check.checks.consumer == Some(*name);
        is_it.then_some(audience)
    });
    if let Some(audience) = audience {
        return Ok(audience);
    }
    match &run.settings.audience {
        Some(audience) => Ok(audience.value.clone()),
        None => run.service_account().map(str::to_owned),
    }
}

fn check_signature(checks: &Checks<'_>, run: &Run, iss: &str, token: &str, group: &mut Group<'_>) {
    let http = checks.http(&run.settings);
    let Some(fetched) = checks.wait("getting the issuer's keys", Issuer::fetch(iss, &http)) else {
        return;
    };
    let issuer = match fetched {
        Ok(issuer) => issuer,
        Err(error) => {
            group.error(&error);
            return;
        }
    };
    if issuer.name == iss {
        group.good("its issuer matches the discovery document");
    } else {
        group.bad(
            Exit::Source,
            message!("the issuer of the token is `{iss}`, but its discovery document has `{}`", ForeignText::new(&issuer.name), iss = ForeignText::new(iss)),
            "servers reject such a token; check the OAuth endpoint, and report it to the cloud's support",
        );
    }
    match jwt::verify(token, &issuer.keys) {
        Ok(key) => group.good(message!(
            "its signature is valid for the issuer's key `{key}`",
            key = ForeignText::new(&key)
        )),
        Err(problem) => group.bad(
            Exit::Source,
            message!("the signature cannot be checked: {problem}", problem),
            "servers reject such a token; check the OAuth endpoint, and any proxy on the way",
        ),
    }
}
