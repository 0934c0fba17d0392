//! What Yandex Cloud says when it refuses, in either of its two shapes: `google.rpc.Status` as JSON
//! (vendor's "Error handling") and the OAuth error of RFC 6749 section 5.2.

use serde::Deserialize;

use crate::error::{Code, Error};
use crate::http::Reply;

/// More of a server's words than this helps nobody.
const REASON_LIMIT: usize = 300;

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: Option<String>,
    details: Vec<Detail>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "requestId")]
    request_id: Option<String>,
}

/// A refusal, read.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Code,
    reason: String,
    request_id: Option<String>,
}

impl Refusal {
    /// Reads an answer whose status is not 200. What is no refusal of Yandex Cloud but a server in
    /// trouble, or not Yandex Cloud at all, is an error at once.
    pub(super) fn read(what: &str, reply: &Reply) -> Result<Self, Error> {
        let body: Option<ErrorBody> = serde_json::from_slice(&reply.body).ok();
        let understood = body.is_some();
        let body = body.unwrap_or_default();
        let said = body.error_description.or(body.message).or_else(|| body.error.clone());
        let request_id = body
            .details
            .into_iter()
            .find_map(|detail| detail.request_id)
            .or_else(|| reply.request_id.clone());
        let reason = scrubbed(said.as_deref().unwrap_or(phrase(reply.status)));
        if reply.status == 429 || reply.status >= 500 {
            return Err(Error::Unavailable {
                what: what.into(),
                host: reply.host.clone(),
                status: reply.status,
                reason,
                request_id,
                retry_after: reply.retry_after,
            });
        }
        if !understood {
            return Err(foreign(what, reply));
        }
        let code = match (reply.status, body.error.as_deref()) {
            (401, _) | (400, Some("invalid_grant" | "invalid_client")) => Code::SourceAuth,
            (403, _) | (400, Some("access_denied" | "unauthorized_client")) => Code::SourceDenied,
            (404, _) => Code::SourceNotFound,
            _ => Code::SourceRefused,
        };
        Ok(Self { status: reply.status, code, reason, request_id })
    }

    /// The error a user meets.
    pub(super) fn into_error(self, what: String, hint: String) -> Error {
        Error::Refused {
            what,
            code: self.code,
            reason: self.reason,
            request_id: self.request_id,
            hint,
        }
    }
}

/// An answer that is not Yandex Cloud's.
pub(super) fn foreign(what: &str, reply: &Reply) -> Error {
    let looks_like_html = reply.body.trim_ascii_start().first() == Some(&b'<');
    let (kind, hint) = if looks_like_html {
        (
            "a web page",
            "sign in to the network if it asks for that; else a proxy answers in the server's place, or the endpoint is wrong",
        )
    } else {
        (
            "something that is not the protocol's JSON",
            "check the endpoint, and what stands between: a proxy, a gateway",
        )
    };
    Error::Unreached {
        what: what.into(),
        code: Code::Foreign,
        problem: format!("{} answered {} with {kind}", reply.host, reply.status),
        hint: hint.into(),
    }
}

/// Security: a server that repeats in its message what we sent would have us print a secret. Every
/// long run of token characters goes, as do the lesser ones that begin like a token.
fn scrubbed(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "._-+/~".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        let secret = word.len() > 64
            || ["t1.", "eyJ", "y0_", "y1_", "y2_", "y3_"]
                .iter()
                .any(|prefix| word.starts_with(prefix));
        out.push_str(if secret { "[redacted]" } else { word });
        rest = after;
    }
    let end = out.char_indices().nth(REASON_LIMIT).map_or(out.len(), |(at, _)| at);
    out.truncate(end);
    out.trim().trim_end_matches('.').to_owned()
}

fn phrase(status: u16) -> &'static str {
    match status {
        400 => "bad request",
        401 => "unauthenticated",
        403 => "permission denied",
        404 => "not found",
        429 => "too many requests",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        500.. => "server error",
        _ => "refused without a reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Offset, Timestamp};

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            body: body.as_bytes().to_vec().into(),
            host: "auth.example".into(),
            request_id: Some("from-header".into()),
            retry_after: None,
            received_at: Timestamp::from_unix_seconds(0),
            clock_offset: Offset::default(),
        }
    }

    fn error(status: u16, body: &str) -> Error {
        match Refusal::read("a token", &reply(status, body)) {
            Ok(refusal) => refusal.into_error("a token".into(), "hint".into()),
            Err(error) => error,
        }
    }

    #[test]
    fn both_shapes_and_their_request_ids_are_read() {
        let status = r#"{"code":7,"message":"Permission denied.","details":[{"@type":"x","requestId":"e38e"}]}"#;
        assert_eq!(
            error(403, status).to_string(),
            "cannot get a token: Permission denied (request id e38e)"
        );
        let oauth =
            error(400, r#"{"error":"invalid_grant","error_description":"actor token expired"}"#);
        assert_eq!(
            oauth.to_string(),
            "cannot get a token: actor token expired (request id from-header)"
        );
        assert_eq!(oauth.code(), Code::SourceAuth);
        assert_eq!(error(503, "").code(), Code::Unavailable);
    }

    #[test]
    fn a_web_page_is_not_a_refusal() {
        let error = error(403, "<html>Sign in</html>");
        assert_eq!(error.code(), Code::Foreign);
        assert!(error.to_string().contains("a web page"));
    }

    #[test]
    fn a_server_that_repeats_a_token_does_not_make_us_print_it() {
        assert_eq!(
            scrubbed("bad actor_token: t1.9eu.abc, jwt=eyJh.eyJz.c2ln"),
            "bad actor_token: [redacted], jwt=[redacted]"
        );
        assert_eq!(scrubbed(&"A".repeat(65)), "[redacted]");
        assert_eq!(
            scrubbed("The required field 'kid' is missing."),
            "The required field 'kid' is missing"
        );
    }
}
