//! mitmproxy, which intercepts TLS as a company's proxy does, and tinyproxy, which tunnels it.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Killed, free_port, peer};
use crate::sandbox::{Sandbox, eventually};

/// The user and password of a proxy that requires them. The password must be encoded in an address.
pub const USER: &str = "robot";
pub const PASSWORD: &str = "p@ss/hunter2-hunter2";
const ENCODED: &str = "p%40ss%2Fhunter2-hunter2";

/// A running mitmproxy, with its own certificate authority: one port for HTTP, which also accepts TLS, and one for
/// SOCKS.
pub struct Mitmproxy {
    http: u16,
    socks: u16,
    folder: tempfile::TempDir,
    _process: Killed,
}

impl Mitmproxy {
    /// A proxy without a password that trusts the sandbox's cloud.
    pub fn open(sandbox: &Sandbox) -> Self {
        Self::start(sandbox, &[])
    }

    /// A proxy that requires the user and the password.
    pub fn closed(sandbox: &Sandbox) -> Self {
        sandbox.keep_secret(PASSWORD);
        sandbox.keep_secret(ENCODED);
        Self::start(sandbox, &["--proxyauth", &format!("{USER}:{PASSWORD}")])
    }

    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trusted = folder.path().join("trusted.pem");
        fs::write(&trusted, sandbox.cloud.ca_pem().unwrap()).unwrap();
        let (http, socks) = (free_port(), free_port());
        let mut command = Command::new(peer("proxy-venv/bin/mitmdump"));
        command.env_clear().env("HOME", folder.path()).current_dir(folder.path());
        command.args(["--quiet", "--listen-host=127.0.0.1"]).args(arguments);
        command.args(["--mode", &format!("regular@{http}"), "--mode", &format!("socks5@{socks}")]);
        command.args(["--set", &format!("confdir={}", folder.path().display())]);
        command.args(["--set", &format!("ssl_verify_upstream_trusted_ca={}", trusted.display())]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Killed(command.spawn().unwrap());
        for port in [http, socks] {
            wait(&mut process, port, "mitmproxy");
        }
        Self { http, socks, folder, _process: process }
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    pub fn https(&self) -> String {
        format!("https://localhost:{}", self.http)
    }

    pub fn socks(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.socks)
    }

    /// The certificate that a company installs on its machines.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("mitmproxy-ca-cert.pem")
    }
}

/// The address of a proxy, with the user and this password.
pub fn with_password(address: &str, password: &str) -> String {
    address.replace("://", &format!("://{USER}:{password}@"))
}

/// The same with the correct password.
pub fn with_right_password(address: &str) -> String {
    with_password(address, ENCODED)
}

/// A running tinyproxy that requires a password, and connects to one port only.
pub struct Tinyproxy {
    port: u16,
    _folder: tempfile::TempDir,
    _process: Killed,
}

impl Tinyproxy {
    pub fn start(password: &str, only_to: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = folder.path().join("tinyproxy.conf");
        let text = format!(
            "Listen 127.0.0.1\nPort {port}\nMaxClients 20\nBasicAuth {USER} {password}\nConnectPort {only_to}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("tinyproxy is missing: `tests/run` installs it");
        let mut process = Killed(process);
        wait(&mut process, port, "tinyproxy");
        Self { port, _folder: folder, _process: process }
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn wait(process: &mut Killed, port: u16, what: &str) {
    eventually(&format!("{what} listens"), || {
        assert_eq!(process.0.try_wait().unwrap(), None, "{what} has ended");
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
}
