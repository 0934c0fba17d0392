//! A configured `yc` CLI is enough: its profiles are read, and it is run where only it can log in.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use yc_id_token_emulator::{Fault, Route};

use crate::fake_yc::FakeYc;
use crate::sandbox::{Sandbox, claims, eventually};

const AUDIENCE: &str = "https://k8s.example";

/// A sandbox with `yc` and without a key file.
fn sandbox() -> (Sandbox, FakeYc) {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
    sandbox.set("YC_ID_TOKEN_AUDIENCE", AUDIENCE);
    let yc = FakeYc::install(&sandbox);
    (sandbox, yc)
}

/// Writes the configuration of `yc`, with these lines in its profile `default`.
fn configure_yc(sandbox: &Sandbox, lines: &str) {
    let lines = lines.replace('\n', "\n    ");
    let text = format!(
        "current: default\nprofiles:\n  default:\n    {lines}\n  other:\n    folder-id: b1gother\n"
    );
    sandbox.write_secret(".config/yandex-cloud/config.yaml", &text);
}

#[test]
fn a_configured_yc_is_enough() {
    let (sandbox, yc) = sandbox();
    let token = sandbox.run(&["token", "--identity", "yc-cli"]).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
    assert_eq!(claims(token.trim())["aud"], AUDIENCE);
    let documented = format!(
        "iam create-id-token --subject-id {} --audience {AUDIENCE} --format text",
        sandbox.account
    );
    assert_eq!(yc.calls(), [documented.as_str()]);
    assert_eq!(sandbox.run(&["token", "--identity", "yc-cli"]).ok(), token);
    assert_eq!(yc.calls().len(), 1, "the second time, yc is not run");

    sandbox.run(&["token", "--identity", "yc-cli:work", "--audience", "a"]).ok();
    assert!(yc.calls().last().unwrap().ends_with("--profile work"), "{:?}", yc.calls());
}

#[test]
fn yc_is_found_on_the_path_or_at_the_configured_path() {
    let (mut sandbox, yc) = sandbox();
    let elsewhere = sandbox.home().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(&yc.path, elsewhere.join("yc")).unwrap();
    let run = |sandbox: &Sandbox| sandbox.run(&["token", "--identity=yc-cli", "--force-refresh"]);
    let (message, hint) = run(&sandbox).fails(3, "E_MISSING");
    assert!(message.contains("there is no Yandex Cloud CLI `yc`"), "{message}");
    assert!(hint.contains("--yc-path"), "{hint}");
    sandbox.set("YC_ID_TOKEN_YC_PATH", elsewhere.join("yc"));
    run(&sandbox).ok();
    sandbox.unset("YC_ID_TOKEN_YC_PATH");
    sandbox.set("PATH", format!("{}:/usr/bin:/bin", elsewhere.display()));
    run(&sandbox).ok();
}

#[test]
fn every_identity_can_use_the_vendors_command() {
    let (mut sandbox, yc) = sandbox();
    let key = sandbox.home().join("key.json");
    let iam_token = sandbox.cloud.issue_iam_token(&sandbox.account);
    let file = sandbox.write_secret("iam-token", &iam_token);
    sandbox.cloud.attach_to_instance(Some(&sandbox.account));
    sandbox.set("YC_METADATA_ADDR", sandbox.cloud.url().trim_start_matches("http://").to_owned());
    sandbox.set("YC_ID_TOKEN_ID_TOKEN_ROUTE", "yc-cli");
    // The installation of its own profile does not matter: the IAM token is only sent to the configured one.
    let (message, hint) = sandbox
        .run(&["token", "--identity", &format!("authorized-key:{}", key.display())])
        .fails(3, "E_MISSING");
    assert!(message.contains("would send the IAM token to another"), "{message}");
    assert!(hint.contains("--endpoint"), "{hint}");
    sandbox.set("YC_ID_TOKEN_ENDPOINT", sandbox.cloud.url().to_owned());
    let endpoint = format!(" --endpoint {}", sandbox.cloud.url().trim_start_matches("http://"));
    for identity in [
        format!("authorized-key:{}", key.display()),
        format!("iam-token:{}", file.display()),
        "metadata".into(),
    ] {
        sandbox.run(&["token", "--identity", &identity]).ok();
        let calls = yc.calls();
        let [.., call, whom] = &calls[..] else { panic!("{calls:?}") };
        assert!(call.starts_with("iam create-id-token") && call.ends_with(&endpoint), "{call}");
        assert_eq!(whom, "with the given IAM token");
        assert!(!call.contains("t1."), "no token is in its arguments: {call}");
    }
    sandbox.configure("[defaults]\nid_token_route = \"yc-clii\"\n");
    sandbox.unset("YC_ID_TOKEN_ID_TOKEN_ROUTE");
    let (message, _) = sandbox.run(&["token"]).fails(3, "E_CONFIG");
    assert!(message.contains("must be `exchange` or `yc-cli`"), "{message}");
}

