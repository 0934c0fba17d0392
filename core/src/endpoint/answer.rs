//! Decides who gets an answer, and formats answers.

use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, ORIGIN, REFERER,
    TRANSFER_ENCODING,
};
use hyper::{Method, Request};
use serde_json::json;

use super::{Endpoint, StatusCode};

pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Answer {
    pub fn text(body: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    pub fn json(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body: body.into() }
    }

    /// An error in the format that the AWS SDKs print.
    pub fn error(status: StatusCode, message: &str) -> Self {
        let code = status.canonical_reason().unwrap_or_default();
        Self { status, ..Self::json(json!({ "code": code, "message": message }).to_string()) }
    }

    /// The credential has expired or was never there.
    pub fn no_credential() -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, "there is no valid credential at the moment")
    }
}

impl Endpoint {
    pub(super) fn answer<B>(&self, request: &Request<B>, on_loopback: bool) -> Answer {
        let answer = self.refusal(request, on_loopback).unwrap_or_else(|| {
            let uri = request.uri();
            self.service.page(uri.path(), uri.query().unwrap_or_default())
        });
        self.service.answered(answer.status);
        answer
    }

    /// The answer to a request that is refused, if it is.
    fn refusal<B>(&self, request: &Request<B>, on_loopback: bool) -> Option<Answer> {
        let header = |name: HeaderName| request.headers().get(name);
        // Security: a web page can reach this address under a name of its own, or send a request without reading the
        // answer.
        let host = header(HOST).map(|host| host.to_str().unwrap_or_default());
        if on_loopback && !host.is_some_and(is_loopback) {
            return Some(Answer::error(StatusCode::FORBIDDEN, "the Host is not that of loopback"));
        }
        if header(ORIGIN).is_some() || header(REFERER).is_some() {
            return Some(Answer::error(StatusCode::FORBIDDEN, "browsers are not answered"));
        }
        if let Some(secret) = &self.secret {
            let given = header(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
            let given = given.strip_prefix(b"Bearer ").unwrap_or(given);
            if !secret.is_right(given, self.clock.now()) {
                return Some(Answer::error(
                    StatusCode::UNAUTHORIZED,
                    "send the secret of the endpoint in the header Authorization",
                ));
            }
        }
        if request.method() != Method::GET {
            return Some(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered"));
        }
        let has_body = header(TRANSFER_ENCODING).is_some()
            || header(CONTENT_LENGTH).is_some_and(|length| length != "0");
        has_body.then(|| Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "no body is read"))
    }
}

/// Whether a `Host` header names loopback, with any port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_accepted_as_host() {
        for host in
            ["localhost", "LocalHost:80", "127.0.0.1:9911", "127.8.8.8", "[::1]:9911", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:80", "10.0.0.1", "127.0.0.1.evil:1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
