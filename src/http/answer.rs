//! What an answer means, whatever the protocol: a server in trouble, something that does not speak
//! the protocol, and words that may be repeated.

use crate::clock::Timestamp;
use crate::credential::Lifetime;
use crate::error::{Code, Error};
use crate::message;

use super::Reply;
use crate::foreign_text::{ForeignText, Message};

impl Reply {
    /// Whether the server is busy or broken (429, 5xx), which says nothing about what was asked.
    #[must_use]
    pub const fn is_trouble(&self) -> bool {
        self.status == 429 || self.status >= 500
    }

    /// What o'clock it is on the server.
    #[must_use]
    pub fn server_now(&self) -> Timestamp {
        self.received.at.shifted(self.clock_offset.unwrap_or_default())
    }

    /// The life of what came with this answer and expires at `expires_at`, on the server's clock.
    #[must_use]
    pub fn lifetime(&self, expires_at: Timestamp) -> Lifetime {
        Lifetime::new(self.received, expires_at, self.clock_offset.unwrap_or_default())
    }

    /// The error for a server that is busy or broken.
    #[must_use]
    pub fn unavailable(
        &self,
        what: &Message,
        reason: impl Into<Message>,
        request_id: Option<ForeignText>,
    ) -> Error {
        Error::Unavailable {
            what: what.into(),
            host: self.host.clone(),
            status: self.status,
            reason: reason.into(),
            request_id,
            retry_after: self.retry_after,
        }
    }

    /// The error for an answer that does not speak the protocol, whose `language` is JSON or XML.
    #[must_use]
    pub fn foreign(&self, what: &Message, language: &'static str) -> Error {
        let body = self.body.trim_ascii_start();
        let begins = |tag: &str| {
            body.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
        };
        let (kind, hint) = if body.is_empty() {
            (
                "an empty body".into(),
                "check the endpoint, and what stands between: a proxy, a gateway",
            )
        } else if begins("<!doctype") || begins("<html") {
            (
                "a web page".into(),
                "sign in to the network if it asks for that; else a proxy answers in the server's place, or the endpoint is wrong",
            )
        } else {
            (
                message!("something that is not the protocol's {language}", language),
                "check the endpoint, and what stands between: a proxy, a gateway",
            )
        };
        Error::Unreached {
            what: what.into(),
            code: Code::Foreign,
            problem: message!("{} answered {} with {kind}", self.host, self.status, kind),
            hint: hint.into(),
        }
    }

    /// The status in words, for an answer that gives no reason.
    #[must_use]
    pub const fn phrase(&self) -> &'static str {
        match self.status {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(body: &str) -> String {
        Reply::made_up(200, body).foreign(&"a token".into(), "XML").to_string()
    }

    #[test]
    fn what_is_not_the_protocol_is_called_what_it_is() {
        let says = |problem: &str| {
            format!("cannot get a token: server.example answered 200 with {problem}")
        };
        for page in ["<html>Sign in</html>", " \n<!DOCTYPE html>", "<HTML>"] {
            assert_eq!(foreign(page), says("a web page"), "{page}");
        }
        assert_eq!(foreign(""), says("an empty body"));
        assert_eq!(foreign("<Other/>"), says("something that is not the protocol's XML"));
    }
}
