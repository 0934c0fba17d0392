//! `exec`: a command with credentials in its environment and no conflicting variables, or in files, which stay fresh.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use yc_id_token_emulator::{Fault, Options, Route};

use crate::fake_sts::{Answer, FakeSts};
use crate::fake_vault::{self, FakeVault};
use crate::sandbox::{Sandbox, claims, eventually};

/// The environment of a command.
fn environment(sandbox: &Sandbox, arguments: &[&str]) -> BTreeMap<String, String> {
    let arguments = [&["exec", "--aws"], arguments, &["--", "env", "-0"]].concat();
    let text = sandbox.run(&arguments).ok();
    let lines = text.split('\0').filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_command_has_the_keys_and_no_conflicting_variables() {
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
fn a_configured_region_is_exported_for_old_and_new_tools() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let both = |environment: &BTreeMap<String, String>| {
        ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| environment.get(name).cloned())
    };
    assert_eq!(both(&environment(&sandbox, &[])), [None, None]);
    let region = || Some("eu-west-1".to_owned());
    assert_eq!(both(&environment(&sandbox, &["--region=eu-west-1"])), [region(), region()]);
    // The profile itself is not exported, but its region is.
    sandbox.write(".aws/config", "[profile work]\nregion = eu-west-1\n");
    sandbox.set("AWS_PROFILE", "work");
    assert_eq!(both(&environment(&sandbox, &[])), [region(), region()]);
}

#[test]
fn the_command_replaces_the_process() {
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
    let text_printed = sandbox.outcome(child).ok();
    assert!(
        text_printed.starts_with(&format!("{pid}\nsh\0-c\0")),
        "it is the same process: {text_printed}"
    );
}

#[test]
fn a_command_that_cannot_be_run_fails_as_in_a_shell() {
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

/// A sandbox with its own folder for temporary files, and that folder.
pub fn with_temporary_folder(options: Options) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::with_options(options);
    let folder = sandbox.home().join("temporary");
    fs::create_dir(&folder).unwrap();
    sandbox.set("TMPDIR", folder.clone());
    (sandbox, folder)
}

pub fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// The audience of a token.
fn audience(token: &str) -> String {
    claims(token)["aud"].as_str().unwrap().to_owned()
}

/// The arguments to run a script with a token for the audience `sts` in the file `$FILE`.
fn with_file(script: &str) -> [&str; 7] {
    ["exec", "--token-file-env", "FILE=sts", "--", "sh", "-c", script]
}

#[test]
fn a_command_has_tokens_in_variables_and_replaces_the_process() {
    let sandbox = Sandbox::new();
    let script = "printf '%s\\n' $$ \"$A\" \"$_b2\"; tr '\\0' ' ' </proc/$$/cmdline";
    let arguments = ["exec", "--token-env=A", "--token-env", "_b2=api://b=c", "--audience=k8s"];
    let command = sandbox.command(&[&arguments[..], &["--", "sh", "-c", script]].concat());
    let child = start(command);
    let pid = child.id().to_string();
    let printed = sandbox.outcome(child).ok();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((lines[0], lines.len()), (pid.as_str(), 4), "it is the same process");
    assert_eq!([audience(lines[1]), audience(lines[2])], ["k8s", "api://b=c"]);
    assert!(lines[3].starts_with("sh -c"), "no token is in its arguments: {}", lines[3]);
    // A credential in a variable is not refreshed.
    sandbox.age("id-token", Duration::from_secs(31 * 60));
    let run = || sandbox.run(&["exec", "--token-env=A=k8s", "--", "sh", "-c", "echo $A"]).ok();
    let new = run();
    assert_ne!(new.trim(), lines[1]);
    assert_eq!(run(), new);
}

