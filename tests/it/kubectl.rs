//! `kubectl` prints an ExecCredential that every client of the exec protocol accepts.
//!
//! `tests/real` runs kubectl itself; this file tests every property of the output that kubectl requires.

use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token::clock::Timestamp;
use yc_id_token_emulator::{IdTokenVariant, Options};

use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";
const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

fn exec_info(version: &str, spec: &Value) -> String {
    // client-go ends it with a newline.
    format!("{}\n", json!({ "kind": "ExecCredential", "apiVersion": version, "spec": spec }))
}

#[test]
fn the_output_is_one_json_document_with_the_required_fields() {
    let sandbox = Sandbox::new();
    let printed = sandbox.run(&["kubectl", "--audience", AUDIENCE]).ok();
    assert!(printed.starts_with('{') && printed.ends_with("}\n") && printed.lines().count() == 1);
    let answer: Value = serde_json::from_str(&printed).unwrap();
    let token = answer["status"]["token"].as_str().unwrap();
    let expires = claims(token)["exp"].as_i64().unwrap();
    let reported = answer["status"]["expirationTimestamp"].as_str().unwrap();
    assert_eq!(
        answer,
        json!({
            "kind": "ExecCredential",
            "apiVersion": V1,
            "spec": { "interactive": false },
            "status": { "expirationTimestamp": reported, "token": token },
        })
    );
    assert_eq!(
        Timestamp::parse_rfc3339(reported).unwrap().unix_seconds(),
        expires - 60,
        "client-go has no skew of its own"
    );
    assert_eq!(
        (reported.len(), &reported[19..]),
        (20, "Z"),
        "the only format of time that all clients accept"
    );
}

#[test]
fn the_requested_version_is_returned() {
    let mut sandbox = Sandbox::new();
    let version = |sandbox: &Sandbox, arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["kubectl", "--audience", AUDIENCE].iter().chain(arguments).copied().collect();
        let answer: Value = serde_json::from_str(&sandbox.run(&arguments).ok()).unwrap();
        answer["apiVersion"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        version(&sandbox, &[]),
        V1,
        "without a request: the JavaScript client sets no variable"
    );
    for requested in [V1, V1BETA1] {
        sandbox.set("KUBERNETES_EXEC_INFO", exec_info(requested, &json!({ "interactive": false })));
        assert_eq!(version(&sandbox, &[]), requested);
    }
    assert_eq!(version(&sandbox, &["--api-version", "v1"]), V1, "the flag wins");
    assert_eq!(version(&sandbox, &["--api-version", V1]), V1);
    assert_eq!(sandbox.token_requests(), (1, 1), "one token serves all versions");
}

#[test]
fn an_unknown_version_is_rejected_in_one_line() {
    let mut sandbox = Sandbox::new();
    for requested in ["client.authentication.k8s.io/v1alpha1", "example.io/v1", "v1"] {
        sandbox.set("KUBERNETES_EXEC_INFO", exec_info(requested, &json!({})));
        let (message, hint) =
            sandbox.run(&["kubectl", "--audience", AUDIENCE]).fails(3, "E_EXEC_INFO");
        assert_eq!(
            message,
            format!(
                "KUBERNETES_EXEC_INFO requests apiVersion `{requested}`, which this program does not support"
            )
        );
        assert!(hint.contains(V1));
    }
    sandbox.unset("KUBERNETES_EXEC_INFO");
    sandbox.run(&["kubectl", "--audience", AUDIENCE, "--api-version", "v2"]).fails(2, "E_USAGE");
    assert_eq!(sandbox.token_requests(), (0, 0));
}

