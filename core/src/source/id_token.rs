//! The ID token: RFC 8693 token exchange at `/oauth/token`.
//!
//! The vendor documents only the command `yc iam create-id-token`, which is the other route. This request is the one
//! that public code sends. The field of the answer with the token is not documented either, so both known names are
//! read. A token is accepted only if it is an unexpired JWT for the requested service account and audience.

use std::time::Duration;

use serde::Deserialize;

use super::refusal::{self, Refusal};
use super::yc_cli::{YcActor, YcCli, YcOptions};
use super::{ACCESS_TOKEN_TYPE, GRANT_TYPE, ID_TOKEN_TYPE, Route, Source};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::clock::{Moment, Offset, Timestamp};
use crate::credential::{Credential, IamToken, IdToken, Lifetime, Secret};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, Client, HttpRequest, Reply};
use crate::jwt::Claims;
use crate::message;

/// The credential, in messages.
const WHAT: &str = "an ID token";

/// The vendor's tokens expire after an hour. A much later expiry is an error of the server.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// How far ahead of the server's clock `iat` may be, because a server's machines differ slightly.
const LEEWAY: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub struct IdTokenRequest<'a> {
    pub source: &'a Source,
    /// The service account's ID, `sub`.
    pub service_account: &'a str,
    /// The audience, `aud`.
    pub audience: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<Secret>,
    id_token: Option<Secret>,
}

impl Request for IdTokenRequest<'_> {
    type Secret = IdToken;

    const KIND: &'static str = "id-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let endpoints = &self.source.endpoints;
        let key = key.with("iam", endpoints.iam.as_str()).with("oauth", endpoints.oauth_name());
        self.source
            .cache_key(key)
            .with("service account", self.service_account)
            .with("audience", self.audience)
    }

    fn about(&self) -> EntryMetadata {
        let from = match &self.source.route {
            Route::Exchange => self.source.endpoints.oauth_name(),
            Route::YcCli(_) => "yc",
        };
        EntryMetadata {
            service_account: Some(self.service_account.into()),
            audience: Some(self.audience.into()),
            ..EntryMetadata::from(from)
        }
    }

    fn what(&self) -> Message {
        message!("{WHAT} for audience `{}`", ForeignText::new(self.audience), WHAT)
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IdToken>> {
        match &self.source.route {
            Route::Exchange => self.exchange(self.source.subject_token_type(), broker).await,
            Route::YcCli(yc) => self.run_yc(yc, broker).await,
        }
    }
}

