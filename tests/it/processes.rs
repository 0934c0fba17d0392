//! Other processes see no secret of a run, and a crash leaves none behind.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use yc_id_token_emulator::{Fault, Route};

use crate::leaks;
use crate::sandbox::{PROGRAM, Sandbox, eventually};
use crate::secrets::{sandbox, those_that_obtain};

/// The visible data of a process: its arguments and its environment.
fn seen(pid: u32) -> [String; 2] {
    ["cmdline", "environ"].map(|name| {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A process and all of its running descendants.
fn family(pid: u32) -> Vec<u32> {
    let parent = |child: u32| -> Option<u32> {
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:\t"))?.parse().ok()
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let all: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&member) = family.get(next) {
        family.extend(all.iter().filter(|process| parent(**process) == Some(member)));
        next += 1;
    }
    family
}

/// Starts a command line that waits for an IAM token.
fn stalled(sandbox: &Sandbox, mut command: Command) -> Child {
    sandbox.cloud.clear_requests();
    sandbox.cloud.always(Route::IamToken, Some(Fault::Stall));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it sends its request", || sandbox.cloud.count(Route::IamToken) == 1);
    child
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_secret_is_in_the_arguments_or_the_environment_of_a_process() {
    let (sandbox, _servers) = sandbox();
    for line in those_that_obtain() {
        let child = stalled(&sandbox, sandbox.command(&line.words(&["-vvv"])));
        for process in family(child.id()) {
            let [arguments, environment] = seen(process);
            assert!(arguments.contains(&line.command.replace(' ', "\0")), "{arguments}");
            for secret in sandbox.secrets() {
                assert!(!leaks::holds(&arguments, &secret), "{arguments}");
                assert!(!leaks::holds(&environment, &secret), "{environment}");
            }
        }
        end(child);
        fs::remove_dir_all(sandbox.cache_folder()).unwrap();
    }
}

#[test]
fn a_value_of_a_variable_does_not_become_an_argument() {
    let (mut sandbox, _servers) = sandbox();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_SERVICE_ACCOUNT_KEY_FILE", sandbox.key.to_json());
    for line in those_that_obtain() {
        let child = stalled(&sandbox, sandbox.command(&line.words(&["-vvv"])));
        for process in family(child.id()) {
            let [arguments, _] = seen(process);
            let secrets = sandbox.secrets();
            assert!(!secrets.iter().any(|secret| leaks::holds(&arguments, secret)), "{arguments}");
        }
        end(child);
        fs::remove_dir_all(sandbox.cache_folder()).unwrap();
    }
}

#[test]
fn a_command_of_exec_has_its_keys_and_no_other_secret() {
    let (sandbox, _servers) = sandbox();
    let environment = sandbox.run(&["exec", "--aws", "--", "env", "-0"]).ok();
    assert!(environment.contains("AWS_SECRET_ACCESS_KEY="), "{environment}");
    let secrets = sandbox.cloud.secrets();
    assert!(!secrets.iter().any(|secret| leaks::holds(&environment, secret)), "{environment}");
    // System calls after `exec` are those of the user's command.
    let arguments = sandbox.run(&["exec", "--aws", "--", "cat", "/proc/self/cmdline"]).ok();
    assert_eq!(arguments, "cat\0/proc/self/cmdline\0");
}

#[test]
fn the_background_refresh_shows_no_secret() {
    let (mut sandbox, _servers) = sandbox();
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "seen-in-the-background");
    sandbox.run(&["token", "--audience=seen-in-the-background"]).ok();
    sandbox.age("id-token", Duration::from_secs(31 * 60));
    for lock in fs::read_dir(sandbox.cache_folder()).unwrap().map(|entry| entry.unwrap().path()) {
        if lock.extension() == Some("lock".as_ref()) {
            fs::remove_file(lock).unwrap();
        }
    }
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    sandbox.keep_secret("hunter2-hunter2");
    let proxy = "http://robot:hunter2-hunter2@127.0.0.1:1";
    sandbox.run(&["token", "--audience=seen-in-the-background", "--proxy", proxy]).ok();
    let refresh = || {
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let mut processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        processes.find(|process: &u32| {
            let [arguments, _] = seen(*process);
            arguments.contains("\0background-refresh\0")
                && arguments.contains("seen-in-the-background")
        })
    };
    eventually("the refresh sends its request", || sandbox.cloud.count(Route::TokenExchange) == 2);
    let process = refresh().expect("it waits for its answer");
    let [arguments, environment] = seen(process);
    for secret in sandbox.secrets() {
        assert!(!leaks::holds(&arguments, &secret), "{arguments}");
        // The proxy's password must be passed on, and other users cannot see it here.
        let of_proxy = secret == "hunter2-hunter2";
        assert!(of_proxy || !leaks::holds(&environment, &secret), "{environment}");
    }
    sandbox.cloud.always(Route::TokenExchange, None);
    let killed = Command::new("kill").arg(process.to_string()).status().unwrap();
    assert!(killed.success());
    eventually("it ends", || refresh().is_none());
}

#[test]
fn emulator_and_demo_show_only_their_announced_secrets() {
    let (sandbox, _servers) = sandbox();
    let markers = ["PRIVATE KEY", "t1.", "eyJ"];
    let demo = sandbox.run(&["demo", "-vvv"]);
    assert!(demo.status.success(), "{demo:?}");
    assert!(!markers.iter().any(|marker| demo.stderr.contains(marker)), "{demo:?}");

    let folder = sandbox.home().join("emulated");
    let mut command = sandbox.command(&["emulator", "-vvv", "--directory=emulated"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let key_file = folder.join("key.json");
    eventually("it has a key", || key_file.exists());
    sandbox.may_hold_secrets(&key_file);
    let key = serde_json::from_str::<Value>(&fs::read_to_string(&key_file).unwrap()).unwrap();
    for line in key["private_key"].as_str().unwrap().lines().filter(|line| line.len() == 64) {
        sandbox.keep_secret(line);
    }
    let [arguments, environment] = seen(child.id());
    for secret in sandbox.secrets() {
        assert!(!leaks::holds(&arguments, &secret) && !leaks::holds(&environment, &secret));
    }
    let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(ended.success());
    let outcome = sandbox.outcome(child);
    assert!(!markers.iter().any(|marker| outcome.stdout.contains(marker)), "{outcome:?}");
}

/// Runs a command without root's rights over other processes.
fn without_privileges(sandbox: &Sandbox, program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return sandbox.other_command(program);
    }
    let mut command = sandbox.other_command("setpriv");
    let rights = ["--bounding-set=-all", "--inh-caps=-all", "--securebits=+noroot,+noroot_locked"];
    command.args(rights).arg(program);
    command
}

#[test]
fn the_memory_of_a_run_is_protected_from_other_processes() {
    let (sandbox, _servers) = sandbox();
    let readable = |process: u32| {
        let mut command = without_privileges(&sandbox, "cat");
        command.arg(format!("/proc/{process}/maps"));
        sandbox.finish(command).status.success()
    };
    let open = without_privileges(&sandbox, "sleep").arg("600").spawn().unwrap();
    eventually("a program that does nothing against it can be read", || readable(open.id()));
    end(open);

    let mut command = without_privileges(&sandbox, PROGRAM);
    command.arg("token");
    let child = stalled(&sandbox, command);
    assert!(!readable(child.id()));
    end(child);
}

#[test]
fn a_command_keeps_its_limit_for_core_files() {
    const LIMITS: &str = "ulimit -S -c; ulimit -H -c";
    let (sandbox, _servers) = sandbox();
    let program = |line: &str| format!("{PROGRAM} {line} -- sh -c '{LIMITS}'");
    for line in ["exec --aws", "vault exec", "vault exec --revoke"] {
        for limits in ["ulimit -c 4096", "ulimit -S -c 0", "ulimit -S -c 1024"] {
            let run = |what: &str| {
                let mut shell = sandbox.other_command("sh");
                shell.args(["-c", &format!("{limits}; {what}")]);
                sandbox.finish(shell).ok()
            };
            assert_eq!(run(&program(line)), run(LIMITS), "{line} after {limits}");
        }
    }
}

#[test]
fn a_program_that_supplies_a_token_writes_no_core_file() {
    let (mut sandbox, _servers) = sandbox();
    sandbox.write("limits", "#!/bin/sh\nulimit -S -c >\"$HOME/core-limit\"\n");
    let mut command = std::process::Command::new("chmod");
    assert!(command.arg("+x").arg(sandbox.home().join("limits")).status().unwrap().success());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.configure(
        "[identity.other]\ntype = \"token-command\"\ntoken_command = [\"~/limits\"]\nservice_account = \"ajeother\"\n",
    );
    let mut shell = sandbox.other_command("sh");
    shell.args([
        "-c",
        &format!(
            "ulimit -S -c $(ulimit -H -c); exec {PROGRAM} token --identity other --audience x"
        ),
    ]);
    assert!(!sandbox.finish(shell).status.success(), "it printed no token");
    assert_eq!(fs::read_to_string(sandbox.home().join("core-limit")).unwrap(), "0\n");
}

#[test]
fn a_crash_leaves_no_core_file() {
    let (sandbox, _servers) = sandbox();
    for (signal, number) in [("ABRT", 6), ("ILL", 4), ("FPE", 8)] {
        // The shell allows what its own limits allow, but the program still has none.
        let mut command = sandbox.other_command("sh");
        command.args(["-c", &format!("ulimit -S -c $(ulimit -H -c); exec {PROGRAM} token")]);
        let child = stalled(&sandbox, command);
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let status = sandbox.outcome(child).status;
        assert!(!status.core_dumped(), "{status}");
        assert_eq!(status.signal(), Some(number), "{status}");
        let files = fs::read_dir(sandbox.home()).unwrap().map(|entry| entry.unwrap().file_name());
        let cores: Vec<_> =
            files.filter(|name| name.to_string_lossy().starts_with("core")).collect();
        assert!(cores.is_empty(), "{cores:?}");
    }
}
