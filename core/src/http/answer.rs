//! Answers of servers in any protocol: failures of the server, answers in another protocol, lifetimes, and text to
//! show.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tracing::debug;

use super::Reply;
use crate::clock::Timestamp;
use crate::credential::Lifetime;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The lifetime of a credential for which the server gives no expiry.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

impl Reply {
    /// Whether the server is busy or broken (429, 5xx). Such a status is not about the request.
    pub const fn is_trouble(&self) -> bool {
        self.status == 429 || self.status >= 500
    }

    /// The current time on the server.
    pub fn server_now(&self) -> Timestamp {
        self.received.at.shifted(self.clock_offset.unwrap_or_default())
    }

    /// The lifetime of a credential from this answer that expires at `expires_at`, on the server's clock.
    pub fn lifetime(&self, expires_at: Timestamp) -> Lifetime {
        Lifetime::new(self.received, expires_at, self.clock_offset.unwrap_or_default())
    }

    /// The lifetime of a credential from this answer, with the expiry that the server gives (RFC 3339). Without one,
    /// it is used for a short time. `code` is the error code for an invalid expiry.
    pub fn lifetime_until(
        &self,
        what: &Message,
        code: Code,
        end: Option<&str>,
        longest: Duration,
    ) -> Result<Lifetime> {
        let now = self.server_now();
        let Some(end) = end.filter(|end| !end.trim().is_empty()) else {
            return Ok(self.lifetime(now.plus(DEFAULT_LIFETIME)));
        };
        let wrong = |problem, hint: &'static str| Error::WrongToken {
            what: what.clone(),
            code,
            problem,
            hint: hint.into(),
        };
        let Some(expires_at) = Timestamp::parse_rfc3339(end) else {
            let end = ForeignText::new(end);
            return Err(wrong(
                message!("{} returned the expiry `{end}`, which is not a time", self.host, end),
                "check the endpoint; if it is right, report this to its operator",
            ));
        };
        if expires_at <= now {
            return Err(wrong(
                message!(
                    "it has expired at {expires_at}, and {} has {now}",
                    self.host,
                    expires_at,
                    now
                ),
                "check the clock of that server, and this machine's date",
            ));
        }
        Ok(self.lifetime(expires_at.min(now.plus(longest))))
    }

    /// The error for a server that is busy or broken.
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

    /// Parses the body as JSON. The parser's error is only logged, because it means nothing to users.
    pub fn json<T: DeserializeOwned>(&self, what: &Message) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            debug!(host = self.host.as_str(), %error, "the answer cannot be read");
            self.foreign(what, "JSON")
        })
    }

    /// The error for an answer in another protocol; `language` is the expected one, JSON or XML.
    pub fn foreign(&self, what: &Message, language: &'static str) -> Error {
        let body = self.body.trim_ascii_start();
        let begins = |tag: &str| {
            body.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
        };
        let (kind, hint) = if body.is_empty() {
            ("an empty body".into(), "check the endpoint, and any proxy or gateway on the way")
        } else if begins("<!doctype") || begins("<html") {
            (
                "a web page".into(),
                "sign in to the network if it has a login page; else a proxy answers in the server's place, or the endpoint is wrong",
            )
        } else {
            (
                message!("something that is not the protocol's {language}", language),
                "check the endpoint, and any proxy or gateway on the way",
            )
        };
        Error::Unreached {
            what: what.into(),
            code: Code::Foreign,
            problem: message!("{} answered {} with {kind}", self.host, self.status, kind).into(),
            hint: hint.into(),
        }
    }

    /// A phrase for the status, for an answer without a reason.
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
    fn an_answer_in_another_protocol_is_described() {
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
