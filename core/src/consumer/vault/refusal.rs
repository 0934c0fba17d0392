//! Refusals of the server, and their hints.
//!
//! Every refusal is `{"errors":["…"]}`. A rejected JWT is 400, never 401 or 403. Only the text says which condition of
//! the role failed; the texts are those of OpenBao 2.7 and of Vault's JWT plugin.

use serde::Deserialize;

use crate::credential::IdToken;
use crate::error::{Code, Error};
use crate::foreign_text::{ForeignText, Message};
use crate::http::Reply;
use crate::message;

use super::super::claims::ShownClaims;

#[derive(Deserialize)]
struct Document {
    errors: Vec<String>,
}

/// The request that was refused.
pub(super) struct RefusedRequest<'a> {
    pub(super) what: &'a Message,
    pub(super) mount: &'a str,
    pub(super) role: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) token: &'a IdToken,
}

/// The server's error text, if it speaks the protocol.
fn error_text(reply: &Reply) -> Option<String> {
    let document: Document = serde_json::from_slice(&reply.body).ok()?;
    Some(document.errors.join("; "))
}

fn says(reply: &Reply, words: &[&str]) -> bool {
    let error_text = error_text(reply).unwrap_or_default().to_lowercase();
    words.iter().any(|words| error_text.contains(words))
}

/// Whether the ID token has expired by the server's clock.
pub(super) fn is_expired_token(reply: &Reply) -> bool {
    reply.status == 400 && says(reply, &["token is expired", "token has expired"])
}

/// Whether the same request may succeed soon, besides the statuses that are always retried: a standby that is behind
/// the active node (412), errors of gateways, and a server that could not fetch the issuer's keys.
pub(super) fn passes(reply: &Reply) -> bool {
    match reply.status {
        501 => false,
        412 | 500.. => true,
        _ => has_no_keys(reply),
    }
}

fn has_no_keys(reply: &Reply) -> bool {
    reply.status == 400 && says(reply, &["fetching keys", "error fetching jwks", "get keys failed"])
}

fn is_sealed(reply: &Reply) -> bool {
    says(reply, &["vault is sealed", "not yet initialized", "not initialized"])
}

/// The error for a refused request other than a login.
pub(super) fn error_of(reply: &Reply, what: &Message) -> Error {
    general(reply, what).unwrap_or_else(|| {
        let hint = message!("see the log of {}", reply.host);
        refused(reply, what, Code::ConsumerRefused, hint)
    })
}

/// The error for an answer to a login with another status than 200.
pub(super) fn error_of_login(reply: &Reply, request: &RefusedRequest<'_>) -> Error {
    general(reply, request.what).unwrap_or_else(|| {
        let (code, hint) = advice(reply, request);
        refused(reply, request.what, code, hint)
    })
}

fn refused(reply: &Reply, what: &Message, code: Code, hint: Message) -> Error {
    let (reason, request_id) = (reason(reply), reply.request_id.clone());
    Error::Refused { what: what.into(), code, reason, request_id, hint }
}

fn reason(reply: &Reply) -> Message {
    match error_text(reply).map(|error_text| ForeignText::sentence(&error_text)) {
        Some(error_text) if !error_text.is_empty() => error_text.into(),
        _ => message!("{} ({})", reply.phrase(), reply.status),
    }
}

/// The error that does not depend on the request: the server is sealed, busy or broken, or is not a Vault server.
fn general(reply: &Reply, what: &Message) -> Option<Error> {
    if is_sealed(reply) {
        let hint = message!(
            "unseal {} with `vault operator unseal`; `vault status` shows what is missing",
            reply.host
        );
        return Some(refused(reply, what, Code::ConsumerSealed, hint));
    }
    if reply.is_trouble() || reply.status == 412 {
        if reply.retry_after.is_some() {
            return Some(reply.unavailable(what, reason(reply), reply.request_id.clone()));
        }
        return Some(Error::Refused {
            what: what.into(),
            code: Code::Unavailable,
            reason: message!("{} answered {} {}", reply.host, reply.status, reason(reply)),
            request_id: reply.request_id.clone(),
            hint: "try again; if it persists, look at `vault status` and the server's log".into(),
        });
    }
    if has_no_keys(reply) {
        let hint = message!(
            "the issuer must be reachable from {}: look at `vault read auth/…/config`, and at that machine's network",
            reply.host
        );
        return Some(refused(reply, what, Code::Unavailable, hint));
    }
    if error_text(reply).is_none() {
        return Some(reply.foreign(what, "JSON"));
    }
    None
}

