//! Standard output has one document or nothing; standard error is empty on success.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use crate::sandbox::Sandbox;

const TOKEN: &[&str] = &["token", "--audience", "https://k8s.example"];

#[test]
fn a_closed_stdout_is_an_error_and_not_a_panic() {
    let sandbox = Sandbox::new();
    for arguments in
        [TOKEN, &["kubectl", "--audience", "https://k8s.example"], &["--help"], &["--version"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child =
            sandbox.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let (message, _) = sandbox.outcome(child).fails(1, "E_OUTPUT");
        assert_eq!(message, "cannot write to standard output: broken pipe");
    }
}

#[test]
fn a_full_disk_at_stdout_is_an_error() {
    let sandbox = Sandbox::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let child = sandbox.command(TOKEN).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let (message, _) = sandbox.outcome(child).fails(1, "E_OUTPUT");
    assert_eq!(message, "cannot write to standard output: no space left on device");
}

#[test]
fn a_closed_stderr_does_not_stop_the_token() {
    let sandbox = Sandbox::new();
    let mut shell = sandbox.other_command("sh");
    shell.args(["-c", "exec \"$0\" token --audience a 2>&-", crate::sandbox::PROGRAM]);
    assert!(sandbox.finish(shell).ok().starts_with("eyJ"));
}

#[test]
fn an_error_can_be_one_json_object() {
    let mut sandbox = Sandbox::new();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let outcome = sandbox.run(&["token", "--audience", "a", "--error-format", "json"]);
    let error: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!((outcome.status.code(), outcome.stdout.as_str()), (Some(4), ""));
    assert_eq!((&error["code"], &error["exit"]), (&"E_SOURCE_DENIED".into(), &4.into()));
    assert!(error["message"].as_str().unwrap().starts_with("cannot get an ID token"));
    assert!(error["hint"].as_str().unwrap().contains("iam.serviceAccounts.tokenCreator"));

    sandbox.set("YC_ID_TOKEN_ERROR_FORMAT", "json");
    let error: Value = serde_json::from_str(&sandbox.run(&["token", "--nonsense"]).stderr).unwrap();
    assert_eq!(error["code"], "E_USAGE");
}

#[test]
fn a_wrong_command_line_prints_two_lines_with_a_suggestion() {
    let sandbox = Sandbox::new();
    for (arguments, message, hint) in [
        (
            &["tokken"][..],
            "unrecognized subcommand 'tokken'",
            "a similar subcommand exists: 'token'",
        ),
        (
            &["token", "--audiance", "x"],
            "unexpected argument '--audiance' found",
            "a similar argument exists: '--audience'",
        ),
        (
            &["token", "--audience"],
            "a value is required for '--audience <AUD>' but none was supplied",
            "see `yc-id-token --help`",
        ),
        (
            &["token", "--format", "yaml"],
            "`--format`: there is no format `yaml`: it must be `raw`, `json`, `header`, `curl`, `env` or `terraform`",
            "correct the value of `--format`",
        ),
        (&[], "a command is missing", "see `yc-id-token --help`"),
    ] {
        assert_eq!(
            sandbox.run(arguments).fails(2, "E_USAGE"),
            (message.to_owned(), hint.to_owned())
        );
    }
}

#[test]
fn help_and_version_change_nothing() {
    let sandbox = Sandbox::new();
    assert!(sandbox.run(&["--help"]).ok().contains("kubectl"));
    assert!(sandbox.run(&["token", "--help"]).ok().contains("--output"));
    assert_eq!(
        sandbox.run(&["--version"]).ok(),
        format!("yc-id-token {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(!sandbox.cache_folder().exists() && !sandbox.log_file().exists());
    assert_eq!(sandbox.cloud.requests().len(), 0);
}

#[test]
fn help_and_version_are_commands_too() {
    let sandbox = Sandbox::new();
    for (words, option) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "token"], &["token", "--help"]),
        (&["help", "vault", "login"], &["vault", "login", "--help"]),
        (&["help", "help"], &["--help"]),
        (&["version"], &["--version"]),
    ] {
        assert_eq!(sandbox.run(words).ok(), sandbox.run(option).ok(), "{words:?}");
    }
    let (message, _) = sandbox.run(&["help", "tokken"]).fails(2, "E_USAGE");
    assert_eq!(message, "unrecognized subcommand 'tokken'");
    sandbox.run(&["version", "token"]).fails(2, "E_USAGE");
    sandbox.run(&["token", "help"]).fails(2, "E_USAGE");
}

