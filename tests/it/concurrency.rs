//! Any number of processes at once, however they end: one request, one result for all.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use yc_id_token_emulator::{Fault, Options, Route};

use crate::fake_sts::FakeSts;
use crate::sandbox::{Sandbox, claims, eventually};

const TOKEN: &[&str] = &["token", "--audience", "https://k8s.example"];

/// Two hundred processes are enough for one test at a time.
static CROWD: Mutex<()> = Mutex::new(());

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    sandbox.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn crowd(sandbox: &Sandbox) -> Vec<crate::sandbox::Outcome> {
    let _alone = CROWD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Such a request is still running when the last process starts.
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(2));
    let children: Vec<Child> = (0..200).map(|_| start(sandbox, TOKEN)).collect();
    children.into_iter().map(|child| sandbox.outcome(child)).collect()
}

#[test]
fn two_hundred_processes_call_each_endpoint_once() {
    let sandbox = Sandbox::new();
    let mut tokens: Vec<String> =
        crowd(&sandbox).into_iter().map(crate::sandbox::Outcome::ok).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "everyone has the same token");
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn two_hundred_processes_share_one_refusal() {
    let sandbox = Sandbox::new();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let mut failures: Vec<_> =
        crowd(&sandbox).into_iter().map(|outcome| outcome.fails(4, "E_SOURCE_DENIED")).collect();
    failures.dedup();
    assert_eq!(failures.len(), 1, "all get the same error, with the same request ID");
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn two_hundred_forced_refreshes_share_one_new_token() {
    let sandbox = Sandbox::new();
    let old = sandbox.run(TOKEN).ok();
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(2));
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--force-refresh"]).copied().collect();
    let _alone = CROWD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let children: Vec<Child> = (0..50).map(|_| start(&sandbox, &arguments)).collect();
    for child in children {
        assert_ne!(sandbox.outcome(child).ok(), old);
    }
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 2);
}

#[test]
fn different_audiences_share_the_one_iam_token() {
    let sandbox = Sandbox::new();
    sandbox.cloud.delay(Route::IamToken, Duration::from_secs(1));
    let audiences: Vec<String> = (0..20).map(|number| format!("audience-{number}")).collect();
    let children: Vec<Child> = audiences
        .iter()
        .map(|audience| start(&sandbox, &["token", "--audience", audience]))
        .collect();
    for (child, audience) in children.into_iter().zip(&audiences) {
        assert_eq!(claims(sandbox.outcome(child).ok().trim())["aud"], audience.as_str());
    }
    assert_eq!(sandbox.token_requests(), (1, 20));
}

#[test]
fn two_hundred_commands_make_one_call_for_each_credential() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(2));
    let commands: [&[&str]; 5] = [
        TOKEN,
        &["token", "--audience=https://k8s.example", "--format=json"],
        &["kubectl", "--audience=k8s"],
        &["aws"],
        &["aws", "--duration=2h"],
    ];
    let _alone = CROWD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let children: Vec<Child> =
        (0..200).map(|number| start(&sandbox, commands[number % commands.len()])).collect();
    for child in children {
        sandbox.outcome(child).ok();
    }
    assert_eq!(sandbox.token_requests(), (1, 3), "three audiences");
    assert_eq!(sts.count(), 2, "two sessions");
}

#[test]
fn six_runs_of_a_failing_plugin_make_one_call() {
    let sandbox = Sandbox::new();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let first = sandbox.run(TOKEN).fails(4, "E_SOURCE_DENIED");
    for _ in 0..5 {
        assert_eq!(sandbox.run(TOKEN).fails(4, "E_SOURCE_DENIED"), first, "in the same words");
    }
    assert_eq!(sandbox.token_requests(), (1, 1));

    let sandbox = Sandbox::new();
    sandbox.cloud.always(Route::IamToken, Some(Fault::Stall));
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--timeout", "300ms"]).copied().collect();
    for _ in 0..6 {
        sandbox.run(&arguments).fails(6, "E_TIMEOUT");
    }
    assert_eq!(sandbox.token_requests(), (1, 0), "a server that hangs costs its time once");
}

