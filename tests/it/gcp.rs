//! `gcp`: the output for Google's client libraries as an executable; and `exec --gcp`, a credential configuration for a
//! command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, Options, Route};

use crate::fake_sts::FakeSts;
use crate::sandbox::{Sandbox, claims, eventually};

const PROVIDER: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/providers/yandex";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A sandbox with the variables that a Google client sets for an executable.
fn with_client() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", PROVIDER);
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", ID_TOKEN);
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_ID", "");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "0");
    sandbox
}

/// The answer of a run: one document, exit status 0, and empty standard error.
#[track_caller]
fn answer(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    serde_json::from_str(&sandbox.run(&[&["gcp"], arguments].concat()).ok()).unwrap()
}

/// The code and the message of a failed answer.
#[track_caller]
fn failure(sandbox: &Sandbox, arguments: &[&str]) -> (String, String) {
    let answer = answer(sandbox, arguments);
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let (code, message) = (text("code"), text("message"));
    let expected = json!({
        "version": 1, "success": false, "token_type": ID_TOKEN, "code": code, "message": message,
    });
    assert_eq!(answer, expected);
    (code, message)
}

/// The audience of the token in an answer.
#[track_caller]
fn audience(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let answer = answer(sandbox, arguments);
    let token = answer["id_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    claims(token)["aud"].as_str().unwrap().to_owned()
}

#[test]
fn the_answer_is_the_document_that_google_describes() {
    let mut sandbox = with_client();
    let first = answer(&sandbox, &[]);
    let token = first["id_token"].as_str().unwrap();
    let claims = claims(token);
    assert_eq!(claims["aud"], format!("https:{PROVIDER}"));
    let expected = json!({
        "version": 1,
        "success": true,
        "token_type": ID_TOKEN,
        "id_token": token,
        "expiration_time": claims["exp"].as_i64().unwrap() - 60,
    });
    assert_eq!(first, expected);
    assert_eq!(answer(&sandbox, &[]), first);
    assert_eq!(sandbox.token_requests(), (1, 1), "the second is answered from the cache");

    let jwt = "urn:ietf:params:oauth:token-type:jwt";
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", jwt);
    assert_eq!(answer(&sandbox, &[])["token_type"], jwt);
}

#[test]
fn the_audience_defaults_to_the_clients_provider() {
    let mut sandbox = with_client();
    let of_client = format!("https:{PROVIDER}");
    let other = PROVIDER.replace("/pool/", "/other/");
    let profile = format!("[profiles.p.gcp]\nprovider = \"{other}\"\n");
    sandbox.configure(&format!("[defaults]\naudience = \"everyone\"\n{profile}"));
    assert_eq!(audience(&sandbox, &["--profile=p"]), of_client);
    sandbox.unset("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE");
    assert_eq!(audience(&sandbox, &["--profile=p"]), format!("https:{other}"));
    sandbox.configure(&format!("[profiles.p]\naudience = \"profile\"\n{profile}"));
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", PROVIDER);
    assert_eq!(audience(&sandbox, &["--profile=p"]), "profile");
    sandbox
        .configure(&format!("[profiles.p]\naudience = \"profile\"\n{profile}audience = \"own\"\n"));
    assert_eq!(audience(&sandbox, &["--profile=p"]), "own");
    sandbox.set("YC_ID_TOKEN_GCP_AUDIENCE", "variable");
    assert_eq!(audience(&sandbox, &["--profile=p"]), "variable");
    assert_eq!(audience(&sandbox, &["--profile=p", "--audience=flag"]), "flag");
}

#[test]
fn a_failure_is_a_document_too() {
    let mut sandbox = with_client();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let (code, message) = failure(&sandbox, &[]);
    assert_eq!(code, "E_SOURCE_DENIED");
    assert!(message.starts_with("cannot get an ID token for audience `https:"), "{message}");
    assert!(message.contains(". Hint: grant `iam.serviceAccounts.tokenCreator`"), "{message}");
    let json = failure(&sandbox, &["--error-format=json"]);
    assert_eq!(json.0, code, "the client reads only one format");

    sandbox.unset("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE");
    let (code, message) = failure(&sandbox, &[]);
    assert_eq!(code, "E_MISSING");
    assert!(message.starts_with("the audience is not set. Hint: give `--provider`"), "{message}");
    sandbox.configure(
        "[profiles.prod.gcp]\naudience = \"a\"\n[profiles.test.gcp]\naudience = \"b\"\n",
    );
    let (_, message) = failure(&sandbox, &[]);
    assert!(
        message.ends_with("or choose a profile with `--profile`: `prod` or `test`"),
        "{message}"
    );

    let (code, message) = failure(&sandbox, &["--provider=projects/my-project/providers/p"]);
    assert_eq!(code, "E_USAGE");
    assert!(message.contains("with the number of the project"), "{message}");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", "urn:ietf:params:oauth:token-type:saml2");
    let (code, message) = failure(&sandbox, &["--profile=prod"]);
    assert_eq!(code, "E_VALUE");
    assert!(message.contains("`urn:ietf:params:oauth:token-type:saml2`"), "{message}");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "1");
    let (code, _) = failure(&sandbox, &["--profile=prod"]);
    assert_eq!(code, "E_VALUE", "no new token is the answer to a revocation");
}

