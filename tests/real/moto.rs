//! moto: an STS with the answers of AWS, which accepts any token.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};

use super::{Killed, free_port, http, peer};
use crate::sandbox::eventually;

/// A running server. It is killed when dropped.
pub struct Moto {
    address: SocketAddr,
    process: Killed,
}

impl Moto {
    pub fn start() -> Self {
        let port = free_port();
        let mut command = Command::new(peer("aws-venv/bin/moto_server"));
        command.env_clear().args(["--host=127.0.0.1", &format!("--port={port}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Killed(command.spawn().unwrap());
        let mut server = Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), process };
        eventually("moto answers", || {
            assert_eq!(server.process.0.try_wait().unwrap(), None, "moto has ended");
            http(server.address, "GET", "/moto-api/", "").is_ok_and(|(status, _)| status == 200)
        });
        server
    }

    /// The address of every AWS service.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
