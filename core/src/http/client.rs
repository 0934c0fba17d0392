//! The client of one server: requests, retries, answers.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::HeaderMap;
use reqwest::{ClientBuilder, Url};
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::IgnoredAny;
use tracing::debug;
use zeroize::Zeroizing;

use super::connect_ahead::ConnectAhead;
use super::endpoint::{Endpoint, join};
use super::failure::{Failure, Way};
use super::internal;
use super::names::Names;
use super::proxy::ProxyAddress;
use super::proxy_failure::ProxyFailure;
use super::proxy_question;
use super::record;
use super::retry::{read_retry_after, spread};
use super::server_options::Advice;
use crate::clock::{Clock, Deadline, Moment, Offset, Timestamp};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::random;

/// More than any token, key set or error.
const MAX_BODY: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tries {
    One,
    Several,
}

#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    ahead: ConnectAhead,
    names: Names,
    endpoint: Endpoint,
    base: Url,
    clock: Clock,
    deadline: Deadline,
    tries: Tries,
    passage: Passage,
}

/// How the server is reached, for error messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Passage {
    pub(super) advice: Advice,
    pub(super) proxy: Option<ProxyAddress>,
    /// Whether the user has configured certificate authorities, and in which file.
    pub(super) has_authorities: bool,
    pub(super) ca_file: Option<PathBuf>,
}

/// A request. All requests of this program can be repeated safely.
#[derive(Debug)]
pub struct HttpRequest<'a> {
    /// The thing requested, for messages: "an IAM token for …".
    pub what: &'a Message,
    /// The path below the endpoint.
    pub path: &'a str,
    /// The query: names and values.
    pub query: &'a [(&'a str, &'a str)],
    pub body: Body<'a>,
    /// Headers, without those of the body.
    pub headers: &'a [(&'static str, &'a str)],
    /// Whether an answer is a temporary refusal in the protocol. It is retried like a server error.
    pub is_temporary: fn(&Reply) -> bool,
}

impl<'a> HttpRequest<'a> {
    pub const fn get(what: &'a Message, path: &'a str) -> Self {
        Self { what, path, query: &[], body: Body::None, headers: &[], is_temporary: |_| false }
    }

    pub const fn post(what: &'a Message, path: &'a str, body: Body<'a>) -> Self {
        Self { what, path, query: &[], body, headers: &[], is_temporary: |_| false }
    }
}

/// The body of a request.
pub enum Body<'a> {
    /// A GET.
    None,
    /// A POST without a body.
    Empty,
    /// A POST of JSON text.
    Json(Zeroizing<String>),
    /// A POST of form fields.
    Form(&'a [(&'a str, &'a str)]),
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Empty => "Empty",
            Self::Json(_) => "Json([redacted])",
            Self::Form(_) => "Form([redacted])",
        })
    }
}

/// An answer with any status, except redirects.
pub struct Reply {
    pub status: u16,
    /// The body, at most 1 MiB.
    pub body: Zeroizing<Vec<u8>>,
    pub host: Message,
    /// The server's identifier of the request.
    pub request_id: Option<ForeignText>,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// When it came.
    pub received: Moment,
    /// How far the server's clock is ahead, by its `Date` header.
    pub clock_offset: Option<Offset>,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Reply {
    /// An answer for tests, received at 1970-01-01T00:00:00Z.
    pub(crate) fn made_up(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.as_bytes().to_vec().into(),
            host: "server.example".into(),
            request_id: None,
            retry_after: None,
            received: Timestamp::from_unix_seconds(0).into(),
            clock_offset: None,
        }
    }
}

/// A failed try that may be repeated.
enum Retryable {
    Busy(Reply),
    Failed(Failure),
}

impl Client {
    pub(super) fn build(
        builder: ClientBuilder,
        endpoint: Endpoint,
        clock: Clock,
        deadline: Deadline,
        tries: Tries,
        passage: Passage,
    ) -> Result<Self> {
        let (ahead, names) = (ConnectAhead::default(), Names::default());
        let inner = builder
            .connector_layer(ahead.clone())
            .dns_resolver(Arc::new(names.clone()))
            .build()
            .map_err(|error| internal("these settings", error))?;
        let base = endpoint.url()?;
        Ok(Self { inner, ahead, names, endpoint, base, clock, deadline, tries, passage })
    }

    /// Opens the connection for the next request. Errors are ignored, because that request reports them.
    pub async fn connect_ahead(&self) {
        self.ahead.request();
        let _ = self.inner.get(join(&self.base, "/")).timeout(self.deadline.left()).send().await;
        if self.ahead.has_connected() {
            debug!(host = self.endpoint.host().as_str(), "connected ahead");
        }
    }

    /// Sends a request and returns the server's answer, whatever its status.
    pub async fn send(&self, request: &HttpRequest<'_>) -> Result<Reply> {
        let retries = if self.tries == Tries::One { 0 } else { 2 };
        let schedule = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_factor(3.0)
            .with_max_times(retries);
        let outcome = (|| self.try_once(request))
            .retry(schedule)
            .when(|failed| match failed {
                Retryable::Busy(_) => true,
                Retryable::Failed(failure) => failure.is_passing(),
            })
            .adjust(|failed, delay| {
                let asked = match failed {
                    Retryable::Busy(reply) => reply.retry_after,
                    Retryable::Failed(_) => None,
                };
                let delay = delay.map(|delay| spread(delay, asked, random::fraction()));
                delay.filter(|delay| *delay < self.deadline.left())
            })
            .await;
        match outcome {
            Ok(reply) | Err(Retryable::Busy(reply)) => Ok(reply),
            Err(Retryable::Failed(failure)) => Err(self.explained(failure, request.what).await),
        }
    }

