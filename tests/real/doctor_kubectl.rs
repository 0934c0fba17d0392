//! `doctor` reports of a kubeconfig what kubectl does with it. Each test runs kubectl itself first.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::api_server::{ApiServer, Trust};
use super::kubeconfig::{V1, V1BETA1, kubectl, plugin, put_on_path, set_up};
use super::peer;
use crate::doctor::{Found, examine};
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

const AUDIENCE: &[&str] = &["kubectl", "--audience=k8s"];

/// A cluster that trusts the sandbox's cloud, and this user's kubeconfig for it, with kubectl on the `PATH`.
fn cluster(sandbox: &mut Sandbox, user: &Value, extension: &Value) -> ApiServer {
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    set_up(sandbox, user, &[("prod", &server, extension.clone())]);
    let kubectl = peer("venv/bin/kubectl");
    put_on_path(sandbox, &[Path::new(PROGRAM).parent().unwrap(), kubectl.parent().unwrap()]);
    server
}

fn config(sandbox: &Sandbox) -> Value {
    let text = fs::read_to_string(sandbox.home().join("kubeconfig")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn write(sandbox: &Sandbox, config: &Value) {
    sandbox.write("kubeconfig", &config.to_string());
}

fn whoami(sandbox: &Sandbox) -> Outcome {
    sandbox.finish(kubectl(sandbox, &["auth", "whoami", "--output=json"]))
}

fn look(sandbox: &Sandbox) -> Found {
    examine(sandbox, &["kubectl", "--audience=k8s"])
}

/// kubectl fails with this message, and doctor reports this one.
#[track_caller]
fn both_refuse(sandbox: &Sandbox, kubectl_error: &str, doctor_error: &str) {
    let outcome = whoami(sandbox);
    assert!(!outcome.status.success() && outcome.stderr.contains(kubectl_error), "{outcome:?}");
    look(sandbox).exits(3).has("error", doctor_error);
}

#[test]
fn a_working_entry_passes_and_the_api_server_confirms_it() {
    for version in [V1, V1BETA1] {
        let mut sandbox = Sandbox::new();
        let version_flag = format!("--api-version={}", version.rsplit('/').next().unwrap());
        let arguments = [AUDIENCE, &[version_flag.as_str()]].concat();
        let server = cluster(&mut sandbox, &plugin(version, &arguments), &Value::Null);
        let found = look(&sandbox);
        assert_eq!(found.wrong(), [], "{version}");
        let words = format!("sees `cloud-sa:{}`, which is the service account", sandbox.account);
        found.exits(0).has("ok", &words);
        found.has("ok", "user `sa` of ");
        assert_eq!(server.tokens().len(), 1);
    }
}

#[test]
fn an_audience_that_the_api_server_does_not_accept_is_an_error() {
    let mut sandbox = Sandbox::new();
    let _server =
        cluster(&mut sandbox, &plugin(V1, &["kubectl", "--audience=other"]), &Value::Null);
    assert!(whoami(&sandbox).stderr.contains("Unauthorized"));
    look(&sandbox)
        .exits(5)
        .has("error", "context `prod`: the API server does not accept the token");
}

#[test]
fn a_server_that_cannot_be_reached_is_a_warning() {
    let mut sandbox = Sandbox::new();
    drop(cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null));
    let found = look(&sandbox);
    found.exits(0).has("warning", "the API server cannot be called");
    found.has("ok", "user `sa` of ");
}

#[test]
fn a_context_that_kubectl_refuses_before_it_calls_the_server_is_an_error() {
    let mut sandbox = Sandbox::new();
    let _server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    let right = config(&sandbox);
    for (change, kubectl_error, doctor_error) in [
        (
            (|config| config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = json!(true))
                as fn(&mut Value),
            "root certificates file with the insecure flag",
            "context `prod`: kubectl cannot use it: specifying a root certificates file",
        ),
        (
            |config| {
                config["users"][0]["user"]["exec"]["env"] = json!([{"name": "", "value": "v"}]);
            },
            "env variable name must be specified",
            "context `prod`: kubectl cannot use it: env variable name must be specified",
        ),
        (
            |config| config["current-context"] = json!("gone"),
            "context was not found for specified context: gone",
            "the current context `gone` does not exist",
        ),
        (
            |config| config["clusters"][0]["cluster"]["server"] = json!(""),
            "localhost:8080",
            "its cluster has no `server`",
        ),
    ] {
        let mut wrong = right.clone();
        change(&mut wrong);
        write(&sandbox, &wrong);
        both_refuse(&sandbox, kubectl_error, doctor_error);
    }
    // Without https, kubectl sends no credentials, whatever the entry is.
    let mut plain = right;
    let server = plain["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    plain["clusters"][0]["cluster"]["server"] = json!(server.trim_start_matches("https://"));
    plain["current-context"] = json!("");
    write(&sandbox, &plain);
    assert!(!whoami(&sandbox).status.success());
    let found = look(&sandbox);
    found.exits(0).has("warning", "its server is not an https:// address");
    found.has("ok", "there is no current context");
}

#[test]
fn another_identity_than_the_tokens_is_an_error() {
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    // A server that maps every token to one user, as a webhook or a proxy in front of it can.
    let other =
        Trust { username_prefix: "fixed:".into(), ..Trust::in_cloud(&sandbox.cloud, "k8s") };
    drop(server);
    let account = sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = sandbox.cloud.add_authorized_key(&account, yc_id_token_emulator::KeySize::Rsa2048);
    let key = sandbox.write_secret("other.json", &key.to_json());
    let server = ApiServer::start(other, &sandbox.cloud);
    // A wrapper that ignores the arguments of the entry, and runs the plugin with another account.
    let script =
        format!("exec {PROGRAM} kubectl --audience=k8s --key-file={} # \"$@\"", key.display());
    let mut user = plugin(V1, &["-c", script.as_str(), PROGRAM, "kubectl", "--audience=k8s"]);
    user["exec"]["command"] = json!("/bin/sh");
    set_up(&mut sandbox, &user, &[("prod", &server, Value::Null)]);
    let kubectl = peer("venv/bin/kubectl");
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap(), kubectl.parent().unwrap()]);
    let words = format!("sees `fixed:{account}`, not the service account `{}`", sandbox.account);
    look(&sandbox).exits(5).has("error", &words);
}