#[test]
fn a_remembered_failure_ends_by_force_settings_or_success() {
    let sandbox = Sandbox::new();
    let refuse = || {
        sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    };
    let with = |more: &[&str]| sandbox.run(&TOKEN.iter().chain(more).copied().collect::<Vec<_>>());
    refuse();
    with(&[]).fails(4, "E_SOURCE_DENIED");
    with(&["--timeout", "19s"]).fails(4, "E_SOURCE_DENIED");
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 2, "other settings, another try");
    sandbox.cloud.grant_token_creator(&sandbox.account, &sandbox.account);
    with(&["--force-refresh"]).ok();
    with(&[]).ok();
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 3);
    let leftover = std::fs::read_dir(sandbox.cache_folder())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension() == Some("failure".as_ref()));
    assert_eq!(leftover.count(), 0, "a success takes the memo away");
}

#[test]
fn a_valid_token_survives_a_failing_refresh() {
    // Below its minimum lifetime after a few seconds, but valid for a minute.
    let sandbox = Sandbox::with_options(Options {
        id_token_life: Duration::from_secs(60),
        ..Options::default()
    });
    let first = sandbox.run(TOKEN).ok();
    sandbox.age("id-token", Duration::from_secs(40));
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    for _ in 0..3 {
        assert_eq!(sandbox.run(TOKEN).ok(), first, "the old one, without a word");
    }
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 2, "and one try for all of them");
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--force-refresh"]).copied().collect();
    sandbox.run(&arguments).fails(4, "E_SOURCE_DENIED");
    assert_eq!(sandbox.run(TOKEN).ok(), first, "a failed refresh by force destroys nothing either");
    sandbox.age("id-token", Duration::from_secs(30));
    sandbox.run(TOKEN).fails(4, "E_SOURCE_DENIED");
}

#[test]
fn a_token_below_its_minimum_lifetime_is_replaced_first() {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_BACKGROUND_REFRESH", "false");
    let first = sandbox.run(TOKEN).ok();
    sandbox.age("id-token", Duration::from_secs(3600 - 310));
    assert_eq!(sandbox.run(TOKEN).ok(), first, "five minutes and ten seconds are left");
    sandbox.age("id-token", Duration::from_secs(20));
    assert_ne!(sandbox.run(TOKEN).ok(), first, "less than five minutes");
    assert_eq!(sandbox.token_requests(), (1, 2));
}

#[test]
fn a_process_killed_during_a_fetch_blocks_no_other() {
    let sandbox = Sandbox::new();
    sandbox.cloud.script(Route::TokenExchange, [Fault::Stall]);
    let mut leader = start(&sandbox, TOKEN);
    eventually("the first process sends its request", || {
        sandbox.cloud.count(Route::TokenExchange) == 1
    });
    let follower = start(&sandbox, TOKEN);
    leader.kill().unwrap();
    leader.wait().unwrap();
    sandbox.outcome(follower).ok();
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 2, "the next one took over");
}

/// A run that is stopped while it requests a token.
fn stopped_leader(sandbox: &Sandbox) -> Child {
    let requested = sandbox.cloud.count(Route::TokenExchange);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    let leader = start(sandbox, TOKEN);
    eventually("the first process sends its request", || {
        sandbox.cloud.count(Route::TokenExchange) > requested
    });
    let stop = Command::new("kill").args(["-STOP", &leader.id().to_string()]).status().unwrap();
    assert!(stop.success());
    leader
}

#[test]
fn a_valid_token_is_used_while_another_process_hangs() {
    let sandbox = Sandbox::new();
    let old = sandbox.run(TOKEN).ok();
    // Less than the minimum lifetime is left.
    sandbox.age("id-token", Duration::from_secs(57 * 60));
    let mut leader = stopped_leader(&sandbox);
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--timeout", "300ms"]).copied().collect();
    assert_eq!(sandbox.run(&arguments).ok(), old);
    leader.kill().unwrap();
    leader.wait().unwrap();
}

#[test]
fn a_hanging_process_is_named_at_the_time_limit() {
    let sandbox = Sandbox::new();
    let mut leader = stopped_leader(&sandbox);
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--timeout", "300ms"]).copied().collect();
    let (message, hint) = sandbox.run(&arguments).fails(6, "E_LOCK");
    assert!(message.contains(&format!("another process (process {})", leader.id())), "{message}");
    assert!(hint.contains(".lock`"), "{hint}");
    leader.kill().unwrap();
    leader.wait().unwrap();
}
