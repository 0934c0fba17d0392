//! `doctor --end-to-end` exchanges a new ID token as the consumer would, runs the consumer's own check, and leaves only
//! cached credentials behind. `tests/real/doctor.rs` tests it with the real programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::doctor::{configure, configured, examine};
use crate::fake_sts::{self, FakeSts};
use crate::fake_vault::{Answer, FakeVault};
use crate::sandbox::{PROGRAM, Sandbox};

/// Puts a script on the `PATH`.
fn stand_in(sandbox: &Sandbox, name: &str, script: &str) {
    let path = sandbox.write(&format!("programs/{name}"), &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_exchange_with_sts_is_only_tried_on_request() {
    let mut sandbox = configured();
    let sts = FakeSts::start(&mut sandbox);
    let exchanges = |sts: &FakeSts| {
        sts.requests().iter().filter(|request| request.line.starts_with("POST")).count()
    };
    examine(&sandbox, &["aws", "--profile=prod"]).exits(0);
    assert_eq!(exchanges(&sts), 0);
    let found = examine(&sandbox, &["aws", "--profile=prod", "--end-to-end"]);
    found
        .exits(0)
        .has("ok", "an exchange returns keys of the role `arn:aws:iam::123456789012:role/");
    assert_eq!(exchanges(&sts), 1);
    examine(&sandbox, &["aws", "--profile=prod", "--end-to-end"]).exits(0);
    assert_eq!(exchanges(&sts), 2, "whatever is cached");

    let refusal =
        || fake_sts::Answer::Refusal(403, "AccessDenied", "Not authorized to perform sts:Assume");
    // One connection for the check of the network.
    sts.script([refusal(), refusal()]);
    let found = examine(&sandbox, &["aws", "--profile=prod", "--end-to-end"]);
    found.exits(5).has("error", "AccessDenied");
}

#[test]
fn a_login_at_vault_is_tried_and_its_token_revoked() {
    let mut sandbox = configured();
    let vault = FakeVault::start(&mut sandbox);
    configure(&sandbox, &format!("[profiles.prod.vault]\naddress = \"{}\"\n", vault.url()));
    examine(&sandbox, &["vault", "--profile=prod"]).exits(0);
    assert_eq!(vault.logins(), 0);
    let found = examine(&sandbox, &["vault", "--profile=prod", "--end-to-end"]);
    found.exits(0).has("ok", "it was for this check, and is revoked");
    assert_eq!(
        (vault.logins(), vault.request_paths().last().unwrap().as_str()),
        (1, "revoke-self")
    );
    assert_eq!(sandbox.entries("vault-token").len(), 0);

    // Also where only the variables of the official clients are set.
    sandbox.unset("YC_ID_TOKEN_VAULT_ROLE");
    configure(&sandbox, "");
    examine(&sandbox, &["vault", "--profile=prod", "--end-to-end"]).exits(0);
    assert_eq!(vault.logins(), 2);

    let denied = || Answer::Refusal(400, "role \"robot\" could not be found");
    vault.script([denied()]);
    let found = examine(&sandbox, &["vault", "--profile=prod", "--end-to-end"]);
    found.exits(5).has("error", "could not be found");
}

#[test]
fn the_own_check_of_each_entry_is_run_and_reported() {
    let mut sandbox = configured();
    let sts = FakeSts::start(&mut sandbox);
    let line = format!("[profile sa]\ncredential_process = {PROGRAM} aws --profile=prod\n");
    sandbox.write(".aws/config", &line);
    let check = |sandbox: &Sandbox| examine(sandbox, &["aws", "--end-to-end"]);
    let found = check(&sandbox);
    found.exits(0).has("note", "run `aws sts get-caller-identity --profile sa`");
    let version = "[ \"$1\" = --version ] && exec echo aws-cli/2";
    let answers = |sandbox: &Sandbox, script: &str| {
        stand_in(sandbox, "aws", &format!("{version}\n[ \"$4\" = sa ] || exit 9\n{script}"));
    };
    answers(&sandbox, "echo '{\"Arn\": \"arn:aws:sts::123456789012:assumed-role/robot/x\"}'");
    let words = "AWS profile `sa` of ";
    let seen = check(&sandbox);
    let seen = seen.exits(0).has("ok", "AWS sees `arn:aws:sts::123456789012:assumed-role/robot/x`");
    assert!(seen["finding"].as_str().unwrap().starts_with(words), "{seen}");
    answers(&sandbox, "echo 'An error occurred (InvalidClientTokenId) when calling' >&2; exit 254");
    check(&sandbox).exits(5).has("error", "AWS does not accept the keys");
    answers(&sandbox, "exec /bin/sleep 600");
    let found = examine(&sandbox, &["aws", "--end-to-end", "--timeout=6s"]);
    found.exits(6).has("error", "`aws sts get-caller-identity --profile sa` did not answer");
    drop(sts);
}

#[test]
fn the_vault_cli_is_run_with_the_server_of_the_profile() {
    let mut sandbox = configured();
    let vault = FakeVault::start(&mut sandbox);
    sandbox.unset("VAULT_ADDR");
    configure(&sandbox, &format!("[profiles.prod.vault]\naddress = \"{}\"\n", vault.url()));
    let link = sandbox.home().join("programs/yc-id-token-vault");
    symlink(PROGRAM, &link).unwrap();
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", link.display()));
    // The output of a lookup, with the token.
    let token = "hvs.CAESIJlWh2dGVzdHRva2Vulookup";
    sandbox.keep_secret(token);
    let answer = format!(
        r#"{{"data": {{"id": "{token}", "display_name": "jwt-robot", "policies": ["default", "reader"], "ttl": 1200}}}}"#
    );
    let url = vault.url();
    let script = format!(
        "[ \"$1\" = version ] && exec echo Vault v1\n[ \"$VAULT_ADDR\" = {url} ] || exit 9\necho '{answer}'"
    );
    stand_in(&sandbox, "vault", &script);
    sandbox.may_hold_secrets(&sandbox.home().join("programs/vault"));
    let found = examine(&sandbox, &["vault", "--end-to-end"]);
    let words = "the server sees `jwt-robot`, with the policies default, reader, for 1200 s";
    found.exits(0).has("ok", words);
    // The fix uses the profile of the helper.
    let script = "[ \"$1\" = version ] && exec echo Vault v1\necho 'Code: 403' >&2; exit 2";
    stand_in(&sandbox, "vault", script);
    let found = examine(&sandbox, &["vault", "--end-to-end"]);
    let check = found.exits(5).has("error", "the server does not accept the token");
    let fix = check["fix"].as_str().unwrap();
    assert!(fix.contains("`yc-id-token vault status --profile=prod`"), "{fix}");
}
