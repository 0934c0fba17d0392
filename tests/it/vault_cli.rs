//! What the `vault` and `bao` CLIs find: a token in a file, or with their token helper, which can be us.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::fake_vault::{Answer, FakeVault, token};
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

/// The program by the name that makes it a token helper.
fn helper(sandbox: &Sandbox) -> PathBuf {
    let link = sandbox.home().join("bin/yc-id-token-vault");
    if !link.exists() {
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    }
    link
}

fn ask(sandbox: &Sandbox, request: &str) -> Outcome {
    let mut command = sandbox.other_command(helper(sandbox));
    command.arg(request);
    sandbox.finish(command)
}

/// The same as the CLI does it, with a token on standard input.
fn store(sandbox: &Sandbox, token: &str) -> Outcome {
    let mut command: Command = sandbox.other_command(helper(sandbox));
    command.arg("store").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    sandbox.outcome(child)
}

/// A token helper that keeps its token in a file beside the home's, or fails.
fn other_helper(sandbox: &Sandbox, script: &str) -> PathBuf {
    let path = sandbox.write("helper", &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn stored(sandbox: &Sandbox, name: &str) -> String {
    let path = sandbox.home().join(name);
    sandbox.may_hold_secrets(&path);
    fs::read_to_string(path).unwrap()
}

#[test]
fn login_stores_the_token_in_a_file_and_prints_everything_else() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.set("VAULT_NAMESPACE", "team");
    let said = sandbox.run(&["vault", "login"]).ok();
    let file = sandbox.home().join(".vault-token");
    assert_eq!(stored(&sandbox, ".vault-token"), token(1), "no newline");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for line in [
        format!("address    {}", vault.url()),
        "namespace  team".into(),
        "mount      jwt".into(),
        "role       robot".into(),
        "policies   default, reader".into(),
        "accessor   accessor-1".into(),
        format!("stored     in {}", file.display()),
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(said.contains("\nttl        "), "{said}");
    assert!(!said.contains(&token(1)), "but not the token");

    // It replaces what is there, whatever that is, and follows no link.
    let elsewhere = sandbox.write("elsewhere", "untouched");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert_eq!(stored(&sandbox, ".vault-token"), token(1), "the one of before");

    sandbox.set("VAULT_TOKEN_PATH", sandbox.home().join("there"));
    sandbox.set("VAULT_TOKEN", "hvs.other");
    let said = sandbox.run(&["vault", "login"]).ok();
    assert_eq!(stored(&sandbox, "there"), token(1));
    assert!(said.contains("VAULT_TOKEN is set, and the CLI uses that token instead"), "{said}");
}

#[test]
fn a_token_that_the_server_has_forgotten_is_replaced_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let forgotten = || Answer::Refusal(403, "permission denied");
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(vault.asked(), ["login"], "a new one is not doubted");
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(vault.asked(), ["login", "lookup-self"]);
    vault.script([forgotten()]);
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(vault.asked()[2..], ["lookup-self", "login"]);
    assert_eq!(stored(&sandbox, ".vault-token"), token(4));
    assert_eq!(sandbox.run(&["vault", "token"]).ok(), format!("{}\n", token(4)));

    vault.script([forgotten(), forgotten()]);
    sandbox.run(&["vault", "login"]).fails(5, "E_CONSUMER_DENIED");
    assert_eq!(vault.asked()[4..], ["lookup-self", "login"], "once, not for ever");
}

#[test]
fn login_hands_the_token_to_the_helper_that_the_cli_is_set_up_with() {
    let mut sandbox = Sandbox::new();
    let _vault = FakeVault::start(&mut sandbox);
    let keeps = "test \"$1\" = store || exit 9\necho \"$VAULT_ADDR $BAO_ADDR\" > \"$HOME/addr\"\ncat > \"$HOME/kept\"";
    let helper = other_helper(&sandbox, keeps);
    sandbox.write(".bao", &format!("# mine\ntoken_helper = \"{}\"\n", helper.display()));
    let said = sandbox.run(&["vault", "login"]).ok();
    assert_eq!(stored(&sandbox, "kept"), token(1));
    assert!(said.contains(&format!("stored     by {}\n", helper.display())), "{said}");
    assert!(!sandbox.home().join(".vault-token").exists());
    let address = stored(&sandbox, "addr");
    let (vault, bao) = address.trim().split_once(' ').unwrap();
    assert!(vault == bao && vault.starts_with("http://127.0.0.1:"), "{address}");

    other_helper(&sandbox, "echo cannot keep \"$(cat)\" >&2; exit 3");
    let (text, _) = sandbox.run(&["vault", "login"]).fails(5, "E_CONSUMER_REFUSED");
    assert!(text.contains("cannot keep [redacted]") && text.contains("exit status: 3"), "{text}");
    sandbox.write(".bao", "token_helper = \"/no/such/helper\"\n");
    let (text, _) = sandbox.run(&["vault", "login"]).fails(5, "E_CONSUMER_REFUSED");
    assert!(text.ends_with("no such file or directory"), "{text}");

    // To each CLI its own.
    sandbox.write(".bao", "");
    let config = sandbox.write("vault.hcl", &format!("token_helper = \"{}\"\n", helper.display()));
    sandbox.set("VAULT_CONFIG_PATH", config);
    other_helper(&sandbox, keeps);
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(stored(&sandbox, "kept"), token(1));
}

#[test]
fn the_token_helper_prints_the_bare_token_and_logs_in_for_it_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for _ in 0..3 {
        assert_eq!(ask(&sandbox, "get").ok(), token(1), "no newline");
    }
    assert_eq!(sandbox.run(&["vault", "token-helper", "get"]).ok(), token(1));
    assert_eq!(vault.logins(), 1);
    assert_eq!(ask(&sandbox, "erase").ok(), "");
    assert_eq!(sandbox.entries("vault-token").len(), 0);
    assert_eq!(ask(&sandbox, "get").ok(), token(2));
    vault.script([Answer::Refusal(400, "role \"robot\" could not be found")]);
    assert_eq!(ask(&sandbox, "erase").ok(), "");
    ask(&sandbox, "get").fails(5, "E_CONSUMER_REFUSED");
}

