//! `yc-id-token kubectl` as the exec plugin of the real `kubectl`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use yc_id_token_emulator::{Options, Route};

use super::api_server::{ApiServer, Trust};
use super::kubeconfig::{V1, V1BETA1, counted_plugin, kubectl, plugin, runs, set_up, whoami};
use super::{http_get, peer};
use crate::sandbox::{Sandbox, eventually};

const LIST: &[&str] = &["get", "namespaces", "--output=name"];
const NAMESPACES: &str = "namespace/default\nnamespace/kube-system\n";

/// A server that trusts the sandbox's cloud for the audience `k8s`, and this user's kubeconfig for it.
fn cluster(sandbox: &mut Sandbox, user: &Value) -> ApiServer {
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    set_up(sandbox, user, &[("prod", &server, Value::Null)]);
    server
}

#[test]
fn kubectl_authenticates_with_both_versions_of_the_protocol() {
    for version in [V1, V1BETA1] {
        let mut sandbox = Sandbox::new();
        let server = cluster(&mut sandbox, &plugin(version, &["kubectl", "--audience=k8s"]));
        assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account), "{version}");
        assert_eq!(sandbox.finish(kubectl(&sandbox, LIST)).ok(), NAMESPACES, "{version}");
        assert!(server.requests().iter().all(|request| request.status < 300), "{version}");
    }
}

#[test]
fn one_user_entry_serves_clusters_with_an_audience_each() {
    let mut sandbox = Sandbox::new();
    let start =
        |audience| ApiServer::start(Trust::in_cloud(&sandbox.cloud, audience), &sandbox.cloud);
    let (prod, stage) = (start("k8s-prod"), start("k8s-stage"));
    let mut user = plugin(V1, &["kubectl"]);
    user["exec"]["provideClusterInfo"] = json!(true);
    let extension = |audience: &str| json!({ "audience": audience });
    set_up(
        &mut sandbox,
        &user,
        &[("prod", &prod, extension("k8s-prod")), ("stage", &stage, extension("k8s-stage"))],
    );

    for context in ["--context=prod", "--context=stage", "--context=prod"] {
        assert_eq!(whoami(&sandbox, &[context]), format!("cloud-sa:{}", sandbox.account));
    }
    assert_eq!((prod.tokens().len(), stage.tokens().len()), (1, 1));
    assert_ne!(prod.tokens(), stage.tokens());
    assert_eq!(sandbox.token_requests(), (1, 2), "the IAM token serves both");
}

#[test]
fn a_second_kubectl_sends_no_request_to_the_cloud() {
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &plugin(V1, &["kubectl", "--audience=k8s"]));
    whoami(&sandbox, &[]);
    assert_eq!(sandbox.token_requests(), (1, 1));

    let connections = sandbox.cloud.connections();
    whoami(&sandbox, &[]);
    assert_eq!(sandbox.finish(kubectl(&sandbox, LIST)).ok(), NAMESPACES);
    assert_eq!(sandbox.cloud.connections(), connections);
    assert_eq!(server.tokens().len(), 1);
}

#[test]
fn eight_kubectls_at_once_make_one_request_to_the_cloud() {
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &counted_plugin(&["kubectl", "--audience=k8s"]));
    // All of them start before there is an answer.
    sandbox.cloud.delay(Route::TokenExchange, Duration::from_millis(300));
    let start = || {
        let mut command = kubectl(&sandbox, LIST);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..8).map(|_| start()).collect();
    for child in children {
        assert_eq!(sandbox.outcome(child).ok(), NAMESPACES);
    }
    assert_eq!(runs(&sandbox), 8, "kubectl keeps nothing for the next one");
    assert_eq!(sandbox.token_requests(), (1, 1));
    assert_eq!(server.tokens().len(), 1);
}

