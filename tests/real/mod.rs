//! Tests against the real programs that users have, because only they show what they accept.
//!
//! `tests/run` provides the programs, the peers. A test whose peer is missing fails, because a skipped test proves
//! nothing and is easily overlooked.

mod agent_endpoints;
mod agent_files;
mod alibaba;
mod api_server;
mod aws;
mod aws_credential_process;
mod aws_files;
mod aws_odd_files;
mod aws_serve;
mod aws_web_identity;
mod azure;
mod clock;
mod consul;
mod databricks;
mod display;
mod doctor;
mod doctor_kubectl;
pub mod documents;
mod envoy;
mod gcp;
mod gcp_files;
mod github;
mod github_files;
mod github_release;
mod github_workflows;
mod gnome_keyring;
pub mod google;
mod kafka;
mod keepassxc;
mod keyring;
mod kubeconfig;
mod kubectl;
mod kubectl_files;
mod kubernetes_files;
mod kwallet;
mod messages;
mod mongodb;
mod moto;
mod mysql;
mod openbao;
mod pages;
mod programs;
mod proxies;
mod proxy_servers;
mod readme;
mod reference;
mod release;
mod seaweedfs;
mod setup;
mod shells;
mod snowflake;
mod systemd_files;
mod tailscale;
mod teleport;
mod terraform;
mod terraform_files;
mod vault;
mod vault_config;
mod vault_files;
mod vault_proxy;
mod vault_tls;
mod vault_tokens;
mod windows;
mod wine;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The path of a program that `tests/run` provides.
pub fn peer(place: &str) -> PathBuf {
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

/// The answer of a loopback server to a GET without TLS: the status and the body.
fn http_get(server: SocketAddr, path: &str) -> (u16, String) {
    http(server, "GET", path, "").unwrap()
}

/// The same for any request, and for a server that may still be starting.
fn http(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    http_with(server, method, path, &[], body)
}

/// The same with more headers.
pub fn http_with(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n");
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    write!(stream, "{head}{headers}content-length: {length}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let parts = answer.split_once("\r\n\r\n");
    let status = |head: &str| head.split(' ').nth(1)?.parse().ok();
    let whole = parts.and_then(|(head, body)| Some((status(head)?, body.to_owned())));
    whole.ok_or_else(|| std::io::Error::other(format!("no HTTP answer: {answer:?}")))
}

/// A port for a server that cannot choose a free one itself. It is below the kernel's range, so that no other process
/// gets it before it is used.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const MANY: u32 = 12_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Two runs of the tests start in different places.
        let place = std::process::id() % MANY * 101 + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + place % MANY).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A process of a test, which is killed with all its children when the test ends.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
