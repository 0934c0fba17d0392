//! After half of its lifetime, a cached credential is still returned immediately while one background process fetches
//! the next. No run waits for that process, and its failure does no harm.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use yc_id_token_emulator::{Fault, Route};

use crate::fake_sts::FakeSts;
use crate::sandbox::{Sandbox, eventually};

const TOKEN: &[&str] = &["token", "--audience", "https://k8s.example"];

/// After half of an hour's lifetime, and above every minimum lifetime.
const SOFT: Duration = Duration::from_secs(31 * 60);

/// A sandbox whose cached ID token is due for a refresh, and the token.
fn ageing() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let token = sandbox.run(TOKEN).ok();
    sandbox.age("id-token", SOFT);
    sandbox.let_half_a_minute_pass("id-token");
    (sandbox, token)
}

/// The background processes of a sandbox.
pub fn refreshing(sandbox: &Sandbox) -> Vec<PathBuf> {
    let home = format!("HOME={}", sandbox.home().display());
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let read = |name: &str| fs::read(path.join(name)).unwrap_or_default();
        let words = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        words(read("cmdline")).contains("\0background-refresh\0")
            && words(read("environ")).split('\0').any(|variable| variable == home)
    };
    processes.filter(is_one).collect()
}

#[test]
fn an_ageing_token_is_returned_at_once_and_then_replaced() {
    let (sandbox, old) = ageing();
    assert_eq!(sandbox.run(TOKEN).ok(), old);
    eventually("the token is refreshed", || sandbox.run(TOKEN).ok() != old);
    assert_eq!(sandbox.token_requests(), (1, 2));
}

#[test]
fn no_run_waits_for_the_refresh_which_ends_in_time() {
    let (mut sandbox, old) = ageing();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    sandbox.set("YC_ID_TOKEN_TIMEOUT", "2s");
    // `output` returns at the end of the output, so no background process holds it open.
    assert_eq!(sandbox.run(TOKEN).ok(), old);
    eventually("the refresh sends its request", || sandbox.cloud.count(Route::TokenExchange) == 2);
    eventually("the refresh gives up", || refreshing(&sandbox).is_empty());
    assert_eq!(sandbox.run(TOKEN).ok(), old);
}

#[test]
fn the_refresh_has_a_session_of_its_own_and_no_terminal() {
    let (mut sandbox, _) = ageing();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    sandbox.set("YC_ID_TOKEN_TIMEOUT", "10s");
    sandbox.run(TOKEN).ok();
    eventually("the refresh sends its request", || sandbox.cloud.count(Route::TokenExchange) == 2);
    let processes = refreshing(&sandbox);
    let [process] = &processes[..] else { panic!("{processes:?}") };
    for fd in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(fs::read_link(process.join(fd)).unwrap(), PathBuf::from("/dev/null"), "{fd}");
    }
    let stat = fs::read_to_string(process.join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // proc(5): state, ppid, pgrp, session, tty_nr.
    let pid = process.file_name().unwrap().to_str().unwrap();
    assert_eq!((fields[2], fields[3], fields[4]), (pid, pid, "0"), "{stat}");
    let cmdline = fs::read(process.join("cmdline")).unwrap();
    let words: Vec<String> =
        String::from_utf8(cmdline).unwrap().split('\0').map(str::to_owned).collect();
    assert_eq!(
        words[1..],
        ["background-refresh", "token", "--audience", "https://k8s.example", ""]
    );
}

#[test]
fn fifty_runs_at_once_start_one_refresh() {
    let (sandbox, old) = ageing();
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_millis(500));
    let start =
        || sandbox.command(TOKEN).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children: Vec<Child> = (0..50).map(|_| start()).collect();
    for child in children {
        sandbox.outcome(child).ok();
    }
    eventually("the token is refreshed", || sandbox.run(TOKEN).ok() != old);
    eventually("the refresh has ended", || refreshing(&sandbox).is_empty());
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 2);
}

#[test]
fn a_failed_refresh_keeps_the_token_and_is_retried() {
    let (sandbox, old) = ageing();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let attempts = |count: usize| {
        for _ in 0..5 {
            assert_eq!(sandbox.run(TOKEN).ok(), old);
            eventually("the refresh has ended", || refreshing(&sandbox).is_empty());
        }
        assert_eq!(sandbox.cloud.count(Route::TokenExchange), 1 + count);
    };
    attempts(1);
    let notes = fs::read_dir(sandbox.cache_folder()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "failure")
    });
    assert_eq!(notes.count(), 1);
    attempts(1);
    sandbox.let_half_a_minute_pass("id-token");
    attempts(2);
}

#[test]
fn the_keys_of_a_role_are_refreshed_by_the_same_rule() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let key = || {
        let document: Value = serde_json::from_str(&sandbox.run(&["aws"]).ok()).unwrap();
        document["AccessKeyId"].as_str().unwrap().to_owned()
    };
    assert_eq!(key(), "ASIA1");
    sandbox.age("aws-session", SOFT);
    sandbox.let_half_a_minute_pass("aws-session");
    assert_eq!(key(), "ASIA1");
    eventually("the keys are refreshed", || key() == "ASIA2");
    assert_eq!(
        (sandbox.token_requests(), sts.count()),
        ((1, 1), 2),
        "with the ID token that there is"
    );
}

#[test]
fn a_command_gets_keys_with_half_of_their_lifetime_left() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let command = ["exec", "--aws", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID"];
    assert_eq!(sandbox.run(&command).ok(), "ASIA1\n");
    sandbox.age("aws-session", SOFT);
    assert_eq!(sandbox.run(&command).ok(), "ASIA2\n");
    assert_eq!(sts.count(), 2);
}

#[test]
fn the_refresh_does_not_write_the_token_file_again() {
    let (sandbox, old) = ageing();
    let file = sandbox.home().join("token");
    sandbox.may_hold_secrets(&file);
    let arguments = [TOKEN, &["--output", file.to_str().unwrap()]].concat();
    sandbox.run(&arguments).ok();
    eventually("the refresh sends its request", || sandbox.cloud.count(Route::TokenExchange) == 2);
    eventually("the refresh has ended", || refreshing(&sandbox).is_empty());
    assert_eq!(fs::read_to_string(&file).unwrap(), old.trim());
}

#[test]
fn background_refresh_can_be_turned_off() {
    let (sandbox, old) = ageing();
    let off = [TOKEN, &["--background-refresh=false"]].concat();
    sandbox.configure("[profiles.quiet]\nbackground_refresh = false\n");
    let quiet = [TOKEN, &["--profile=quiet"]].concat();
    for arguments in [off, quiet] {
        assert_eq!(sandbox.run(&arguments).ok(), old);
        assert!(refreshing(&sandbox).is_empty());
    }
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 1);
    let (_, hint) = sandbox.run(&["token", "--background-refresh=maybe"]).fails(2, "E_USAGE");
    assert!(!hint.is_empty());
}
