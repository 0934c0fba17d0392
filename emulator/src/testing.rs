//! A client for the emulator's own tests: HTTP/1.1 by hand, to distinguish a connection that breaks from an answer that
//! ends.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Emulator;
use super::clock::Clock;

/// Only a test that is about to fail waits this long.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn emulator() -> Emulator {
    Emulator::start().unwrap()
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn parse(raw: &str) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(super) fn get(emulator: &Emulator, path: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::parse(&send(emulator, &request("GET", path, headers, "")).unwrap())
}

pub(super) fn post_json(
    emulator: &Emulator,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Reply {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    Reply::parse(&send(emulator, &request("POST", path, &headers, &body.to_string())).unwrap())
}

pub(super) fn post_form(emulator: &Emulator, path: &str, fields: &[(&str, &str)]) -> Reply {
    // In the tests, only the colons of URNs would need escaping, and they are accepted unescaped.
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    Reply::parse(&send(emulator, &request("POST", path, &headers, &body.join("&"))).unwrap())
}

pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: emulator\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// Sends a request and returns everything that arrives until the other side closes.
pub(super) fn send(emulator: &Emulator, request: &str) -> io::Result<String> {
    let mut stream = connect(emulator);
    stream.write_all(request.as_bytes())?;
    let mut raw = String::new();
    stream.read_to_string(&mut raw)?;
    Ok(raw)
}

pub(super) fn connect(emulator: &Emulator) -> TcpStream {
    let (_, address) = emulator.url().split_once("://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// A `NumericDate` some seconds from now, or before it if negative.
pub(super) fn soon(seconds: i64) -> i64 {
    Clock::shifted_by(seconds).now().unix_timestamp()
}

pub(super) fn jwt_part(document: &Value) -> String {
    URL_SAFE_NO_PAD.encode(document.to_string())
}

pub(super) fn claims_of(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap())
        .unwrap()
}
