//! `doctor` finds why clients cannot run the program, also without kubectl. `tests/real/doctor_kubectl.rs` tests it
//! with kubectl.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::doctor::{Found, configure, configured, examine};
use crate::sandbox::{PROGRAM, Sandbox};

const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

pub fn right() -> Value {
    json!({
        "apiVersion": V1,
        "command": "yc-id-token",
        "args": ["kubectl", "--profile=prod"],
        "interactiveMode": "Never",
    })
}

/// A kubeconfig in which the user `sa` has this.
pub fn with_user(user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{ "name": "other", "user": {} }, { "name": "sa", "user": user }],
    })
}

pub fn kubeconfig(sandbox: &Sandbox, exec: &Value) -> PathBuf {
    write(sandbox, &with_user(&json!({ "exec": exec })))
}

pub fn write(sandbox: &Sandbox, config: &Value) -> PathBuf {
    sandbox.write(".kube/config", &config.to_string())
}

pub fn look(sandbox: &Sandbox) -> Found {
    examine(sandbox, &["kubectl", "--profile=prod"])
}

#[test]
fn a_correct_entry_passes_and_each_problem_is_reported() {
    let sandbox = configured();
    let right = right();
    kubeconfig(&sandbox, &right);
    let found = look(&sandbox);
    found.exits(0).has("ok", "user `sa` of ");
    found.has("warning", "kubectl is not on the PATH, so the kubeconfig was read without it");
    for (key, value, words) in [
        ("command", json!("yc-id-token-x"), "`yc-id-token-x` is not on the PATH"),
        ("command", json!("/nonexistent/yc-id-token"), "`/nonexistent/yc-id-token` cannot be run"),
        ("command", json!("./yc-id-token"), ".kube/yc-id-token, cannot be run"),
        ("command", json!("yc-id-token kubectl"), "as the name of one program"),
        ("apiVersion", json!("client.authentication.k8s.io/v1alpha1"), "kubectl does not accept"),
        ("apiVersion", Value::Null, "`apiVersion` is missing"),
        ("interactiveMode", Value::Null, "`interactiveMode` is missing"),
        ("interactiveMode", json!("never"), "there is no interactiveMode `never`"),
        ("interactiveMode", json!("Always"), "fails wherever there is no terminal"),
        ("args", json!(["kubectl", "--profil=prod"]), "unexpected argument '--profil'"),
        ("args", json!(["kubectl", "--profile=prd"]), "there is no profile `prd`"),
        ("args", json!(["token"]), "`args` run `token`"),
        ("args", json!([]), "`args` contain no command"),
    ] {
        let mut exec = right.clone();
        exec[key] = value;
        kubeconfig(&sandbox, &exec);
        look(&sandbox).exits(3).has("error", words);
    }
    // The trap of `kubectl config set-credentials`: a path in its own folder becomes a bare name.
    let mut exec = right.clone();
    exec["command"] = json!("yc-id-token-kubectl");
    exec["args"] = json!(["--profile=prod"]);
    symlink(PROGRAM, sandbox.home().join(".kube/yc-id-token-kubectl")).unwrap();
    kubeconfig(&sandbox, &exec);
    let found = look(&sandbox);
    let check = found.exits(3).has("error", "`yc-id-token-kubectl` is not on the PATH");
    assert!(check["fix"].as_str().unwrap().contains("move it out of that folder"), "{check}");
    sandbox.write(".kube/config", "users: [{name: x, user: {exec: {command: yc-id-token\n");
    look(&sandbox).exits(3).has("error", "is not YAML");
}

