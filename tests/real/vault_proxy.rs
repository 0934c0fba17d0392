//! OpenBao's own proxy on a local socket, beside this program's token helper: the proxy authenticates its clients, so
//! the CLI needs no token of the helper, and must not fail without one.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Killed;
use super::openbao::{ANSWER, OpenBao, bao, read_secret, sign_in};
use crate::sandbox::{Sandbox, eventually};

/// A running proxy. Its folder contains the token that it logs in with, and is not a home of this program.
struct Proxy {
    _process: Killed,
    folder: tempfile::TempDir,
}

impl Proxy {
    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

/// Starts `bao proxy`, which logs in with a token file that this program writes.
fn start_proxy(sandbox: &Sandbox, server: &OpenBao) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (socket, token, log) = (place("socket"), place("jwt"), place("log"));
    let audience = server.url();
    sandbox.run(&["token", "--audience", &audience, "--output", token.to_str().unwrap()]).ok();
    let config = sandbox.write(
        "proxy.hcl",
        &format!(
            r#"
vault {{
  address = "{audience}"
  ca_cert = "{ca}"
}}
auto_auth {{
  method "jwt" {{
    mount_path = "auth/jwt"
    config = {{
      path                       = "{token}"
      role                       = "robot"
      remove_jwt_after_reading   = false
    }}
  }}
}}
api_proxy {{
  use_auto_auth_token = true
}}
listener "unix" {{
  address     = "{socket}"
  tls_disable = true
}}
"#,
            ca = sandbox.home().join("vault-ca.pem").display(),
            token = token.display(),
            socket = socket.display(),
        ),
    );
    let output = File::create(&log).unwrap();
    let mut command = Command::new(bao());
    // In the user's home, it would also run the user's token helper.
    command.env_clear().env("HOME", folder.path()).current_dir(folder.path());
    command.arg("proxy").arg(format!("-config={}", config.display()));
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let process = Killed(command.spawn().unwrap());
    eventually("the proxy has signed in", || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        socket.exists() && log.contains("authentication successful")
    });
    Proxy { _process: process, folder }
}

#[test]
fn a_cli_on_a_proxys_socket_uses_the_proxys_token() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    sandbox.run(&["vault", "install-helper"]).ok();
    let proxy = start_proxy(&sandbox, &server);
    assert_eq!(server.leases("jwt"), 1, "that of the proxy");

    let address = format!("unix://{}", proxy.socket().display());
    for variable in ["VAULT_ADDR", "BAO_ADDR"] {
        let before = sandbox.get(variable);
        sandbox.set(variable, &address);
        assert_eq!(read_secret(&sandbox).ok(), ANSWER, "{variable}");
        match before {
            Some(before) => sandbox.set(variable, before),
            None => sandbox.unset(variable),
        }
    }
    assert_eq!(server.leases("jwt"), 1, "the helper has not logged in for it");

    // Directly at the server, the helper supplies the CLI's token.
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 2);
}
