//! The real programs accept what `setup` writes, and its instructions for the server work.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yc_id_token_emulator::Options;

use super::api_server::{ApiServer, Trust};
use super::aws;
use super::kubeconfig::{kubectl, put_on_path, whoami};
use super::kubectl_files::read_yaml;
use super::moto::Moto;
use super::openbao::{ANSWER, OpenBao, SECRET, bao};
use super::peer;
use crate::sandbox::{Outcome, PROGRAM, Sandbox};

/// A sandbox with this program and another on the `PATH`.
fn sandbox(options: Options, other: &Path) -> Sandbox {
    let mut sandbox = Sandbox::with_options(options);
    let folders = [Path::new(PROGRAM), other].map(|program| program.parent().unwrap());
    put_on_path(&mut sandbox, &folders);
    sandbox
}

fn with_kubectl() -> Sandbox {
    sandbox(Options::default(), &peer("venv/bin/kubectl"))
}

fn setup(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    sandbox.run(&[&["setup"], arguments].concat())
}

/// Adds a cluster to the kubeconfig, as its administrator's instructions do.
fn add_cluster(sandbox: &Sandbox, name: &str, server: &ApiServer) {
    let ca = sandbox.write(&format!("{name}-ca.pem"), &server.ca_pem);
    let arguments = [
        "config",
        "set-cluster",
        name,
        &format!("--server={}", server.url),
        &format!("--certificate-authority={}", ca.display()),
    ];
    sandbox.finish(kubectl(sandbox, &arguments)).ok();
}

fn kubeconfig(sandbox: &Sandbox) -> Value {
    let view = kubectl(sandbox, &["config", "view", "--output=json"]);
    serde_json::from_str(&sandbox.finish(view).ok()).unwrap()
}

/// The text between two others.
#[track_caller]
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin:?} in {text}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end:?} in {rest}")).0
}

/// Runs commands in a shell.
#[track_caller]
fn type_in(sandbox: &Sandbox, commands: &str) -> String {
    sandbox.shell(commands).ok()
}

#[test]
fn kubectl_authenticates_after_setup() {
    let sandbox = with_kubectl();
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    add_cluster(&sandbox, "prod", &server);
    let other = ["config", "set-credentials", "other", "--token=a-token-of-another-user"];
    sandbox.finish(kubectl(&sandbox, &other)).ok();

    let config = sandbox.home().join(".kube/config");
    fs::write(&config, format!("# by hand\n{}", fs::read_to_string(&config).unwrap())).unwrap();
    let arguments = ["kubectl", "--audience=k8s", "--apply"];
    let text_printed = setup(&sandbox, &arguments).ok();
    assert!(fs::read_to_string(&config).unwrap().starts_with("# by hand\n"), "{text_printed}");
    assert!(!text_printed.contains("a-token-of-another-user"), "{text_printed}");
    assert!(text_printed.ends_with("Try it:\n  kubectl auth whoami\n"), "{text_printed}");
    let seen = format!(
        "It works. `kubectl auth whoami --context=yandex@prod`: the API server sees `cloud-sa:{}`.\n",
        sandbox.account
    );
    assert!(text_printed.contains(&seen), "{text_printed}");
    assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
    let config = kubeconfig(&sandbox);
    let user = config["users"].as_array().unwrap().iter().find(|user| user["name"] == "yandex");
    let exec = &user.unwrap()["user"]["exec"];
    assert_eq!(exec["args"], json!(["kubectl", "--profile=prod"]));
    assert_eq!(
        (exec["command"].as_str(), exec["interactiveMode"].as_str()),
        (Some("yc-id-token"), Some("Never"))
    );
    assert!(exec["installHint"].as_str().unwrap().contains("not on the PATH"));
    assert_eq!(config["current-context"], "yandex@prod");
    let set = ["config", "set-credentials", "yandex", "--exec-env=YC_ID_TOKEN_TIMEOUT=9s"];
    sandbox.finish(kubectl(&sandbox, &set)).ok();
    let again = setup(&sandbox, &arguments).ok();
    assert!(again.starts_with("Nothing to change"), "{again}");

    // The API server would read it like this.
    let printed = between(&text_printed, "with these settings.\n\n", "\nOr, if");
    let file: Value = read_yaml(&sandbox, printed);
    setup(&sandbox, &["kubectl", "--apply", "--server-config=api-server.yaml"]).ok();
    let written = fs::read_to_string(sandbox.home().join("api-server.yaml")).unwrap();
    assert_eq!(read_yaml::<Value>(&sandbox, &written), file);
    let user = format!("--user=yandex:{}\n", sandbox.account);
    assert!(written.contains(&user) && text_printed.contains(&user), "{written}");
    let jwt = &file["jwt"][0];
    assert_eq!(jwt["issuer"]["url"], sandbox.cloud.issuer());
    assert_eq!(jwt["issuer"]["audiences"], json!(["k8s"]));
    let rule = format!("claims.sub in ['{}']", sandbox.account);
    assert_eq!(jwt["claimValidationRules"][0]["expression"], rule);
}

