//! `doctor --report` writes a file for a bug report: the data needed to find the cause, and no secret.
//!
//! At its end, each sandbox searches all files of its home for its secrets, and so the reports too.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, Route};

use crate::doctor::{configured, examine};
use crate::fake_server::{FakeServer, Reply};
use crate::fake_sts::FakeSts;
use crate::fake_vault::FakeVault;
use crate::sandbox::Sandbox;

const FILE: &str = "yc-id-token-report.txt";

/// The JSON document of a report, after its introduction.
fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("Read it before you send it"), "{text}");
    serde_json::from_str(&text[text.find("\n{").unwrap()..]).unwrap()
}

/// The report of a new run.
fn report(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let path = sandbox.home().join(FILE);
    let _ = fs::remove_file(&path);
    let found = examine(sandbox, &[&["--report"], arguments].concat());
    assert_eq!(found.0["report"], path.to_str().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let report = read(&path);
    for key in ["exit", "checks"] {
        assert_eq!(report["report"][key], found.0[key], "the same findings");
    }
    report
}

/// The first request to a path.
#[track_caller]
fn request<'a>(report: &'a Value, method: &str, path: &str) -> &'a Value {
    let requests = report["requests"].as_array().unwrap();
    let is_it = |request: &&Value| {
        request["method"] == method && request["url"].as_str().unwrap().ends_with(path)
    };
    requests.iter().find(is_it).unwrap_or_else(|| panic!("no `{path}`: {requests:#?}"))
}

#[test]
fn a_report_describes_the_servers_of_the_cloud() {
    let sandbox = configured();
    let report = report(&sandbox, &["prod"]);
    let exchange = request(&report, "POST", "/oauth/token");
    assert_eq!(exchange["status"], 200);
    assert_eq!(exchange["content_type"], "application/json");
    let sent = &exchange["request"];
    assert_eq!(sent["subject_token_type"], "urn:yandex-cloud:token-type:subject_id");
    assert_eq!(sent["audience"], "k8s");
    assert_eq!(sent["subject_token"], "a string of 20 characters");
    assert!(sent["actor_token"].as_str().unwrap().ends_with(", as an IAM token begins"), "{sent}");
    let answer = &exchange["answer"];
    assert!(answer["access_token"].as_str().unwrap().ends_with(", a JWT"), "{answer}");
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:id_token");
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let iam = request(&report, "POST", "/iam/v1/tokens");
    assert_eq!(iam["request"]["jwt"].as_str().unwrap().rsplit(", ").next(), Some("a JWT"));
    let end = iam["answer"]["expiresAt"].as_str().unwrap();
    assert!(end.starts_with("a time of the form 0000-00-00T00:00:00"), "{end}");
    assert!(iam["headers"].as_array().unwrap().contains(&json!("x-request-id")), "{iam}");
    let discovery = request(&report, "GET", "/.well-known/openid-configuration");
    assert_eq!(discovery["answer"]["issuer"], sandbox.cloud.issuer());
    let keys = &request(&report, "GET", "/oauth/jwks/keys")["answer"]["keys"][0];
    assert_eq!((&keys["kty"], &keys["use"]), (&json!("RSA"), &json!("sig")));

    let token = &report["tokens"][0];
    assert_eq!(token["header"]["alg"], "RS256");
    assert_eq!(token["claims"]["iss"], sandbox.cloud.issuer());
    assert_eq!(token["claims"]["aud"], "k8s");
    assert_eq!(token["claims"]["sub"], "a string of 20 characters");
    assert_eq!(token["exp_minus_iat"], 3600.0);

    let settings = report["settings"][0]["settings"].as_array().unwrap();
    let audience = settings.iter().find(|setting| setting["name"] == "audience").unwrap();
    assert!(audience["origin"].as_str().unwrap().starts_with("profile `prod`, "), "{audience}");
    assert_eq!(report["system"]["version"], env!("CARGO_PKG_VERSION"));
    // The other routes to an ID token: the findings, and the answers to their requests.
    let checks = report["report"]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["group"] == "id token"), "{checks:#?}");
    let requests = report["requests"].as_array().unwrap().iter();
    let refused = requests.filter(|request| request["status"] == 400);
    let kinds: Vec<_> = refused.map(|it| it["request"]["subject_token_type"].as_str()).collect();
    let other = "urn:ietf:params:oauth:token-type:subject_id";
    assert!(kinds.contains(&Some(other)), "{kinds:?}");
    let variables = report["system"]["variables"].as_array().unwrap();
    assert!(variables.contains(&json!("YC_ID_TOKEN_OAUTH_ENDPOINT")), "{variables:?}");
}