#[test]
fn an_entry_is_judged_by_its_own_arguments_and_variables() {
    let sandbox = configured();
    let key = sandbox.home().join("key.json");
    let other = sandbox.write(
        "other.toml",
        &format!("[profiles.else]\naudience = \"k8s\"\nkey_file = \"{}\"\n", key.display()),
    );
    let elsewhere = format!("--config={}", other.display());
    let is_right = |args: Value, env: Value| {
        let mut exec = right();
        exec["args"] = args;
        exec["env"] = env;
        kubeconfig(&sandbox, &exec);
        look(&sandbox).exits(0).has("ok", "user `sa` of ");
    };
    let set = |name: &str, value: &str| json!([{ "name": name, "value": value }]);
    is_right(json!(["kubectl", elsewhere, "--profile=else"]), Value::Null);
    is_right(json!(["kubectl"]), set("YC_ID_TOKEN_PROFILE", "prod"));
    is_right(json!(["kubectl", "--profile=prod"]), set("YC_ID_TOKEN_PROFILE", "no"));
    let is_wrong = |args: Value, env: Value, words: &str| {
        let mut exec = right();
        exec["args"] = args;
        exec["env"] = env;
        kubeconfig(&sandbox, &exec);
        look(&sandbox).exits(3).has("error", words);
    };
    is_wrong(json!(["kubectl", elsewhere, "--profile=prod"]), Value::Null, "no profile `prod`");
    is_wrong(json!(["kubectl"]), set("YC_ID_TOKEN_PROFILE", "no"), "there is no profile `no`");
    let path = other.to_str().unwrap();
    is_wrong(
        json!(["kubectl", "--profile=prod"]),
        set("YC_ID_TOKEN_CONFIG", path),
        "no profile `prod`",
    );
    is_wrong(json!(["kubectl", "--config=/nonexistent"]), Value::Null, "`/nonexistent`");
    for absent in [
        (json!(["kubectl", "--audience=k8s", "--key-file=/nonexistent"]), Value::Null),
        (json!(["kubectl", "--audience=k8s"]), set("YC_ID_TOKEN_KEY_FILE", "/nonexistent")),
    ] {
        is_wrong(absent.0, absent.1, "no such file");
    }
}

#[test]
fn the_program_is_found_and_checked_behind_a_wrapper() {
    let sandbox = configured();
    let check = |command: &str, args: Value| {
        let mut exec = right();
        exec["command"] = json!(command);
        exec["args"] = args;
        kubeconfig(&sandbox, &exec);
        look(&sandbox)
    };
    let line = "exec yc-id-token kubectl --profile=prod";
    for args in [
        json!(["yc-id-token", "kubectl", "--profile=prod"]),
        json!(["YC_ID_TOKEN_PROFILE=prod", "yc-id-token", "kubectl"]),
    ] {
        check("/usr/bin/env", args).exits(0).has("ok", "user `sa` of ");
    }
    check("/bin/sh", json!(["-c", line])).exits(0).has("ok", "user `sa` of ");
    let found =
        check("/bin/sh", json!(["-c", "exec \"$0\" \"$@\"", PROGRAM, "kubectl", "--profile=prod"]));
    found.exits(0).has("ok", "user `sa` of ");
    let found = check("/bin/sh", json!(["-c", "yc-id-token kubectl --profile=$P"]));
    found.exits(0).has("warning", "its arguments cannot be checked");
    for (command, args, words) in [
        ("/usr/bin/env", json!(["yc-id-token", "token"]), "`args` run `token`"),
        (
            "/usr/bin/env",
            json!(["YC_ID_TOKEN_PROFILE=no", "yc-id-token", "kubectl"]),
            "no profile `no`",
        ),
        ("/usr/bin/env", json!(["/nonexistent/yc-id-token", "kubectl"]), "cannot be run"),
        ("/nonexistent/env", json!(["yc-id-token", "kubectl"]), "`/nonexistent/env` cannot be run"),
        ("/bin/sh", json!(["-c", "yc-id-token kubectl --profile=no"]), "no profile `no`"),
        ("yc-id-token kubectl --profile=prod", json!([]), "as the name of one program"),
    ] {
        check(command, args).exits(3).has("error", words);
    }
    // By a path with another name.
    let renamed = sandbox.home().join("programs/token");
    symlink(PROGRAM, &renamed).unwrap();
    check(renamed.to_str().unwrap(), json!(["kubectl", "--profile=no"]))
        .exits(3)
        .has("error", "no profile");
}

