//! The setup of tests with `kubectl`: a kubeconfig whose user runs this program, and `kubectl` itself in the sandbox,
//! with that kubeconfig and its own cache.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::peer;
use crate::sandbox::{PROGRAM, Sandbox};

pub const V1: &str = "client.authentication.k8s.io/v1";
pub const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

/// A user whose exec plugin is this program with these arguments, found on the `PATH`.
pub fn plugin<S: AsRef<str>>(api_version: &str, arguments: &[S]) -> Value {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    json!({ "exec": {
        "apiVersion": api_version,
        "command": "yc-id-token",
        "args": arguments,
        "interactiveMode": "Never",
    } })
}

/// The same, with its runs counted. It needs no script, because a process that another test is starting could hold a
/// written script open ("text file busy").
pub fn counted_plugin(arguments: &[&str]) -> Value {
    let count = r#"echo >> "$HOME/runs"; exec "$0" "$@""#;
    let arguments = [&["-c", count, PROGRAM], arguments].concat();
    let mut user = plugin(V1, &arguments);
    user["exec"]["command"] = json!("/bin/sh");
    user
}

/// The number of runs of the counted plugin.
pub fn runs(sandbox: &Sandbox) -> usize {
    fs::read(sandbox.home().join("runs")).map_or(0, |runs| runs.len())
}

/// Writes the kubeconfig of this user, with a context for each cluster. The first is the current one. The cluster's
/// data for exec plugins is in its extension.
pub fn set_up(sandbox: &mut Sandbox, user: &Value, clusters: &[(&str, &ApiServer, Value)]) {
    let cluster = |(name, server, extension): &(&str, &ApiServer, Value)| {
        let ca = sandbox.write(&format!("{name}-ca.pem"), &server.ca_pem);
        let mut cluster = json!({ "server": server.url, "certificate-authority": ca });
        if !extension.is_null() {
            let name = "client.authentication.k8s.io/exec";
            cluster["extensions"] = json!([{ "name": name, "extension": extension }]);
        }
        json!({ "name": name, "cluster": cluster })
    };
    let context = |(name, ..): &(&str, &ApiServer, Value)| json!({ "name": name, "context": { "cluster": name, "user": "sa" } });
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters.iter().map(cluster).collect::<Vec<_>>(),
        "users": [{ "name": "sa", "user": user }],
        "contexts": clusters.iter().map(context).collect::<Vec<_>>(),
        "current-context": clusters[0].0,
    });
    // JSON is YAML.
    let path = sandbox.write("kubeconfig", &kubeconfig.to_string());
    sandbox.set("KUBECONFIG", path);
    put_on_path(sandbox, &[Path::new(PROGRAM).parent().unwrap()]);
}

/// Sets the `PATH` to these folders and the system's.
pub fn put_on_path(sandbox: &mut Sandbox, folders: &[&Path]) {
    let system = ["/usr/bin", "/bin"].map(Path::new);
    let path = std::env::join_paths(folders.iter().chain(&system)).unwrap();
    sandbox.set("PATH", path);
}

/// `kubectl` with these arguments, not started yet.
pub fn kubectl(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.other_command(peer("venv/bin/kubectl"));
    command.args(arguments);
    command
}

/// The user that the current cluster sees.
#[track_caller]
pub fn whoami(sandbox: &Sandbox, more: &[&str]) -> String {
    let arguments = ["auth", "whoami", "--output=jsonpath={.status.userInfo.username}"];
    sandbox.finish(kubectl(sandbox, &[&arguments, more].concat())).ok()
}
