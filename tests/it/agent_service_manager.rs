//! What an agent reports to systemd (`sd_notify(3)`), which is simulated by a socket.

use std::fs;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::process::Command;
use std::time::Duration;

use yc_id_token_emulator::{Fault, Route};

use crate::agent::{Agent, file};
use crate::agent_endpoints::{Loopback, exchange};
use crate::exec::start;
use crate::real::free_port;
use crate::sandbox::{Sandbox, claims, eventually};

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn at(socket: UnixDatagram) -> Self {
        // Longer than any run.
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self(socket)
    }

    /// The next report.
    fn next(&self) -> String {
        let mut report = [0; 4096];
        let length = self.0.recv(&mut report).unwrap();
        String::from_utf8(report[..length].to_vec()).unwrap()
    }

    /// The next report with this start, after others.
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
fn an_agent_is_ready_once_every_credential_was_obtained() {
    let sandbox = sandbox();
    let path = sandbox.home().join("notify");
    let manager = Manager::at(UnixDatagram::bind(&path).unwrap());
    // The first exchange fails, for either file.
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
fn the_watchdog_of_another_process_is_ignored() {
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

/// An agent that systemd starts when a client connects to one of these addresses.
fn activated(sandbox: &Sandbox, addresses: &[&str], names: &str) -> Command {
    let agent = sandbox.command(&["agent"]);
    let mut activate = sandbox.other_command("systemd-socket-activate");
    activate.arg(format!("--fdname={names}"));
    activate.args(addresses.iter().map(|address| format!("--listen={address}")));
    // systemd starts the program with only these variables.
    let names = agent.get_envs().filter_map(|(name, value)| value.map(|_| name));
    activate.args(names.flat_map(|name| ["-E".as_ref(), name]));
    activate.arg("--").arg(agent.get_program()).args(agent.get_args());
    activate
}

#[test]
fn an_agent_serves_the_sockets_that_systemd_has_opened() {
    let sandbox = Sandbox::new();
    let (address, socket) = (format!("127.0.0.1:{}", free_port()), sandbox.home().join("socket"));
    let secret_file = file(&sandbox, "secret");
    let endpoint = |name: &str, audience: &str| {
        format!(
            "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"systemd:{name}\"\nsecret_file = \"~/secret\"\naudiences = [\"{audience}\"]\n"
        )
    };
    let at_socket = endpoint("at-path", "b").replace("secret_file = \"~/secret\"\n", "");
    let both = endpoint("port", "a") + &at_socket;
    sandbox.configure(&both);
    let addresses = [&*address, socket.to_str().unwrap()];
    let agent = Agent::of(&sandbox, activated(&sandbox, &addresses, "port:at-path"));
    let get = "GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n";
    let at_path = || {
        let mut client = None;
        eventually("systemd listens", || {
            client = UnixStream::connect(&socket).ok();
            client.is_some()
        });
        exchange(client.unwrap(), get).1
    };
    // The first client starts the agent, and waits for it.
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_millis(300));
    assert_eq!(claims(&at_path())["aud"], "b");
    sandbox.cloud.delay(Route::TokenExchange, Duration::ZERO);
    let secret = fs::read_to_string(&secret_file).unwrap();
    sandbox.keep_secret(&secret);
    let loopback = Loopback { address, secret };
    assert_eq!(claims(&loopback.get("/").1)["aud"], "a");

    // An endpoint can be removed and added again.
    let reload = |configuration: &str, aud: &str| {
        sandbox.configure(configuration);
        agent.signal("HUP");
        let is_there = || claims_of(&at_path()) == Some(aud.to_owned());
        eventually("it is reloaded", is_there);
    };
    reload(&at_socket.replace("\"b\"", "\"c\""), "c");
    reload(&both, "b");
    let secret = fs::read_to_string(&secret_file).unwrap();
    sandbox.keep_secret(&secret);
    let loopback = Loopback { secret, ..loopback };
    eventually("it is ready", || loopback.get("/readyz").0 == 200);
    assert!(agent.terminate().status.success());
    assert!(socket.exists(), "it is systemd's");
}

/// The audience of a token, if this is a token.
fn claims_of(token: &str) -> Option<String> {
    let is_token = token.starts_with("ey");
    is_token.then(|| claims(token)["aud"].as_str().unwrap().to_owned())
}

#[test]
fn a_missing_or_unsafe_socket_is_rejected() {
    let sandbox = Sandbox::new();
    let configure = |listen: &str, secret: &str| {
        sandbox.configure(&format!(
            "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"{listen}\"\naudiences = [\"a\"]\n{secret}"
        ));
    };
    configure("systemd:aws", "");
    let (message, _) = sandbox.run(&["agent"]).fails(3, "E_CONFIG");
    assert_eq!(message, "systemd has passed no socket named `aws`");
    let fails = |address: &str, names: &str, expected: &str| {
        let other = format!("127.0.0.1:{}", free_port());
        let child = start(activated(&sandbox, &[address, &other], names));
        eventually("systemd listens", || TcpStream::connect(&other).is_ok());
        let outcome = sandbox.outcome(child);
        assert_eq!(outcome.status.code(), Some(3));
        assert!(outcome.stderr.contains(expected), "{outcome:?}");
    };
    let address = format!("127.0.0.1:{}", free_port());
    fails(&address, "aws:other", "every user of this machine can reach `systemd:aws`");
    configure("systemd", "secret_file = \"~/secret\"\n");
    fails(&address, "aws:other", "several sockets that match");
    configure("systemd:aws", "secret_file = \"~/secret\"\n");
    let address = format!("0.0.0.0:{}", free_port());
    fails(&address, "aws:other", "can be reached from other machines");
    assert_eq!(sandbox.token_requests(), (0, 0));
}
