//! Tests against the real programs that users have: what they accept is not for us to guess.
//!
//! `tests/run` provides the programs, the peers. A test whose peer is missing fails: one that is
//! skipped proves nothing, and nobody notices.

mod api_server;
mod kubeconfig;
mod kubectl;
mod kubectl_files;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program that `tests/run` provides, by its place among them.
fn peer(place: &str) -> PathBuf {
    let advice = "it is provided by `tests/run`, which then runs the tests";
    let Some(peers) = std::env::var_os("YC_ID_TOKEN_TEST_PEERS") else {
        panic!("this test needs `{place}`: {advice}");
    };
    let path = Path::new(&peers).join(place);
    assert!(path.is_file(), "`{}` is missing: {advice}", path.display());
    path
}

/// A file of the project.
fn project_file(place: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a server on loopback answers to a GET without TLS: the status and the body.
fn http_get(server: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}
