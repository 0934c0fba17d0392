//! `agent check`: checks that every credential can be used. It reads the files. Credentials of endpoints are only in
//! the agent's memory, so it requests `/readyz` from the agent. It calls no other server and needs no cache, so a probe
//! can run it often.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::endpoint::PlannedEndpoint;
use super::plan::Plan;
use crate::clock::Timestamp;
use crate::consumer::kept_document::MINIMUM_LIFETIME_IN_FILE;
use crate::endpoint::Listen;
use crate::error::{Cause, Code, Error, Result, plain, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::jwt::Claims;
use crate::message;
use crate::private_file;
use crate::run::Context;

/// No credential is larger.
const FILE_LIMIT: u64 = 256 * 1024;

/// No answer of `/readyz` is larger.
const ANSWER_LIMIT: u64 = 16 * 1024;

/// How long the agent may take for each step of an answer. It has the answer in memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Fails if a file is missing, if its credential expires too soon, or if an endpoint does not report that all
/// credentials of the agent are valid.
pub(super) fn check(plan: &Plan, context: Context<'_>) -> Result<()> {
    let now = context.clock.now().at;
    for file in &plan.files {
        if let Some(problem) = problem(&file.path, now) {
            return Err(not_fresh(&shown(&file.path), problem));
        }
    }
    plan.endpoints.iter().try_for_each(check_endpoint)
}

fn not_fresh(name: &ForeignText, problem: Message) -> Error {
    Error::WrongToken {
        what: message!("`{name}`", name),
        code: Code::Expired,
        problem,
        hint: "check the agent's log for why it was not renewed".into(),
    }
}

fn check_endpoint(endpoint: &PlannedEndpoint) -> Result<()> {
    let name = endpoint.name_of("");
    let unreached = |code, problem: Cause, hint: &'static str| Error::Unreached {
        what: message!("the agent's answer at `{name}`", name),
        code,
        problem,
        hint: hint.into(),
    };
    let answer = request(endpoint).map_err(|problem| {
        unreached(Code::Network, problem, "start the agent, or check its log")
    })?;
    let (status, body) = parsed(&answer);
    match status {
        Some("200") => Ok(()),
        Some("503") => Err(not_fresh(&name, body)),
        _ => Err(unreached(
            Code::Foreign,
            body.into(),
            "check that the agent runs with this configuration, and that no other program listens there",
        )),
    }
}

/// The agent's answer at `/readyz`. If the agent was killed and another program listens on its address, that program
/// gets a secret that is no longer valid.
fn request(endpoint: &PlannedEndpoint) -> Result<Vec<u8>, Cause> {
    const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close";
    let mut request = Zeroizing::new(REQUEST.to_vec());
    if let Some(place) = &endpoint.secret {
        let secret = place.read()?;
        *request = [&request, &b"\r\nAuthorization: Bearer "[..], &secret].concat();
    }
    request.extend_from_slice(b"\r\n\r\n");
    exchange(&endpoint.listen, &request).map_err(Cause::from)
}

fn exchange(listen: &Listen, request: &[u8]) -> io::Result<Vec<u8>> {
    match listen {
        Listen::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, ANSWER_TIMEOUT)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            exchange_on(&mut &stream, &mut &stream, request)
        }
        #[cfg(unix)]
        Listen::Unix(path) => {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            exchange_on(&mut &stream, &mut &stream, request)
        }
        #[cfg(windows)]
        Listen::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        Listen::Systemd(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "only systemd knows its address: give `--serve`, and `--listen` with the address of the socket unit",
        )),
    }
}

fn exchange_on(to: &mut dyn Write, from: &mut dyn Read, request: &[u8]) -> io::Result<Vec<u8>> {
    to.write_all(request)?;
    let mut answer = Vec::new();
    from.take(ANSWER_LIMIT).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Splits an answer into its status and message.
fn parsed(answer: &[u8]) -> (Option<&str>, Message) {
    let answer = std::str::from_utf8(answer).unwrap_or_default();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match body.get("message").and_then(Value::as_str) {
        Some(message) => (status, ForeignText::sentence(message).into()),
        None => (status, "the answer is not from an agent".into()),
    }
}

fn problem(path: &Path, now: Timestamp) -> Option<Message> {
    let content = match private_file::read_plain(path, FILE_LIMIT) {
        Ok(content) => Zeroizing::new(content),
        Err(error) => {
            return Some(message!("it cannot be read: {}", plain(&error)));
        }
    };
    let Some((expires_at, whole)) = lifetime(&String::from_utf8_lossy(&content)) else {
        return Some("it has no credential whose expiry is known".into());
    };
    let left = expires_at.since(now);
    if left.is_zero() {
        return Some(message!("it has expired at {expires_at}", expires_at));
    }
    let minimum = MINIMUM_LIFETIME_IN_FILE.min(whole / 2);
    (left < minimum).then(|| message!("it expires in {} s", left.as_secs()))
}

/// The expiry and the whole lifetime of the credential in a document. A token has both in its claims; AWS keys have
/// only the expiry.
fn lifetime(document: &str) -> Option<(Timestamp, Duration)> {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut words = document.split(|c| !is_of_token(c)).filter(|word| word.starts_with("eyJ"));
    if let Some(claims) = words.find_map(|word| Claims::read(word).ok()) {
        let expires_at = claims.expires_at()?;
        let whole = claims.issued_at().map(|issued_at| expires_at.since(issued_at));
        return Some((expires_at, whole.unwrap_or(Duration::MAX)));
    }
    let keys: Value = serde_json::from_str(document).ok()?;
    Some((Timestamp::parse_rfc3339(keys.get("Expiration")?.as_str()?)?, Duration::MAX))
}