impl IdTokenRequest<'_> {
    /// Whether an error is the refusal of such a request, and not of an earlier one. A missing role or account does
    /// not count, because it has the same effect on every route.
    pub fn is_refused(error: &Error) -> bool {
        matches!(error, Error::Refused { what, code: Code::SourceRefused, .. } if what.as_str().starts_with(WHAT))
    }

    /// Exchanges an IAM token for the ID token, with this `subject_token_type` for the service account.
    pub async fn exchange(
        &self,
        subject_token_type: &str,
        broker: &Broker,
    ) -> Result<Credential<IdToken>> {
        let client = self.source.http.client(self.source.endpoints.oauth()?, &self.what())?;
        let send = async |actor: &IamToken| self.send(&client, subject_token_type, actor).await;
        let is_refused = |reply: &Reply| reply.status == 401;
        let reply = self.source.with_iam_token(broker, Some(&client), send, is_refused).await?;
        self.accept(&reply, subject_token_type)
    }

    /// Runs the vendor's own command, as the acting account or as the account of `yc`.
    pub async fn run_yc(&self, yc: &YcCli, broker: &Broker) -> Result<Credential<IdToken>> {
        let (what, source) = (self.what(), self.source);
        let Self { service_account, audience, .. } = self;
        let deadline = source.http.deadline();
        let (is_unattended, mark) = (broker.is_unattended(), broker.mark());
        let run = async |actor: Option<YcActor<'_>>| {
            let options = YcOptions { actor, is_unattended, mark: &mark };
            yc.id_token(&what, service_account, audience, options, deadline).await
        };
        let token = match (source.identity.yc(), &source.impersonated) {
            (Some(_), None) => run(None).await?,
            (None, _) | (_, Some(_)) => {
                let api = source.endpoints.api_address()?;
                let send =
                    async |token: &IamToken| Ok(run(Some(YcActor { token, api: &api })).await);
                let is_refused = |outcome: &Result<Secret>| {
                    outcome.as_ref().is_err_and(|error| error.code() == Code::SourceAuth)
                };
                source.with_iam_token(broker, None, send, is_refused).await??
            }
        };
        let lifetime = self.check(token.expose(), broker.clock().now(), None);
        let lifetime = lifetime.map_err(|problem| Error::WrongToken {
            what,
            code: Code::SourceToken,
            problem,
            hint: "run `yc iam create-id-token` in a terminal, and see what it prints".into(),
        })?;
        Ok(Credential { secret: IdToken(token), lifetime })
    }

    async fn send(
        &self,
        client: &Client,
        subject_token_type: &str,
        actor: &IamToken,
    ) -> Result<Reply> {
        let what = self.what();
        let fields = [
            ("grant_type", GRANT_TYPE),
            ("requested_token_type", ID_TOKEN_TYPE),
            ("subject_token", self.service_account),
            ("subject_token_type", subject_token_type),
            ("actor_token", actor.0.expose()),
            ("actor_token_type", ACCESS_TOKEN_TYPE),
            // The meaning of a missing audience is documented, but not whether the CLI or the server adds it.
            ("audience", self.audience),
        ];
        client.send(&HttpRequest::post(&what, "/oauth/token", Body::Form(&fields))).await
    }

    fn accept(&self, reply: &Reply, subject_token_type: &str) -> Result<Credential<IdToken>> {
        let what = self.what();
        if reply.status != 200 {
            let refusal = Refusal::read(&what, reply)?;
            let hint = self.hint(&refusal, subject_token_type);
            return Err(refusal.into_error(what, hint));
        }
        let answer: Answer = reply.json(&what)?;
        let token = answer
            .access_token
            .or(answer.id_token)
            .ok_or_else(|| refusal::foreign(&what, reply))?;
        let lifetime = self.check(token.expose(), reply.received, reply.clock_offset);
        let lifetime = lifetime.map_err(|problem| Error::WrongToken {
            what,
            code: Code::SourceToken,
            problem,
            hint: "check the endpoints; if they are right, report this to the cloud's support with the time of the request".into(),
        })?;
        Ok(Credential { secret: IdToken(token), lifetime })
    }

    /// Checks that this is the requested token, and that it has not expired by the server's clock if known.
    fn check(
        &self,
        token: &str,
        received: Moment,
        offset: Option<Offset>,
    ) -> std::result::Result<Lifetime, Message> {
        let claims = Claims::read(token)?;
        let offset = trusted_offset(&claims, received.at, offset);
        let Self { service_account, audience, .. } = self;
        match &claims.sub {
            Some(sub) if sub == service_account => {}
            Some(sub) => {
                return Err(message!(
                    "it is for service account `{sub}`, not `{service_account}`",
                    sub = ForeignText::new(sub),
                    service_account = ForeignText::new(service_account)
                ));
            }
            None => return Err("it names no subject".into()),
        }
        if !claims.aud.contains(audience) {
            return Err(message!(
                "it is for audience {}, not `{audience}`",
                ForeignText::new(&claims.aud.to_string()),
                audience = ForeignText::new(audience)
            ));
        }
        let server_now = received.at.shifted(offset);
        let expires_at = claims.expires_at().ok_or("it has no expiration time")?;
        if expires_at <= server_now {
            return Err(message!(
                "it has expired at {expires_at}, and it is {server_now}",
                expires_at,
                server_now
            ));
        }
        match claims.issued_at() {
            Some(issued_at) if issued_at > server_now.plus(LEEWAY) => {
                return Err(message!(
                    "it is issued at {issued_at}, and it is only {server_now}",
                    issued_at,
                    server_now
                ));
            }
            Some(issued_at) if issued_at >= expires_at => {
                return Err("it expires before it is issued".into());
            }
            _ => {}
        }
        if let Some(not_before) = claims.not_before().filter(|at| *at > server_now.plus(LEEWAY)) {
            return Err(message!(
                "it is not valid before {not_before}, and it is only {server_now}",
                not_before,
                server_now
            ));
        }
        Ok(Lifetime::new(received, expires_at.min(server_now.plus(MAX_LIFETIME)), offset))
    }

    fn hint(&self, refusal: &Refusal, subject_token_type: &str) -> Message {
        let account = self.service_account;
        let source = self.source;
        if refusal.is_of_token_type {
            return message!(
                "`{}` was sent as the subject token type; `yc-id-token doctor` tries the others that are known, and `--subject-token-type` sets one; or let the `yc` command get the token, with `--id-token-route yc-cli`",
                ForeignText::new(subject_token_type)
            );
        }
        match refusal.code {
            Code::SourceDenied => match source.service_account() {
                Some(own) if own == account => message!(
                    "grant `iam.serviceAccounts.tokenCreator` on service account `{account}` to itself; then see the folder's access policies", account = ForeignText::new(account)),
                Some(own) => message!(
                    "grant `iam.serviceAccounts.tokenCreator` on service account `{account}` to `{own}`", account = ForeignText::new(account), own = ForeignText::new(own)),
                None => message!(
                    "grant `iam.serviceAccounts.tokenCreator` on service account `{account}` to the account behind {}",
                    source.identity.describe(), account = ForeignText::new(account)),
            },
            Code::SourceAuth => source.identity.rejected_hint(source.describe()),
            Code::SourceNotFound => message!(
                "check `--service-account`: `{account}` is not known there, or not yet; a name needs `--folder-id`", account = ForeignText::new(account)),
            _ => "check the service account's ID and the OAuth endpoint; if they are right, let the `yc` command get the token, with `--id-token-route yc-cli`".into(),
        }
    }
}

