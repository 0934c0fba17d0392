//! Answers, and the two formats of Yandex Cloud's errors.
//!
//! * IAM: `google.rpc.Status` as JSON with a `RequestInfo` detail; codes and HTTP statuses as on the vendor's page
//!   *Error handling*. Known.
//!
//! * `/oauth/token`: `error` and `error_description` (RFC 6749, section 5.2). Known for federation with status 400,
//!   assumed for the rest; see [`ErrorShape`].

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::clock;
use super::random;

/// The format of the errors of the token exchange. Yandex Cloud does not document it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{"error": …, "error_description": …}`
    #[default]
    OAuth,
    /// `{"code": …, "message": …, "details": […]}`
    RpcStatus,
}

/// An HTTP response that is still being built.
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn ok(document: &Value) -> Self {
        Self::json(200, document)
    }

    pub(super) fn json(status: u16, document: &Value) -> Self {
        Self::new(status, "application/json", document.to_string())
    }

    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }.with("content-type", content_type)
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the headers that identify a call in the logs of Yandex Cloud.
    pub(super) fn traced(self, request_id: &str) -> Self {
        self.with("x-request-id", request_id).with("x-server-trace-id", &random::uuid())
    }

    /// Sets `Date` to `now`, unless the answer has one: hyper would write the true time.
    pub(super) fn into_response(self, now: OffsetDateTime) -> Response {
        // Only a scripted fault can have an invalid status or header. The author of the test reads this answer.
        let Ok(status) = StatusCode::from_u16(self.status) else {
            return (StatusCode::INTERNAL_SERVER_ERROR, "emulator: no such HTTP status")
                .into_response();
        };
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = status;
        for (name, value) in self.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return (StatusCode::INTERNAL_SERVER_ERROR, "emulator: no such HTTP header")
                    .into_response();
            };
            response.headers_mut().append(name, value);
        }
        if !response.headers().contains_key(header::DATE)
            && let Ok(date) = HeaderValue::try_from(clock::http_date(now))
        {
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }
}

/// An error before its format is chosen.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: i32,
    error: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::of_status(400, message)
    }

    pub(super) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::of_status(401, message)
    }

    pub(super) fn permission_denied() -> Self {
        Self::of_status(403, usual_message(403))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::of_status(404, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::of_status(500, message)
    }

    /// The usual message for a status.
    pub(super) fn usual(status: u16) -> Self {
        Self::of_status(status, usual_message(status))
    }

    pub(super) fn of_status(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: rpc_code(status), error: oauth_error(status), message: message.into() }
    }

    /// Uses another OAuth error than the usual one for its status.
    pub(super) fn named(self, error: &'static str) -> Self {
        Self { error, ..self }
    }

    pub(super) fn as_rpc_status(&self, request_id: &str) -> Answer {
        rpc_status(self.status, self.code, &self.message, request_id)
    }

    pub(super) fn as_oauth_error(&self) -> Answer {
        oauth_error_answer(self.status, self.error, &self.message)
    }

    /// As plain text, like the metadata service.
    pub(super) fn as_text(&self) -> Answer {
        Answer::new(self.status, "text/plain; charset=utf-8", self.message.as_str())
    }
}

/// `google.rpc.Status` as JSON.
pub(super) fn rpc_status(status: u16, code: i32, message: &str, request_id: &str) -> Answer {
    let details =
        json!([{ "@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id }]);
    Answer::json(status, &json!({ "code": code, "message": message, "details": details }))
}

/// RFC 6749, section 5.2.
pub(super) fn oauth_error_answer(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}

/// The vendor's table of codes, from status to code. If two codes share a status, the more common one.
fn rpc_code(status: u16) -> i32 {
    match status {
        400 => 3,  // INVALID_ARGUMENT
        401 => 16, // UNAUTHENTICATED
        403 => 7,  // PERMISSION_DENIED
        404 => 5,  // NOT_FOUND
        409 => 10, // ABORTED
        429 => 8,  // RESOURCE_EXHAUSTED
        499 => 1,  // CANCELLED
        500 => 13, // INTERNAL
        501 => 12, // NOT_IMPLEMENTED
        503 => 14, // UNAVAILABLE
        504 => 4,  // DEADLINE_EXCEEDED
        _ => 2,    // UNKNOWN
    }
}

/// Names from RFC 6749 and RFC 6750. Which of them Yandex uses is assumed, except `invalid_request`.
fn oauth_error(status: u16) -> &'static str {
    match status {
        401 => "invalid_token",
        403 => "access_denied",
        429 | 503 => "temporarily_unavailable",
        500.. => "server_error",
        _ => "invalid_request",
    }
}

fn usual_message(status: u16) -> &'static str {
    match status {
        400 => "Request is malformed",
        401 => "Token is invalid or has expired.",
        403 => "Permission denied",
        404 => "Not found",
        429 => "The request limit exceeded",
        503 => "Try again in a few seconds",
        504 => "Deadline exceeded",
        500.. => "Internal error",
        _ => "Request failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_refusal_has_both_formats() {
        let refusal = Refusal::usual(401);
        assert_eq!(
            document(&refusal.as_rpc_status("e38e71c3")),
            json!({
                "code": 16,
                "message": "Token is invalid or has expired.",
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.RequestInfo",
                    "requestId": "e38e71c3",
                }],
            })
        );
        assert_eq!(
            document(&refusal.as_oauth_error()),
            json!({ "error": "invalid_token", "error_description": "Token is invalid or has expired." })
        );
    }

    #[test]
    fn the_date_of_a_scripted_answer_is_not_replaced() {
        let own = Answer::empty(503).with("Date", "Thu, 01 Jan 2026 12:00:00 GMT");
        let response = own.into_response(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(response.headers()[header::DATE], "Thu, 01 Jan 2026 12:00:00 GMT");
        let usual = Answer::empty(200).into_response(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(usual.headers()[header::DATE], "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn an_answer_that_is_invalid_in_http_is_reported() {
        let response =
            Answer::empty(200).with("bad header", "x").into_response(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