#[test]
fn what_the_cli_stores_has_the_say_until_it_is_erased_or_we_log_in() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.keep_secret("hvs.mine");
    assert_eq!(store(&sandbox, "hvs.mine").ok(), "");
    assert_eq!(ask(&sandbox, "get").ok(), "hvs.mine");
    assert_eq!(vault.logins(), 0);
    let said = sandbox.run(&["vault", "status"]).ok();
    assert!(said.contains("one that was stored"), "{said}");
    assert_eq!(vault.asked(), [""; 0], "it may be for so many uses");
    sandbox.set("VAULT_NAMESPACE", "other");
    assert_eq!(ask(&sandbox, "get").ok(), token(1), "it is for one server and namespace");
    sandbox.unset("VAULT_NAMESPACE");
    assert_eq!(ask(&sandbox, "erase").ok(), "");
    assert_eq!(ask(&sandbox, "get").ok(), token(2));

    store(&sandbox, "hvs.mine\n").ok();
    assert_eq!(ask(&sandbox, "get").ok(), "hvs.mine");
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", helper(&sandbox).display()));
    let said = sandbox.run(&["vault", "login"]).ok();
    assert!(said.contains("stored     for the token helper, which is yc-id-token\n"), "{said}");
    assert_eq!(ask(&sandbox, "get").ok(), token(2));
    assert!(!sandbox.home().join(".vault-token").exists());

    // By flags that the helper is not run with.
    let said = sandbox.run(&["vault", "login", "--role=other"]).ok();
    assert!(said.contains("which is yc-id-token, until it expires\n"), "{said}");
    assert_eq!(ask(&sandbox, "get").ok(), token(4));
    let said = sandbox.run(&["vault", "status", "--role=other"]).ok();
    assert!(said.contains("accessor   accessor-4\n"), "{said}");
    sandbox.run(&["vault", "revoke", "--role=other"]).ok();
    assert_eq!(ask(&sandbox, "get").ok(), token(2), "it is not handed out any more");
    sandbox.run(&["vault", "login", "--role=other"]).ok();
    assert_eq!(ask(&sandbox, "get").ok(), token(7));
    sandbox.age("vault-override", Duration::from_secs(1300));
    assert_eq!(ask(&sandbox, "get").ok(), token(2));

    for bad in ["", "two words", "line\nline"] {
        store(&sandbox, bad).fails(2, "E_USAGE");
    }
    sandbox.set("YC_ID_TOKEN_CACHE", "none");
    store(&sandbox, "hvs.mine").fails(7, "E_CACHE");
}

#[test]
fn a_token_is_not_given_for_another_server_than_it_is_of() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.configure(&format!("[defaults.vault]\naddress = \"{}\"\n", vault.url()));
    assert_eq!(ask(&sandbox, "get").ok(), token(1));
    // As `bao -address` tells its helper.
    sandbox.set("BAO_ADDR", "https://other.example:8200");
    assert_eq!(ask(&sandbox, "get").ok(), "", "there is none, and the CLI can still log in there");
    sandbox.keep_secret("hvs.mine");
    store(&sandbox, "hvs.mine").ok();
    assert_eq!(ask(&sandbox, "get").ok(), "hvs.mine");
    sandbox.set("BAO_ADDR", format!("{}/", vault.url()));
    assert_eq!(ask(&sandbox, "get").ok(), token(1));
    assert_eq!(vault.logins(), 1);
}

