//! The faults that a test can inject between a client and Yandex Cloud.
//!
//! Some faults are refusals of Yandex in its own formats (see `answer`), some come from a device in between, such as a
//! captive portal or a proxy, and some are faults of the connection.

use serde_json::json;

use super::answer::{self, Answer, ErrorShape, Refusal};
use super::call::Call;
use super::traffic::Route;

/// How much of a truncated answer is sent: more than the headers, less than the body.
const TRUNCATED_AFTER: usize = 1024;
/// The `Content-Length` of a truncated answer.
const TRUNCATED_BODY: usize = 4096;

#[derive(Clone, Debug)]
pub enum Fault {
    /// Yandex refuses with this status: `google.rpc.Status` from IAM, text from the metadata service, and
    /// the format of [`ErrorShape`] from the token exchange.
    Status(u16),
    /// The same with more headers, such as `Retry-After`.
    StatusWithHeaders(u16, Vec<(String, String)>),
    /// The token exchange refuses (RFC 6749, section 5.2).
    OAuthError {
        /// HTTP status
        status: u16,
        /// `error`
        error: String,
        /// `error_description`
        description: String,
    },
    /// IAM refuses with `google.rpc.Status`.
    RpcError {
        /// HTTP status
        status: u16,
        /// `code`
        code: i32,
        /// `message`
        message: String,
    },
    /// Any answer.
    Body {
        /// HTTP status
        status: u16,
        /// `Content-Type`
        content_type: String,
        /// The body
        body: String,
    },
    /// A captive portal: 200 and a page.
    Html,
    /// 307 to this address: the client should repeat the request there.
    Redirect(String),
    /// 200 and this many bytes of JSON.
    Oversized(usize),
    /// The answer ends before its `Content-Length`.
    Truncated,
    /// The connection is reset instead of an answer.
    Reset,
    /// No answer, and an open connection, until the client closes it or the emulator stops.
    Stall,
    /// 400, with a message that repeats every secret that the client sent.
    EchoSecret,
}

/// How to react to a request instead of the usual answer.
pub(super) enum Reaction {
    Answer(Answer),
    /// Send this many bytes of the answer, headers included, and close.
    CutShort(Answer, usize),
    Reset,
    Silence,
}

impl Fault {
    pub(super) fn react(self, call: &Call, exchange_errors: ErrorShape) -> Reaction {
        let request_id = &call.request_id;
        match self {
            Self::Status(status) => {
                Reaction::Answer(refuse(call, &Refusal::usual(status), exchange_errors))
            }
            Self::StatusWithHeaders(status, headers) => {
                let refusal = refuse(call, &Refusal::usual(status), exchange_errors);
                Reaction::Answer(
                    headers.iter().fold(refusal, |answer, (name, value)| answer.with(name, value)),
                )
            }
            Self::OAuthError { status, error, description } => Reaction::Answer(
                answer::oauth_error_answer(status, &error, &description).traced(request_id),
            ),
            Self::RpcError { status, code, message } => Reaction::Answer(
                answer::rpc_status(status, code, &message, request_id).traced(request_id),
            ),
            Self::Body { status, content_type, body } => {
                Reaction::Answer(Answer::new(status, &content_type, body))
            }
            Self::Html => Reaction::Answer(Answer::new(
                200,
                "text/html; charset=utf-8",
                "<!DOCTYPE html><html><title>Sign in</title><body>Welcome to the guest network.</body></html>",
            )),
            Self::Redirect(to) => Reaction::Answer(Answer::empty(307).with("location", &to)),
            Self::Oversized(bytes) => Reaction::Answer(filler(bytes)),
            Self::Truncated => Reaction::CutShort(filler(TRUNCATED_BODY), TRUNCATED_AFTER),
            Self::Reset => Reaction::Reset,
            Self::Stall => Reaction::Silence,
            Self::EchoSecret => {
                let message = format!("The token is invalid: {}", call.secrets().join(" "));
                Reaction::Answer(refuse(call, &Refusal::invalid_argument(message), exchange_errors))
            }
        }
    }
}

/// A refusal in the format of the service that was called.
pub(super) fn refuse(call: &Call, refusal: &Refusal, exchange_errors: ErrorShape) -> Answer {
    match (call.request.route, exchange_errors) {
        (Route::Metadata, _) => refusal.as_text(),
        (Route::TokenExchange, ErrorShape::OAuth) => {
            refusal.as_oauth_error().traced(&call.request_id)
        }
        _ => refusal.as_rpc_status(&call.request_id).traced(&call.request_id),
    }
}