#[test]
fn a_command_of_a_similar_program_gets_a_hint() {
    let sandbox = Sandbox::new();
    for (words, command) in [
        (&["login"][..], "`yc-id-token setup`"),
        (&["logout"], "`yc-id-token cache clear`"),
        (&["get-token"], "`yc-id-token kubectl`"),
        (&["auth"], "`yc-id-token vault login`"),
        (&["init"], "`yc-id-token setup`"),
        (&["configure"], "`yc-id-token setup`"),
        (&["list"], "`yc-id-token profiles`"),
        (&["whoami"], "`yc-id-token doctor`"),
        (&["refresh"], "`yc-id-token token --force-refresh`"),
        (&["clear"], "`yc-id-token cache clear`"),
        (&["vault", "logout"], "`yc-id-token vault revoke`"),
        (&["cache", "list"], "`yc-id-token status`"),
        (&["config", "view"], "`yc-id-token config get`"),
        (&["list", "--profile", "prod"], "`yc-id-token status --profile=prod`"),
    ] {
        let (message, hint) = sandbox.run(words).fails(2, "E_USAGE");
        assert!(message.starts_with("unrecognized subcommand"), "{words:?}: {message}");
        assert!(hint.contains(command), "{words:?}: {hint}");
    }
}

/// What a terminal shows of a run, which can fail.
fn at_terminal(sandbox: &Sandbox, arguments: &str) -> String {
    let mut script = sandbox.other_command("script");
    let line = format!("{} {arguments}; true", crate::sandbox::PROGRAM);
    script.args(["-q", "-e", "-c", &line, "/dev/null"]);
    sandbox.finish(script).ok()
}

#[test]
fn a_terminal_has_colours_unless_the_user_turns_them_off() {
    let mut sandbox = Sandbox::new();
    sandbox.run(&["token", "--audience", "a"]).ok();
    let escape = '\u{1b}';
    let coloured =
        |sandbox: &Sandbox, arguments: &str| at_terminal(sandbox, arguments).contains(escape);
    sandbox.set("TERM", "xterm");
    let error = at_terminal(&sandbox, "tokken");
    assert!(error.starts_with("\u{1b}[1;31myc-id-token:\u{1b}[0m unrec"), "{error:?}");
    assert!(error.contains("\u{1b}[1;36myc-id-token: hint:\u{1b}[0m a similar"), "{error:?}");
    let status = at_terminal(&sandbox, "status");
    assert!(status.contains("\u{1b}[1;32mfresh\u{1b}[0m  20"), "{status:?}");
    for arguments in
        ["tokken --error-format=json", "status --json", "--help", "profiles", "version"]
    {
        assert!(!coloured(&sandbox, arguments), "{arguments}");
    }
    let doctor = at_terminal(&sandbox, "doctor --audience a");
    assert!(doctor.contains("\u{1b}[1;32mok\u{1b}[0m yc-id-token"), "{doctor:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let before = sandbox.get(name);
        sandbox.set(name, value);
        assert!(!coloured(&sandbox, "status") && !coloured(&sandbox, "tokken"), "{name}");
        sandbox.set(name, before.unwrap_or_default());
    }
    // Not a terminal, so only if forced.
    assert!(!sandbox.run(&["status"]).ok().contains(escape));
    assert!(!sandbox.run(&["tokken"]).stderr.contains(escape));
    sandbox.set("CLICOLOR_FORCE", "1");
    assert!(sandbox.run(&["status"]).ok().contains(escape));
    assert!(sandbox.run(&["tokken"]).stderr.contains(escape));
    assert!(!sandbox.run(&["tokken", "--error-format=json"]).stderr.contains(escape));
    sandbox.run(&["token", "--audience", "a"]).ok();
}

#[test]
fn without_arguments_a_terminal_shows_the_help() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["--help"]).ok();
    let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap();
    assert!(at_terminal(&sandbox, "").contains(usage));
    sandbox.run(&[] as &[&str]).fails(2, "E_USAGE");
}

#[test]
fn the_verbose_log_explains_what_is_done_and_why() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_VERBOSE");
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    let outcome = sandbox.run(&["token", "--audience", "a", "-v"]);
    assert!(outcome.status.success());
    assert!(outcome.stderr.contains("from YC_ID_TOKEN_KEY_FILE"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("getting an ID token for audience `a`"), "{}", outcome.stderr);
    let outcome = sandbox.run(&["token", "--audience", "a", "-vvv", "--log-file", "the.log"]);
    assert_eq!(outcome.stderr, "");
    let log = std::fs::read_to_string(sandbox.home().join("the.log")).unwrap();
    assert!(log.contains("found in the cache"), "{log}");
}
