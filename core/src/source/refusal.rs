//! Refusals of Yandex Cloud, in both formats: `google.rpc.Status` as JSON (vendor's "Error handling") and the OAuth
//! error of RFC 6749 section 5.2.

use serde::Deserialize;

use crate::error::{Code, Error};
use crate::foreign_text::{ForeignText, Message};
use crate::http::Reply;

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: Option<ForeignText>,
    details: Vec<Detail>,
    error: Option<String>,
    error_description: Option<ForeignText>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "requestId")]
    request_id: Option<ForeignText>,
}

pub(super) struct Refusal {
    pub(super) code: Code,
    /// Whether it names the subject token type as the cause.
    pub(super) is_of_token_type: bool,
    reason: Message,
    request_id: Option<ForeignText>,
}

impl Refusal {
    /// Reads an answer with another status than 200. An answer from a failing server, or from another server than
    /// Yandex Cloud's, is an error.
    pub(super) fn read(what: &Message, reply: &Reply) -> Result<Self, Error> {
        let body: Option<ErrorBody> = serde_json::from_slice(&reply.body).ok();
        let understood = body.is_some();
        let body = body.unwrap_or_default();
        let description = body.error_description.or(body.message);
        let description = description.or_else(|| body.error.as_deref().map(ForeignText::new));
        let names_token_type = |text: &str| {
            let text = text.to_ascii_lowercase().replace([' ', '-'], "_");
            text.contains("subject_token_type") || text.contains("unsupported_token_type")
        };
        let is_of_token_type = reply.status == 400
            && (description
                .as_ref()
                .is_some_and(|description| names_token_type(description.as_str()))
                || body.error.as_deref().is_some_and(names_token_type));
        let request_id = body
            .details
            .into_iter()
            .find_map(|detail| detail.request_id)
            .or_else(|| reply.request_id.clone());
        let reason = description.map_or_else(
            || reply.phrase().into(),
            |description| ForeignText::sentence(description.as_str()).into(),
        );
        if reply.is_trouble() {
            return Err(reply.unavailable(what, reason, request_id));
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
        Ok(Self { code, is_of_token_type, reason, request_id })
    }

    pub(super) fn into_error(self, what: impl Into<Message>, hint: impl Into<Message>) -> Error {
        Error::Refused {
            what: what.into(),
            code: self.code,
            reason: self.reason,
            request_id: self.request_id,
            hint: hint.into(),
        }
    }
}

/// The error for an answer that is not from Yandex Cloud.
pub(super) fn foreign(what: &Message, reply: &Reply) -> Error {
    reply.foreign(what, "JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { request_id: Some("from-header".into()), ..Reply::made_up(status, body) }
    }

    fn error(status: u16, body: &str) -> Error {
        match Refusal::read(&"a token".into(), &reply(status, body)) {
            Ok(refusal) => refusal.into_error("a token", "hint"),
            Err(error) => error,
        }
    }

    #[test]
    fn both_formats_and_their_request_ids_are_read() {
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
    fn a_refused_subject_token_type_is_recognised() {
        let is_of_token_type = |status, body: &str| {
            let refusal = Refusal::read(&"a token".into(), &reply(status, body));
            refusal.ok().is_some_and(|refusal| refusal.is_of_token_type)
        };
        for body in [
            r#"{"error":"invalid_request","error_description":"Unsupported subject_token_type"}"#,
            r#"{"error":"invalid_request","error_description":"The subject token type is unknown"}"#,
            r#"{"error":"unsupported_token_type"}"#,
            r#"{"code":3,"message":"unsupported subject_token_type: urn:x"}"#,
        ] {
            assert!(is_of_token_type(400, body), "{body}");
            assert!(!is_of_token_type(403, body), "{body}");
        }
        assert!(!is_of_token_type(400, r#"{"error":"invalid_grant"}"#));
    }

    #[test]
    fn a_web_page_is_not_a_refusal() {
        let error = error(403, "<html>Sign in</html>");
        assert_eq!(error.code(), Code::Foreign);
        assert!(error.to_string().contains("a web page"));
    }
}
