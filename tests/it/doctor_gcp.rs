//! `doctor gcp` finds why Google's libraries cannot get a token: in the credential configuration, in the files and
//! endpoints it names, and in the environment.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token_emulator::Options;

use crate::agent::Agent;
use crate::doctor::{Found, examine};
use crate::real::free_port;
use crate::real::google::PROVIDER;
use crate::sandbox::{PROGRAM, Sandbox, eventually};
use crate::setup::{setup, without_kubectl};
use crate::setup_gcp::secret_in;

const OUTPUT: &str = ".config/yc-id-token/google-yandex-cloud.json";
const TOKEN: &str = ".config/yc-id-token/google-yandex-cloud.jwt";

/// A sandbox in which `setup gcp` was run with this source.
fn set_up(options: Options, source: &[&str]) -> Sandbox {
    let mut sandbox = without_kubectl(options);
    setup(&sandbox, &[&["gcp", "--apply", "--provider", PROVIDER], source].concat()).ok();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    for name in ["YC_ID_TOKEN_IAM_ENDPOINT", "YC_ID_TOKEN_OAUTH_ENDPOINT"] {
        sandbox.unset(name);
    }
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", sandbox.home().join(OUTPUT));
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    sandbox
}

fn document(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(sandbox.home().join(OUTPUT)).unwrap()).unwrap()
}

/// The findings after a change of the credential configuration.
fn examine_with(sandbox: &Sandbox, change: impl FnOnce(&mut Value)) -> Found {
    let path = sandbox.home().join(OUTPUT);
    let before = fs::read(&path).unwrap();
    let mut changed = document(sandbox);
    change(&mut changed);
    fs::write(&path, changed.to_string()).unwrap();
    let found = examine(sandbox, &["gcp"]);
    fs::write(&path, before).unwrap();
    found
}