#[test]
fn one_user_entry_serves_clusters_with_different_audiences() {
    let mut sandbox = Sandbox::new();
    let with_cluster = |audience: &Value| {
        exec_info(
            V1,
            &json!({ "cluster": { "server": "https://k8s", "config": audience }, "interactive": false }),
        )
    };
    let audience = |sandbox: &Sandbox, arguments: &[&str]| {
        let answer: Value = serde_json::from_str(&sandbox.run(arguments).ok()).unwrap();
        claims(answer["status"]["token"].as_str().unwrap())["aud"].clone()
    };
    sandbox.set("KUBERNETES_EXEC_INFO", with_cluster(&json!({ "audience": "east" })));
    assert_eq!(audience(&sandbox, &["kubectl"]), "east");
    sandbox.set("KUBERNETES_EXEC_INFO", with_cluster(&json!({ "audience": "west" })));
    assert_eq!(audience(&sandbox, &["kubectl"]), "west");
    assert_eq!(audience(&sandbox, &["kubectl", "--audience", "mine"]), "mine", "the flag wins");
    sandbox
        .configure("[defaults]\naudience = \"anywhere\"\n[profiles.prod]\naudience = \"prod\"\n");
    assert_eq!(
        audience(&sandbox, &["kubectl"]),
        "west",
        "a cluster knows itself better than the defaults"
    );
    assert_eq!(audience(&sandbox, &["kubectl", "--profile", "prod"]), "prod");
    sandbox.set("KUBERNETES_EXEC_INFO", with_cluster(&Value::Null));
    assert_eq!(audience(&sandbox, &["kubectl"]), "anywhere");
}

#[test]
fn a_missing_audience_gets_a_hint() {
    let mut sandbox = Sandbox::new();
    for (spec, advice) in [
        (json!({ "interactive": false }), "set `provideClusterInfo: true` in the user's `exec`"),
        (json!({ "cluster": { "config": null } }), "write `audience` in the cluster's extension"),
        (json!({ "cluster": {} }), "write `audience` in the cluster's extension"),
    ] {
        sandbox.set("KUBERNETES_EXEC_INFO", exec_info(V1, &spec));
        let (message, hint) = sandbox.run(&["kubectl"]).fails(3, "E_MISSING");
        assert_eq!(message, "the audience is not set");
        assert!(hint.starts_with("give `--audience`") && hint.contains(advice), "{hint}");
    }
    // A client that sets no KUBERNETES_EXEC_INFO, such as the JavaScript one.
    sandbox.unset("KUBERNETES_EXEC_INFO");
    let (_, hint) = sandbox.run(&["kubectl"]).fails(3, "E_MISSING");
    assert!(hint.contains("a client that sets KUBERNETES_EXEC_INFO"), "{hint}");
    for broken in ["{", "[]", "5"] {
        sandbox.set("KUBERNETES_EXEC_INFO", broken);
        sandbox.run(&["kubectl"]).fails(3, "E_EXEC_INFO");
    }
    sandbox.set(
        "KUBERNETES_EXEC_INFO",
        exec_info(V1, &json!({ "cluster": { "config": { "audience": ["a"] } } })),
    );
    sandbox.run(&["kubectl"]).fails(3, "E_EXEC_INFO");
}

#[test]
fn variables_alone_configure_a_program_without_arguments() {
    let mut sandbox = Sandbox::new();
    let link = sandbox.home().join("yc-id-token-kubectl");
    std::os::unix::fs::symlink(crate::sandbox::PROGRAM, &link).unwrap();
    sandbox.set("YC_ID_TOKEN_AUDIENCE", AUDIENCE);
    sandbox.set("YC_ID_TOKEN_KUBECTL_API_VERSION", "v1beta1");
    let answer: Value =
        serde_json::from_str(&sandbox.finish(sandbox.other_command(link)).ok()).unwrap();
    assert_eq!(answer["apiVersion"], V1BETA1);
}

#[test]
fn a_short_lived_token_is_not_reported_as_expired() {
    let sandbox = Sandbox::with_options(Options {
        id_token_life: Duration::from_secs(50),
        ..Options::default()
    });
    sandbox.cloud.set_id_token_variant(IdTokenVariant::default());
    let answer: Value =
        serde_json::from_str(&sandbox.run(&["kubectl", "--audience", AUDIENCE]).ok()).unwrap();
    let expires = claims(answer["status"]["token"].as_str().unwrap())["exp"].as_i64().unwrap();
    let reported =
        Timestamp::parse_rfc3339(answer["status"]["expirationTimestamp"].as_str().unwrap())
            .unwrap();
    assert!(
        (1..=5).contains(&(expires - reported.unix_seconds())),
        "a tenth of the lifetime instead of a minute"
    );
}