#[test]
fn a_path_below_the_kubeconfigs_folder_stays_a_path() {
    let mut sandbox = with_kubectl();
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    add_cluster(&sandbox, "prod", &server);
    // Where `kubectl config set-credentials` would make it a bare name, which is then searched on the PATH.
    let link = sandbox.home().join(".kube/yc-id-token");
    std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
    let kubectl_folder = peer("venv/bin/kubectl").parent().unwrap().to_owned();
    put_on_path(&mut sandbox, &[link.parent().unwrap(), &kubectl_folder]);
    setup(&sandbox, &["kubectl", "--audience=k8s", "--apply", "--absolute"]).ok();
    put_on_path(&mut sandbox, &[&kubectl_folder]);
    assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
}

#[test]
fn an_audience_in_the_clusters_entry_is_left_there() {
    let sandbox = with_kubectl();
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s-prod"), &sandbox.cloud);
    add_cluster(&sandbox, "prod", &server);
    let mut config = kubeconfig(&sandbox);
    config["clusters"][0]["cluster"]["extensions"] = json!([{
        "name": "client.authentication.k8s.io/exec", "extension": { "audience": "k8s-prod" },
    }]);
    config["contexts"] = json!([{ "name": "mine", "context": { "cluster": "prod", "user": "x", "namespace": "ns" } }]);
    config["current-context"] = json!("mine");
    sandbox.write(".kube/config", &config.to_string());
    let text_printed = setup(&sandbox, &["kubectl", "--context=mine", "--apply"]).ok();
    assert!(text_printed.contains("audiences: [\"k8s-prod\"]"), "{text_printed}");
    assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
    let config = kubeconfig(&sandbox);
    assert_eq!(config["users"][0]["user"]["exec"]["provideClusterInfo"], true);
    assert_eq!(config["contexts"][0]["context"]["namespace"], "ns");
    let own = fs::read_to_string(sandbox.home().join(".config/yc-id-token/config.toml")).unwrap();
    assert!(!own.contains("audience"), "{own}");
}

#[test]
fn existing_kubeconfig_entries_are_not_overwritten() {
    let sandbox = with_kubectl();
    let set_up = |more: &[&str]| {
        setup(&sandbox, &[&["kubectl", "--audience=k8s", "--apply"], more].concat())
    };
    let (_, hint) = set_up(&[]).fails(3, "E_MISSING");
    assert!(hint.contains("kubectl config set-cluster"), "{hint}");
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    for name in ["prod", "stage"] {
        add_cluster(&sandbox, name, &server);
    }
    let (_, hint) = set_up(&[]).fails(3, "E_MISSING");
    assert!(hint.contains("`--cluster`"), "{hint}");
    let (_, hint) = set_up(&["--cluster=prot"]).fails(3, "E_CONFIG");
    assert!(hint.contains("prod, stage"), "{hint}");
    for arguments in [
        ["config", "set-credentials", "yandex", "--token=theirs"],
        ["config", "set-context", "yandex@prod", "--cluster=stage"],
    ] {
        sandbox.finish(kubectl(&sandbox, &arguments)).ok();
        let (_, hint) = set_up(&["--cluster=prod", "--name=prod"]).fails(3, "E_CONFLICT");
        assert!(hint.contains("--force"), "{hint}");
        set_up(&["--cluster=prod", "--name=prod", "--force"]).ok();
        assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
    }
    sandbox.write(".kube/config", "{");
    set_up(&[]).fails(3, "E_CONFIG");
}