#[test]
fn a_correct_executable_passes_and_each_mistake_is_found() {
    let mut sandbox = set_up(Options::default(), &[]);
    let found = examine(&sandbox, &["gcp"]);
    assert_eq!(found.exits(0).wrong(), [], "{:#}", found.0);
    found.has("ok", ", by GOOGLE_APPLICATION_CREDENTIALS, gets its token from yc-id-token, with profile `yandex-cloud`");
    found.has("ok", &format!("aud `https:{PROVIDER}`"));

    let spaced = sandbox.home().join("with space");
    fs::create_dir(&spaced).unwrap();
    symlink(PROGRAM, spaced.join("yc-id-token")).unwrap();
    let spaced = format!("{}/yc-id-token gcp", spaced.display());
    let quoted = format!("'{PROGRAM}' gcp --profile=yandex-cloud");
    let other_command = format!("{PROGRAM} token");
    for (command, words) in [
        (&*spaced, "has spaces, at which the command is split"),
        (&*quoted, "quotes and backslashes do not mean the same"),
        ("/nonexistent/yc-id-token gcp", "`/nonexistent/yc-id-token` cannot be run"),
        ("./yc-id-token gcp", "`./yc-id-token` cannot be run"),
        (&*other_command, "run `token`, whose output Google's libraries cannot read"),
    ] {
        let found = examine_with(&sandbox, |it| {
            it["credential_source"]["executable"]["command"] = command.into();
        });
        found.exits(3).has("error", words);
    }
    let found = examine_with(&sandbox, |it| {
        it["credential_source"]["executable"]["command"] =
            "yc-id-token gcp --profile=yandex-cloud".into();
    });
    found.exits(0).has("warning", "`yc-id-token` is not a full path");
    for (millis, result, words) in [
        (json!(1000), "error", "reject its `timeout_millis`"),
        (json!("30000"), "error", "reject its `timeout_millis`"),
        (json!(10_000), "warning", "wait for 10 s, but a run may take 20 s"),
    ] {
        let found = examine_with(&sandbox, |it| {
            it["credential_source"]["executable"]["timeout_millis"] = millis;
        });
        found.has(result, words);
    }
    let other = PROVIDER.replace("providers/yandex-cloud", "providers/other");
    examine_with(&sandbox, |it| it["audience"] = other.into())
        .exits(0)
        .has("warning", "but the settings have `");
    examine_with(&sandbox, |it| it["audience"] = "yandex-cloud".into())
        .exits(3)
        .has("error", "is not the full name of a provider");
    let saml = "urn:ietf:params:oauth:token-type:saml2";
    examine_with(&sandbox, |it| it["subject_token_type"] = saml.into())
        .exits(3)
        .has("error", "not that of an ID token");

    sandbox.unset("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
    let config = sandbox.home().join(".config/yc-id-token/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    sandbox.configure(&format!("{text}\n[profiles.other]\nextends = \"yandex-cloud\"\n"));
    examine(&sandbox, &["other"]).exits(0);
    let found = examine(&sandbox, &["gcp"]);
    let fix = &found.exits(3).has("error", "libraries run no executable")["fix"];
    assert_eq!(fix, "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    sandbox.set("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", sandbox.write("key.txt", "{}"));
    examine(&sandbox, &["gcp"]).exits(0).has("warning", "two files: gcloud uses the second");
    sandbox.unset("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE");
    sandbox.set("GOOGLE_CREDENTIALS", sandbox.home().join(OUTPUT));
    assert_eq!(examine(&sandbox, &["gcp"]).wrong(), []);
    sandbox.set("GOOGLE_CREDENTIALS", "{\"private_key\": \"x\"}");
    examine(&sandbox, &["gcp"])
        .exits(0)
        .has("warning", "GOOGLE_CREDENTIALS is set: gcloud or Terraform uses it");
}

#[test]
fn external_and_missing_files_are_distinguished() {
    let mut sandbox = without_kubectl(Options::default());
    let found = examine(&sandbox, &["gcp"]);
    found.has("ok", "no credential configuration here gets its token from yc-id-token");
    let theirs = json!({
        "type": "external_account",
        "audience": PROVIDER,
        "credential_source": { "url": "http://169.254.169.254/x" },
    });
    let theirs = sandbox.write("theirs.json", &theirs.to_string());
    sandbox.set("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", theirs);
    sandbox.set("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/google.json");
    let found = examine(&sandbox, &["gcp"]);
    found.has("ok", "gets no token from yc-id-token");
    found.exits(3).has("error", "GOOGLE_APPLICATION_CREDENTIALS `/nonexistent/google.json`");
}

#[test]
fn a_token_file_is_checked_as_a_library_reads_it() {
    let id_token_life = Duration::from_secs(300);
    let sandbox = set_up(Options { id_token_life, ..Options::default() }, &["--source=file"]);
    let token = sandbox.home().join(TOKEN);
    sandbox.may_hold_secrets(&token);
    let found = examine(&sandbox, &["gcp"]);
    found.exits(3).has("error", "cannot read its token file");
    sandbox.run(&["agent", "--once"]).ok();
    examine(&sandbox, &["gcp"]).exits(0).has("warning", "expires soon");
    let right = fs::read_to_string(&token).unwrap();
    fs::write(&token, format!("{right}\n")).unwrap();
    examine(&sandbox, &["gcp"]).exits(3).has("error", "has a newline or spaces around the token");
    fs::write(&token, "x").unwrap();
    examine(&sandbox, &["gcp"]).exits(3).has("error", "the token in ");
    let other = sandbox.run(&["token", "--audience=k8s"]).ok();
    fs::write(&token, other.trim_end()).unwrap();
    examine(&sandbox, &["gcp"])
        .exits(3)
        .has("error", "is for the audience `k8s`, not for the provider");
    fs::write(&token, &right).unwrap();
    let found = examine_with(&sandbox, |it| {
        it["credential_source"]["format"] =
            json!({ "type": "json", "subject_token_field_name": "id_token" });
    });
    found.exits(3).has("error", "has no token in the place that its `format` names");
    let found = examine_with(&sandbox, |it| it["credential_source"]["file"] = "google.jwt".into());
    found.exits(3).has("error", "is not absolute");
}

#[test]
fn an_address_passes_while_its_agent_accepts_the_secret() {
    let listen = format!("--listen=127.0.0.1:{}", free_port());
    let sandbox = set_up(Options::default(), &["--source=url", &listen]);
    secret_in(&sandbox, OUTPUT);
    let found = examine(&sandbox, &["gcp"]);
    found.exits(6).has("error", "nothing answers at http://127.0.0.1:");
    let agent = Agent::start(&sandbox, &[]);
    eventually("it is well", || examine(&sandbox, &["gcp"]).wrong().is_empty());
    let found = examine_with(&sandbox, |it| it["credential_source"]["headers"] = json!({}));
    found.exits(3).has("error", "no `Authorization` header");
    let found =
        examine_with(&sandbox, |it| it["credential_source"]["url"] = "http://127.0.0.1:1/".into());
    found.exits(3).has("error", "no table of `[[agent.endpoints]]` listens at");
    let config = sandbox.home().join(".config/yc-id-token/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    sandbox.configure(&text.replace("credential_file = ", "secret_file = "));
    examine(&sandbox, &["gcp"]).exits(3).has("error", "has another secret");
    sandbox.configure(&text.replace("audiences = [\"https:", "audiences = [\"http:"));
    examine(&sandbox, &["gcp"]).exits(3).has("error", "has other audiences");
    drop(agent);
}

#[test]
fn gclouds_own_check_runs_on_request() {
    let sandbox = set_up(Options::default(), &[]);
    let answers = |script: &str| {
        let path = sandbox.write("programs/gcloud", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        examine(&sandbox, &["gcp", "--end-to-end"])
    };
    answers("echo ya29.x").exits(0).has("ok", "Google Cloud gives an access token");
    let refusal = "echo \"ERROR: (gcloud.auth.application-default.print-access-token) ('Error code unauthorized_client: The given credential is rejected by the attribute condition.', '')\" >&2; exit 1";
    answers(refusal)
        .exits(5)
        .has("error", "Google Cloud does not accept the ID token: ('Error code");
}
