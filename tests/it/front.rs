//! A server in front of the emulator or of another test server, with certificates and answers like those of real
//! gateways.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::real::{Killed, peer};
use crate::sandbox::{Sandbox, eventually};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls_front.py");

/// A running server. It is killed when dropped.
pub struct Front {
    folder: tempfile::TempDir,
    scheme: &'static str,
    _process: Killed,
}

impl Front {
    /// Starts a server. `certificate` is a kind that the script knows, or `none` for plain http.
    pub fn start(sandbox: &Sandbox, certificate: &str, answer: &str) -> Self {
        Self::before(sandbox.cloud.url(), certificate, answer)
    }

    /// The same before another server.
    pub fn before(server: &str, certificate: &str, answer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(peer("proxy-venv/bin/python"));
        command.arg(SCRIPT).arg(folder.path()).args([server, certificate, answer]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = Killed(command.spawn().unwrap());
        eventually("the server listens", || folder.path().join("port").exists());
        let scheme = if certificate == "none" { "http" } else { "https" };
        Self { folder, scheme, _process: process }
    }

    pub fn url(&self) -> String {
        let port = fs::read_to_string(self.folder.path().join("port")).unwrap();
        format!("{}://127.0.0.1:{port}", self.scheme)
    }

    /// The certificate that its client trusts.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}