#[test]
fn a_policy_of_kubectl_that_forbids_the_plugin_is_an_error() {
    let mut sandbox = Sandbox::new();
    let _server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    let policy = |sandbox: &Sandbox, text: &str| {
        let head = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";
        sandbox.write(".kube/kuberc", &format!("{head}credentialPluginPolicy: {text}\n"));
    };
    let list = |entries: &str| format!("Allowlist\ncredentialPluginAllowlist: [{entries}]");
    policy(&sandbox, "DenyAll");
    both_refuse(&sandbox, "policy set to \"DenyAll\"", "forbids all exec plugins");
    policy(&sandbox, &list("{command: /opt/other}, {name: kubectl}"));
    both_refuse(
        &sandbox,
        "not permitted by the credential plugin allowlist",
        "does not contain its command",
    );
    policy(&sandbox, "Nonsense");
    both_refuse(&sandbox, "unknown plugin policy", "unknown plugin policy");
    for entry in ["command: yc-id-token".to_owned(), format!("name: {PROGRAM}")] {
        policy(&sandbox, &list(&format!("{{command: /opt/other}}, {{{entry}}}")));
        assert!(whoami(&sandbox).status.success(), "{entry}");
        assert_eq!(look(&sandbox).exits(0).wrong(), [], "{entry}");
    }
    policy(&sandbox, "DenyAll");
    sandbox.set("KUBERC", "off");
    assert!(whoami(&sandbox).status.success());
    look(&sandbox).exits(0);
}

#[test]
fn files_rejected_by_kubectl_are_reported_without_secrets() {
    let mut sandbox = Sandbox::new();
    let _server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    let right = config(&sandbox);
    let secret = "anoldpasswordofsomebody";
    sandbox.keep_secret(secret);
    sandbox.may_hold_secrets(&sandbox.home().join("kubeconfig"));
    let mut twice = right.clone();
    let twin = json!({ "name": "sa", "user": { "token": secret } });
    twice["users"].as_array_mut().unwrap().push(twin);
    write(&sandbox, &twice);
    let outcome = look(&sandbox);
    outcome.exits(3).has("error", "duplicate name \"sa\"");
    let mut number = right.clone();
    number["users"][0]["name"] = json!(12345);
    write(&sandbox, &number);
    both_refuse(&sandbox, "cannot unmarshal number", "cannot unmarshal number");
    let mut both = right;
    both["users"][0]["user"]["auth-provider"] = json!({ "name": "oidc" });
    write(&sandbox, &both);
    both_refuse(&sandbox, "authProvider cannot be provided", "`auth-provider` beside `exec`");
}

#[test]
fn files_that_kubectl_reads_pass() {
    let mut sandbox = Sandbox::new();
    let _server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    let deep = format!("{}1{}", "{\"d\":".repeat(300), "}".repeat(300));
    let config = config(&sandbox);
    let cluster = config["clusters"][0]["cluster"].to_string();
    let text = format!(
        "x: &exec\n  apiVersion: {V1}\n  command: yc-id-token\n  args: [token]\n  args: [kubectl, --audience=k8s]\n  interactiveMode: Never\n\
         users:\n- name: sa\n  user:\n    exec: *exec\nclusters:\n- name: prod\n  cluster: {}, \"extensions\": [{{\"name\": \"e\", \"extension\": {deep}}}]}}\n\
         contexts:\n- name: prod\n  context: {{cluster: prod, user: sa}}\ncurrent-context: prod\n",
        cluster.trim_end_matches('}'),
    );
    sandbox.write("kubeconfig", &text);
    let outcome = whoami(&sandbox);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(look(&sandbox).exits(0).wrong(), []);
}

