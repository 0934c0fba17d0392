//! The token of the `vault` and `bao` CLIs: from a file, or from their token helper, which can be this program.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::fake_vault::{Answer, FakeVault, token};
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

/// The program under the name that makes it a token helper.
fn helper(sandbox: &Sandbox) -> PathBuf {
    let link = sandbox.home().join("bin/yc-id-token-vault");
    if !link.exists() {
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    }
    link
}

fn run_helper(sandbox: &Sandbox, request: &str) -> Outcome {
    let mut command = sandbox.other_command(helper(sandbox));
    command.arg(request);
    sandbox.finish(command)
}

/// Runs the helper as the CLI does, with a token on standard input.
fn store(sandbox: &Sandbox, token: &str) -> Outcome {
    let mut command: Command = sandbox.other_command(helper(sandbox));
    command.arg("store").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    sandbox.outcome(child)
}

/// A token helper that stores its token in a file in the home, or fails.
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
    let printed = sandbox.run(&["vault", "login"]).ok();
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
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(printed.contains("\nttl        "), "{printed}");
    assert!(!printed.contains(&token(1)), "but not the token");

    // It replaces anything at the path, and follows no link.
    let elsewhere = sandbox.write("elsewhere", "untouched");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert_eq!(stored(&sandbox, ".vault-token"), token(1), "the one of before");

    sandbox.set("VAULT_TOKEN_PATH", sandbox.home().join("there"));
    sandbox.set("VAULT_TOKEN", "hvs.other");
    let printed = sandbox.run(&["vault", "login"]).ok();
    assert_eq!(stored(&sandbox, "there"), token(1));
    assert!(
        printed.contains("VAULT_TOKEN is set, and the CLI uses that token instead"),
        "{printed}"
    );
}

#[test]
fn a_token_revoked_by_the_server_is_replaced_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let forgotten = || Answer::Refusal(403, "permission denied");
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(vault.request_paths(), ["login"], "a new one is not doubted");
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(vault.request_paths(), ["login", "lookup-self"]);
    vault.script([forgotten()]);
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(vault.request_paths()[2..], ["lookup-self", "login"]);
    assert_eq!(stored(&sandbox, ".vault-token"), token(4));
    assert_eq!(sandbox.run(&["vault", "token"]).ok(), format!("{}\n", token(4)));

    vault.script([forgotten(), forgotten()]);
    sandbox.run(&["vault", "login"]).fails(5, "E_CONSUMER_DENIED");
    assert_eq!(vault.request_paths()[4..], ["lookup-self", "login"], "once, not for ever");
}

#[test]
fn login_passes_the_token_to_the_clis_configured_helper() {
    let mut sandbox = Sandbox::new();
    let _vault = FakeVault::start(&mut sandbox);
    let keeps = "test \"$1\" = store || exit 9\necho \"$VAULT_ADDR $BAO_ADDR\" > \"$HOME/addr\"\ncat > \"$HOME/kept\"";
    let helper = other_helper(&sandbox, keeps);
    sandbox.write(".bao", &format!("# mine\ntoken_helper = \"{}\"\n", helper.display()));
    let printed = sandbox.run(&["vault", "login"]).ok();
    assert_eq!(stored(&sandbox, "kept"), token(1));
    assert!(printed.contains(&format!("stored     by {}\n", helper.display())), "{printed}");
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

    // Each CLI has its own token.
    sandbox.write(".bao", "");
    let config = sandbox.write("vault.hcl", &format!("token_helper = \"{}\"\n", helper.display()));
    sandbox.set("VAULT_CONFIG_PATH", config);
    other_helper(&sandbox, keeps);
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(stored(&sandbox, "kept"), token(1));
}