#[test]
fn other_credentials_of_the_user_are_reported() {
    let sandbox = configured();
    for (key, value, words) in [
        ("token", json!("abc"), "kubectl uses the `token` beside `exec`"),
        ("tokenFile", json!("/token"), "`tokenFile`"),
        ("username", json!("admin"), "`username`"),
        ("client-certificate", json!("/cert.pem"), "`client-certificate`"),
        ("client-certificate-data", json!("YQ=="), "`client-certificate-data`"),
        ("auth-provider", json!({ "name": "oidc" }), "it has `auth-provider` beside `exec`"),
    ] {
        let mut user = json!({ "exec": right() });
        user[key] = value;
        write(&sandbox, &with_user(&user));
        look(&sandbox).exits(3).has("error", words);
        user[key] = json!("");
        write(&sandbox, &with_user(&user));
        look(&sandbox).exits(0).has("ok", "user `sa` of ");
    }
}

#[test]
fn the_versions_of_entry_and_answer_must_agree() {
    let sandbox = configured();
    let check = |version: &str, args: &[&str]| {
        let mut exec = right();
        exec["apiVersion"] = json!(version);
        exec["args"] = json!([&["kubectl", "--profile=prod"], args].concat());
        kubeconfig(&sandbox, &exec);
        look(&sandbox)
    };
    let words = "its `apiVersion` is v1, but its arguments, variables or profile make the plugin answer in v1beta1";
    check(V1, &["--api-version=v1beta1"]).exits(3).has("error", words);
    check(V1BETA1, &["--api-version", V1]).exits(3).has("error", "answer in v1");
    let found = check(V1BETA1, &[]);
    found.exits(0).has("warning", "a client that sets no KUBERNETES_EXEC_INFO gets v1");
    for (version, short) in [(V1, "v1"), (V1BETA1, "v1beta1")] {
        let found = check(version, &[&format!("--api-version={short}")]);
        assert_eq!(found.wrong().len(), 1, "only that kubectl is missing: {:?}", found.wrong());
    }
    configure(&sandbox, "[profiles.prod.kubectl]\napi_version = \"v1beta1\"\n");
    check(V1, &[]).exits(3).has("error", words);
    check(V1BETA1, &[]).exits(0).has("ok", "user `sa` of ");
}

/// The same kubeconfig with a cluster and a context for the user.
pub fn with_cluster(user: &Value, cluster: &Value) -> Value {
    let mut config = with_user(user);
    config["clusters"] = json!([{ "name": "prod", "cluster": cluster }]);
    config["contexts"] =
        json!([{ "name": "work", "context": { "cluster": "prod", "user": "sa" } }]);
    config["current-context"] = json!("work");
    config
}

fn telling(audience: &Value) -> Value {
    let name = "client.authentication.k8s.io/exec";
    json!({
        "server": "https://127.0.0.1:1",
        "extensions": [{ "name": name, "extension": { "audience": audience } }],
    })
}

#[test]
fn names_in_contexts_must_exist() {
    let sandbox = configured();
    let server = json!({ "server": "https://127.0.0.1:1" });
    let config = with_cluster(&json!({ "exec": right() }), &server);
    write(&sandbox, &config);
    look(&sandbox).exits(0).has("ok", "user `sa` of ");
    for (key, value, words) in [
        ("user", "SA", "context `work`: there is no user `SA`; there is `sa`"),
        ("user", "gone", "context `work`: there is no user `gone`"),
        ("cluster", "Prod", "context `work`: there is no cluster `Prod`; there is `prod`"),
        ("cluster", "gone", "context `work`: there is no cluster `gone`"),
    ] {
        let mut config = config.clone();
        config["contexts"][0]["context"][key] = json!(value);
        write(&sandbox, &config);
        look(&sandbox).exits(3).has("error", words);
    }
    // A broken context of another user does not fail the run.
    let mut config = config;
    let contexts = config["contexts"].as_array_mut().unwrap();
    contexts.push(json!({ "name": "old", "context": { "cluster": "x", "user": "y" } }));
    write(&sandbox, &config);
    look(&sandbox).exits(0).has("warning", "context `old`: there is no user `y`");
    config["clusters"][0]["cluster"]["server"] = json!("http://127.0.0.1:1");
    write(&sandbox, &config);
    look(&sandbox).exits(0).has("warning", "and kubectl sends credentials only to those");
}