#[test]
fn setup_allows_the_plugin_in_kubectls_preferences() {
    let sandbox = with_kubectl();
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    add_cluster(&sandbox, "prod", &server);
    let arguments = ["kubectl", "--audience=k8s", "--apply", "--kuberc"];
    setup(&sandbox, &arguments).ok();
    assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));

    let theirs = "apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
credentialPluginPolicy: Allowlist
credentialPluginAllowlist:
- command: other
";
    let path = sandbox.write(".kube/kuberc", theirs);
    assert!(!sandbox.finish(kubectl(&sandbox, &["auth", "whoami"])).status.success());
    setup(&sandbox, &arguments).ok();
    assert_eq!(whoami(&sandbox, &[]), format!("cloud-sa:{}", sandbox.account));
    let after: Value = read_yaml(&sandbox, &fs::read_to_string(path).unwrap());
    let allowed = json!([{ "command": "other" }, { "command": "yc-id-token" }]);
    assert_eq!(after["credentialPluginAllowlist"], allowed);
    let again = setup(&sandbox, &arguments).ok();
    assert!(again.starts_with("Nothing to change"), "{again}");
}

#[test]
fn the_aws_cli_assumes_the_role_after_setup() {
    let issuer = Some("https://issuer.example".to_owned());
    let options = Options { issuer, ..Options::default() };
    let mut sandbox = sandbox(options, &peer("aws-venv/bin/aws"));
    let moto = Moto::start();
    aws::set_up(&mut sandbox, &moto.url());
    let role = "--role-arn=arn:aws:iam::123456789012:role/robot";
    let apply = ["aws", role, "--region=eu-central-1", "--apply", "--server-config=account.sh"];
    let text_printed = setup(&sandbox, &apply).ok();
    let name = format!("assumed-role/robot/yc-id-token-{}", sandbox.account);
    // moto has every role.
    let seen = format!("AWS sees `arn:aws:sts::123456789012:{name}`.\n");
    assert!(text_printed.contains(&seen), "{text_printed}");

    sandbox.set("AWS_ACCESS_KEY_ID", "AKIAADMINISTRATOR000");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "administrator");
    type_in(&sandbox, "sh account.sh");
    // moto cannot add an audience to a provider.
    let provider = "arn:aws:iam::123456789012:oidc-provider/issuer.example";
    let delete = "aws iam delete-open-id-connect-provider --open-id-connect-provider-arn";
    type_in(&sandbox, &format!("{delete} {provider}"));
    let again = type_in(&sandbox, "sh account.sh");
    assert!(again.contains("The role exists. If its trust policy"), "{again}");
    let query = "aws iam get-role --role-name robot --query Role.AssumeRolePolicyDocument.Statement[0].Condition.StringEquals --output json";
    let conditions: Value = serde_json::from_str(&type_in(&sandbox, query)).unwrap();
    let wanted =
        json!({ "issuer.example:aud": "sts.amazonaws.com", "issuer.example:sub": sandbox.account });
    assert_eq!(conditions, wanted);
    let printed_then = setup(&sandbox, &["aws"]).ok();
    assert!(printed_then.contains("Unset AWS_ACCESS_KEY_ID"), "{printed_then}");
    sandbox.unset("AWS_ACCESS_KEY_ID");
    sandbox.unset("AWS_SECRET_ACCESS_KEY");

    sandbox.unset("AWS_REGION");
    sandbox.unset("AWS_DEFAULT_REGION");
    let (_, next) = text_printed.split_once("Try it:\n").unwrap();
    let identity: Value = serde_json::from_str(&type_in(&sandbox, next)).unwrap();
    assert_eq!(identity["Arn"], format!("arn:aws:sts::123456789012:{name}"));
}