#[test]
fn the_token_helper_logs_in_once_and_prints_the_bare_token() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for _ in 0..3 {
        assert_eq!(run_helper(&sandbox, "get").ok(), token(1), "no newline");
    }
    assert_eq!(sandbox.run(&["vault", "token-helper", "get"]).ok(), token(1));
    assert_eq!(vault.logins(), 1);
    assert_eq!(run_helper(&sandbox, "erase").ok(), "");
    assert_eq!(sandbox.entries("vault-token").len(), 0);
    assert_eq!(run_helper(&sandbox, "get").ok(), token(2));
    vault.script([Answer::Refusal(400, "role \"robot\" could not be found")]);
    assert_eq!(run_helper(&sandbox, "erase").ok(), "");
    run_helper(&sandbox, "get").fails(5, "E_CONSUMER_REFUSED");
}

#[test]
fn a_token_stored_by_the_cli_wins_until_erase_or_login() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.keep_secret("hvs.mine");
    assert_eq!(store(&sandbox, "hvs.mine").ok(), "");
    assert_eq!(run_helper(&sandbox, "get").ok(), "hvs.mine");
    assert_eq!(vault.logins(), 0);
    let printed = sandbox.run(&["vault", "status"]).ok();
    assert!(printed.contains("one that was stored"), "{printed}");
    assert_eq!(vault.request_paths(), [""; 0], "it may be for so many uses");
    sandbox.set("VAULT_NAMESPACE", "other");
    assert_eq!(run_helper(&sandbox, "get").ok(), token(1), "it is for one server and namespace");
    sandbox.unset("VAULT_NAMESPACE");
    assert_eq!(run_helper(&sandbox, "erase").ok(), "");
    assert_eq!(run_helper(&sandbox, "get").ok(), token(2));

    store(&sandbox, "hvs.mine\n").ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), "hvs.mine");
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", helper(&sandbox).display()));
    let printed = sandbox.run(&["vault", "login"]).ok();
    assert!(
        printed.contains("stored     for the token helper, which is yc-id-token\n"),
        "{printed}"
    );
    assert_eq!(run_helper(&sandbox, "get").ok(), token(2));
    assert!(!sandbox.home().join(".vault-token").exists());

    // With flags that the helper is not run with.
    let printed = sandbox.run(&["vault", "login", "--role=other"]).ok();
    assert!(printed.contains("which is yc-id-token, until it expires\n"), "{printed}");
    assert_eq!(run_helper(&sandbox, "get").ok(), token(4));
    let printed = sandbox.run(&["vault", "status", "--role=other"]).ok();
    assert!(printed.contains("accessor   accessor-4\n"), "{printed}");
    sandbox.run(&["vault", "revoke", "--role=other"]).ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), token(2), "it is not returned any more");
    sandbox.run(&["vault", "login", "--role=other"]).ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), token(7));
    sandbox.age("vault-override", Duration::from_secs(1300));
    assert_eq!(run_helper(&sandbox, "get").ok(), token(2));

    for bad in ["", "two words", "line\nline"] {
        store(&sandbox, bad).fails(2, "E_USAGE");
    }
    sandbox.set("YC_ID_TOKEN_CACHE", "none");
    store(&sandbox, "hvs.mine").fails(7, "E_CACHE");
}

#[test]
fn a_token_is_not_returned_for_another_server() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.configure(&format!("[defaults.vault]\naddress = \"{}\"\n", vault.url()));
    assert_eq!(run_helper(&sandbox, "get").ok(), token(1));
    // As `bao -address` sets it for its helper.
    sandbox.set("BAO_ADDR", "https://other.example:8200");
    assert_eq!(
        run_helper(&sandbox, "get").ok(),
        "",
        "there is none, and the CLI can still log in there"
    );
    sandbox.keep_secret("hvs.mine");
    store(&sandbox, "hvs.mine").ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), "hvs.mine");
    sandbox.set("BAO_ADDR", format!("{}/", vault.url()));
    assert_eq!(run_helper(&sandbox, "get").ok(), token(1));
    assert_eq!(vault.logins(), 1);
}

