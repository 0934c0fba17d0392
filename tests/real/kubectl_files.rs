//! The files of `integrations/kubectl`, each used as a user would use it, and the commands of its page.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use yc_id_token_emulator::Options;

use super::api_server::{ApiServer, Trust};
use super::documents::{Document, filled_in};
use super::kubeconfig::{V1, counted_plugin, kubectl, plugin, put_on_path, runs, set_up, whoami};
use super::{peer, project_file};
use crate::sandbox::{PROGRAM, Sandbox};

/// Placeholders of the files that a user replaces.
const SERVER: &str = "https://k8s.example:6443";
const SERVER_CA: &str = "/etc/ssl/k8s-ca.crt";
const ACCOUNT: &str = "ajeexampleaccount000";

fn file(name: &str) -> String {
    project_file(&format!("integrations/kubectl/{name}"))
}

/// A sandbox in the cloud of the files' issuer, configured as on the page.
fn sandbox() -> Sandbox {
    let issuer = Some("https://auth.yandex.cloud".to_owned());
    let mut sandbox = Sandbox::with_options(Options { issuer, ..Options::default() });
    let page = Document::of("kubectl");
    let [configuration] = &page.blocks("toml")[..] else { panic!("one block of TOML is expected") };
    sandbox.configure(configuration);
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    put_on_path(&mut sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
    sandbox
}

/// Reads YAML as an API server does: an unknown field is an error.
pub(super) fn read_yaml<T: for<'de> Deserialize<'de>>(sandbox: &Sandbox, yaml: &str) -> T {
    const PROGRAM: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
    let mut python = sandbox.other_command(peer("venv/bin/python"));
    python.args(["-c", PROGRAM, yaml]);
    serde_json::from_str(&sandbox.finish(python).ok()).unwrap()
}

/// `AuthenticationConfiguration`, the part that this project's file uses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AuthenticationConfiguration {
    api_version: String,
    kind: String,
    jwt: [Jwt; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Jwt {
    issuer: Issuer,
    claim_validation_rules: [ClaimValidationRule; 1],
    claim_mappings: ClaimMappings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Issuer {
    url: String,
    audiences: Vec<String>,
    audience_match_policy: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimValidationRule {
    expression: String,
    #[serde(rename = "message")]
    _message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimMappings {
    username: ClaimMapping,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimMapping {
    claim: String,
    prefix: String,
}

/// The trust that the file configures in an API server.
fn trust_of_file(sandbox: &Sandbox, text: &str) -> Trust {
    let file: AuthenticationConfiguration = read_yaml(sandbox, text);
    assert_eq!(file.api_version, "apiserver.config.k8s.io/v1");
    assert_eq!(file.kind, "AuthenticationConfiguration");
    let [Jwt { issuer, claim_validation_rules: [rule], claim_mappings: mappings }] = file.jwt;
    assert_eq!(issuer.audience_match_policy, "MatchAny");
    assert_eq!(mappings.username.claim, "sub");
    // This test supports one CEL expression.
    let list =
        rule.expression.strip_prefix("claims.sub in ['").and_then(|rest| rest.strip_suffix("']"));
    let list = list.unwrap_or_else(|| panic!("{}", rule.expression));
    Trust {
        issuer: issuer.url,
        audiences: issuer.audiences,
        username_prefix: mappings.username.prefix,
        subjects: Some(list.split("', '").map(str::to_owned).collect()),
    }
}

/// The trust that an API server gets from the flags in the page.
fn trust_of_flags(account: &str) -> Trust {
    let page = Document::of("kubectl");
    let flags = filled_in(page.block("text", "--oidc-client-id="), ACCOUNT, account);
    let value = |name: &str| {
        let values: Vec<&str> = flags.lines().filter_map(|line| line.strip_prefix(name)).collect();
        let [value] = values[..] else { panic!("`{name}` is expected once in:\n{flags}") };
        value.to_owned()
    };
    assert_eq!(value("--oidc-username-claim="), "sub");
    Trust {
        issuer: value("--oidc-issuer-url="),
        audiences: vec![value("--oidc-client-id=")],
        username_prefix: value("--oidc-username-prefix="),
        subjects: Some(vec![value("--oidc-required-claim=sub=")]),
    }
}

/// Types commands into a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, commands: &str) -> String {
    sandbox.shell(commands).ok()
}

/// Makes this kubeconfig the sandbox's, for this server.
fn use_kubeconfig(sandbox: &mut Sandbox, server: &ApiServer) {
    let text = filled_in(&file("kubeconfig.yaml"), SERVER, &server.url);
    let ca = sandbox.write("ca.pem", &server.ca_pem);
    let text = filled_in(&text, SERVER_CA, ca.to_str().unwrap());
    let path = sandbox.write("kubeconfig.yaml", &text);
    sandbox.set("KUBECONFIG", path);
}

#[test]
fn the_kubeconfig_and_the_api_servers_configuration_agree() {
    let mut sandbox = sandbox();
    let text = file("authentication-configuration.yaml");
    let text = filled_in(&text, ACCOUNT, &sandbox.account);
    let server = ApiServer::start(trust_of_file(&sandbox, &text), &sandbox.cloud);
    use_kubeconfig(&mut sandbox, &server);
    assert_eq!(whoami(&sandbox, &[]), format!("yandex:{}", sandbox.account));
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn the_api_servers_configuration_rejects_other_accounts() {
    let mut sandbox = sandbox();
    let trust = trust_of_file(&sandbox, &file("authentication-configuration.yaml"));
    let server = ApiServer::start(trust, &sandbox.cloud);
    let user = plugin(V1, &["kubectl", "--profile=kubernetes", "--audience=kubernetes-prod"]);
    set_up(&mut sandbox, &user, &[("prod", &server, Value::Null)]);
    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert_eq!(server.requests()[0].refusal, Some("a validation rule is against it"));
}

#[test]
fn the_kubeconfig_has_a_hint_if_the_program_is_missing() {
    let mut sandbox = sandbox();
    let server = ApiServer::start(trust_of_flags(&sandbox.account), &sandbox.cloud);
    use_kubeconfig(&mut sandbox, &server);
    sandbox.set("PATH", sandbox.home().join("nothing"));
    let kubeconfig = kubectl(&sandbox, &["config", "view", "--output=json"]);
    let kubeconfig: Value = serde_json::from_str(&sandbox.finish(kubeconfig).ok()).unwrap();
    let hint = kubeconfig["users"][0]["user"]["exec"]["installHint"].as_str().unwrap();

    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    assert!(outcome.stderr.contains("executable yc-id-token not found"), "{outcome:?}");
    assert!(outcome.stderr.contains(hint.trim_end()), "{outcome:?}");
}

#[test]
fn the_pages_commands_set_kubectl_up() {
    let mut sandbox = sandbox();
    let kubectl = peer("venv/bin/kubectl");
    put_on_path(&mut sandbox, &[kubectl.parent().unwrap(), Path::new(PROGRAM).parent().unwrap()]);
    let server = ApiServer::start(trust_of_flags(&sandbox.account), &sandbox.cloud);
    let ca = sandbox.write("ca.pem", &server.ca_pem);

    let page = Document::of("kubectl");
    let typed = |saying: &str| type_in(&sandbox, page.block("sh", saying));
    assert_eq!(typed("--version"), format!("yc-id-token {}\n", env!("CARGO_PKG_VERSION")));
    let script = filled_in(page.block("sh", "config set-cluster"), SERVER, &server.url);
    type_in(&sandbox, &filled_in(&script, SERVER_CA, ca.to_str().unwrap()));
    let claims = typed("--decode");
    assert!(claims.contains(r#""iss": "https://auth.yandex.cloud""#), "{claims}");
    let user = format!("yandex:{}", sandbox.account);
    assert!(typed("kubectl auth whoami").contains(&user));
    assert!(sandbox.home().join(".kube/config").is_file());
    assert_eq!(server.tokens().len(), 1);
    assert_eq!(sandbox.token_requests(), (1, 1));

    // For programs that are not started from a shell.
    typed("command -v");
    sandbox.set("PATH", "/usr/bin:/bin");
    assert_eq!(whoami(&sandbox, &[]), format!("yandex:{}", sandbox.account));
}

#[test]
fn the_quick_start_of_the_page_connects_a_cluster() {
    // `doctor` reads the keys of the issuer.
    let mut sandbox = Sandbox::new();
    sandbox.write_secret("key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let kubectl_peer = peer("venv/bin/kubectl");
    let folders = [Path::new(PROGRAM), &kubectl_peer].map(|path| path.parent().unwrap());
    put_on_path(&mut sandbox, &folders);
    let trust = Trust::in_cloud(&sandbox.cloud, "kubernetes-prod");
    let server = ApiServer::start(trust, &sandbox.cloud);
    let ca = sandbox.write("ca.pem", &server.ca_pem);
    let (url, ca) = (format!("--server={}", server.url), ca.display());
    let ca = format!("--certificate-authority={ca}");
    let arguments = ["config", "set-cluster", "prod", &url, &ca];
    sandbox.finish(kubectl(&sandbox, &arguments)).ok();

    let page = Document::of("kubectl");
    let written = type_in(&sandbox, page.block("sh", "setup kubectl --apply"));
    assert!(written.contains("audiences: [\"kubernetes-prod\"]"), "{written}");
    let found = type_in(&sandbox, page.block("sh", "doctor kubectl"));
    assert!(found.contains(&format!("cloud-sa:{}", sandbox.account)), "{found}");
}

#[test]
fn the_python_client_continues_unauthenticated_as_on_the_page() {
    const WHOAMI: &str = "
import kubernetes
kubernetes.config.load_kube_config()
try:
    print(kubernetes.client.AuthenticationV1Api().create_self_subject_review({}))
except kubernetes.client.exceptions.ApiException as error:
    print(error.status)
";
    let mut sandbox = sandbox();
    let server = ApiServer::start(trust_of_flags(&sandbox.account), &sandbox.cloud);
    use_kubeconfig(&mut sandbox, &server);
    fs::remove_file(sandbox.home().join(".config/yc-id-token/key.json")).unwrap();
    let mut python = sandbox.other_command(peer("venv/bin/python"));
    python.args(["-c", WHOAMI]);
    let outcome = sandbox.finish(python);
    assert_eq!(outcome.stdout, "403\n", "{outcome:?}");
    assert!(server.tokens().is_empty(), "it has sent none");
}

#[test]
fn the_allowlist_allows_only_this_program() {
    let mut sandbox = sandbox();
    let server = ApiServer::start(trust_of_flags(&sandbox.account), &sandbox.cloud);
    let arguments = ["kubectl", "--profile=kubernetes", "--audience=kubernetes-prod"];
    let clusters = [("prod", &server, Value::Null)];
    sandbox.write(".kube/kuberc", &file("kuberc.yaml"));

    set_up(&mut sandbox, &plugin(V1, &arguments), &clusters);
    assert_eq!(whoami(&sandbox, &[]), format!("yandex:{}", sandbox.account));

    set_up(&mut sandbox, &counted_plugin(&arguments), &clusters);
    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    let printed = r#"plugin path "/bin/sh" is not permitted by the credential plugin allowlist"#;
    assert!(outcome.stderr.contains(printed), "{outcome:?}");
    assert_eq!(runs(&sandbox), 0);

    let deny_all = "apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
credentialPluginPolicy: DenyAll
";
    sandbox.write(".kube/kuberc", deny_all);
    set_up(&mut sandbox, &plugin(V1, &arguments), &clusters);
    let outcome = sandbox.finish(kubectl(&sandbox, &["auth", "whoami"]));
    let printed = r#"plugin "yc-id-token" not allowed: policy set to "DenyAll""#;
    assert!(outcome.stderr.contains(printed), "{outcome:?}");
}

/// If one of these fails, kubectl has lost a trap, and the page may lose its warning.
#[test]
fn the_pages_traps_are_there() {
    let sandbox = sandbox();
    let set = |flags: &[&str]| {
        let arguments = [&["config", "set-credentials", "yandex"], flags].concat();
        sandbox.finish(kubectl(&sandbox, &arguments)).ok();
        let view = kubectl(&sandbox, &["config", "view", "--output=json"]);
        let view: Value = serde_json::from_str(&sandbox.finish(view).ok()).unwrap();
        view["users"][0]["user"]["exec"].clone()
    };
    let api_version = format!("--exec-api-version={V1}");
    let below = sandbox.home().join(".kube/yc-id-token");
    let command = format!("--exec-command={}", below.display());

    let exec = set(&[&command, &api_version, "--exec-arg=--audience=a,b"]);
    assert_eq!(exec["command"], "yc-id-token", "a path has become a name");
    assert_eq!(exec["args"], json!(["--audience=a", "b"]), "one argument has become two");
    let exec = set(&[&command]);
    assert_eq!(exec["args"], Value::Null, "the arguments are gone");
}
