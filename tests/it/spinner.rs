//! A user at a terminal sees what a run waits for; programs never see it.

use std::time::Duration;

use yc_id_token_emulator::Route;

use crate::sandbox::{Outcome, PROGRAM, Sandbox};

/// Long enough to be visible.
const DELAY: Duration = Duration::from_secs(1);

/// A sandbox at a terminal with a slow cloud.
fn slow() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.cloud.delay(Route::TokenExchange, DELAY);
    sandbox.set("TERM", "xterm");
    sandbox.set("LANG", "C.UTF-8");
    sandbox
}

/// The output to the terminal of a run whose standard output is a file.
fn at_terminal(sandbox: &Sandbox, arguments: &str) -> String {
    let mut script = sandbox.other_command("script");
    let line = format!("{PROGRAM} {arguments} > out; echo ended $?");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]);
    sandbox.may_hold_secrets(&sandbox.home().join("out"));
    let Outcome { status, stdout, stderr } = sandbox.finish(script);
    assert!(status.success() && stderr.is_empty(), "{stdout}{stderr}");
    assert!(stdout.trim_end().ends_with("ended 0"), "{stdout}");
    stdout
}

#[test]
fn a_terminal_shows_the_spinner_until_the_answer() {
    let sandbox = slow();
    let seen = at_terminal(&sandbox, "token --audience k8s");
    assert!(seen.contains("⠋ getting an ID token for audience `k8s`"), "{seen:?}");
    assert!(seen.contains("⠙ "), "it turns: {seen:?}");
    let (_, end) = seen.rsplit_once("`k8s`").unwrap();
    let erased = end.strip_prefix('\r').unwrap().split_once('\r').unwrap().0;
    assert!(!erased.is_empty() && erased.trim().is_empty(), "{seen:?}");
    assert!(!seen.contains('\u{1b}'), "no escape sequences, so NO_COLOR has nothing to forbid");
    let token = std::fs::read_to_string(sandbox.home().join("out")).unwrap();
    assert_eq!(crate::sandbox::claims(token.trim())["aud"], "k8s");
    // A cached token needs no waiting.
    assert_eq!(at_terminal(&sandbox, "token --audience k8s").trim(), "ended 0");
}

#[test]
fn the_spinner_is_ascii_without_utf8_and_absent_if_dumb() {
    let mut sandbox = slow();
    sandbox.set("LANG", "C");
    let seen = at_terminal(&sandbox, "token --audience one");
    assert!(seen.contains("/ getting") && seen.is_ascii(), "{seen:?}");
    sandbox.set("TERM", "dumb");
    assert_eq!(at_terminal(&sandbox, "token --audience two").trim(), "ended 0");
}

#[test]
fn programs_never_get_a_spinner() {
    let sandbox = slow();
    assert_eq!(at_terminal(&sandbox, "kubectl --audience k8s").trim(), "ended 0");
    // A pipe has no spinner either, which `ok` checks.
    sandbox.run(&["token", "--audience", "other"]).ok();
}
