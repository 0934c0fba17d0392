//! google-auth, the library that Google's clients in Python and gcloud itself use, by each way in which it gets an ID
//! token from this program.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, Route};

use super::google::{EMAIL, FEDERATED, Google, IMPERSONATED, PROVIDER};
use super::peer;
use crate::sandbox::{PROGRAM, Sandbox, claims};

/// A program that gets an access token.
fn client(sandbox: &Sandbox, google: &Google) -> Command {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/gcp-python/access_token.py");
    let mut client = sandbox.other_command(peer("gcp-venv/bin/python"));
    client.args([script, &google.url()]);
    client
}

/// Writes a credential configuration with this source for the clients of a sandbox, and more.
fn set_up(sandbox: &mut Sandbox, source: &Value, more: &[(&str, &str)]) {
    let mut configuration = json!({
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    });
    for (name, value) in more {
        configuration[name] = (*value).into();
    }
    let file = sandbox.write("credentials.json", &configuration.to_string());
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", file);
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
}

fn executable() -> Value {
    json!({ "executable": { "command": format!("{PROGRAM} gcp"), "timeout_millis": 30_000 } })
}

/// The same, with a file that keeps the answer.
fn with_output_file(sandbox: &Sandbox) -> (Value, PathBuf) {
    let file = sandbox.home().join("answer.json");
    sandbox.may_hold_secrets(&file);
    let mut source = executable();
    source["executable"]["output_file"] = file.to_str().unwrap().into();
    source["executable"]["interactive_timeout_millis"] = 30_000.into();
    (source, file)
}

#[test]
fn google_auth_runs_the_program_and_exchanges_what_it_prints() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    for _ in 0..2 {
        let printed = sandbox.finish(client(&sandbox, &google)).ok();
        assert!(printed.starts_with(FEDERATED), "{printed}");
    }
    assert_eq!(sandbox.token_requests(), (1, 1), "the second is answered from the cache");
    set_up(
        &mut sandbox,
        &executable(),
        &[
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            (
                "service_account_impersonation_url",
                &format!(
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
                ),
            ),
        ],
    );
    let printed = sandbox.finish(client(&sandbox, &google)).ok();
    assert!(printed.starts_with(IMPERSONATED), "{printed}");
}

#[test]
fn clients_that_start_at_once_share_one_token() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    let start = |_| {
        let mut client = client(&sandbox, &google);
        client.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let clients: Vec<_> = (0..8).map(start).collect();
    for client in clients {
        assert!(sandbox.outcome(client).ok().starts_with(FEDERATED));
    }
    assert_eq!(sandbox.token_requests(), (1, 1));
    let mut tokens = google.subject_tokens();
    assert_eq!(tokens.len(), 8);
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

#[test]
fn google_auth_shows_the_error_of_a_run_that_failed() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let outcome = sandbox.finish(client(&sandbox, &google));
    let begin = "RefreshError: Executable returned unsuccessful response: code: E_SOURCE_DENIED, message: cannot get an ID token for audience `https://iam.googleapis.com/";
    assert!(outcome.stderr.starts_with(begin), "{outcome:?}");
    assert!(outcome.stderr.contains("Hint: "), "{outcome:?}");
    assert_eq!(outcome.status.code(), Some(1));
    assert_eq!(google.subject_tokens().len(), 0);
}

#[test]
fn google_auth_reads_the_answer_from_the_output_file() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    let (source, file) = with_output_file(&sandbox);
    set_up(&mut sandbox, &source, &[]);
    sandbox.finish(client(&sandbox, &google)).ok();
    let kept = std::fs::read_to_string(&file).unwrap();
    sandbox.set("YC_ID_TOKEN_CACHE", "none");
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    sandbox.finish(client(&sandbox, &google)).ok();
    assert_eq!(sandbox.token_requests(), (1, 1), "the program is not run again");

    let mut answer: Value = serde_json::from_str(&kept).unwrap();
    answer["expiration_time"] = 1.into();
    std::fs::write(&file, answer.to_string()).unwrap();
    let outcome = sandbox.finish(client(&sandbox, &google));
    assert!(outcome.stderr.contains("code: E_SOURCE_DENIED"), "{outcome:?}");
    sandbox.cloud.always(Route::TokenExchange, None);
    sandbox.finish(client(&sandbox, &google)).ok();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), answer.to_string());
}