#[test]
fn a_command_has_a_token_in_a_private_file_that_is_removed_afterwards() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let script = "stat -c '%a %n' \"$FILE\" \"${FILE%/*}\"; cat \"$FILE\"; exit 42";
    let in_folder = |sandbox: &Sandbox, folder: &Path| {
        let outcome = sandbox.run(&with_file(script));
        assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(42), ""));
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        let [file, above, token] = lines[..] else { panic!("{outcome:?}") };
        assert!(file.starts_with("600 ") && file.ends_with("/FILE"), "{file}");
        assert!(above.starts_with(&format!("700 {}/yc-id-token-", folder.display())), "{above}");
        assert_eq!(audience(token), "sts");
        assert!(is_empty(folder), "it is removed");
    };
    in_folder(&sandbox, &temporary);
    let login = sandbox.home().join("login");
    fs::create_dir(&login).unwrap();
    fs::set_permissions(&login, fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.set("XDG_RUNTIME_DIR", login.clone());
    in_folder(&sandbox, &login.join("yc-id-token"));
    sandbox.unset("XDG_RUNTIME_DIR");

    let killed = sandbox.run(&with_file("kill -KILL $$"));
    assert_eq!(killed.status.code(), Some(128 + 9), "as a shell reports it");
    sandbox
        .run(&["exec", "--token-file-env=FILE=sts", "--", "no-such-command"])
        .fails(127, "E_NO_COMMAND");
    assert!(is_empty(&temporary), "it is removed");
}

#[test]
fn signals_reach_the_command_and_the_file_is_still_removed() {
    let (sandbox, temporary) = with_temporary_folder(Options::default());
    for (signal, code) in [("INT", 1), ("TERM", 2), ("HUP", 3), ("QUIT", 4)] {
        let ready = sandbox.home().join(format!("ready-{signal}"));
        let script = format!(
            "trap 'exit {code}' {signal}; touch {}; while :; do sleep 0.05; done",
            ready.display()
        );
        let child = start(sandbox.command(&with_file(&script)));
        eventually("the command runs", || ready.exists());
        assert!(!is_empty(&temporary));
        kill(&child, signal);
        assert_eq!(sandbox.outcome(child).status.code(), Some(code), "{signal}");
        assert!(is_empty(&temporary), "{signal}");
    }
    let ready = sandbox.home().join("ready");
    let script = format!("touch {}; exec sleep 1000", ready.display());
    let child = start(sandbox.command(&with_file(&script)));
    eventually("the command runs", || ready.exists());
    kill(&child, "TERM");
    assert_eq!(sandbox.outcome(child).status.code(), Some(128 + 15));
    assert!(is_empty(&temporary));
}

#[test]
fn a_file_is_replaced_at_half_its_lifetime_and_survives_a_failure() {
    let short = Options { id_token_life: Duration::from_secs(8), ..Options::default() };
    let (sandbox, temporary) = with_temporary_folder(short);
    let (ready, go) = (sandbox.home().join("ready"), sandbox.home().join("go"));
    let script = format!(
        "cat \"$FILE\"; echo; touch {}; until [ -e {} ]; do sleep 0.05; done; cat \"$FILE\"",
        ready.display(),
        go.display()
    );
    let mut command = sandbox.command(&with_file(&script));
    // Another audience, which is refreshed too.
    command.env("YC_ID_TOKEN_EXEC_TOKEN_ENV", "TOKEN=k8s");
    let child = start(command);
    eventually("the command runs", || ready.exists());
    let path = temporary_file(&temporary);
    let first = fs::read_to_string(&path).unwrap();
    let requested = sandbox.cloud.count(Route::TokenExchange);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(400)));
    eventually("it requests another", || sandbox.cloud.count(Route::TokenExchange) > requested);
    assert_eq!(fs::read_to_string(&path).unwrap(), first, "a failure leaves the file");
    sandbox.cloud.always(Route::TokenExchange, None);
    let second = || fs::read_to_string(&path).unwrap();
    eventually("the file is replaced", || second() != first);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        sandbox.cloud.count(Route::TokenExchange) < requested + 30,
        "it pauses between attempts"
    );
    fs::write(&go, "").unwrap();
    let printed = sandbox.outcome(child).ok();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], first);
    assert_ne!(lines[1], first);
    assert!(is_empty(&temporary));
}