#[test]
fn a_credential_that_kubectl_prefers_to_the_plugin_is_named() {
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    let right = config(&sandbox);
    let file = sandbox.write("token", "anoldtoken");
    for (key, value) in
        [("token", json!("anoldtoken")), ("tokenFile", json!(file)), ("username", json!("me"))]
    {
        let mut config = right.clone();
        config["users"][0]["user"][key] = value;
        if key == "username" {
            config["users"][0]["user"]["password"] = json!("anoldpassword");
        }
        write(&sandbox, &config);
        let requests = sandbox.token_requests();
        let outcome = whoami(&sandbox);
        assert!(!outcome.status.success(), "{key}: {outcome:?}");
        assert_eq!(sandbox.token_requests(), requests, "kubectl runs no plugin");
        let words = format!("kubectl uses the `{key}` beside `exec`, and never runs the plugin");
        look(&sandbox).exits(3).has("error", &words);
    }
    assert!(server.tokens().is_empty());
}

#[test]
fn mistakes_of_an_entry_are_reported_as_kubectl_sees_them() {
    let mut sandbox = Sandbox::new();
    let _server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    let right = config(&sandbox);
    let with = |exec: &[(&str, Value)]| {
        let mut config = right.clone();
        for (key, value) in exec {
            config["users"][0]["user"]["exec"][*key] = value.clone();
        }
        write(&sandbox, &config);
    };
    with(&[("args", json!(["kubectl", "--audience=k8s", "--api-version=v1beta1"]))]);
    both_refuse(&sandbox, "plugin returned version", "make the plugin answer in v1beta1");
    with(&[("command", json!("yc-id-token kubectl --audience=k8s")), ("args", Value::Null)]);
    both_refuse(&sandbox, "not found", "as the name of one program");
    with(&[("args", json!(["kubectl", "--audience=k8s", "--key-file=/nonexistent"]))]);
    both_refuse(&sandbox, "exit code 3", "no such file");
    with(&[("args", json!(["kubectl"]))]);
    both_refuse(&sandbox, "the audience is not set", "the audience is not set");
    let mut config = right.clone();
    config["contexts"][0]["context"]["user"] = json!("SA");
    write(&sandbox, &config);
    assert!(!whoami(&sandbox).status.success());
    look(&sandbox).exits(3).has("error", "there is no user `SA`; there is `sa`");
}

#[test]
fn an_audience_in_the_extension_needs_the_cluster_info() {
    let mut sandbox = Sandbox::new();
    let extension = json!({ "audience": "k8s" });
    let _server = cluster(&mut sandbox, &plugin(V1, &["kubectl"]), &extension);
    both_refuse(&sandbox, "set `provideClusterInfo: true`", "does not reach the plugin");
    let mut config = config(&sandbox);
    config["users"][0]["user"]["exec"]["provideClusterInfo"] = json!(true);
    write(&sandbox, &config);
    assert!(whoami(&sandbox).status.success());
    assert_eq!(look(&sandbox).exits(0).wrong(), []);
    config["clusters"][0]["cluster"]["extensions"][0]["extension"]["audience"] = json!(5);
    write(&sandbox, &config);
    both_refuse(&sandbox, "is not a string", "is not a string");
}

#[test]
fn authorities_that_are_too_large_for_the_plugin_are_an_error() {
    let mut sandbox = Sandbox::new();
    let extension = json!({ "audience": "k8s" });
    let mut user = plugin(V1, &["kubectl"]);
    user["exec"]["provideClusterInfo"] = json!(true);
    let server = cluster(&mut sandbox, &user, &extension);
    let large = server.ca_pem.repeat(100_000 / server.ca_pem.len() + 1);
    let file = sandbox.home().join("prod-ca.pem");
    fs::write(file, large).unwrap();
    both_refuse(&sandbox, "argument list too long", "too much for the variable");
}

#[test]
fn a_failing_plugin_is_reported_with_its_own_error() {
    let mut sandbox = Sandbox::new();
    let _server = cluster(&mut sandbox, &plugin(V1, AUDIENCE), &Value::Null);
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let outcome = whoami(&sandbox);
    assert!(outcome.stderr.contains("failed with exit code 4"), "{outcome:?}");
    let words = "kubectl gets no token: cannot get an ID token for audience `k8s`";
    look(&sandbox).exits(4).has("error", words);
}