/// JSON of exactly this length, unless it is too short for JSON.
fn filler(bytes: usize) -> Answer {
    let empty = json!({ "padding": "" }).to_string();
    let padding = "a".repeat(bytes.saturating_sub(empty.len()));
    let mut body = json!({ "padding": padding }).to_string();
    body.truncate(bytes);
    Answer::new(200, "application/json", body)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::super::Emulator;
    use super::super::testing::{Reply, connect, emulator, get, post_form, request, send};
    use super::*;

    const JWKS: &str = "/oauth/jwks/keys";

    fn jwks_with(emulator: &Emulator, fault: Fault) -> Reply {
        emulator.script(Route::Jwks, [fault]);
        get(emulator, JWKS, &[])
    }

    #[test]
    fn a_refusal_has_the_shape_of_its_host() {
        let emulator = emulator();
        let iam = jwks_with(&emulator, Fault::Status(503));
        assert_eq!((iam.status, iam.json()["code"].as_i64()), (503, Some(14)));
        assert!(iam.header("x-request-id").is_some());

        let retry_after = vec![("Retry-After".to_owned(), "7".to_owned())];
        let limited = jwks_with(&emulator, Fault::StatusWithHeaders(429, retry_after));
        assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));

        emulator.always(Route::TokenExchange, Some(Fault::Status(503)));
        let oauth = post_form(&emulator, "/oauth/token", &[]);
        assert_eq!(oauth.json()["error"], "temporarily_unavailable");

        emulator.always(Route::Metadata, Some(Fault::Status(500)));
        let metadata = get(&emulator, "/computeMetadata/v1/", &[]);
        assert_eq!((metadata.status, metadata.body.as_str()), (500, "Internal error"));

        assert_eq!(
            get(&emulator, JWKS, &[]).status,
            200,
            "each fault of a script is for one request"
        );
    }

    #[test]
    fn another_server_answers_instead() {
        let emulator = emulator();
        let portal = jwks_with(&emulator, Fault::Html);
        assert_eq!(portal.status, 200);
        assert!(portal.body.starts_with("<!DOCTYPE html>"));
        assert_eq!(portal.header("x-request-id"), None);

        let elsewhere = jwks_with(&emulator, Fault::Redirect("https://example.org/".into()));
        assert_eq!(
            (elsewhere.status, elsewhere.header("location")),
            (307, Some("https://example.org/"))
        );

        let large = jwks_with(&emulator, Fault::Oversized(3_000_000));
        assert_eq!(large.body.len(), 3_000_000);
        assert!(large.json()["padding"].is_string());
        assert_eq!(jwks_with(&emulator, Fault::Oversized(3)).body, "{\"p");
    }

    #[test]
    fn an_answer_breaks_off() {
        let emulator = emulator();
        let cut = jwks_with(&emulator, Fault::Truncated);
        assert_eq!(cut.header("content-length"), Some("4096"));
        assert!((1..4096).contains(&cut.body.len()), "{} bytes of body", cut.body.len());
    }

    #[test]
    fn a_connection_is_reset_without_an_answer() {
        let emulator = emulator();
        emulator.script(Route::Jwks, [Fault::Reset]);
        let error = send(&emulator, &request("GET", JWKS, &[], "")).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(emulator.count(Route::Jwks), 1);
    }

    #[test]
    fn a_stalled_connection_ends_with_the_emulator() {
        let emulator = emulator();
        emulator.script(Route::Jwks, [Fault::Stall]);
        let mut stalled = connect(&emulator);
        stalled.write_all(request("GET", JWKS, &[], "").as_bytes()).unwrap();
        while emulator.count(Route::Jwks) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(get(&emulator, JWKS, &[]).status, 200, "others are served meanwhile");
        drop(emulator);
        let mut answer = Vec::new();
        // Whether this is a reset or an end depends on the system; only that it happens matters.
        let _ = stalled.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }

    #[test]
    fn secrets_are_echoed() {
        let emulator = emulator();
        emulator.script(Route::TokenExchange, [Fault::EchoSecret]);
        let reply = post_form(&emulator, "/oauth/token", &[("actor_token", "t1.very.secret")]);
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error_description"].as_str().unwrap().contains("t1.very.secret"));
    }
}