#[test]
fn the_vault_cli_reads_a_secret_after_setup() {
    let folder = tempfile::tempdir().unwrap();
    let cli: PathBuf = folder.path().join("vault");
    std::os::unix::fs::symlink(bao(), &cli).unwrap();
    let mut sandbox = sandbox(Options::default(), &cli);
    sandbox.set("SHELL", "/bin/sh");
    let server = OpenBao::start_untrusting();
    let ca = sandbox.write("vault-ca.pem", &server.ca_pem);
    let address = format!("--address={}", server.url());
    let ca_cert = format!("--ca-cert={}", ca.display());
    let script = "--server-config=server.sh";
    let arguments = ["vault", &address, "--role=robot", &ca_cert, script, "--apply"];
    let text_printed = setup(&sandbox, &arguments).ok();
    assert!(text_printed.contains("\nThe files are written, but `VAULT_ADDR="), "{text_printed}");
    assert!(text_printed.contains("The server is probably not set up yet"), "{text_printed}");

    sandbox.set("VAULT_ADDR", server.url());
    sandbox.set("VAULT_CACERT", ca);
    sandbox.set("VAULT_TOKEN", server.root_token());
    // As written, and a second time.
    type_in(&sandbox, "sh server.sh && sh server.sh");
    for name in ["VAULT_ADDR", "VAULT_CACERT", "VAULT_TOKEN"] {
        sandbox.unset(name);
    }

    // The check found a server that was not set up yet.
    sandbox.let_half_a_minute_pass("vault-token");
    let (_, next) = text_printed.split_once("Try it:\n").unwrap();
    let read = format!("{next}vault kv get -field=answer {SECRET}\n");
    assert!(type_in(&sandbox, &read).ends_with(ANSWER), "{read}");
    assert_eq!(server.leases("jwt"), 1);
    let again = setup(&sandbox, &arguments).ok();
    assert!(again.starts_with("Nothing to change"), "{again}");
}

#[test]
fn kubectl_reads_a_kubeconfig_of_any_style_after_the_edit() {
    let clusters = "clusters:\n- cluster:\n    server: https://prod.example\n  name: prod\n";
    let others = "users:\n- name: other\n  user: &other\n    exec: &exec\n      apiVersion: client.authentication.k8s.io/v1\n      command: other # mine\n      interactiveMode: Never\n- name: alias\n  user: *other\n- name: merged\n  user:\n    exec:\n      <<: *exec\n      command: third\n";
    let json = json!({
        "kind": "Config", "apiVersion": "v1", "preferences": {}, "current-context": "x",
        "clusters": [{ "name": "prod", "cluster": { "server": "https://prod.example" } }],
        "users": [{ "name": "other", "user": { "token": "other-user" } }],
        "contexts": null,
    });
    let pretty = serde_json::to_string_pretty(&json).unwrap();
    for before in [
        format!("# mine\n{clusters}{others}contexts: []\n"),
        format!("---\n{clusters}users:\ncontexts: null # none\n...\n"),
        format!("\u{feff}{clusters}{others}").replace('\n', "\r\n"),
        format!("{clusters}users: [{{name: other, user: {{token: other-user}}}}, ] # all\n"),
        "clusters:\n  - name: prod\n    cluster: {server: 'https://prod.example'}\nusers:\n  -   user: {}\n      name: other\n".to_owned(),
        json.to_string(),
        pretty,
    ] {
        let sandbox = with_kubectl();
        let path = sandbox.write(".kube/config", &before);
        let seen_before = kubeconfig(&sandbox);
        setup(&sandbox, &["kubectl", "--audience=k8s", "--user=own", "--apply"]).ok();
        let seen = kubeconfig(&sandbox);
        let after = fs::read_to_string(&path).unwrap();
        for list in ["clusters", "users"] {
            let items = |config: &Value| config[list].as_array().cloned().unwrap_or_default();
            let kept: Vec<Value> =
                items(&seen).into_iter().filter(|item| item["name"] != "own").collect();
            assert_eq!(kept, items(&seen_before), "{after}");
        }
        let users = seen["users"].as_array().unwrap();
        let own = users.iter().find(|user| user["name"] == "own").unwrap();
        assert_eq!(own["user"]["exec"]["args"], json!(["kubectl", "--profile=prod"]));
        assert_eq!(seen["contexts"][0]["context"]["user"], "own", "{after}");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(&after), comments(&before), "{after}");
    }
}

#[test]
fn kubectl_and_this_program_use_the_same_lock() {
    let sandbox = with_kubectl();
    let set_cluster = ["config", "set-cluster", "prod", "--server=https://prod.example"];
    sandbox.finish(kubectl(&sandbox, &set_cluster)).ok();
    sandbox.write(".kube/config.lock", "");
    let outcome = sandbox.finish(kubectl(&sandbox, &set_cluster));
    assert!(outcome.stderr.contains("config.lock"), "{outcome:?}");
    let (text, _) =
        setup(&sandbox, &["kubectl", "--audience=k8s", "--apply"]).fails(3, "E_CONFLICT");
    assert!(text.contains("config.lock"), "{text}");
}
