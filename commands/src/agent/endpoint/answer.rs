//! What an endpoint answers to a request.

use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, REFERER, TRANSFER_ENCODING,
};
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::{Endpoint, Kind, Listen};
use crate::digest::Digest;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Answer {
    fn text(body: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    fn json(body: &serde_json::Value) -> Self {
        Self::of_json(body.to_string())
    }

    const fn of_json(body: String) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body }
    }

    /// An error, as the SDKs of AWS show it.
    fn error(status: StatusCode, message: &str) -> Self {
        let code = status.canonical_reason().unwrap_or_default();
        Self { status, ..Self::json(&json!({ "code": code, "message": message })) }
    }
}

impl Endpoint {
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Answer {
        let answer = self.refusal(request).unwrap_or_else(|| self.page(request));
        self.shared.count_request(&self.name(), answer.status.as_u16());
        answer
    }

    /// The answer to a request that is not let in.
    fn refusal<B>(&self, request: &Request<B>) -> Option<Answer> {
        let header = |name: HeaderName| request.headers().get(name);
        // Security: a page in a browser can reach this address by a name of its own, or send a request without
        // reading the answer.
        let host = header(HOST).map(|host| host.to_str().unwrap_or_default());
        if matches!(self.listen, Listen::Tcp(_)) && !host.is_some_and(is_loopback) {
            return Some(Answer::error(StatusCode::FORBIDDEN, "the Host is not that of loopback"));
        }
        if header(ORIGIN).is_some() || header(REFERER).is_some() {
            return Some(Answer::error(StatusCode::FORBIDDEN, "browsers are not answered"));
        }
        if let Some(secret) = self.secret {
            let given = header(AUTHORIZATION).map(hyper::http::HeaderValue::as_bytes);
            let given = given.unwrap_or_default();
            let given = given.strip_prefix(b"Bearer ").unwrap_or(given);
            if Digest::of(given) != secret {
                return Some(Answer::error(
                    StatusCode::UNAUTHORIZED,
                    "send the secret of the agent in the header Authorization",
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

    fn page<B>(&self, request: &Request<B>) -> Answer {
        let now = self.clock.now();
        match request.uri().path() {
            "/healthz" => Answer::text("ok\n"),
            "/readyz" if self.shared.is_ready(now) => Answer::text("ok\n"),
            "/readyz" => {
                let summary = self.shared.summary(now);
                Answer::error(StatusCode::SERVICE_UNAVAILABLE, &summary)
            }
            "/metrics" => Answer::text(self.shared.metrics(now)),
            "/" => self.credential(request.uri().query().unwrap_or_default()),
            _ => Answer::error(StatusCode::NOT_FOUND, "there is no such page"),
        }
    }

    fn credential(&self, query: &str) -> Answer {
        let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
        let mut audience =
            parameters.filter(|(name, _)| *name == "audience").map(|(_, value)| value);
        let document = match audience.next().map(decoded) {
            None if self.documents.len() > 1 => {
                return Answer::error(StatusCode::BAD_REQUEST, "add the parameter `audience`");
            }
            None => self.documents.first(),
            Some(audience) => self.documents.iter().find(|it| it.audience == audience),
        };
        let Some(document) = document else {
            return Answer::error(
                StatusCode::FORBIDDEN,
                "the audience is not one that the configuration of the agent allows",
            );
        };
        let Some(content) = document.memory.read(self.clock.now()) else {
            return Answer::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "there is no valid credential at the moment",
            );
        };
        let content = String::from_utf8_lossy(&content).into_owned();
        match self.kind {
            Kind::AwsContainer => Answer::of_json(content),
            Kind::Github => Answer::json(&json!({ "value": content })),
            Kind::GcpUrl => Answer::json(&json!({ "id_token": content })),
            Kind::Token => Answer::text(content),
        }
    }
}

/// Whether a `Host` is a name or address of loopback, with any port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A value of a query without its encoding.
fn decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let encoded = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = encoded.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (first, byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                &after[2..]
            }
            (b'+', _) => {
                decoded.push(b' ');
                after
            }
            (other, _) => {
                decoded.push(*other);
                after
            }
        };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_hosts() {
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

    #[test]
    fn the_values_of_a_query_are_decoded() {
        assert_eq!(decoded("api%3A%2F%2FAzure"), "api://Azure");
        assert_eq!(decoded("a+b%2"), "a b%2");
        assert_eq!(decoded("%zz%c3%a9"), "%zzé");
    }
}