#[test]
fn a_cli_that_talks_to_a_socket_of_this_machine_is_told_that_there_is_no_token() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for variable in ["VAULT_ADDR", "BAO_ADDR", "VAULT_AGENT_ADDR", "BAO_AGENT_ADDR"] {
        let before = sandbox.get(variable);
        sandbox.set(variable, "unix:///run/vault/agent.sock");
        assert_eq!(ask(&sandbox, "get").ok(), "", "{variable}");
        assert_eq!(ask(&sandbox, "erase").ok(), "", "{variable}");
        match before {
            Some(before) => sandbox.set(variable, before),
            None => sandbox.unset(variable),
        }
    }
    // OpenBao's CLI has replaced the address of the socket by this one, and stores tokens for it.
    let before = sandbox.get("VAULT_ADDR").unwrap();
    for variable in ["VAULT_ADDR", "BAO_ADDR"] {
        sandbox.set(variable, "http://localhost");
    }
    assert_eq!(ask(&sandbox, "get").ok(), "");
    sandbox.keep_secret("hvs.by-socket");
    store(&sandbox, "hvs.by-socket").ok();
    assert_eq!(ask(&sandbox, "get").ok(), "hvs.by-socket");
    assert_eq!(ask(&sandbox, "erase").ok(), "");
    assert_eq!(ask(&sandbox, "get").ok(), "");
    sandbox.set("VAULT_ADDR", before);
    // With a server of its own, the helper keeps what the CLI gets there.
    sandbox.configure(&format!("[defaults.vault]\naddress = \"{}\"\n", vault.url()));
    sandbox.set("BAO_ADDR", "unix:///run/vault/agent.sock");
    assert_eq!(ask(&sandbox, "get").ok(), "");
    sandbox.keep_secret("hvs.mine");
    store(&sandbox, "hvs.mine").ok();
    assert_eq!(ask(&sandbox, "get").ok(), "hvs.mine");
    ask(&sandbox, "erase").ok();
    assert_eq!(ask(&sandbox, "get").ok(), "");
    assert_eq!(vault.asked(), [""; 0]);
}

#[test]
fn a_token_that_is_to_be_stored_and_does_not_come_is_not_waited_for() {
    let mut sandbox = Sandbox::new();
    let _vault = FakeVault::start(&mut sandbox);
    sandbox.set("YC_ID_TOKEN_TIMEOUT", "1s");
    let mut command = sandbox.other_command(helper(&sandbox));
    command.arg("store").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _open = child.stdin.take();
    sandbox.outcome(child).fails(2, "E_USAGE");
}

#[test]
fn the_cli_can_unseal_a_server_whose_helper_we_are() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    vault.script((0..3).map(|_| Answer::Refusal(503, "Vault is sealed")));
    assert_eq!(ask(&sandbox, "get").ok(), "", "it asks for a token before it does anything");
    let (text, hint) = sandbox.run(&["vault", "token"]).fails(6, "E_CONSUMER_SEALED");
    assert!(text.ends_with("Vault is sealed") && hint.contains("unseal"), "{text}\n{hint}");
}

#[test]
fn a_stored_token_does_not_outlive_its_revocation() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let file = sandbox.home().join(".vault-token");
    assert_eq!(sandbox.run(&["vault", "revoke"]).ok(), "there is no token to revoke\n");
    sandbox.run(&["vault", "login"]).ok();
    let said = sandbox.run(&["vault", "revoke"]).ok();
    assert_eq!(said, format!("revoked, and removed from {}\n", file.display()));
    assert!(!file.exists());
    let request = vault.requests().pop().unwrap();
    assert_eq!(request.line, "POST /v1/auth/token/revoke-self HTTP/1.1");
    assert_eq!(request.headers["x-vault-token"], token(1));
    assert_eq!(sandbox.entries("vault-token").len(), 0);

    sandbox.run(&["vault", "token"]).ok();
    sandbox.write(".vault-token", "hvs.somebody-elses");
    vault.script([Answer::Refusal(403, "permission denied")]);
    assert_eq!(sandbox.run(&["vault", "revoke"]).ok(), "it had been revoked before\n");
    assert!(file.exists(), "it is another token");
    assert_eq!(sandbox.entries("vault-token").len(), 0);
}

#[test]
fn status_shows_what_the_server_says_of_the_token_and_gets_none() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let (text, hint) = sandbox.run(&["vault", "status"]).fails(3, "E_MISSING");
    assert!(text.contains("role `robot`") && hint.contains("vault login"), "{text}\n{hint}");
    sandbox.run(&["vault", "token"]).ok();
    sandbox.age("vault-token", Duration::from_secs(60));
    let said = sandbox.run(&["vault", "status"]).ok();
    assert!(said.contains("ttl        20m 34s, until 20"), "the server's word: {said}");
    assert!(said.contains("accessor   accessor-1\n") && !said.contains(&token(1)), "{said}");
    vault.script([Answer::Refusal(403, "permission denied")]);
    let (text, hint) = sandbox.run(&["vault", "status"]).fails(5, "E_CONSUMER_DENIED");
    assert!(text.contains("revoked") && hint.contains("vault login"), "{text}\n{hint}");
}
