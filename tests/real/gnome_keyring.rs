//! GNOME Keyring on its own session bus: after a login, before a login, and without any login.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Killed;
use crate::sandbox::{Sandbox, eventually};

/// A bus that starts no program by itself.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A session bus, in a sandbox whose programs use it.
pub struct Bus(#[expect(dead_code, reason = "it ends with this")] Killed);

impl Bus {
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let run = sandbox.home().join("run");
        fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
        let socket = run.join("bus");
        let configuration =
            sandbox.write("bus.conf", &BUS.replace("SOCKET", socket.to_str().unwrap()));
        sandbox.set("XDG_RUNTIME_DIR", &run);
        sandbox.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", socket.display()));
        let mut daemon = sandbox.other_command("dbus-daemon");
        daemon.arg("--nofork").arg("--config-file").arg(configuration);
        daemon.stdout(Stdio::null()).stderr(Stdio::null());
        let bus = Self(Killed(daemon.spawn().unwrap()));
        eventually("there is a bus", || socket.exists());
        bus
    }
}

/// The daemon.
pub struct GnomeKeyring(Killed);

impl GnomeKeyring {
    /// With an unlocked keyring, which is created if it is missing.
    pub fn unlocked(sandbox: &Sandbox) -> Self {
        Self::start(sandbox, &["--unlock"])
    }

    /// As before a login: an existing keyring is locked.
    pub fn not_unlocked(sandbox: &Sandbox) -> Self {
        Self::start(sandbox, &[])
    }

    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut daemon = sandbox.other_command("gnome-keyring-daemon");
        daemon.args(["--foreground", "--components=secrets"]).args(arguments);
        daemon.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = daemon.spawn().unwrap();
        // The password. An empty one would create no keyring.
        daemon.stdin.take().unwrap().write_all(b"\n").unwrap();
        let daemon = Self(Killed(daemon));
        eventually("it is on the bus", || is_on_bus(sandbox));
        daemon
    }

    /// Suspends it, so that it does not answer.
    pub fn hang(&self) {
        let pid = self.0.0.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    }

    /// Ends it, and waits until the bus has noticed.
    pub fn end(self, sandbox: &Sandbox) {
        drop(self);
        eventually("it has left the bus", || !is_on_bus(sandbox));
    }
}

/// Whether a Secret Service is running.
pub fn is_on_bus(sandbox: &Sandbox) -> bool {
    let mut asking = sandbox.other_command("dbus-send");
    asking.args(["--session", "--dest=org.freedesktop.DBus", "--type=method_call"]);
    asking.args(["--print-reply", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner"]);
    let answer = asking.arg("string:org.freedesktop.secrets").output().unwrap();
    String::from_utf8_lossy(&answer.stdout).contains("boolean true")
}

/// The result of `secret-tool` for a name of this program.
pub fn looked_up(sandbox: &Sandbox, name: &str) -> Option<String> {
    let mut tool = sandbox.other_command("secret-tool");
    tool.args(["lookup", "service", "yc-id-token", "username", name]);
    let found = tool.output().unwrap();
    found.status.success().then(|| String::from_utf8(found.stdout).unwrap())
}

/// The number of items of this program.
pub fn items(sandbox: &Sandbox) -> usize {
    let mut tool = sandbox.other_command("secret-tool");
    let found = tool.args(["search", "--all", "service", "yc-id-token"]).output().unwrap();
    let lines = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
    lines.lines().filter(|line| *line == "attribute.service = yc-id-token").count()
}

/// The markers of the credentials in the keyring.
pub fn markers(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.cache_folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|it| it == "keyring")).collect()
}