#[test]
fn a_revoked_iam_token_in_the_cache_is_replaced_before_yc_is_run_again() {
    let (mut sandbox, yc) = sandbox();
    sandbox.set("YC_ID_TOKEN_KEY_FILE", sandbox.home().join("key.json"));
    sandbox.set("YC_ID_TOKEN_ID_TOKEN_ROUTE", "yc-cli");
    sandbox.set("YC_ID_TOKEN_ENDPOINT", sandbox.cloud.url().to_owned());
    sandbox.run(&["token", "--audience", "a"]).ok();
    sandbox.cloud.revoke_iam_tokens();
    let refuse = "[ -e \"$HOME/refused\" ] || { touch \"$HOME/refused\"; echo 'ERROR: rpc error: code = Unauthenticated desc = The token is invalid' >&2; exit 1; }";
    yc.behave(refuse);
    sandbox.run(&["token", "--audience", "b"]).ok();
    assert_eq!(sandbox.cloud.count(Route::IamToken), 2);
}

#[test]
fn an_unexpected_answer_of_the_exchange_hints_at_yc() {
    let sandbox = Sandbox::new();
    let refusal = Fault::OAuthError {
        status: 400,
        error: "invalid_request".into(),
        description: "subject_token_type is not supported".into(),
    };
    sandbox.cloud.script(Route::TokenExchange, [refusal]);
    let (message, hint) = sandbox.run(&["token"]).fails(4, "E_SOURCE_REFUSED");
    assert!(message.contains("subject_token_type is not supported"), "{message}");
    assert!(hint.contains("--id-token-route yc-cli"), "{hint}");
    FakeYc::install(&sandbox);
    let api = sandbox.cloud.url().to_owned();
    sandbox.run(&["token", "--id-token-route", "yc-cli", "--endpoint", &api]).ok();
}

#[test]
fn tokens_of_yc_are_sent_to_the_installation_of_its_profile() {
    let (mut sandbox, yc) = sandbox();
    for variable in ["YC_ID_TOKEN_IAM_ENDPOINT", "YC_ID_TOKEN_OAUTH_ENDPOINT"] {
        sandbox.unset(variable);
    }
    configure_yc(&sandbox, "federation-id: bpf1\nendpoint: api.yandexcloud.kz:443");
    let (message, _) = sandbox
        .run(&["token", "--identity=yc-cli", "--id-token-route=exchange"])
        .fails(3, "E_MISSING");
    assert_eq!(message, "the OAuth endpoint that belongs to api.yandexcloud.kz:443 is not set");
    // Its own command makes yc use it.
    yc.behave("export YC_ID_TOKEN_IAM_ENDPOINT=$THERE YC_ID_TOKEN_OAUTH_ENDPOINT=$THERE");
    sandbox.set("THERE", sandbox.cloud.url().to_owned());
    sandbox.run(&["token", "--identity=yc-cli"]).ok();
}

#[test]
fn an_iam_token_alone_comes_from_yc_too() {
    let (sandbox, yc) = sandbox();
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    sandbox.cloud.grant_token_creator(&other, &sandbox.account);
    let token = sandbox.run(&[
        "token",
        "--identity=yc-cli",
        "--id-token-route=exchange",
        "--impersonate-service-account",
        &other,
        "--service-account",
        &other,
    ]);
    assert_eq!(claims(token.ok().trim())["sub"], other.as_str());
    assert_eq!(yc.calls(), ["iam create-token --format text"]);
}

#[test]
fn each_failure_of_yc_is_reported_as_what_it_did() {
    let (sandbox, yc) = sandbox();
    let fails = |mode: &str, exit: i32, code: &str, reported: &str, fix: &str| {
        yc.behave(mode);
        let arguments = ["token", "--identity=yc-cli", "--force-refresh", "--timeout=2s"];
        let (message, hint) = sandbox.run(&arguments).fails(exit, code);
        assert!(message.contains(reported), "{mode}: {message}");
        assert!(hint.contains(fix), "{mode}: {hint}");
    };
    let denied =
        "echo 'ERROR: rpc error: code = PermissionDenied desc = Permission denied' >&2; exit 1";
    fails(denied, 4, "E_SOURCE_DENIED", "Permission denied", "tokenCreator");
    let login =
        "echo 'ERROR: rpc error: code = Unauthenticated desc = The token is invalid' >&2; exit 1";
    fails(login, 4, "E_SOURCE_AUTH", "The token is invalid", "yc");
    fails("sleep 600", 6, "E_TIMEOUT", "yc did not finish", "login in a browser");
    fails("echo '<html>Sign in</html>'; exit 0", 6, "E_FOREIGN_ANSWER", "page", "");
    fails("exit 0", 6, "E_FOREIGN_ANSWER", "yc printed nothing", "in a terminal");
    fails("yes; exit 0", 6, "E_FOREIGN_ANSWER", "far more than a token", "");
    let old = "echo \"ERROR: unknown command 'create-id-token' for 'yc iam'\" >&2; exit 1";
    fails(old, 4, "E_SOURCE_REFUSED", "unknown command", "yc components update");

    yc.behave("set -- iam create-id-token --subject-id \"$4\" --audience another");
    let (message, hint) =
        sandbox.run(&["token", "--identity=yc-cli", "--force-refresh"]).fails(4, "E_SOURCE_TOKEN");
    assert!(message.contains("it is for audience `another`"), "{message}");
    assert!(hint.contains("yc iam create-id-token"), "{hint}");

    yc.behave("echo 'There is a new yc version'; echo 'update it' >&2");
    let token = sandbox.run(&["token", "--identity=yc-cli", "--force-refresh"]).ok();
    assert_eq!(claims(token.trim())["aud"], AUDIENCE, "a notice before the token is no matter");
}