#[test]
fn the_log_is_not_mixed_with_the_answer() {
    // Google's library for JavaScript prints everything that it cannot parse in its error, including the token.
    let mut sandbox = with_client();
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    answer(&sandbox, &["-vvv"]);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    failure(&sandbox, &["-vvv", "--force-refresh"]);
    answer(&sandbox, &["-vvv", "--log-file=log"]);
    assert!(sandbox.log().contains("INFO"));
    let by_hand = ["gcp", "-v", "--audience=a", "--force-refresh"];
    sandbox.unset("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE");
    assert!(sandbox.run(&by_hand).stderr.contains("INFO"), "a person sees it");
}

#[test]
fn a_hint_has_the_options_of_the_run() {
    let mut sandbox = with_client();
    sandbox.configure("[profiles.prod]\naudience = \"a\"\n");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "1");
    let (_, message) = failure(&sandbox, &["--profile=prod"]);
    assert!(message.contains("`yc-id-token cache clear --profile=prod`"), "{message}");
}

#[test]
fn an_interrupted_run_ends_like_every_command() {
    let sandbox = with_client();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    let mut command = sandbox.command(&["gcp", "--timeout=1h"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it waits", || sandbox.cloud.count(Route::TokenExchange) > 0);
    let mut kill = Command::new("kill");
    assert!(kill.arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    sandbox.outcome(child).fails(128 + 15, "E_INTERRUPTED");
}

#[test]
fn the_output_file_stores_answers_and_never_failures() {
    let mut sandbox = with_client();
    let file = sandbox.home().join("answer.json");
    sandbox.may_hold_secrets(&file);
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", file.clone());
    let printed = sandbox.run(&["gcp"]).ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), printed);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    failure(&sandbox, &["--force-refresh"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), printed);

    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", sandbox.home().join("no/folder"));
    assert_eq!(sandbox.run(&["gcp"]).ok(), printed, "the answer does not need the file");
    assert!(sandbox.log().contains("no/folder"));
}

#[test]
fn in_interactive_mode_the_answer_is_only_in_the_file() {
    let mut sandbox = with_client();
    let file = sandbox.home().join("answer.json");
    sandbox.may_hold_secrets(&file);
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", file.clone());
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "1");
    assert_eq!(sandbox.run(&["gcp"]).ok(), "");
    let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(kept["success"], true);
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    sandbox.run(&["gcp", "--force-refresh"]).fails(4, "E_SOURCE_DENIED");
    sandbox.set("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", sandbox.home().join("no/folder"));
    sandbox.run(&["gcp"]).fails(1, "E_OUTPUT");
}