#[test]
fn in_the_interactive_mode_google_auth_reads_the_file_and_the_user_the_error() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    let (source, _) = with_output_file(&sandbox);
    // It is for people, who are in workforce pools.
    let pool = "//iam.googleapis.com/locations/global/workforcePools/pool/providers/yandex-cloud";
    set_up(&mut sandbox, &source, &[("audience", pool)]);
    let interactive = |sandbox: &Sandbox| {
        let mut client = client(sandbox, &google);
        client.arg("interactive");
        sandbox.finish(client)
    };
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let outcome = interactive(&sandbox);
    assert!(outcome.stdout.contains("[E_SOURCE_DENIED]\nyc-id-token: hint: "), "{outcome:?}");
    assert!(outcome.stderr.contains("non-zero return code 4"), "{outcome:?}");
    sandbox.cloud.always(Route::TokenExchange, None);
    sandbox.set("YC_ID_TOKEN_FORCE_REFRESH", "true");
    let printed = interactive(&sandbox).ok();
    assert_eq!(
        claims(printed.trim_end())["aud"],
        format!("https:{pool}"),
        "nothing else is at the terminal"
    );
}

#[test]
fn google_auth_exchanges_a_token_file() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    let file = sandbox.home().join("google.jwt");
    sandbox.may_hold_secrets(&file);
    let path = file.to_str().unwrap();
    let audience = format!("--audience=https:{PROVIDER}");
    for (format, source) in [
        ("raw", json!({ "file": path, "format": { "type": "text" } })),
        (
            "json",
            json!({ "file": path, "format": { "type": "json", "subject_token_field_name": "token" } }),
        ),
    ] {
        sandbox.run(&["token", &audience, "--output", path, "--format", format]).ok();
        set_up(&mut sandbox, &source, &[]);
        let printed = sandbox.finish(client(&sandbox, &google)).ok();
        assert!(printed.starts_with(FEDERATED), "{format}: {printed}");
    }
}

#[test]
fn a_token_for_another_audience_or_of_another_account_is_refused() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    set_up(&mut sandbox, &executable(), &[]);
    sandbox.set("YC_ID_TOKEN_GCP_AUDIENCE", "https://iam.googleapis.com/other");
    let refused = sandbox.finish(client(&sandbox, &google));
    assert!(refused.stderr.contains("does not match the expected audience"), "{refused:?}");
    sandbox.unset("YC_ID_TOKEN_GCP_AUDIENCE");
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = sandbox.cloud.add_authorized_key(&other, yc_id_token_emulator::KeySize::Rsa2048);
    let key = sandbox.write_secret("other.json", &key.to_json());
    sandbox.set("YC_ID_TOKEN_KEY_FILE", key);
    let refused = sandbox.finish(client(&sandbox, &google));
    assert!(refused.stderr.contains("rejected by the attribute condition"), "{refused:?}");
}

#[test]
fn a_command_of_exec_acts_as_the_provider_or_as_a_service_account() {
    let mut sandbox = Sandbox::new();
    let google = Google::start(&sandbox);
    sandbox.set("YC_ID_TOKEN_GCP_PROVIDER", PROVIDER);
    let run = |more: &[&str]| {
        let client = client(&sandbox, &google);
        let words = client.get_args().map(|word| word.to_str().unwrap());
        let words: Vec<&str> =
            [client.get_program().to_str().unwrap()].into_iter().chain(words).collect();
        sandbox.run(&[&["exec", "--gcp"], more, &["--"], &words].concat()).ok()
    };
    assert!(run(&[]).starts_with(FEDERATED));
    assert!(run(&["--service-account-email", EMAIL]).starts_with(IMPERSONATED));
}