#[test]
fn yc_ends_with_this_program() {
    let (sandbox, yc) = sandbox();
    yc.behave("echo $$ >\"$HOME/pid\"; exec sleep 600");
    let mut command = sandbox.command(&["token", "--identity=yc-cli"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid =
        || fs::read_to_string(sandbox.home().join("pid")).ok().filter(|pid| pid.ends_with('\n'));
    eventually("yc runs", || pid().is_some());
    let signal =
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(signal.unwrap().success());
    sandbox.outcome(child).fails(143, "E_INTERRUPTED");
    let proc = format!("/proc/{}/stat", pid().unwrap().trim());
    let is_gone = || {
        let stat = fs::read_to_string(&proc).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    eventually("yc is gone", is_gone);
}

#[test]
fn another_profile_of_yc_has_another_cache_entry() {
    let (sandbox, yc) = sandbox();
    configure_yc(&sandbox, "federation-id: bpf1");
    let run = || sandbox.run(&["token", "--identity=yc-cli"]).ok();
    let first = run();
    assert_eq!(run(), first);
    configure_yc(&sandbox, "federation-id: bpf2");
    assert_ne!(run(), first);
    assert_eq!(yc.calls().len(), 2);
}

#[test]
fn a_profile_of_yc_is_read_with_any_content() {
    let (mut sandbox, yc) = sandbox();
    let key: Value = serde_json::from_str(&sandbox.key.to_json()).unwrap();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let pem = text("private_key").replace('\n', "\n    ");
    let key = format!(
        "service-account-key:\n  id: {}\n  service_account_id: {}\n  private_key: |\n    {}",
        text("id"),
        text("service_account_id"),
        pem.trim_end()
    );
    sandbox.cloud.attach_to_instance(Some(&sandbox.account));
    sandbox.set("YC_METADATA_ADDR", sandbox.cloud.url().trim_start_matches("http://").to_owned());
    let oauth = "y0_AgAAAAAverysecretoauthtoken";
    let person = sandbox.cloud.add_person(oauth);
    sandbox.cloud.grant_token_creator(&sandbox.account, &person);
    let iam_token = sandbox.cloud.issue_iam_token(&sandbox.account);
    for (lines, described) in [
        (key, "authorized key"),
        (format!("token: {oauth}"), "the OAuth token of yc's profile `default`"),
        (format!("token: {iam_token}"), "the IAM token of yc's profile `default`"),
        ("instance-service-account: true".into(), "the metadata service"),
        ("folder-id: b1g".into(), "the metadata service"),
    ] {
        configure_yc(&sandbox, &lines);
        let token = sandbox.run(&["token", "--identity=yc-profile", "--force-refresh"]).ok();
        assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
        let log = sandbox.log();
        let text_printed = log.lines().rev().find(|line| line.contains("identity: ")).unwrap();
        assert!(text_printed.contains(described), "{lines}: {text_printed}");
    }
    assert!(yc.calls().is_empty(), "yc itself was not run");
}

#[test]
fn an_unusable_profile_of_yc_is_reported_with_usable_ones() {
    let (sandbox, _yc) = sandbox();
    let fails = |identity: &str, exit, code: &str, reported: &str, fix: &str| {
        let (message, hint) = sandbox.run(&["token", "--identity", identity]).fails(exit, code);
        assert!(message.contains(reported), "{message}");
        assert!(hint.contains(fix), "{hint}");
    };
    fails("yc-profile", 3, "E_IDENTITY", "does not exist", "yc init");
    configure_yc(&sandbox, "federation-id: bpf1");
    fails("yc-profile", 3, "E_IDENTITY", "logs in with a browser", "--identity yc-cli");
    fails("yc-profile:othre", 3, "E_CONFIG", "`othre`", "`other`");
    fails("yc-profile:other", 3, "E_MISSING", "`other`", "yc-cli");
    sandbox.write_secret(".config/yandex-cloud/config.yaml", "current: [\n");
    fails("yc-profile", 3, "E_IDENTITY", "(line ", "yc init");
}
