//! The process of an agent: its requirements of the system, and its memory.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use yc_id_token_emulator::{Fault, Options, Route};

use crate::agent::{Agent, file};
use crate::sandbox::{PROGRAM, Sandbox, eventually};

/// The resident memory of a process, in pages.
fn resident_pages(pid: u32) -> usize {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn hundreds_of_renewals_do_not_grow_the_memory() {
    const FILES: usize = 40;
    let id_token_life = Duration::from_secs(2);
    let mut sandbox = Sandbox::with_options(Options { id_token_life, ..Options::default() });
    // Each thread of glibc's allocator would have its own memory, and each renewal runs on a thread.
    sandbox.set("MALLOC_ARENA_MAX", "1");
    let table = |name: usize| {
        file(&sandbox, &name.to_string());
        format!("[[agent.files]]\npath = \"~/{name}\"\naudience = \"{name}\"\n")
    };
    sandbox.configure(&(0..FILES).map(table).collect::<String>());
    let agent = Agent::start(&sandbox, &[]);
    let mut expected = 0;
    let mut least_of_four_rounds = || {
        let pages = (0..4).map(|_| {
            expected = expected.max(sandbox.cloud.count(Route::TokenExchange)) + FILES;
            eventually("it renews them", || sandbox.cloud.count(Route::TokenExchange) >= expected);
            resident_pages(agent.pid())
        });
        pages.min().unwrap()
    };
    // Memory of running renewals varies; memory that stays is in every sample.
    let (_, before, after) =
        (least_of_four_rounds(), least_of_four_rounds(), least_of_four_rounds());
    assert!(after <= before + before / 20, "{before} pages, then {after}");
    agent.terminate().ok();
}

#[test]
fn an_agent_needs_no_home_no_capability_and_no_writable_root() {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join("out");
    fs::create_dir(&folder).unwrap();
    let token = file(&sandbox, "out/token");
    let variable = |name: &str| format!("{name}={}", sandbox.get(name).unwrap().display());
    let variables = [
        "YC_ID_TOKEN_KEY_FILE",
        "YC_ID_TOKEN_IAM_ENDPOINT",
        "YC_ID_TOKEN_OAUTH_ENDPOINT",
        "YC_METADATA_ADDR",
    ]
    .map(variable)
    .join(" ");
    let arguments = format!("--audience=k8s --file={}", token.display());
    let own = |arguments: &str| {
        let (out, program) = (folder.display(), PROGRAM);
        let script = format!(
            "mount --bind {out} {out} && mount -o remount,bind,ro / && \
             exec unshare --user --map-user=4242 --map-group=4242 env -i {variables} {program} {arguments}"
        );
        sandbox.in_own_namespaces(&["--mount"], &script)
    };
    let agent = Agent::of(&sandbox, own(&format!("agent --log-format=json {arguments}")));
    eventually("it is there", || token.exists());
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    assert_eq!(sandbox.finish(own(&format!("agent check {arguments}"))).ok(), "");
    let outcome = agent.terminate();
    assert!(outcome.status.success(), "{outcome:?}");
    let lines = outcome.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let levels: Vec<_> = lines.map(|line| line["level"].clone()).collect();
    assert!(levels.iter().all(|level| level == "info"), "{outcome:?}");
    assert!(!sandbox.cache_folder().exists());
}

#[test]
fn an_unresponsive_server_does_not_delay_other_files() {
    let sandbox = Sandbox::new();
    sandbox.cloud.script(Route::TokenExchange, [Fault::Stall]);
    let files = ["one", "two"].map(|name| file(&sandbox, name));
    sandbox.configure(
        "[[agent.files]]\npath = \"~/one\"\naudience = \"1\"\n[[agent.files]]\npath = \"~/two\"\naudience = \"2\"\n",
    );
    let agent = Agent::start(&sandbox, &["--timeout=100s"]);
    eventually("one is there", || files.iter().any(|file| file.exists()));
    assert!(!sandbox.log().contains("is not renewed"), "the other still waits");
    agent.terminate().ok();
}
