//! `vault exec`: a command with the token in its environment, in the place of this process or as its child.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::fake_vault::{Answer, FakeVault, token};
use crate::sandbox::{Sandbox, eventually};

/// The variables of Vault and OpenBao that a command has.
fn environment(sandbox: &Sandbox, arguments: &[&str]) -> BTreeMap<String, String> {
    let arguments = [&["vault", "exec"], arguments, &["--", "env", "-0"]].concat();
    let text = sandbox.run(&arguments).ok();
    let lines = text.split('\0').filter_map(|line| line.split_once('='));
    let lines = lines.filter(|(name, _)| name.starts_with("VAULT_") || name.starts_with("BAO_"));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn both(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let both = pairs.iter().flat_map(|(name, value)| {
        [format!("BAO_{name}"), format!("VAULT_{name}")].map(|name| (name, (*value).to_owned()))
    });
    both.collect()
}

#[test]
fn a_command_has_the_token_and_no_conflicting_variables() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let address = format!("--address={}", vault.url());
    for name in ["ADDR", "TOKEN", "NAMESPACE", "AGENT_ADDR"] {
        for clients in ["VAULT", "BAO"] {
            sandbox.set(&format!("{clients}_{name}"), "http://127.0.0.1:1");
        }
    }
    sandbox.set("BAO_NAMESPACE", "");
    let (url, token) = (vault.url(), token(1));
    let always = [("ADDR", url.as_str()), ("TOKEN", &token)];
    assert_eq!(environment(&sandbox, &[&address]), both(&always));

    sandbox.set("VAULT_CACERT", "/inherited");
    let ca = sandbox.write("ca.pem", "");
    let [ca_cert, cert, key] =
        ["ca-cert", "client-cert", "client-key"].map(|flag| format!("--{flag}={}", ca.display()));
    let arguments = [&address, "--namespace=n", &ca_cert, &cert, &key, "--tls-server-name=vault"];
    let environment = environment(&sandbox, &arguments);
    let file = ca.to_str().unwrap();
    let more = [
        ("NAMESPACE", "n"),
        ("CACERT", file),
        ("CLIENT_CERT", file),
        ("CLIENT_KEY", file),
        ("TLS_SERVER_NAME", "vault"),
    ];
    let token = environment["VAULT_TOKEN"].clone();
    let always = [("ADDR", url.as_str()), ("TOKEN", &token)];
    assert_eq!(environment, both(&[&always[..], &more[..]].concat()));
}

#[test]
fn the_command_replaces_the_process() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let run = |command: &[&str]| sandbox.run(&[&["vault", "exec", "--"], command].concat());
    assert_eq!(run(&["sh", "-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).status.signal(), Some(15));
    run(&["no-such-command"]).fails(127, "E_NO_COMMAND");
    assert_eq!(vault.logins(), 1);
    // A command cannot use a token that the server has revoked.
    vault.script([Answer::Refusal(403, "permission denied")]);
    let number = vault.requests().len() + 2;
    assert_eq!(run(&["sh", "-c", "printf %s \"$VAULT_TOKEN\""]).ok(), token(number));
    // A token that cannot be looked up now may still be valid.
    vault.script((0..3).map(|_| Answer::Refusal(503, "Vault is sealed")));
    assert_eq!(run(&["sh", "-c", "printf %s \"$VAULT_TOKEN\""]).ok(), token(number));
}

#[test]
fn a_revoked_token_belongs_to_the_command_alone() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.run(&["vault", "token"]).ok();
    let run = |script: &str| sandbox.run(&["vault", "exec", "--revoke", "--", "sh", "-c", script]);
    assert_eq!(run("printf %s \"$VAULT_TOKEN\"").ok(), token(2), "not the one that is shared");
    assert_eq!(vault.request_paths(), ["login", "login", "revoke-self"]);
    assert_eq!(vault.requests()[2].headers["x-vault-token"], token(2));
    assert_eq!(run("exit 42").status.code(), Some(42));
    assert_eq!(run("kill -KILL $$").status.code(), Some(128 + 9), "as a shell reports it");
    assert_eq!(vault.request_paths()[3..], ["login", "revoke-self"].repeat(2));
    assert_eq!(sandbox.run(&["vault", "token"]).ok(), format!("{}\n", token(1)));

    // A token that cannot be revoked is reported before the command runs, a failed revocation after it.
    vault.script([Answer::Auth(json!({ "token_type": "batch", "accessor": "" }))]);
    let (text, hint) = run("touch was-run").fails(5, "E_CONSUMER_REFUSED");
    assert!(text.contains("batch") && hint.contains("leave out `--revoke`"), "{text}\n{hint}");
    assert!(!sandbox.home().join("was-run").exists());
    let unwilling = || [Answer::Auth(json!({})), Answer::Refusal(400, "no")];
    vault.script(unwilling());
    run("true").fails(5, "E_CONSUMER_REFUSED");
    vault.script(unwilling());
    assert_eq!(run("exit 3").status.code(), Some(3), "the command's own failure is the news");
    vault.script([Answer::Auth(json!({})), Answer::Refusal(403, "permission denied")]);
    run("true").ok();
    let no_command = ["vault", "exec", "--revoke", "--", "no-such-command"];
    sandbox.run(&no_command).fails(127, "E_NO_COMMAND");
    assert_eq!(vault.request_paths().last().unwrap(), "revoke-self", "no process can use it");
}

#[test]
fn signals_reach_the_command_and_the_token_is_still_revoked() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for (number, (signal, code)) in
        [("INT", 1), ("TERM", 2), ("HUP", 3), ("QUIT", 4)].into_iter().enumerate()
    {
        let ready = sandbox.home().join(format!("ready-{signal}"));
        // Its children have the default signal handlers.
        let script = format!(
            "trap 'exit {code}' {signal}; touch {}; while :; do sleep 0.05; done",
            ready.display()
        );
        let child = start(&sandbox, &script);
        eventually("the command runs", || ready.exists());
        kill(&child, signal);
        assert_eq!(sandbox.outcome(child).status.code(), Some(code), "{signal}");
        assert_eq!(vault.request_paths()[number * 2..], ["login", "revoke-self"], "{signal}");
    }
    // A command that such a signal ends.
    let ready = sandbox.home().join("ready");
    let child = start(&sandbox, &format!("touch {}; exec sleep 1000", ready.display()));
    eventually("the command runs", || ready.exists());
    kill(&child, "TERM");
    assert_eq!(sandbox.outcome(child).status.code(), Some(128 + 15));
    assert_eq!(vault.request_paths().last().unwrap(), "revoke-self");
}

fn start(sandbox: &Sandbox, script: &str) -> Child {
    let mut command = sandbox.command(&["vault", "exec", "--revoke", "--", "sh", "-c", script]);
    // Not in the foreground of a terminal from which the tests may be run.
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn kill(child: &Child, signal: &str) {
    let mut kill = Command::new("kill");
    assert!(kill.arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap().success());
}