#[test]
fn an_audience_of_the_cluster_must_reach_the_plugin() {
    let sandbox = configured();
    let key = sandbox.home().join("key.json");
    let plain = json!(["kubectl", format!("--key-file={}", key.display())]);
    let check = |args: &Value, provides: bool, cluster: &Value| {
        let mut exec = right();
        exec["args"] = args.clone();
        exec["provideClusterInfo"] = json!(provides);
        write(&sandbox, &with_cluster(&json!({ "exec": exec }), cluster));
        look(&sandbox)
    };
    let found = check(&plain, false, &telling(&json!("k8s")));
    let check_of =
        found.exits(3).has("error", "audience `k8s` of its cluster's extension does not reach");
    assert!(check_of["fix"].as_str().unwrap().contains("provideClusterInfo: true"), "{check_of}");
    check(&plain, true, &telling(&json!("k8s"))).exits(0).has("ok", "user `sa` of ");
    check(&plain, true, &telling(&json!(["k8s"]))).exits(3).has("error", "is not a string");
    let silent = json!({ "server": "https://127.0.0.1:1" });
    check(&plain, true, &silent).exits(3).has("error", "context `work`: the audience is not set");
    // An audience of the profile takes precedence, so none is needed from the cluster.
    let own = json!(["kubectl", "--profile=prod"]);
    check(&own, false, &telling(&json!("other"))).exits(0).has("ok", "user `sa` of ");
    // An audience of the defaults does not.
    sandbox.configure(&format!(
        "[defaults]\naudience = \"default\"\nkey_file = \"{}\"\n[profiles.prod]\n",
        key.display()
    ));
    let found = check(&own, false, &telling(&json!("other")));
    found.exits(3).has("error", "does not reach the plugin, which takes `default`");
    check(&own, true, &telling(&json!("other"))).exits(0).has("ok", "user `sa` of ");
}

#[test]
fn authorities_too_large_for_a_variable_are_reported() {
    let sandbox = configured();
    let authorities = sandbox.write("ca.pem", &"x".repeat(100_000));
    let check = |provides: bool, authorities: (&str, &Value)| {
        let mut exec = right();
        exec["provideClusterInfo"] = json!(provides);
        let mut cluster = telling(&json!("k8s"));
        cluster[authorities.0] = authorities.1.clone();
        write(&sandbox, &with_cluster(&json!({ "exec": exec }), &cluster));
        look(&sandbox)
    };
    let words = "the certificate authorities of its cluster take 131 kB";
    for large in [
        ("certificate-authority", &json!(authorities)),
        ("certificate-authority-data", &json!("eHh4".repeat(33_334))),
    ] {
        check(true, large).exits(3).has("error", words);
        check(false, large).exits(0).has("ok", "user `sa` of ");
    }
    let small = json!("eHh4".repeat(10_000));
    check(true, ("certificate-authority-data", &small)).exits(0).has("ok", "user `sa` of ");
}

#[test]
fn files_are_read_as_kubectl_reads_them() {
    let sandbox = configured();
    let deep = format!("{}e{}", "{d: ".repeat(60), "}".repeat(60));
    let text = format!(
        "x-exec: &exec\n  apiVersion: {V1}\n  command: yc-id-token\n  interactiveMode: Never\nusers:\n\
         - name: sa\n  user:\n    exec:\n      <<: *exec\n      args: [kubectl, --profile=no]\n      args: [kubectl, --profile=prod]\n\
         clusters:\n- name: c\n  cluster:\n    extensions: [{{name: x, extension: {deep}}}]\n"
    );
    let file = sandbox.write(".kube/config", &text);
    let found = look(&sandbox);
    found.exits(0).has("ok", "user `sa` of ");
    let utf_16 = std::iter::once(0xfeff).chain(text.encode_utf16());
    fs::write(&file, utf_16.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    look(&sandbox).exits(0).has("ok", "user `sa` of ");
    // Of two files, the first that defines a name wins.
    let mut exec = right();
    exec["args"] = json!(["kubectl", "--profile=no"]);
    let other = sandbox.write("other", &with_user(&json!({ "exec": exec })).to_string());
    let mut sandbox = sandbox;
    let list = |files: [&PathBuf; 2]| std::env::join_paths(files).unwrap();
    sandbox.set("KUBECONFIG", list([&file, &other]));
    look(&sandbox).exits(0);
    sandbox.set("KUBECONFIG", list([&other, &file]));
    look(&sandbox).exits(3).has("error", "no profile `no`");
}