/// How far the server's clock is ahead. A `Date` is not trusted if the token's lifetime would then exceed the
/// maximum: behind a gateway with a wrong clock, an expired token would be cached for years. Nor is it trusted if the
/// token would have expired already, but was just issued by this machine's clock.
fn trusted_offset(claims: &Claims, here: Timestamp, date: Option<Offset>) -> Offset {
    let Some(date) = date else { return offset_by_token(claims, here) };
    if has_expired(claims, here.shifted(date)) && is_issued_just_now(claims, here) {
        return Offset::default();
    }
    let is_too_long =
        |at: Timestamp| claims.expires_at().is_some_and(|end| end.since(at) > MAX_LIFETIME);
    if !is_too_long(here.shifted(date)) {
        return date;
    }
    match claims.issued_at() {
        // The issuer intends such a long lifetime.
        Some(issued_at) if is_too_long(issued_at) => date,
        Some(_) => offset_by_token(claims, here),
        None => Offset::default(),
    }
}

fn has_expired(claims: &Claims, now: Timestamp) -> bool {
    claims.expires_at().is_some_and(|end| end <= now)
}

fn is_issued_just_now(claims: &Claims, now: Timestamp) -> bool {
    claims.issued_at().is_some_and(|at| at.distance(now) <= LEEWAY)
}

/// How far the server's clock is ahead, judged by the token if the answer has no `Date`. A new token was issued
/// neither in the future nor so long ago that it has expired: if it seems so, the local clock is wrong. Otherwise the
/// issuer may set `iat` a little earlier.
fn offset_by_token(claims: &Claims, here: Timestamp) -> Offset {
    match claims.issued_at() {
        Some(issued_at)
            if issued_at > here
                || claims.expires_at().is_some_and(|expires_at| expires_at <= here) =>
        {
            Offset::measured(issued_at, here)
        }
        _ => Offset::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Audience;

    #[test]
    fn a_date_that_contradicts_its_token_is_ignored() {
        const YEARS: i64 = 10 * 365 * 24 * 3600;
        let seconds = Timestamp::from_unix_seconds;
        let (now, hour) = (2_000_000_000, 3600);
        let seen = |ahead: i64, exp: i64, iat: Option<i64>| {
            #[allow(clippy::cast_precision_loss, reason = "as JSON has it")]
            let number = |seconds: i64| seconds as f64;
            let claims = Claims {
                iss: None,
                sub: None,
                aud: Audience::None,
                exp: Some(number(exp)),
                iat: iat.map(number),
                nbf: None,
            };
            let date = Offset::measured(seconds(now + ahead), seconds(now));
            seconds(now).shifted(trusted_offset(&claims, seconds(now), Some(date))).unix_seconds()
        };
        assert_eq!(seen(0, now + hour, Some(now)), now);
        assert_eq!(seen(-600, now - 600 + hour, None), now - 600, "the local clock is fast");
        assert_eq!(seen(-YEARS, now - hour, None), now, "and the token is seen to be dead");
        assert_eq!(seen(-YEARS, now + hour, Some(now)), now);
        assert_eq!(
            seen(YEARS, now + hour, Some(now - 3)),
            now,
            "its issuer agrees with this machine"
        );
        let dead = now + 2 * hour;
        assert_eq!(
            seen(2 * hour, now - 60, Some(now - 60 - hour)),
            dead,
            "expired by either clock"
        );
        assert_eq!(
            seen(2 * hour, now + hour, None),
            dead,
            "no other clock agrees with this machine"
        );
        assert_eq!(seen(0, now + YEARS, Some(now)), now, "the issuer intends a long lifetime");
    }

    #[test]
    fn without_a_date_the_token_corrects_a_wrong_clock() {
        let seconds = Timestamp::from_unix_seconds;
        let server_now = |local: i64| {
            let claims = Claims {
                iss: None,
                sub: None,
                aud: Audience::None,
                exp: Some(13_600.0),
                iat: Some(10_000.0),
                nbf: None,
            };
            let here = seconds(local);
            here.shifted(offset_by_token(&claims, here)).unix_seconds()
        };
        assert_eq!(server_now(2_000), 10_000, "slow by hours");
        assert_eq!(server_now(20_000), 10_000, "fast by hours");
        assert_eq!(server_now(10_300), 10_300, "dated back by five minutes");
    }
}
