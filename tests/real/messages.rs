//! `docs/troubleshooting.md`: real clients print the messages that the page quotes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::kubeconfig::kubectl;
use super::openbao::cli;
use super::{peer, project_file};
use crate::sandbox::{PROGRAM, Sandbox};

/// The client fails, and both it and the page have this message. `…` on the page replaces the parts that differ.
#[track_caller]
fn fails_as_quoted(sandbox: &Sandbox, command: Command, quoted: &str) {
    assert!(project_file("docs/troubleshooting.md").contains(&format!("`{quoted}`")), "{quoted}");
    let outcome = sandbox.finish(command);
    assert!(!outcome.status.success(), "{outcome:?}");
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    let mut rest = printed.as_str();
    for part in quoted.split('…') {
        let Some(found) = rest.find(part) else { panic!("no `{part}`: {printed}") };
        rest = &rest[found + part.len()..];
    }
}

#[test]
fn the_aws_cli_prints_the_quoted_messages() {
    let mut sandbox = Sandbox::new();
    let role = "--role-arn=arn:aws:iam::123456789012:role/robot";
    let helper = format!("{PROGRAM} aws --sts-endpoint=http://127.0.0.1:1 {role}");
    sandbox.write(
        ".aws/config",
        &format!(
            "[profile robot]\ncredential_process = {helper}\n\
             [profile tilde]\ncredential_process = ~/bin/yc-id-token aws\n\
             [profile empty]\nregion = eu-central-1\n"
        ),
    );
    sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
    for (profile, quoted) in [
        ("robot", "Error when retrieving credentials from custom-process: yc-id-token: …"),
        ("tilde", "No such file or directory: '~/…'"),
        ("empty", "Unable to locate credentials"),
        ("NAME", "The config profile (NAME) could not be found"),
    ] {
        let mut aws = sandbox.other_command(peer("aws-venv/bin/aws"));
        aws.args(["s3", "ls", "--region=eu-central-1", "--profile", profile]);
        fails_as_quoted(&sandbox, aws, quoted);
    }
}

#[test]
fn kubectl_prints_the_quoted_messages() {
    let sandbox = Sandbox::new();
    let v1 = "apiVersion: client.authentication.k8s.io/v1";
    let v1alpha1 = "apiVersion: client.authentication.k8s.io/v1alpha1";
    for (exec, quoted) in [
        (
            format!("{v1}, command: yc-id-token, interactiveMode: Never"),
            "getting credentials: exec: executable yc-id-token not found",
        ),
        (
            format!("{v1}, command: /nowhere/yc-id-token, interactiveMode: Never"),
            "fork/exec …: no such file or directory",
        ),
        (
            format!("{v1}, command: yc-id-token"),
            "interactiveMode must be specified for … to use exec authentication plugin",
        ),
        (
            format!("{v1}, command: yc-id-token, interactiveMode: Always"),
            "exec plugin cannot support interactive mode: standard input is not a terminal",
        ),
        (
            format!("{v1alpha1}, command: yc-id-token, interactiveMode: Never"),
            "exec plugin: invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"",
        ),
    ] {
        sandbox.write(
            ".kube/config",
            &format!(
                "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{exec: {{{exec}}}}}}}], \
                 clusters: [{{name: k, cluster: {{server: \"https://127.0.0.1:1\"}}}}], \
                 contexts: [{{name: c, context: {{cluster: k, user: u}}}}]}}"
            ),
        );
        fails_as_quoted(&sandbox, kubectl(&sandbox, &["auth", "whoami"]), quoted);
    }
}

#[test]
fn the_vault_cli_prints_the_quoted_messages() {
    let mut sandbox = Sandbox::new();
    sandbox.set("BAO_ADDR", "http://127.0.0.1:1");
    sandbox.set("SHELL", "/bin/sh");
    let read = |sandbox: &Sandbox| cli(sandbox, &["read", "secret/a"]);
    sandbox.write(".bao", "token_helper = \"/opt/yc-id-token vault\"\n");
    fails_as_quoted(&sandbox, read(&sandbox), "unknown error getting the external helper path");

    let helper = |script: &str| {
        let path = sandbox.write("helper", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        sandbox.write(".bao", &format!("token_helper = \"{}\"\n", path.display()));
    };
    helper("echo broken >&2; exit 3");
    let quoted = "failed to get token from token helper: \"…\": exit status …";
    fails_as_quoted(&sandbox, read(&sandbox), quoted);
    helper("echo a-token-with-a-newline");
    let quoted = "configured Vault token contains non-printable characters and cannot be used";
    fails_as_quoted(&sandbox, read(&sandbox), quoted);
}