/// The hint if the login was understood, and a claim of the token is refused.
fn advice_about_claims(
    reply: &Reply,
    request: &RefusedRequest<'_>,
    token: &ShownClaims,
) -> Option<Message> {
    let says = |words: &[&str]| reply.status == 400 && says(reply, words);
    let ShownClaims { issuer, audience, subject, .. } = token;
    let role = request.look_at_role();
    Some(match () {
        () if says(&["(aud)", "no audiences bound", "audience claim"]) => message!(
            "`bound_audiences` of the role must have `aud` of the token, `{audience}`, or `--audience` be one that it has; {role}",
            audience,
            role
        ),
        () if says(&["(sub)"]) => message!(
            "`bound_subject` of the role must be `sub` of the token, `{subject}`; {role}",
            subject,
            role
        ),
        () if says(&["(iss)"]) => message!(
            "`bound_issuer` of the mount must be `iss` of the token, `{issuer}`, or be left out; {}",
            request.look_at("read", "config"),
            issuer
        ),
        () if is_expired_token(reply) || says(&["(exp)", "(nbf)", "(iat)", "not yet valid"]) => {
            message!(
                "the ID token is new ({}), so check the clock of {}",
                token.times(),
                reply.host
            )
        }
        () if says(&["signature", "unknown signing key", "no known key"]) => message!(
            "the mount must know the keys of the issuer `{issuer}`, by its discovery or JWKS URL; {}",
            request.look_at("read", "config"),
            issuer
        ),
        () if says(&["validating claims", "bound claim"]) => message!(
            "`bound_claims` of the role must match the token: {}; {role}",
            token.all(),
            role
        ),
        () if says(&["not found in token"]) => message!(
            "`user_claim` and `claim_mappings` of the role must name claims that the token has, such as `sub`: {}; {role}",
            token.all(),
            role
        ),
        () => return None,
    })
}

fn advice(reply: &Reply, request: &RefusedRequest<'_>) -> (Code, Message) {
    let says = |words: &[&str]| says(reply, words);
    let token = ShownClaims::read(request.token);
    if let Some(advice) = advice_about_claims(reply, request, &token) {
        return (Code::ConsumerAuth, advice);
    }
    let issuer = &token.issuer;
    let role = request.look_at_role();
    let mount = ForeignText::new(request.mount);
    match reply.status {
        400 if says(&["missing role"]) => (
            Code::ConsumerRefused,
            message!(
                "give `--role`, or set `default_role` of the mount; {}",
                request.look_at("list", "role")
            ),
        ),
        400 if says(&["could not be found"]) => {
            (Code::ConsumerRefused, message!("check `--role`; {}", request.look_at("list", "role")))
        }
        400 if says(&["could not load configuration"]) => (
            Code::ConsumerRefused,
            message!(
                "the mount `{mount}` has no issuer configured: `vault write{} auth/{mount}/config oidc_discovery_url={issuer}`",
                request.in_namespace(),
                mount,
                issuer
            ),
        ),
        400 if says(&["role_type", "is not allowed"]) => {
            (Code::ConsumerRefused, message!("set `role_type=jwt` on the role; {role}", role))
        }
        404 if says(&["namespace"]) => (
            Code::ConsumerRefused,
            "check `--namespace` and VAULT_NAMESPACE; `vault namespace list` shows it".into(),
        ),
        403 => (
            Code::ConsumerDenied,
            message!(
                "there may be nothing at `{mount}`: give `--mount` with the path of the JWT auth method, which `vault auth list{}` shows; else look at `token_bound_cidrs` of the role",
                request.in_namespace(),
                mount
            ),
        ),
        404 | 405 => (
            Code::ConsumerRefused,
            message!(
                "the auth method at `{mount}` is not JWT: give `--mount` with the path of one, which `vault auth list{}` shows",
                request.in_namespace(),
                mount
            ),
        ),
        _ => (
            Code::ConsumerRefused,
            message!("compare the role with the token: {}; {role}", token.all(), role),
        ),
    }
}

impl RefusedRequest<'_> {
    fn look_at_role(&self) -> Message {
        match self.role {
            Some(role) => self.look_at("read", message!("role/{}", ForeignText::new(role))),
            None => self.look_at("read", "config"),
        }
    }

    /// The command that shows a part of the mount. `bao` accepts the same.
    fn look_at(&self, verb: &'static str, place: impl Into<Message>) -> Message {
        message!(
            "look at `vault {verb}{} auth/{}/{place}`",
            self.in_namespace(),
            ForeignText::new(self.mount),
            verb,
            place = place.into()
        )
    }

    fn in_namespace(&self) -> Message {
        self.namespace
            .map(|name| message!(" -namespace={name}", name = ForeignText::new(name)))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, error: &str) -> Reply {
        Reply::made_up(status, &serde_json::json!({ "errors": [error] }).to_string())
    }

    #[test]
    fn only_temporary_refusals_are_retried() {
        let keys = "error validating token: error verifying token signature: fetching keys oidc: get keys failed: 503";
        for (status, error) in
            [(412, "required index state not present"), (500, "x"), (520, "x"), (400, keys)]
        {
            assert!(passes(&reply(status, error)), "{status} {error}");
        }
        for (status, error) in
            [(400, "missing role"), (403, "permission denied"), (501, "x"), (404, "x")]
        {
            assert!(!passes(&reply(status, error)), "{status} {error}");
        }
    }

    #[test]
    fn an_answer_that_is_not_vaults_is_recognised() {
        assert_eq!(error_of(&Reply::made_up(403, "<html>no"), &"it".into()).code(), Code::Foreign);
        assert_eq!(error_of(&Reply::made_up(503, ""), &"it".into()).code(), Code::Unavailable);
        assert_eq!(
            error_of(&reply(503, "Vault is sealed"), &"it".into()).code(),
            Code::ConsumerSealed
        );
        let empty = error_of(&Reply::made_up(404, r#"{"errors":[]}"#), &"it".into());
        assert_eq!(empty.to_string(), "cannot get it: not found (404)");
    }
}
