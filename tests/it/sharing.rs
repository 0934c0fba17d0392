//! A lock only serves to share a result: where results cannot be shared, processes do not wait for each other.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;
use yc_id_token_emulator::{Fault, Route};

use crate::fake_sts::{self, FakeSts};
use crate::fake_vault::{self, FakeVault};
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

const TOKEN: &[&str] = &["token", "--audience", "k8s"];

/// The number of concurrent processes. Each of their requests takes two seconds.
const CROWD: usize = 60;

/// One after the other, they would take three times as long.
const TIMEOUT: &str = "--timeout=40s";

fn crowd(sandbox: &Sandbox, arguments: &[&str]) -> Vec<Outcome> {
    let start = |_| {
        let mut command = sandbox.command(arguments);
        command.arg(TIMEOUT).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..CROWD).map(start).collect();
    children.into_iter().map(|child| sandbox.outcome(child)).collect()
}

fn slow_cloud() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(2));
    sandbox
}

#[test]
fn on_a_full_disk_many_processes_run_in_parallel() {
    let sandbox = slow_cloud();
    let folder = sandbox.cache_folder();
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=0700 none {folder} && cd {folder} && \
         (dd if=/dev/zero of=full bs=1k 2>&- || true) && for i in $(seq {CROWD}); do \
         ({PROGRAM} {} {TIMEOUT} >/dev/null || echo failed) & done; wait; ls {folder}",
        TOKEN.join(" "),
        folder = folder.display(),
    );
    let listed = sandbox.finish(sandbox.in_own_namespaces(&["--mount"], &script)).ok();
    assert!(!listed.contains("failed"), "{listed}");
    assert!(!listed.contains(".v1\n"), "the disk was full: {listed}");
}

#[test]
fn with_a_folder_as_the_entry_processes_run_in_parallel() {
    let sandbox = slow_cloud();
    sandbox.run(TOKEN).ok();
    let entry = &sandbox.entries("id-token")[0];
    fs::remove_file(entry).unwrap();
    fs::create_dir_all(entry.join("not-empty")).unwrap();
    for outcome in crowd(&sandbox, TOKEN) {
        outcome.ok();
    }
    fs::remove_dir_all(entry).unwrap();
}

#[test]
fn a_token_that_is_too_large_for_the_cache_is_fetched_in_parallel() {
    let sandbox = slow_cloud();
    let audience = "a".repeat(80_000);
    let arguments = ["token", "--audience", &audience];
    for outcome in crowd(&sandbox, &arguments) {
        assert!(outcome.ok().len() > 100_000);
    }
    assert!(sandbox.entries("id-token").is_empty());
}

#[test]
fn tokens_with_a_use_limit_are_fetched_in_parallel_and_never_shared() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.run(&["vault", "token"]).ok();
    sandbox.run(&["cache", "clear"]).ok();
    let limited = || fake_vault::Answer::Auth(json!({ "num_uses": 3 }));
    vault.script((0..CROWD).map(|_| limited()));
    let mut tokens: Vec<String> =
        crowd(&sandbox, &["vault", "token"]).into_iter().map(Outcome::ok).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), CROWD, "each has its own");
}

#[test]
fn a_failure_that_cannot_be_stored_occurs_in_parallel() {
    let sandbox = slow_cloud();
    sandbox.run(TOKEN).ok();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let entry = sandbox.entries("id-token").remove(0);
    let memo = entry.with_extension("v1.failure");
    fs::create_dir_all(memo.join("not-empty")).unwrap();
    fs::remove_file(entry).unwrap();
    for outcome in crowd(&sandbox, TOKEN) {
        outcome.fails(4, "E_SOURCE_DENIED");
    }
    fs::remove_dir_all(memo).unwrap();
}

#[test]
fn results_are_shared_again_once_the_cache_works() {
    let sandbox = slow_cloud();
    sandbox.run(TOKEN).ok();
    let entry = sandbox.entries("id-token").remove(0);
    fs::remove_file(&entry).unwrap();
    fs::create_dir_all(entry.join("not-empty")).unwrap();
    sandbox.run(TOKEN).ok();
    fs::remove_dir_all(&entry).unwrap();
    sandbox.run(TOKEN).ok();
    let before = sandbox.token_requests().1;
    fs::remove_file(&entry).unwrap();
    for outcome in crowd(&sandbox, TOKEN) {
        outcome.ok();
    }
    assert_eq!(sandbox.token_requests().1, before + 1);
}

#[test]
fn keys_capped_by_an_old_token_are_replaced() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sandbox.run(&["aws"]).ok();
    // The token is valid for two more minutes, and the server caps the keys at its expiry.
    sandbox.age("id-token", Duration::from_secs(58 * 60));
    fs::remove_file(&sandbox.entries("aws-session")[0]).unwrap();
    sts.script([fake_sts::Answer::Keys(Duration::from_secs(115))]);
    let document: serde_json::Value = serde_json::from_str(&sandbox.run(&["aws"]).ok()).unwrap();
    assert!(document["AccessKeyId"].as_str().unwrap().ends_with('3'), "{document}");
    assert_eq!((sandbox.token_requests().1, sts.count()), (2, 3));
    // Keys of a new token have the maximum lifetime, although the server caps them too.
    sandbox.age("aws-session", Duration::from_secs(3600));
    sts.script([fake_sts::Answer::Keys(Duration::from_secs(3590))]);
    sandbox.run(&["aws"]).ok();
    assert_eq!((sandbox.token_requests().1, sts.count()), (2, 4));
}

#[test]
fn keys_capped_by_an_old_token_are_used_if_no_new_one_comes() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sandbox.run(&["aws"]).ok();
    sandbox.age("id-token", Duration::from_secs(58 * 60));
    fs::remove_file(&sandbox.entries("aws-session")[0]).unwrap();
    sts.script([fake_sts::Answer::Keys(Duration::from_secs(115))]);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(503)));
    let document: serde_json::Value = serde_json::from_str(&sandbox.run(&["aws"]).ok()).unwrap();
    assert!(document["AccessKeyId"].as_str().unwrap().ends_with('2'), "{document}");
}

#[test]
fn a_long_refusal_is_remembered_like_a_short_one() {
    let sandbox = Sandbox::new();
    let message = "words and more words, ".repeat(10_000);
    sandbox.cloud.always(Route::IamToken, Some(Fault::RpcError { status: 403, code: 7, message }));
    let first = sandbox.run(TOKEN).fails(4, "E_SOURCE_DENIED");
    assert!(first.0.chars().count() < 600, "{}", first.0);
    for _ in 0..5 {
        assert_eq!(sandbox.run(TOKEN).fails(4, "E_SOURCE_DENIED"), first);
    }
    assert_eq!(sandbox.token_requests(), (1, 0));
}
