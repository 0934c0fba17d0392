//! `token` prints the ID token in the requested format, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";

#[test]
fn the_bare_token_is_printed_and_nothing_else() {
    let sandbox = Sandbox::new();
    let printed = sandbox.run(&["token", "--audience", AUDIENCE]).ok();
    let token = printed.strip_suffix('\n').unwrap();
    let claims = claims(token);
    assert_eq!(claims["aud"], AUDIENCE);
    assert_eq!(claims["sub"], sandbox.account.as_str());
    assert!(!token.contains(char::is_whitespace));
}

#[test]
fn the_audience_defaults_to_the_service_account() {
    let sandbox = Sandbox::new();
    let printed = sandbox.run(&["token"]).ok();
    assert_eq!(claims(printed.trim())["aud"], sandbox.account.as_str());
}

#[test]
fn a_second_run_sends_no_request() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&["token", "--audience", AUDIENCE]).ok();
    assert_eq!(sandbox.token_requests(), (1, 1), "nothing cached: two requests");
    assert_eq!(sandbox.run(&["token", "--audience", AUDIENCE]).ok(), first);
    assert_eq!(sandbox.token_requests(), (1, 1));
    sandbox.run(&["token", "--audience", "another"]).ok();
    assert_eq!(sandbox.token_requests(), (1, 2), "the IAM token is cached too: one request");
}

#[test]
fn every_format_is_accepted_by_its_reader() {
    let sandbox = Sandbox::new();
    let run =
        |format: &str| sandbox.run(&["token", "--audience", AUDIENCE, "--format", format]).ok();
    let token = run("raw").trim().to_owned();
    let expires = claims(&token)["exp"].as_i64().unwrap();
    assert_eq!(run("header"), format!("Authorization: Bearer {token}\n"));
    assert_eq!(run("curl"), format!("header = \"Authorization: Bearer {token}\"\n"));
    assert_eq!(run("env"), format!("YC_ID_TOKEN={token}\n"));
    let terraform: Value = serde_json::from_str(&run("terraform")).unwrap();
    assert!(
        terraform.as_object().unwrap().values().all(Value::is_string),
        "Terraform takes strings only"
    );
    assert_eq!(terraform["token"], token);
    let document: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(document["subject"], sandbox.account.as_str());
    assert_eq!(document["audience"], AUDIENCE);
    assert_eq!(document["issuer"], sandbox.cloud.issuer());
    let expires_at =
        yc_id_token::clock::Timestamp::parse_rfc3339(document["expires_at"].as_str().unwrap());
    assert_eq!(expires_at.unwrap().unix_seconds(), expires);
    assert_eq!(sandbox.token_requests(), (1, 1), "all from one token");
}

#[test]
fn curl_sends_the_token_in_the_curl_format() {
    let sandbox = Sandbox::new();
    let config = sandbox.run(&["token", "--audience", AUDIENCE, "--format", "curl"]).ok();
    let config = sandbox.write_secret("curl.conf", &config);
    let mut curl = sandbox.other_command("curl");
    curl.args(["--silent", "--noproxy", "*", "--config"])
        .arg(config)
        .arg(format!("{}/seen", sandbox.cloud.url()));
    assert!(sandbox.finish(curl).status.success());
    let seen =
        sandbox.cloud.requests().into_iter().find(|request| request.path == "/seen").unwrap();
    let token = sandbox.run(&["token", "--audience", AUDIENCE]).ok();
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {}", token.trim()).as_str()));
}

#[test]
fn a_shell_accepts_the_env_format() {
    let sandbox = Sandbox::new();
    let line = sandbox.run(&["token", "--audience", AUDIENCE, "--format", "env"]).ok();
    let file = sandbox.write_secret("env", &line);
    let mut shell = sandbox.other_command("sh");
    shell.args(["-c", "set -a; . \"$0\"; exec env"]).arg(file);
    assert!(sandbox.finish(shell).ok().contains(line.trim()));
}

#[test]
fn decode_prints_claims_and_not_the_token() {
    let sandbox = Sandbox::new();
    let printed = sandbox.run(&["token", "--audience", AUDIENCE, "--decode"]).ok();
    let shown: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(shown["aud"], AUDIENCE);
    assert_eq!(shown["iss"], sandbox.cloud.issuer());
    for secret in sandbox.cloud.secrets() {
        assert!(!printed.contains(&secret));
    }
}

#[test]
fn a_token_file_is_private_complete_and_without_a_newline() {
    let sandbox = Sandbox::new();
    let file = sandbox.home().join("token.jwt");
    sandbox.may_hold_secrets(&file);
    let run =
        || sandbox.run(&["token", "--audience", AUDIENCE, "--output", file.to_str().unwrap()]).ok();
    assert_eq!(run(), "");
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(claims(&token)["aud"], AUDIENCE);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&file, "old and longer than any token ".repeat(100)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    run();
    assert_eq!(fs::read_to_string(&file).unwrap(), token);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600,
        "an open file becomes private"
    );
}

#[test]
fn a_token_file_that_cannot_be_written_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    let (message, _) = sandbox
        .run(&["token", "--audience", AUDIENCE, "--output", "/nonexistent/token"])
        .fails(1, "E_OUTPUT");
    assert_eq!(message, "cannot write `/nonexistent/token`: no such file or directory");
    let (message, _) = sandbox
        .run(&["token", "--audience", AUDIENCE, "--output", "/dev/null"])
        .fails(1, "E_OUTPUT");
    assert_eq!(message, "cannot write `/dev/null`: it is not a regular file");
    let device = fs::metadata("/dev/null").unwrap();
    assert!(!device.is_file(), "and the device is still one");
}

#[test]
fn terraforms_query_on_stdin_is_not_read() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["token", "--audience", AUDIENCE, "--format", "terraform"]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdin(reader);
    // The writing end stays open: a program that reads to the end would hang.
    let answer: Value = serde_json::from_str(&sandbox.finish(command).ok()).unwrap();
    drop(writer);
    assert_ne!(answer, json!({}));
}