    /// The error for a failure. Some proxy failures are explained by a second request to the proxy.
    async fn explained(&self, failure: Failure, what: &Message) -> Error {
        let waited = self.deadline.budget().saturating_sub(self.deadline.left());
        let Passage { advice, proxy, has_authorities, ca_file } = &self.passage;
        let (mut proxy_cause, mut offered) = (None, Vec::new());
        match (failure.of_proxy(), proxy) {
            (Some(ProxyFailure::Unreached), Some(proxy)) => {
                proxy_cause = proxy_question::why_unreached(proxy).await;
            }
            (Some(ProxyFailure::Credentials), Some(proxy)) => {
                offered = proxy_question::offered_schemes(proxy, &self.endpoint.address()).await;
            }
            _ => {}
        }
        let way = Way {
            host: &self.endpoint.host(),
            is_on_loopback: self.endpoint.is_on_loopback(),
            seconds: waited.as_secs_f32(),
            connected: self.ahead.has_connected(),
            name: self.names.waits_for().map(ForeignText::from),
            proxy: proxy.as_ref(),
            proxy_cause,
            offered,
            has_authorities: *has_authorities,
            ca_file: ca_file.as_deref(),
            advice,
        };
        failure.into_error(what.clone(), &way)
    }

    async fn try_once(&self, request: &HttpRequest<'_>) -> std::result::Result<Reply, Retryable> {
        let reply = self.exchange(request).await.map_err(|failure| {
            debug!(host = self.endpoint.host().as_str(), path = request.path, ?failure, "failed");
            Retryable::Failed(failure)
        })?;
        debug!(
            host = reply.host.as_str(),
            path = request.path,
            status = reply.status,
            request_id = reply.request_id.as_ref().map(ForeignText::as_str),
            "answered"
        );
        if matches!(reply.status, 429 | 500 | 502 | 503 | 504) || (request.is_temporary)(&reply) {
            Err(Retryable::Busy(reply))
        } else {
            Ok(reply)
        }
    }

    async fn exchange(&self, request: &HttpRequest<'_>) -> std::result::Result<Reply, Failure> {
        let mut url = join(&self.base, request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        debug!(%url, "requesting");
        let builder = match &request.body {
            Body::None => self.inner.get(url),
            Body::Empty => self.inner.post(url).body(""),
            Body::Json(text) => self
                .inner
                .post(url)
                .header("content-type", "application/json")
                .body(text.to_string()),
            Body::Form(fields) => self.inner.post(url).form(fields),
        };
        let mut builder = builder
            .timeout(self.deadline.left())
            .header("accept-encoding", "identity")
            .header("x-request-id", random_uuid());
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        let mut response =
            builder.send().await.map_err(|error| Failure::Client(error.without_url()))?;
        let received = self.clock.now();
        let status = response.status();
        let url = response.url().clone();
        let header = |headers: &HeaderMap, name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        if status.is_redirection() {
            let to =
                header(response.headers(), "location").and_then(|to| response.url().join(&to).ok());
            record::add(request, &url, status.as_u16(), response.headers(), None);
            // The query of a login page's address can hold the original request.
            let to = to.map_or_else(
                || "an unknown place".to_owned(),
                |to| {
                    let host = to.host_str().unwrap_or_default();
                    to.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
                },
            );
            return Err(Failure::Redirect(ForeignText::new(&to)));
        }
        let headers = response.headers().clone();
        let clock_offset = header(&headers, "date")
            .and_then(|date| Timestamp::parse_http_date(&date))
            .map(|server| Offset::measured(server, received.at));
        let server_now = received.at.shifted(clock_offset.unwrap_or_default());
        if let Some(coding) = header(&headers, "content-encoding")
            .filter(|coding| !coding.trim().is_empty() && !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(Failure::Encoded(ForeignText::new(&coding)));
        }
        let body = read_body(&mut response).await?;
        record::add(request, &url, status.as_u16(), &headers, Some(&body));
        Ok(Reply {
            status: status.as_u16(),
            body,
            host: self.endpoint.host(),
            request_id: header(&headers, "x-request-id")
                .or_else(|| header(&headers, "x-server-trace-id"))
                .map(ForeignText::from),
            retry_after: header(&headers, "retry-after")
                .and_then(|text| read_retry_after(text.trim(), server_now)),
            received,
            clock_offset,
        })
    }
}

/// Reads the body. If a server closes the connection without ending TLS, a complete JSON object is accepted:
/// a truncated one would not parse.
async fn read_body(
    response: &mut reqwest::Response,
) -> std::result::Result<Zeroizing<Vec<u8>>, Failure> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let ends_by_close = response.content_length().is_none()
        && !response.headers().contains_key("transfer-encoding");
    let mut body = Zeroizing::new(Vec::new());
    loop {
        match response.chunk().await {
            Ok(None) => break,
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY => {
                return Err(Failure::TooLarge);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(_) if ends_by_close && is_whole_object(&body) => break,
            Err(error) => return Err(Failure::Client(error.without_url())),
        }
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        body.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(body)
}

fn is_whole_object(body: &[u8]) -> bool {
    body.trim_ascii().ends_with(b"}") && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// A random UUID (RFC 9562 section 5.4), with which the server's support can find the request.
fn random_uuid() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness, TLS fails too, and the request reports it.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut uuid = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            uuid.push('-');
        }
        let _ = write!(uuid, "{byte:02x}");
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_identifier_is_a_uuid() {
        let uuid = random_uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert_ne!(uuid, random_uuid());
    }
}
