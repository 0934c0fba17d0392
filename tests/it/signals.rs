//! A waiting run ends on a signal or when its parent is gone, and leaves nothing behind that blocks the next.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use yc_id_token_emulator::{Fault, Route};

use crate::sandbox::{PROGRAM, Sandbox, eventually};

const TOKEN: &[&str] = &["token", "--audience", "https://k8s.example"];

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, pid: u32) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill {signal} {pid}");
}

/// Checks that a run left only its usual files.
#[track_caller]
fn assert_nothing_is_left(sandbox: &Sandbox) {
    for entry in fs::read_dir(sandbox.cache_folder()).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        assert!(matches!(extension, Some("lock" | "v1" | "failure")), "{}", path.display());
    }
    sandbox.cloud.always(Route::TokenExchange, None);
    let impatient: Vec<&str> = TOKEN.iter().chain(&["--timeout=10s"]).copied().collect();
    sandbox.run(&impatient).ok();
}

#[test]
fn each_signal_ends_a_run_that_waits_for_a_server() {
    for (signal, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        let sandbox = Sandbox::new();
        sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
        let child = start(sandbox.command(TOKEN));
        eventually("it sends its request", || sandbox.cloud.count(Route::TokenExchange) == 1);
        send(signal, child.id());
        let outcome = sandbox.outcome(child);
        assert_eq!(outcome.status.code(), Some(128 + number), "{signal}: {outcome:?}");
        let (message, _) = outcome.fails(128 + number, "E_INTERRUPTED");
        assert_eq!(
            message,
            "interrupted while getting an ID token for audience `https://k8s.example`"
        );
        assert_nothing_is_left(&sandbox);
    }
}

#[test]
fn a_signal_ends_a_run_that_waits_for_another_run() {
    let sandbox = Sandbox::new();
    sandbox.cloud.script(Route::TokenExchange, [Fault::Stall]);
    let leader = start(sandbox.command(TOKEN));
    eventually("the first process sends its request", || {
        sandbox.cloud.count(Route::TokenExchange) == 1
    });
    let follower = start(sandbox.command(TOKEN));
    let mut log = String::new();
    eventually("the follower has started", || {
        log = sandbox.log();
        log.matches("identity: ").count() == 2
    });
    // If it does not wait yet, the signal ends it like any process.
    send("-TERM", follower.id());
    let outcome = sandbox.outcome(follower);
    assert!(!outcome.status.success() && outcome.stdout.is_empty(), "{outcome:?}");
    send("-TERM", leader.id());
    sandbox.outcome(leader).fails(128 + 15, "E_INTERRUPTED");
    assert_nothing_is_left(&sandbox);
}

#[test]
fn a_run_ends_when_its_parent_is_killed() {
    let sandbox = Sandbox::new();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    // The shell is killed and cannot clean up.
    let mut command = sandbox.other_command("/bin/sh");
    command.args(["-c", &format!("{PROGRAM} token --audience=k8s & echo $!; wait")]);
    let mut shell = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(shell.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    eventually("it sends its request", || sandbox.cloud.count(Route::TokenExchange) == 1);
    shell.kill().unwrap();
    shell.wait().unwrap();
    let process = format!("/proc/{}/stat", line.trim());
    let is_gone = || fs::read_to_string(&process).map_or(true, |stat| stat.contains(") Z "));
    eventually("the orphan ends", is_gone);
    assert_nothing_is_left(&sandbox);
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let sandbox = Sandbox::new();
    sandbox.cloud.delay(Route::TokenExchange, std::time::Duration::from_millis(500));
    // As with `nohup`.
    let mut command = sandbox.other_command("/bin/sh");
    command.args(["-c", &format!("trap '' HUP; exec {PROGRAM} token --audience=k8s")]);
    let child = start(command);
    eventually("it sends its request", || sandbox.cloud.count(Route::TokenExchange) == 1);
    send("-HUP", child.id());
    sandbox.outcome(child).ok();
}

#[test]
fn a_signal_ends_doctor_during_every_check() {
    // While it gets a token, and later while another program does not print its version.
    for hangs in ["cloud", "kubectl"] {
        let mut sandbox = Sandbox::new();
        let started = sandbox.home().join("started");
        if hangs == "cloud" {
            sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
        } else {
            let script = format!("#!/bin/sh\ntouch {}\nexec sleep 600\n", started.display());
            let kubectl = sandbox.write("bin/kubectl", &script);
            fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
            let path = format!("{}:/usr/bin:/bin", kubectl.parent().unwrap().display());
            sandbox.set("PATH", path);
        }
        let child = start(sandbox.command(&["doctor", "--timeout=60s"]));
        eventually("it waits", || {
            started.exists() || (hangs == "cloud" && sandbox.cloud.count(Route::TokenExchange) == 1)
        });
        send("-INT", child.id());
        sandbox.outcome(child).fails(130, "E_INTERRUPTED");
    }
}
