//! `exec`: a command with credentials in its environment, and nothing there that would win over them.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use crate::fake_sts::{Answer, FakeSts};
use crate::sandbox::Sandbox;

/// The environment that a command has.
fn environment(sandbox: &Sandbox, arguments: &[&str]) -> BTreeMap<String, String> {
    let arguments = [&["exec", "--aws"], arguments, &["--", "env", "-0"]].concat();
    let text = sandbox.run(&arguments).ok();
    let lines = text.split('\0').filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_command_has_the_keys_and_nothing_that_would_win_over_them() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let inherited = [
        "AMAZON_SESSION_TOKEN",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_BEARER_TOKEN_BEDROCK_AGENTCORE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CREDENTIAL_FILE",
        "AWS_CREDENTIAL_SCOPE",
        "AWS_DEFAULT_PROFILE",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ];
    for name in inherited {
        sandbox.set(name, "inherited");
    }
    sandbox.set("AWS_CA_BUNDLE", "/kept");
    let environment = environment(&sandbox, &[]);
    let is_of_aws = |name: &&str| name.starts_with("AWS_") || name.starts_with("AMAZON_");
    let of_aws: Vec<&str> = environment.keys().map(String::as_str).filter(is_of_aws).collect();
    assert_eq!(
        of_aws,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_ACCOUNT_ID",
            "AWS_CA_BUNDLE",
            "AWS_CREDENTIAL_EXPIRATION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ]
    );
    assert_eq!(environment["AWS_ACCESS_KEY_ID"], "ASIA1");
    assert!(environment["AWS_SECRET_ACCESS_KEY"].starts_with("wJalr"));
    assert!(environment["AWS_SESSION_TOKEN"].starts_with("IQoJ"));
    assert_eq!(environment["AWS_ACCOUNT_ID"], "123456789012");
    assert!(environment["AWS_CREDENTIAL_EXPIRATION"].ends_with('Z'));
    assert_eq!(environment["AWS_CA_BUNDLE"], "/kept");
}

#[test]
fn a_region_that_was_named_is_handed_on_to_old_and_new_tools() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let both = |environment: &BTreeMap<String, String>| {
        ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| environment.get(name).cloned())
    };
    assert_eq!(both(&environment(&sandbox, &[])), [None, None]);
    let region = || Some("eu-west-1".to_owned());
    assert_eq!(both(&environment(&sandbox, &["--region=eu-west-1"])), [region(), region()]);
    // The profile itself is not handed on, but what it says of the region is.
    sandbox.write(".aws/config", "[profile work]\nregion = eu-west-1\n");
    sandbox.set("AWS_PROFILE", "work");
    assert_eq!(both(&environment(&sandbox, &[])), [region(), region()]);
}

#[test]
fn the_command_takes_our_place() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let run = |command: &[&str]| sandbox.run(&[&["exec", "--aws", "--"], command].concat());
    assert_eq!(run(&["sh", "-c", "exit 42"]).status.code(), Some(42));
    assert_eq!(run(&["sh", "-c", "kill -TERM $$"]).status.signal(), Some(15));
    assert_eq!(run(&["printf", "%s|", "a b", "--profile", ""]).ok(), "a b|--profile||");
    let mut command =
        sandbox.command(&["exec", "--aws", "--", "sh", "-c", "echo $$; cat /proc/$$/cmdline"]);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let said = sandbox.outcome(child).ok();
    assert!(said.starts_with(&format!("{pid}\nsh\0-c\0")), "it is the same process: {said}");
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_a_shell_tells_it() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let run = |command: &str| sandbox.run(&["exec", "--aws", "--", command]);
    let (text, _) = run("no-such-command").fails(127, "E_NO_COMMAND");
    assert_eq!(text, "cannot run `no-such-command`: no such file or directory");
    let file = sandbox.write("data", "");
    run(file.to_str().unwrap()).fails(126, "E_NOT_RUN");
}

#[test]
fn without_keys_the_command_is_not_run() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    let marker = sandbox.home().join("was-run");
    let command = ["--", "touch", marker.to_str().unwrap()];
    sts.script([Answer::Refusal(403, "AccessDenied", "no")]);
    sandbox.run(&[&["exec", "--aws"], &command[..]].concat()).fails(5, "E_CONSUMER_DENIED");
    let (_, hint) = sandbox.run(&[&["exec"], &command[..]].concat()).fails(3, "E_MISSING");
    assert!(hint.contains("--aws"), "{hint}");
    let (_, hint) = sandbox.run(&["exec", "--aws", "touch", "x"]).fails(2, "E_USAGE");
    assert!(hint.starts_with("put `--` before the command"), "{hint}");
    assert!(!marker.exists());
    sandbox.configure("[profiles.p.exec]\naws = true\n");
    sandbox.run(&[&["exec", "--profile=p", "--duration=2h"], &command[..]].concat()).ok();
    assert!(marker.exists());
}
