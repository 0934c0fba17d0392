//! What an agent reports to systemd (`sd_notify(3)`), which is simulated by a socket.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use yc_id_token_emulator::{Fault, Route};

use crate::agent::{Agent, file};
use crate::sandbox::{Sandbox, eventually};

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn at(socket: UnixDatagram) -> Self {
        // Longer than any run takes.
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self(socket)
    }

    /// The next report.
    fn next(&self) -> String {
        let mut report = [0; 4096];
        let length = self.0.recv(&mut report).unwrap();
        String::from_utf8(report[..length].to_vec()).unwrap()
    }

    /// The next report that begins like this, after others.
    fn next_that_begins(&self, start: &str) -> String {
        loop {
            let report = self.next();
            if report.starts_with(start) {
                return report;
            }
        }
    }
}

const TWO_FILES: &str =
    "[[agent.files]]\npath = \"~/one\"\n[[agent.files]]\npath = \"~/two\"\naudience = \"k8s\"\n";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(TWO_FILES);
    file(&sandbox, "one");
    file(&sandbox, "two");
    sandbox
}

#[test]
fn an_agent_is_ready_when_every_credential_has_been_there_once() {
    let sandbox = sandbox();
    let path = sandbox.home().join("notify");
    let manager = Manager::at(UnixDatagram::bind(&path).unwrap());
    // The first exchange is refused, whichever file it is for.
    sandbox.cloud.script(Route::TokenExchange, [Fault::Status(403)]);
    let mut command = sandbox.command(&["agent"]);
    command.env("NOTIFY_SOCKET", &path);
    let agent = Agent::of(&sandbox, command);
    let mut reports = vec![manager.next()];
    while reports.last().unwrap() != "READY=1" {
        reports.push(manager.next());
    }
    assert!(reports.iter().any(|report| report.contains("E_SOURCE_DENIED")), "{reports:?}");
    assert_eq!(manager.next(), "STATUS=2 of 2 credentials are valid");

    agent.signal("HUP");
    let reloading = manager.next_that_begins("RELOADING=1\nMONOTONIC_USEC=");
    let at: u64 = reloading.rsplit_once('=').unwrap().1.parse().unwrap();
    assert!(at > 0);
    manager.next_that_begins("READY=1");
    sandbox.configure("nonsense");
    agent.signal("HUP");
    manager.next_that_begins("RELOADING=1");
    manager.next_that_begins("READY=1");
    agent.signal("TERM");
    manager.next_that_begins("STOPPING=1");
    agent.terminate().ok();
}

#[test]
fn the_watchdog_is_answered_for_this_process_alone() {
    let sandbox = sandbox();
    let name = format!("yc-id-token-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::at(UnixDatagram::bind_addr(&address).unwrap());
    let start = |pid: Option<&str>| {
        let mut command = sandbox.command(&["agent"]);
        command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "20000");
        command.envs(pid.map(|pid| ("WATCHDOG_PID", pid)));
        Agent::of(&sandbox, command)
    };
    let agent = start(None);
    for _ in 0..3 {
        manager.next_that_begins("WATCHDOG=1");
    }
    agent.terminate().ok();
    manager.next_that_begins("STOPPING=1");
    let agent = start(Some("1"));
    eventually("it is ready", || sandbox.log().matches("the agent ends").count() == 1);
    let mut reports = vec![manager.next()];
    agent.signal("TERM");
    while reports.last().unwrap() != "STOPPING=1" {
        reports.push(manager.next());
    }
    assert!(!reports.contains(&"WATCHDOG=1".to_owned()), "{reports:?}");
    agent.terminate().ok();
}