#[test]
fn a_cli_on_a_local_socket_gets_no_token() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    for variable in ["VAULT_ADDR", "BAO_ADDR", "VAULT_AGENT_ADDR", "BAO_AGENT_ADDR"] {
        let before = sandbox.get(variable);
        sandbox.set(variable, "unix:///run/vault/agent.sock");
        assert_eq!(run_helper(&sandbox, "get").ok(), "", "{variable}");
        assert_eq!(run_helper(&sandbox, "erase").ok(), "", "{variable}");
        match before {
            Some(before) => sandbox.set(variable, before),
            None => sandbox.unset(variable),
        }
    }
    // OpenBao's CLI has replaced the address of the socket with this one, and stores tokens for it.
    let before = sandbox.get("VAULT_ADDR").unwrap();
    for variable in ["VAULT_ADDR", "BAO_ADDR"] {
        sandbox.set(variable, "http://localhost");
    }
    assert_eq!(run_helper(&sandbox, "get").ok(), "");
    sandbox.keep_secret("hvs.by-socket");
    store(&sandbox, "hvs.by-socket").ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), "hvs.by-socket");
    assert_eq!(run_helper(&sandbox, "erase").ok(), "");
    assert_eq!(run_helper(&sandbox, "get").ok(), "");
    sandbox.set("VAULT_ADDR", before);
    // With a configured server, the helper stores the CLI's tokens for it.
    sandbox.configure(&format!("[defaults.vault]\naddress = \"{}\"\n", vault.url()));
    sandbox.set("BAO_ADDR", "unix:///run/vault/agent.sock");
    assert_eq!(run_helper(&sandbox, "get").ok(), "");
    sandbox.keep_secret("hvs.mine");
    store(&sandbox, "hvs.mine").ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), "hvs.mine");
    run_helper(&sandbox, "erase").ok();
    assert_eq!(run_helper(&sandbox, "get").ok(), "");
    assert_eq!(vault.request_paths(), [""; 0]);
}

#[test]
fn storing_a_token_that_never_arrives_ends_in_time() {
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
fn the_cli_can_unseal_a_server_with_this_helper() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    vault.script((0..3).map(|_| Answer::Refusal(503, "Vault is sealed")));
    assert_eq!(run_helper(&sandbox, "get").ok(), "", "it requests a token before it does anything");
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
    let printed = sandbox.run(&["vault", "revoke"]).ok();
    assert_eq!(printed, format!("revoked, and removed from {}\n", file.display()));
    assert!(!file.exists());
    let request = vault.requests().pop().unwrap();
    assert_eq!(request.line, "POST /v1/auth/token/revoke-self HTTP/1.1");
    assert_eq!(request.headers["x-vault-token"], token(1));
    assert_eq!(sandbox.entries("vault-token").len(), 0);

    sandbox.run(&["vault", "token"]).ok();
    sandbox.write(".vault-token", "hvs.another-users");
    vault.script([Answer::Refusal(403, "permission denied")]);
    assert_eq!(sandbox.run(&["vault", "revoke"]).ok(), "it had been revoked before\n");
    assert!(file.exists(), "it is another token");
    assert_eq!(sandbox.entries("vault-token").len(), 0);
}

#[test]
fn status_shows_the_servers_details_without_a_new_token() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let (text, hint) = sandbox.run(&["vault", "status"]).fails(3, "E_MISSING");
    assert!(text.contains("role `robot`") && hint.contains("vault login"), "{text}\n{hint}");
    sandbox.run(&["vault", "token"]).ok();
    sandbox.age("vault-token", Duration::from_secs(60));
    let printed = sandbox.run(&["vault", "status"]).ok();
    assert!(printed.contains("ttl        20m 34s, until 20"), "the server's word: {printed}");
    assert!(
        printed.contains("accessor   accessor-1\n") && !printed.contains(&token(1)),
        "{printed}"
    );
    vault.script([Answer::Refusal(403, "permission denied")]);
    let (text, hint) = sandbox.run(&["vault", "status"]).fails(5, "E_CONSUMER_DENIED");
    assert!(text.contains("revoked") && hint.contains("vault login"), "{text}\n{hint}");
}