#[test]
fn a_signal_while_a_file_is_refreshed_reaches_the_command() {
    let short = Options { id_token_life: Duration::from_secs(4), ..Options::default() };
    let (mut sandbox, temporary) = with_temporary_folder(short);
    // Otherwise, the run ends only after the test has failed.
    sandbox.set("YC_ID_TOKEN_TIMEOUT", "1h");
    let child = start(sandbox.command(&with_file("exec sleep 1000")));
    eventually("the command runs", || !is_empty(&temporary));
    let requested = sandbox.cloud.count(Route::TokenExchange);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    eventually("it requests another", || sandbox.cloud.count(Route::TokenExchange) > requested);
    kill(&child, "TERM");
    assert_eq!(sandbox.outcome(child).status.code(), Some(128 + 15));
    assert!(is_empty(&temporary));
}

/// The only file in the folder for temporary files.
fn temporary_file(temporary: &Path) -> PathBuf {
    let folder = fs::read_dir(temporary).unwrap().next().unwrap().unwrap().path();
    folder.join("FILE")
}

#[test]
fn a_command_has_all_requested_credentials() {
    let (mut sandbox, temporary) = with_temporary_folder(Options::default());
    let _sts = FakeSts::start(&mut sandbox);
    let vault = FakeVault::start(&mut sandbox);
    sandbox.set("VAULT_NAMESPACE", "team");
    sandbox.configure(
        "[profiles.p.exec]\naws = true\nvault = true\ntoken_env = [\"A=a\", \"B=b\"]\ntoken_file_env = [\"C=c\"]\n",
    );
    let script = "printf '%s\\n' $AWS_ACCESS_KEY_ID $VAULT_TOKEN $BAO_TOKEN $VAULT_ADDR $BAO_NAMESPACE $A $B $(cat $C)
        tr '\\0' ' ' </proc/$PPID/cmdline";
    let printed = sandbox.run(&["exec", "--profile=p", "--", "sh", "-c", script]).ok();
    let lines: Vec<&str> = printed.lines().collect();
    let token = fake_vault::token(1);
    assert_eq!(lines[..5], ["ASIA1", &token, &token, &vault.url(), "team"]);
    assert_eq!([lines[5], lines[6], lines[7]].map(audience), ["a", "b", "c"]);
    let arguments = lines[8..].join("\n");
    for secret in sandbox.secrets() {
        assert!(!arguments.contains(&secret), "{arguments}");
    }
    assert_eq!(sandbox.cloud.count(Route::IamToken), 1, "all by one IAM token");
    assert!(is_empty(&temporary));
    let status = sandbox.run(&["status", "p"]).ok();
    let (_, forecast) = status.split_once("\nexec\n").unwrap();
    for audience in ["`a`", "`b`", "`c`"] {
        assert!(forecast.contains(audience), "{status}");
    }
}

#[test]
fn invalid_variables_are_rejected_before_any_request() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let fails = |arguments: &[&str], exit, code| {
        sandbox.run(&[&["exec"], arguments, &["--", "touch", "was-run"]].concat()).fails(exit, code)
    };
    let (text, _) = fails(&["--token-env=2A=k8s"], 2, "E_USAGE");
    assert!(text.contains("`2A` is not the name of a variable"), "{text}");
    fails(&["--token-file-env=A/B=k8s"], 2, "E_USAGE");
    let (text, _) = fails(&["--token-env=A=k8s", "--token-file-env=A=sts"], 2, "E_USAGE");
    assert!(text.contains("`A` is named twice"), "{text}");
    let (text, _) = fails(&["--token-env=A="], 2, "E_USAGE");
    assert!(text.contains("the audience of `A` is empty"), "{text}");
    let (text, hint) = fails(&["--token-file-env=A"], 3, "E_MISSING");
    assert!(text.contains("the audience of the ID token in `A` is not set"), "{text}");
    assert!(hint.contains("--token-file-env A=AUDIENCE"), "{hint}");
    assert_eq!(sandbox.token_requests(), (0, 0));
    let (text, _) = fails(&["--aws", "--token-env=AWS_PROFILE=k8s"], 2, "E_USAGE");
    assert!(text.contains("`AWS_PROFILE` belongs to the credentials"), "{text}");
    assert!(!sandbox.home().join("was-run").exists());
}

pub fn start(mut command: Command) -> Child {
    // Not in the foreground of a terminal from which the tests may be run.
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

pub fn kill(child: &Child, signal: &str) {
    let mut kill = Command::new("kill");
    assert!(kill.arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap().success());
}