#[test]
fn runs_at_once_share_one_token() {
    let sandbox = with_client();
    let start = |_| {
        let mut command = sandbox.command(&["gcp"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let runs: Vec<_> = (0..20).map(start).collect();
    let mut answers: Vec<String> = runs.into_iter().map(|run| sandbox.outcome(run).ok()).collect();
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn status_shows_what_a_run_would_do() {
    let sandbox = Sandbox::new();
    sandbox.configure(&format!("[profiles.p.gcp]\nprovider = \"{PROVIDER}\"\n"));
    let status = sandbox.run(&["status", "p"]).ok();
    let (_, forecast) = status.split_once("\ngcp\n").unwrap();
    assert!(forecast.contains(&format!("`https:{PROVIDER}`")), "{status}");
    assert!(status.contains("gcp.provider"), "{status}");
}

/// A sandbox with a provider, and a folder for temporary files of its own.
fn for_exec(options: Options) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::with_options(options);
    let folder = sandbox.home().join("temporary");
    fs::create_dir(&folder).unwrap();
    sandbox.set("TMPDIR", folder.clone());
    sandbox.set("YC_ID_TOKEN_GCP_PROVIDER", PROVIDER);
    (sandbox, folder)
}

#[test]
fn a_command_has_a_private_configuration_that_is_removed_afterwards() {
    let (sandbox, temporary) = for_exec(Options::default());
    let script = "cat \"$GOOGLE_APPLICATION_CREDENTIALS\"; echo
        stat -c '%a %n' \"${GOOGLE_APPLICATION_CREDENTIALS%/*}\"/*
        cat \"${GOOGLE_APPLICATION_CREDENTIALS%/*}\"/*.jwt; exit 42";
    let run = |more: &[&str]| {
        let arguments = [&["exec", "--gcp"], more, &["--", "sh", "-c", script]].concat();
        let outcome = sandbox.run(&arguments);
        assert_eq!((outcome.status.code(), outcome.stderr.as_str()), (Some(42), ""));
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "it is removed");
        outcome.stdout
    };
    let printed = run(&[]);
    let lines: Vec<&str> = printed.lines().collect();
    let [configuration, file, token_file, token] = lines[..] else { panic!("{printed}") };
    let configuration: Value = serde_json::from_str(configuration).unwrap();
    let token_file = token_file.strip_prefix("600 ").unwrap();
    assert!(file.starts_with("600 ") && file.ends_with("/google-cloud.json"), "{file}");
    let mut expected = json!({
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": { "file": token_file, "format": { "type": "text" } },
    });
    assert_eq!(configuration, expected);
    assert_eq!(claims(token)["aud"], format!("https:{PROVIDER}"));

    let printed = run(&[
        "--service-account-email=robot@my-project.iam.gserviceaccount.com",
        "--audience=own",
    ]);
    let lines: Vec<&str> = printed.lines().collect();
    let configuration: Value = serde_json::from_str(lines[0]).unwrap();
    expected["credential_source"] = configuration["credential_source"].clone();
    expected["service_account_impersonation_url"] = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/robot@my-project.iam.gserviceaccount.com:generateAccessToken".into();
    assert_eq!(configuration, expected);
    assert_eq!(claims(lines[3])["aud"], "own");
}

#[test]
fn a_command_has_no_variable_that_overrides_the_configuration() {
    let (mut sandbox, _) = for_exec(Options::default());
    let _sts = FakeSts::start(&mut sandbox);
    for name in [
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
        "GCLOUD_KEYFILE_JSON",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_KEYFILE_JSON",
        "GOOGLE_CREDENTIALS",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
    ] {
        sandbox.set(name, "inherited");
    }
    sandbox.set("GOOGLE_CLOUD_PROJECT", "kept");
    let arguments =
        ["exec", "--gcp", "--aws", "--token-file-env=FILE=sts", "--token-env=TOKEN=k8s"];
    let printed = sandbox.run(&[&arguments[..], &["--", "env"]].concat()).ok();
    let of_google = |line: &&str| {
        ["CLOUDSDK_", "GCLOUD_", "GOOGLE_"].iter().any(|begin| line.starts_with(begin))
    };
    let mut of_google: Vec<(&str, &str)> =
        printed.lines().filter(of_google).map(|line| line.split_once('=').unwrap()).collect();
    of_google.sort_unstable();
    let path = of_google[0].1;
    assert!(path.ends_with("/google-cloud.json"), "{path}");
    assert_eq!(
        of_google,
        [
            ("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", path),
            ("GOOGLE_APPLICATION_CREDENTIALS", path),
            ("GOOGLE_CLOUD_PROJECT", "kept"),
        ]
    );
    for other in ["\nAWS_ACCESS_KEY_ID=ASIA1", "\nTOKEN=ey", "/FILE\n"] {
        assert!(format!("\n{printed}").contains(other), "{other}");
    }
}

#[test]
fn the_token_that_a_configuration_names_is_kept_fresh() {
    let short = Options { id_token_life: Duration::from_secs(8), ..Options::default() };
    let (sandbox, temporary) = for_exec(short);
    let go = sandbox.home().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    let mut command = sandbox.command(&["exec", "--gcp", "--", "sh", "-c", &script]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let token = || {
        let folder = fs::read_dir(&temporary).unwrap().next()?.unwrap().path();
        fs::read_to_string(folder.join("google-cloud.jwt")).ok()
    };
    eventually("the token is written", || token().is_some());
    let first = token();
    eventually("the token is replaced", || token() != first);
    fs::write(&go, "").unwrap();
    sandbox.outcome(child).ok();
}

#[test]
fn an_invalid_configuration_is_rejected_before_any_request() {
    let (mut sandbox, _) = for_exec(Options::default());
    let run = |sandbox: &Sandbox, more: &[&str]| {
        sandbox.run(&[&["exec", "--gcp"], more, &["--", "touch", "was-run"]].concat())
    };
    let (text, _) = run(&sandbox, &["--service-account-email=robot"]).fails(2, "E_USAGE");
    assert!(text.contains("`robot` is not the email of a service account"), "{text}");
    let (text, _) =
        run(&sandbox, &["--token-env=GOOGLE_APPLICATION_CREDENTIALS=a"]).fails(2, "E_USAGE");
    assert!(text.contains("`--aws`, `--vault` or `--gcp`"), "{text}");
    sandbox.unset("YC_ID_TOKEN_GCP_PROVIDER");
    let (text, hint) = run(&sandbox, &[]).fails(3, "E_MISSING");
    assert_eq!(text, "the provider of the workload identity pool is not set");
    assert!(hint.contains("--provider"), "{hint}");
    assert_eq!(sandbox.token_requests(), (0, 0));
    assert!(!sandbox.home().join("was-run").exists());
}