#[test]
fn a_refusal_of_the_cloud_is_shown_and_requested_once() {
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &counted_plugin(&["kubectl", "--audience=k8s"]));
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);

    let outcome = sandbox.finish(kubectl(&sandbox, LIST));
    assert!(!outcome.status.success(), "{outcome:?}");
    let lines_with =
        |start: &str| outcome.stderr.lines().filter(|line| line.starts_with(start)).count();
    let tries = runs(&sandbox);
    assert!(tries > 1, "kubectl has learned to take a no: {outcome:?}");
    let message = "yc-id-token: cannot get an ID token for audience `k8s`: ";
    assert_eq!(lines_with(message), tries, "{outcome:?}");
    assert_eq!(lines_with("yc-id-token: hint: grant"), tries, "{outcome:?}");
    assert_eq!(lines_with("yc-id-token: "), 2 * tries, "{outcome:?}");
    assert!(outcome.stderr.contains("[E_SOURCE_DENIED]"), "{outcome:?}");
    assert!(outcome.stderr.contains("failed with exit code 4"), "{outcome:?}");
    assert_eq!(sandbox.token_requests(), (1, 1));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_token_for_another_audience_is_not_fetched_again() {
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &counted_plugin(&["kubectl", "--audience=other"]));
    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    let printed = "error: You must be logged in to the server (Unauthorized)\n";
    assert_eq!(outcome.stderr, printed, "{outcome:?}");

    let [request] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((request.method.as_str(), request.status), ("POST", 401), "{request:?}");
    assert!(request.path.ends_with("/selfsubjectreviews"), "{request:?}");
    assert_eq!(request.refusal, Some("it is for another audience"));
    assert_eq!(runs(&sandbox), 2, "once for the request, and once more because of the 401");
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn kubectl_reports_different_versions_of_the_protocol() {
    let mut sandbox = Sandbox::new();
    let forced = ["kubectl", "--audience=k8s", "--api-version=v1beta1"];
    let server = cluster(&mut sandbox, &plugin(V1, &forced));
    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    let printed = format!(
        "exec plugin is configured to use API version {V1}, plugin returned version {V1BETA1}"
    );
    assert!(!outcome.status.success() && outcome.stderr.contains(&printed), "{outcome:?}");

    // kubectl no longer supports this version, and does not even run the plugin.
    let v1alpha1 = "client.authentication.k8s.io/v1alpha1";
    let user = plugin(v1alpha1, &["kubectl", "--audience=k8s", "--force-refresh"]);
    set_up(&mut sandbox, &user, &[("prod", &server, Value::Null)]);
    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    let printed = format!("exec plugin: invalid apiVersion \"{v1alpha1}\"");
    assert!(!outcome.status.success() && outcome.stderr.contains(&printed), "{outcome:?}");
    assert_eq!(sandbox.token_requests(), (1, 1), "those of the run before");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_kubeconfig_can_name_a_token_file_instead() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.home().join("k8s.jwt");
    sandbox.may_hold_secrets(&file);
    let server = cluster(&mut sandbox, &json!({ "tokenFile": file }));
    let output = format!("--output={}", file.display());
    assert_eq!(sandbox.run(&["token", "--audience=k8s", &output]).ok(), "");
    assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
    assert_eq!(server.tokens().len(), 1);
}

#[test]
fn a_long_running_client_gets_a_new_token_at_expiry() {
    let life = Duration::from_secs(10);
    let mut sandbox = Sandbox::with_options(Options { id_token_life: life, ..Options::default() });
    let server = cluster(&mut sandbox, &counted_plugin(&["kubectl", "--audience=k8s"]));
    let proxy = Proxy::start(&sandbox);
    let ask = || http_get(proxy.address, "/api/v1/namespaces").0;
    let begin = SystemTime::now();

    for _ in 0..20 {
        assert_eq!(ask(), 200);
    }
    assert_eq!((runs(&sandbox), sandbox.token_requests()), (1, (1, 1)));

    // Only to save the machine some thousand requests.
    eventually("the end is near", || begin.elapsed().unwrap() > life * 8 / 10);
    eventually("there is a new token", || {
        assert_eq!(ask(), 200, "no request may meet the end of the old one");
        server.tokens().len() == 2
    });
    for _ in 0..20 {
        assert_eq!(ask(), 200);
    }
    assert_eq!((runs(&sandbox), sandbox.token_requests()), (2, (1, 2)));
    proxy.stop(&sandbox);
}

#[test]
fn the_python_client_authenticates_with_the_same_kubeconfig() {
    const PROGRAM: &str = "
from kubernetes import client, config
config.load_kube_config()
print(client.AuthenticationV1Api().create_self_subject_review({}).status.user_info.username)
for namespace in client.CoreV1Api().list_namespace().items:
    print(namespace.metadata.name)
";
    let mut sandbox = Sandbox::new();
    let server = cluster(&mut sandbox, &counted_plugin(&["kubectl", "--audience=k8s"]));
    whoami(&sandbox, &[]);
    let mut python = sandbox.other_command(peer("venv/bin/python"));
    python.args(["-c", PROGRAM]);
    let printed = format!("cloud-sa:{}\ndefault\nkube-system\n", sandbox.account);
    assert_eq!(sandbox.finish(python).ok(), printed);
    assert_eq!(server.tokens().len(), 1, "it was served from the cache that kubectl filled");
    assert_eq!(sandbox.token_requests(), (1, 1));
}

/// `kubectl proxy`: a client that keeps running and forwards requests.
struct Proxy {
    process: Option<Child>,
    address: SocketAddr,
}

impl Proxy {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = kubectl(sandbox, &["proxy", "--port=0"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("Starting to serve on ");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        Self { process: Some(process), address }
    }

    /// Ends it and checks its output.
    fn stop(mut self, sandbox: &Sandbox) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        assert_eq!(sandbox.outcome(process).stderr, "");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill().and_then(|()| process.wait());
        }
    }
}
