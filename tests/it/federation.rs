//! A workload outside Yandex Cloud authenticates as a service account without a stored secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use yc_id_token_emulator::{Fault, Route};

use crate::fake_server::{FakeServer, Reply};
use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";
const HOUR: i64 = 3600;

/// A sandbox without a key, for the service account that the workload impersonates.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("YC_ID_TOKEN_SERVICE_ACCOUNT", sandbox.account.clone());
    sandbox.set("YC_ID_TOKEN_AUDIENCE", AUDIENCE);
    sandbox
}

/// An external token, which the cloud trusts or not as a whole.
pub fn external(subject: &str, life: i64) -> String {
    external_token("https://issuer.example", subject, &json!("yandex"), life)
}

/// An external token of any issuer, for any audience.
pub fn external_token(issuer: &str, subject: &str, audience: &Value, life: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let exp = i64::try_from(now).unwrap() + life;
    let claims = json!({ "iss": issuer, "sub": subject, "aud": audience, "exp": exp, "n": exp });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = json!({ "alg": "RS256", "kid": "k" }).to_string();
    format!("{}.{}.{}", part(header), part(claims.to_string()), part("signature".repeat(8)))
}

fn exchanges(sandbox: &Sandbox) -> usize {
    sandbox.cloud.count(Route::TokenExchange)
}

#[test]
fn a_token_file_is_enough_and_is_read_on_every_fetch() {
    let sandbox = sandbox();
    let first = external("system:serviceaccount:prod:app", HOUR);
    sandbox.cloud.federate(&first, &sandbox.account);
    let file = sandbox.write_secret("token", &format!("{first}\n"));
    // As the kubelet writes it for a container that runs as root.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let identity = format!("kubernetes:{}", file.display());
    let run =
        |audience: &str| sandbox.run(&["token", "--identity", &identity, "--audience", audience]);
    let token = run(AUDIENCE).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
    assert_eq!(
        exchanges(&sandbox),
        2,
        "the external token for an IAM token, that for the ID token"
    );
    assert_eq!(run(AUDIENCE).ok(), token);
    run("another").ok();
    assert_eq!(exchanges(&sandbox), 3, "the IAM token is cached");

    // The kubelet replaces the token, and the old one is no longer valid.
    let next = external("system:serviceaccount:prod:app", 2 * HOUR);
    sandbox.cloud.federate(&next, &sandbox.account);
    sandbox.write_secret("token", &next);
    sandbox.age("iam-token", Duration::from_secs(13 * 3600));
    run("third").ok();
    assert_eq!(exchanges(&sandbox), 5);
    assert!(sandbox.cloud.requests().iter().any(|request| request.body.contains(&next)));
}

#[test]
fn another_workload_gets_no_cached_token_of_the_first() {
    let sandbox = sandbox();
    let trusted = external("trusted", HOUR);
    sandbox.cloud.federate(&trusted, &sandbox.account);
    let file = sandbox.write_secret("token", &trusted);
    let identity = format!("token-file:{}", file.display());
    sandbox.run(&["token", "--identity", &identity]).ok();
    sandbox.write_secret("token", &external("stranger", HOUR));
    let (message, hint) =
        sandbox.run(&["token", "--identity", &identity]).fails(4, "E_SOURCE_REFUSED");
    assert!(message.contains(&sandbox.account), "{message}");
    for claim in ["iss `https://issuer.example`", "sub `stranger`", "aud `yandex`"] {
        assert!(hint.contains(claim), "the claims to compare are shown: {hint}");
    }
}

#[test]
fn an_unusable_external_token_is_not_sent() {
    let sandbox = sandbox();
    let file = sandbox.home().join("token");
    let identity = format!("token-file:{}", file.display());
    let fails = |exit, code| sandbox.run(&["token", "--identity", &identity]).fails(exit, code).0;
    assert!(fails(3, "E_UNREADABLE").contains("no such file"));
    sandbox.write_secret("token", "");
    assert!(fails(3, "E_IDENTITY").contains("it is not a JWT"));
    sandbox.write_secret("token", &sandbox.cloud.issue_iam_token(&sandbox.account));
    assert!(fails(3, "E_IDENTITY").contains("it is not a JWT"), "a token of Yandex's own");
    sandbox.write_secret("token", &external("app", -60));
    assert!(fails(3, "E_EXPIRED").contains("it has expired at"));
    assert_eq!(exchanges(&sandbox), 0);
}

