//! The kinds of tokens that a role can return, and how each is used.

use serde_json::{Value, json};

use super::openbao::{ANSWER, OpenBao, cli, read_secret, sign_in, token};
use crate::sandbox::Sandbox;

/// A server, and a role `robot` there with these parameters.
fn start(sandbox: &mut Sandbox, role: &Value) -> OpenBao {
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(sandbox, &server);
    server.role("", "robot", &server.url(), &sandbox.account, role);
    server
}

#[test]
fn a_token_for_three_uses_can_be_used_three_times() {
    let mut sandbox = Sandbox::new();
    let server = start(&mut sandbox, &json!({ "token_num_uses": 3 }));
    let first = token(&sandbox, &[]);
    assert_ne!(token(&sandbox, &[]), first, "it is not shared");
    assert_eq!(server.leases("jwt"), 2);
    sandbox.run(&["vault", "status"]).fails(3, "E_MISSING");
    sandbox.set("VAULT_TOKEN", &first);
    let look = || sandbox.finish(cli(&sandbox, &["token", "lookup"])).status.success();
    assert_eq!([look(), look(), look(), look()], [true, true, true, false]);

    // A command with one use leaves two, and the helper gets another token for each command.
    sandbox.unset("VAULT_TOKEN");
    sandbox.run(&["vault", "install-helper"]).ok();
    for _ in 0..2 {
        assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    }
    let printed = sandbox.run(&["vault", "login"]).ok();
    assert!(printed.contains("uses       3, so it is not cached"), "{printed}");
    assert!(printed.contains("stored     nowhere"), "{printed}");
}

#[test]
fn a_batch_token_is_cached_and_cannot_be_revoked() {
    let mut sandbox = Sandbox::new();
    let server = start(&mut sandbox, &json!({ "token_type": "batch" }));
    let first = token(&sandbox, &[]);
    assert!(first.starts_with("b."), "{first}");
    assert_eq!(token(&sandbox, &[]), first);
    let printed = sandbox.run(&["vault", "status"]).ok();
    assert!(printed.contains("type       batch") && !printed.contains("accessor   "), "{printed}");
    for arguments in [&["vault", "revoke"][..], &["vault", "exec", "--revoke", "--", "true"]] {
        let (text, _) = sandbox.run(arguments).fails(5, "E_CONSUMER_REFUSED");
        assert!(text.contains("batch token"), "{text}");
    }
    sandbox.run(&["vault", "install-helper"]).ok();
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 0);
}

#[test]
fn a_token_that_was_revoked_on_the_server_is_replaced_by_a_login() {
    let mut sandbox = Sandbox::new();
    let server = start(&mut sandbox, &Value::Null);
    sandbox.run(&["vault", "install-helper"]).ok();
    let first = token(&sandbox, &[]);
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    server.revoke(&first);
    assert!(!read_secret(&sandbox).status.success());
    let (text, hint) = sandbox.run(&["vault", "status"]).fails(5, "E_CONSUMER_DENIED");
    assert!(text.contains("revoked") && hint.contains("vault login"), "{text}\n{hint}");
    let printed = sandbox.run(&["vault", "exec", "--", "printenv", "VAULT_TOKEN"]).ok();
    assert_ne!(printed.trim(), first, "a command is not given a dead one");
    server.revoke(printed.trim());
    sandbox.run(&["vault", "login"]).ok();
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 1);
    let last = token(&sandbox, &[]);
    server.revoke(&last);
    assert_eq!(sandbox.run(&["vault", "revoke"]).ok(), "it had been revoked before\n");
}

#[test]
fn a_wrapped_token_is_unwrapped_once() {
    let mut sandbox = Sandbox::new();
    let server = start(&mut sandbox, &Value::Null);
    let wrapping = token(&sandbox, &["--wrap-ttl=60s"]);
    assert!(sandbox.entries("vault-token").is_empty());
    sandbox.set("VAULT_TOKEN", &wrapping);
    let unwrap = || sandbox.finish(cli(&sandbox, &["unwrap", "-field=token"]));
    let inside = unwrap().ok();
    sandbox.keep_secret(&inside);
    assert!(!unwrap().status.success(), "once");
    sandbox.set("VAULT_TOKEN", &inside);
    assert_eq!(read_secret(&sandbox).ok(), ANSWER);
    assert_eq!(server.leases("jwt"), 1);
}

#[test]
fn a_periodic_token_and_one_of_the_mounts_default_role_are_tokens() {
    let mut sandbox = Sandbox::new();
    let server = start(&mut sandbox, &json!({ "token_period": "1h" }));
    let config = json!({ "oidc_discovery_url": sandbox.cloud.url(), "default_role": "robot" });
    server.admin("POST", "auth/jwt/config", &config);
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    token(&sandbox, &[]);
    let printed = sandbox.run(&["vault", "status"]).ok();
    assert!(printed.contains("role       robot\n"), "{printed}");
    assert!(
        printed.contains("ttl        59m ") || printed.contains("ttl        1h 0m"),
        "{printed}"
    );
}
