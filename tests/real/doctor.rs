//! `doctor` with the real programs: it reads what they write, and detects their versions.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::aws::set_up;
use super::kubeconfig::{V1, kubectl};
use super::moto::Moto;
use super::openbao::{OpenBao, bao, sign_in};
use super::peer;
use crate::sandbox::{PROGRAM, Sandbox};

/// The findings, with their results.
fn findings(sandbox: &Sandbox, arguments: &[&str]) -> Vec<(String, String)> {
    let outcome = sandbox.run(&[&["doctor", "--json"], arguments].concat());
    assert_eq!(outcome.stderr, "");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|check| (text(check, "result"), text(check, "finding"))).collect()
}

#[track_caller]
fn has(findings: &[(String, String)], result: &str, words: &str) {
    let is_it = |(its, text): &(String, String)| its == result && text.contains(words);
    assert!(findings.iter().any(is_it), "no `{words}`: {findings:#?}");
}

#[test]
fn a_kubeconfig_written_by_kubectl_is_read_and_its_trap_found() {
    let mut sandbox = Sandbox::new();
    let programs = sandbox.home().join("programs");
    fs::create_dir_all(&programs).unwrap();
    symlink(peer("venv/bin/kubectl"), programs.join("kubectl")).unwrap();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    let set_up = |sandbox: &Sandbox, command: &str| {
        let _ = fs::remove_file(sandbox.home().join(".kube/config"));
        let version = format!("--exec-api-version={V1}");
        let command = format!("--exec-command={command}");
        let arguments = ["config", "set-credentials", "sa", &version, &command];
        let more =
            ["--exec-arg=kubectl", "--exec-arg=--audience=k8s", "--exec-interactive-mode=Never"];
        sandbox.finish(kubectl(sandbox, &[&arguments[..], &more].concat())).ok();
        findings(sandbox, &["kubectl"])
    };
    let found = set_up(&sandbox, PROGRAM);
    has(&found, "ok", "user `sa` of ");
    has(&found, "ok", "kubectl v1.");
    assert!(found.iter().all(|(result, _)| result == "ok"), "{found:#?}");
    // kubectl makes a bare name of a program beside its file.
    fs::create_dir_all(sandbox.home().join(".kube")).unwrap();
    let beside = sandbox.home().join(".kube/yc-id-token");
    symlink(PROGRAM, &beside).unwrap();
    let found = set_up(&sandbox, beside.to_str().unwrap());
    has(&found, "error", "`yc-id-token` is not on the PATH");
}

#[test]
fn openbao_and_the_version_of_its_cli_are_detected() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    let folder = bao().parent().unwrap().to_owned();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    sandbox.set("YC_ID_TOKEN_VAULT_ADDRESS", server.url());
    let found = findings(&sandbox, &["vault"]);
    has(&found, "ok", "Vault at 127.0.0.1");
    has(&found, "ok", "OpenBao v2.");
    assert!(found.iter().all(|(result, _)| result == "ok"), "{found:#?}");
}

#[test]
fn the_version_of_the_aws_cli_is_detected() {
    let mut sandbox = Sandbox::new();
    let folder = peer("aws-venv/bin/aws").parent().unwrap().to_owned();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    has(&findings(&sandbox, &["aws"]), "ok", "aws-cli/");
}

#[test]
fn the_cli_of_openbao_and_the_server_confirm_the_helper() {
    let mut sandbox = Sandbox::new();
    let server = OpenBao::start(&sandbox.cloud);
    sign_in(&mut sandbox, &server);
    let folder = bao().parent().unwrap().to_owned();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let link = sandbox.home().join("yc-id-token-vault");
    symlink(PROGRAM, &link).unwrap();
    sandbox.write(".bao", &format!("token_helper = \"{}\"\n", link.display()));
    let found = findings(&sandbox, &["vault", "--end-to-end", "--timeout=60s"]);
    has(&found, "ok", "the server sees `jwt-");
    has(&found, "ok", "it was for this check, and is revoked");
    // The server no longer has the role, but the helper has a cached token.
    sandbox.run(&["cache", "clear"]).ok();
    sandbox.set("YC_ID_TOKEN_VAULT_ROLE", "absent");
    let found = findings(&sandbox, &["vault", "--end-to-end", "--timeout=60s"]);
    has(&found, "error", "absent");
    has(&found, "error", "the CLI gets no token");
}

#[test]
fn the_aws_cli_and_its_server_confirm_the_profile() {
    let mut sandbox = Sandbox::new();
    let folder = peer("aws-venv/bin/aws").parent().unwrap().to_owned();
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let moto = Moto::start();
    set_up(&mut sandbox, &moto.url());
    let process = |arguments: &str| {
        let line = format!("[profile robot]\ncredential_process = {PROGRAM} aws {arguments}\n");
        sandbox.write(".aws/config", &line);
        findings(&sandbox, &["aws", "--end-to-end", "--timeout=60s"])
    };
    let found = process("--role-arn=arn:aws:iam::123456789012:role/robot");
    has(&found, "ok", "AWS sees `arn:aws:sts::123456789012:assumed-role/robot/");
    has(&found, "ok", "an exchange returns keys of the role");
    // The helper fails, and the CLI passes on its words.
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let found = process("--force-refresh --role-arn=arn:aws:iam::123456789012:role/robot");
    has(&found, "error", "the AWS CLI gets no keys: cannot get");
}