#[test]
fn a_job_of_github_actions_needs_no_secret() {
    let mut sandbox = sandbox();
    let token = external("repo:me/app:ref:refs/heads/main", HOUR);
    sandbox.cloud.federate(&token, &sandbox.account);
    let answer = json!({ "count": 1, "value": token }).to_string();
    let github = FakeServer::start(move |_, _| Reply::Answer {
        status: 200,
        headers: Vec::new(),
        body: answer.clone(),
    });
    sandbox.keep_secret("the-request-token-of-a-job");
    sandbox.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-request-token-of-a-job");
    sandbox
        .set("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/token/job?api-version=2.0", github.url()));
    sandbox.set("GITHUB_REPOSITORY_OWNER", "me");
    let ours = sandbox.run(&["token"]).ok();
    assert_eq!(claims(ours.trim())["sub"], sandbox.account.as_str(), "found by itself");
    sandbox
        .run(&["token", "--identity=github-actions:https://aud.example", "--force-refresh"])
        .ok();
    let requested = github.requests();
    let authorization = |at: usize| requested[at].headers["authorization"].as_str();
    assert_eq!(
        requested[0].line,
        "GET /token/job?api-version=2.0&audience=https%3A%2F%2Fgithub.com%2Fme HTTP/1.1"
    );
    assert_eq!(authorization(0), "Bearer the-request-token-of-a-job");
    assert!(
        requested[1].line.contains("audience=https%3A%2F%2Faud.example"),
        "{}",
        requested[1].line
    );
    assert_eq!(requested.len(), 2);

    // Another job on the same machine has another identity.
    sandbox.keep_secret("the-request-token-of-another-job");
    sandbox.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-request-token-of-another-job");
    sandbox.run(&["token"]).ok();
    assert_eq!(github.requests().len(), 3);
}

#[test]
fn a_job_without_the_permission_gets_a_hint() {
    let mut sandbox = sandbox();
    let (message, hint) =
        sandbox.run(&["token", "--identity=github-actions"]).fails(3, "E_MISSING");
    assert!(message.contains("ACTIONS_ID_TOKEN_REQUEST_URL"), "{message}");
    assert!(hint.contains("id-token: write"), "{hint}");
    let github = FakeServer::start(|_, _| Reply::Answer {
        status: 403,
        headers: Vec::new(),
        body: "no".into(),
    });
    sandbox.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x");
    sandbox.set("ACTIONS_ID_TOKEN_REQUEST_URL", github.url());
    let (_, hint) = sandbox.run(&["token", "--identity=github-actions"]).fails(3, "E_MISSING");
    assert!(hint.contains("github-actions:AUDIENCE"), "{hint}");
    sandbox.set("GITHUB_REPOSITORY_OWNER", "me");
    let (message, hint) =
        sandbox.run(&["token", "--identity=github-actions"]).fails(4, "E_SOURCE_AUTH");
    assert!(message.contains("answered 403"), "{message}");
    assert!(hint.contains("id-token: write"), "{hint}");
}

#[test]
fn a_command_can_print_the_external_token() {
    let sandbox = sandbox();
    let token = external("vm", HOUR);
    sandbox.cloud.federate(&token, &sandbox.account);
    sandbox.write_secret("printed", &token);
    let configure = |command: &str| {
        sandbox.configure(&format!(
            "[identity.gcp]\ntype = \"token-command\"\ntoken_command = {command}\nservice_account = \"{}\"\n[defaults]\nidentity = \"gcp\"\n",
            sandbox.account
        ));
    };
    configure(r#"["cat", "printed"]"#);
    let ours = sandbox.run(&["token"]).ok();
    assert_eq!(claims(ours.trim())["sub"], sandbox.account.as_str());
    for (command, exit, code, reported) in [
        (
            r#"["sh", "-c", "echo no login >&2; exit 3"]"#,
            4,
            "E_SOURCE_AUTH",
            "on standard error: no login",
        ),
        (r#"["sh", "-c", "echo eyJ; exit 0"]"#, 3, "E_IDENTITY", "it is not a JWT"),
        (r#"["sleep", "600"]"#, 6, "E_TIMEOUT", "it did not finish within 2.0 s"),
        (r#"["yes"]"#, 6, "E_FOREIGN_ANSWER", "far more than a token"),
        (r#"["sh", "-c", "echo one >&2\nexit 3"]"#, 4, "E_SOURCE_AUTH", "on standard error: one"),
        ("[]", 3, "E_CONFIG", "`token_command` is missing"),
        (r#"["/absent"]"#, 3, "E_IDENTITY", "cannot be run: no such file or directory"),
    ] {
        configure(command);
        let (message, _) = sandbox.run(&["token", "--timeout=2s"]).fails(exit, code);
        assert!(message.contains(reported), "{command}: {message}");
    }
}

#[test]
fn a_workload_needs_a_service_account() {
    let mut sandbox = sandbox();
    sandbox.unset("YC_ID_TOKEN_SERVICE_ACCOUNT");
    sandbox.write_secret("token", &external("app", HOUR));
    let (message, hint) =
        sandbox.run(&["token", "--identity=token-file:token"]).fails(3, "E_MISSING");
    assert!(message.contains("acts as is not set"), "{message}");
    assert!(hint.contains("--service-account"), "{hint}");
    let by_name =
        ["token", "--identity=token-file:token", "--service-account=robot", "--folder-id=b1g"];
    let (message, hint) = sandbox.run(&by_name).fails(3, "E_MISSING");
    assert!(message.contains("cannot look that up by its name"), "{message}");
    assert!(hint.contains("give the ID"), "{hint}");
}

#[test]
fn temporary_errors_are_retried_for_workloads_too() {
    let sandbox = sandbox();
    let token = external("app", HOUR);
    sandbox.cloud.federate(&token, &sandbox.account);
    sandbox.write_secret("token", &token);
    sandbox.cloud.script(Route::TokenExchange, [Fault::Status(503), Fault::Reset]);
    sandbox.run(&["token", "--identity=token-file:token"]).ok();
}
