//! Records this run's requests for `doctor --report`: addresses, statuses, header names, and the shapes of requests
//! and answers. It is off until it is started.
//!
//! Security: values are recorded only for a few names, none of which names a secret, and as foreign text. Of every
//! other value, only the kind and the length are recorded.

use std::cell::RefCell;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Body, HttpRequest};
use crate::clock::Timestamp;
use crate::foreign_text::ForeignText;

/// More than any run of `doctor` sends.
const MAX_CALLS: usize = 200;

/// How many items of an array are recorded.
const MAX_ITEMS: usize = 8;

/// The recorded depth of a document.
const DEPTH: usize = 6;

/// The names whose values are recorded: parts of the token protocols, errors, and published documents.
const NAMES: &[&str] = &[
    // Token exchange (RFC 8693), in the request and in the answer.
    "grant_type",
    "requested_token_type",
    "subject_token_type",
    "actor_token_type",
    "audience",
    "issued_token_type",
    "token_type",
    "expires_in",
    // Claims.
    "iss",
    "aud",
    // Errors of OAuth, and of Google's model, which Yandex Cloud uses.
    "error",
    "error_description",
    "code",
    "message",
    "@type",
    // Discovery and key sets, which are public.
    "issuer",
    "jwks_uri",
    "kty",
    "use",
    "alg",
    "typ",
    "kid",
    "e",
];

/// The endings of such names in discovery documents.
const ENDS: &[&str] = &["_endpoint", "_supported"];

thread_local! {
    /// All requests are sent from the main thread.
    static CALLS: RefCell<Option<Vec<Value>>> = const { RefCell::new(None) };
}

/// Starts to record requests.
pub fn start() {
    CALLS.set(Some(Vec::new()));
}

/// The recorded requests.
pub fn take() -> Vec<Value> {
    CALLS.take().unwrap_or_default()
}

/// Records a request and its answer. `None` means that the body was not read.
pub(super) fn add(
    request: &HttpRequest<'_>,
    url: &Url,
    status: u16,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) {
    CALLS.with_borrow_mut(|calls| {
        if let Some(calls) = calls.as_mut().filter(|calls| calls.len() < MAX_CALLS) {
            calls.push(call(request, url, status, headers, body));
        }
    });
}

fn call(
    request: &HttpRequest<'_>,
    url: &Url,
    status: u16,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Value {
    let mut address = url.clone();
    address.set_query(None);
    let (method, sent) = match &request.body {
        Body::None => ("GET", Value::Null),
        Body::Empty => ("POST", Value::Null),
        Body::Json(text) => ("POST", shape_of_text(text.as_bytes())),
        Body::Form(fields) => {
            let field = |(name, value): &(&str, &str)| {
                (ForeignText::new(name).to_string(), shape(name, &Value::from(*value), DEPTH))
            };
            ("POST", fields.iter().map(field).collect::<Map<_, _>>().into())
        }
    };
    let text = |value: &str| ForeignText::new(value);
    json!({
        "method": method,
        "url": text(address.as_str()),
        "query": url.query_pairs().map(|(name, _)| text(&name)).collect::<Vec<_>>(),
        "request_headers": request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "request": sent,
        "status": status,
        "content_type": headers.get("content-type").and_then(|it| it.to_str().ok()).map(text),
        "headers": headers.keys().map(|name| text(name.as_str())).collect::<Vec<_>>(),
        "answer": body.map(shape_of_text),
    })
}

/// The shape of a document.
fn shape_of_text(bytes: &[u8]) -> Value {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => shape("", &value, DEPTH),
        Err(_) => format!("{} bytes, not JSON", bytes.len()).into(),
    }
}

/// The shape of the claims or the header of a token.
pub fn shape_of_object(object: Map<String, Value>) -> Value {
    shape("", &Value::Object(object), DEPTH)
}

/// The shape of a value with this name.
fn shape(name: &str, value: &Value, depth: usize) -> Value {
    let is_recorded = NAMES.contains(&name) || ENDS.iter().any(|end| name.ends_with(end));
    match value {
        _ if depth == 0 => "…".into(),
        Value::Object(object) => {
            let entry = |(name, value): (&String, &Value)| {
                (ForeignText::new(name).to_string(), shape(name, value, depth - 1))
            };
            object.iter().map(entry).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => {
            let left_out = items.len().saturating_sub(MAX_ITEMS);
            let shapes = items.iter().take(MAX_ITEMS).map(|item| shape(name, item, depth - 1));
            let left_out = (left_out > 0).then(|| format!("and {left_out} more").into());
            shapes.chain(left_out).collect::<Vec<_>>().into()
        }
        Value::String(text) if is_recorded => ForeignText::new(text).to_string().into(),
        Value::String(text) => described(text).into(),
        Value::Number(number) if is_recorded => number.clone().into(),
        Value::Number(_) => "a number".into(),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

/// The kind and the length of a text. For a time, its format.
fn described(text: &str) -> String {
    if Timestamp::parse_rfc3339(text).is_some() {
        let form = text.replace(|c: char| c.is_ascii_digit(), "0");
        return format!("a time of the form {}", ForeignText::new(&form));
    }
    let is_base64url = |part: &str| {
        !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    };
    let kind = if text.starts_with("t1.") {
        ", as an IAM token begins"
    } else if text.starts_with("eyJ") && text.split('.').all(is_base64url) {
        match text.split('.').count() {
            3 => ", a JWT",
            _ => ", as a JWT begins",
        }
    } else {
        ""
    };
    format!("a string of {} characters{kind}", text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recorded_and_secret_values_are_not() {
        let body = json!({
            "access_token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
            "iamToken": "t1.9euelZrPmJuVkpmMlc2Lz5yR",
            "expiresAt": "2026-01-01T12:00:00.123Z",
            "token_type": "Bearer",
            "expires_in": 3600,
            "password": "hunter2",
            "pin": 1234,
            "error_description": "no: t1.9euelZrPmJuVkpmMlc2Lz5yR",
            "response_types_supported": ["code", "id_token"],
            "keys": vec![json!({"kid": "k1", "n": "AQAB"}); 9],
        });
        let shape = shape_of_text(body.to_string().as_bytes());
        for (name, expected) in [
            ("access_token", json!("a string of 41 characters, a JWT")),
            ("iamToken", json!("a string of 27 characters, as an IAM token begins")),
            ("expiresAt", json!("a time of the form 0000-00-00T00:00:00.000Z")),
            ("token_type", json!("Bearer")),
            ("expires_in", json!(3600)),
            ("password", json!("a string of 7 characters")),
            ("pin", json!("a number")),
            ("error_description", json!("no: [redacted]")),
            ("response_types_supported", json!(["code", "id_token"])),
        ] {
            assert_eq!(shape[name], expected, "{name}");
        }
        assert_eq!(shape["keys"][0], json!({"kid": "k1", "n": "a string of 4 characters"}));
        assert_eq!(shape["keys"][8], "and 1 more");
        assert_eq!(shape_of_text(b"<html>"), "6 bytes, not JSON");
    }
}