#[test]
fn a_report_describes_refusals_of_the_cloud() {
    let sandbox = configured();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let refused = report(&sandbox, &["prod"]);
    let exchange = request(&refused, "POST", "/oauth/token");
    let (status, answer) = (&exchange["status"], &exchange["answer"]);
    assert_eq!(*status, 403, "{exchange}");
    let says = answer["message"].is_string() || answer["error"].is_string();
    assert!(says, "{answer}");
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Html));
    let page = report(&sandbox, &["prod"]);
    let answer = request(&page, "POST", "/oauth/token")["answer"].clone();
    assert!(answer.as_str().unwrap().ends_with(" bytes, not JSON"), "{answer}");
}

#[test]
fn a_report_of_the_metadata_service_has_the_same_format() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let address = sandbox.cloud.url().trim_start_matches("http://").to_owned();
    sandbox.set("YC_METADATA_ADDR", address);
    sandbox.cloud.attach_to_instance(Some(&sandbox.account));
    let account = sandbox.account.clone();
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", account);
    let report = report(&sandbox, &["--identity=metadata"]);
    let metadata = request(&report, "GET", "/service-accounts/default/token");
    assert_eq!(metadata["request_headers"], json!(["metadata-flavor"]));
    assert!(metadata["answer"]["expires_in"].is_number(), "{metadata}");
    let token = metadata["answer"]["access_token"].as_str().unwrap();
    assert!(token.ends_with(", as an IAM token begins"), "{token}");
}

#[test]
fn a_report_of_everything_holds_no_secret() {
    let mut sandbox = configured();
    let sts = FakeSts::start(&mut sandbox);
    let vault = FakeVault::start(&mut sandbox);
    crate::doctor::configure(
        &sandbox,
        &format!("[profiles.prod.vault]\naddress = \"{}\"\n", vault.url()),
    );
    sandbox.set("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1");
    sandbox.keep_secret("hunter2");
    let token = "t1.9euelZPtYgjmUhBel31iEl2hpChYgCfrL1spNxny.signature";
    sandbox.set("YC_IAM_TOKEN", token);
    sandbox.keep_secret(token);
    let report = report(&sandbox, &["prod", "--end-to-end"]);
    let login = request(&report, "POST", "/v1/auth/jwt/login");
    assert!(login["answer"]["auth"]["client_token"].is_string(), "{login}");
    assert_eq!(request(&report, "POST", "/v1/auth/token/revoke-self")["status"], 204);
    let text = report.to_string();
    for secret in sandbox.secrets() {
        assert!(!crate::leaks::holds(&text, &secret), "{text}");
    }
    drop(sts);
}

#[test]
fn a_token_that_a_server_repeats_is_not_in_the_report() {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    let forms: [fn(&str) -> String; 4] = [
        str::to_owned,
        |token| token[token.len() - 90..token.len() - 40].to_owned(),
        |token| BASE64_STANDARD.encode(token),
        |token| {
            token.as_bytes().chunks(10).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
        },
    ];
    for form in forms {
        let mut sandbox = configured();
        let server = FakeServer::start(move |request, _| {
            let sent: Value = serde_json::from_str(&request.body).unwrap_or_default();
            let text = form(sent["jwt"].as_str().unwrap_or(&"x".repeat(100)));
            let body = json!({
                "error": text, "error_description": text, "message": text, "issuer": text,
                text.clone(): text, "keys": [{ "kid": text }],
            });
            let headers = vec![("content-type", text.clone()), ("x-request-id", text)];
            Reply::Answer { status: 400, headers, body: body.to_string() }
        });
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", server.url());
        let report = report(&sandbox, &["prod"]).to_string();
        let compact: String = report.chars().filter(|c| !c.is_whitespace()).collect();
        for sent in server.requests() {
            let sent: Value = serde_json::from_str(&sent.body).unwrap_or_default();
            let Some(jwt) = sent["jwt"].as_str() else { continue };
            let repeated: Vec<char> = form(jwt).chars().filter(|c| !c.is_whitespace()).collect();
            let is_there = |part: &[char]| compact.contains(&part.iter().collect::<String>());
            assert!(!repeated.windows(24).any(is_there), "{report}");
        }
    }
}

#[test]
fn an_existing_file_is_not_overwritten_and_nothing_is_checked() {
    let sandbox = configured();
    sandbox.write("mine", "mine");
    let (message, hint) = sandbox.run(&["doctor", "prod", "--report=mine"]).fails(2, "E_USAGE");
    assert!(message.contains("mine exists, and is not overwritten"), "{message}");
    assert!(hint.contains("--report=FILE"));
    assert_eq!(fs::read_to_string(sandbox.home().join("mine")).unwrap(), "mine");
    assert_eq!(sandbox.token_requests(), (0, 0));

    let outcome = sandbox.run(&["doctor", "prod", "--report=other.txt"]);
    let file = sandbox.home().join("other.txt");
    let words = format!("\nwritten to {}: versions, settings, findings", file.display());
    assert!(outcome.ok().contains(&words));
    read(&file);
}
