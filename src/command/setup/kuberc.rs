//! kubectl's own preferences, in which it can be told which exec plugins may run (kubectl 1.35 and later).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::change::{self, Change};
use super::not_run;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::http::scrubbed;
use crate::private_file;
use crate::settings::Locations;

/// The change that lets this plugin run, or what to say of it.
pub(super) fn plan(
    is_wanted: bool,
    command: &str,
    env: &Env,
) -> Result<(Option<Change>, Option<String>)> {
    let Some(path) = path(env) else { return Ok((None, None)) };
    let before = change::read("kubectl's preferences", &path)?;
    let text = before.clone().unwrap_or_default();
    if allows(&text, command) {
        return Ok((None, None));
    }
    if !is_wanted {
        let is_restricted = text.contains("credentialPluginPolicy:");
        let why = if is_restricted { "restricts" } else { "can restrict" };
        let advice = format!(
            "# Which exec plugins may run
`{path}` {why} them (kubectl 1.35 and later). This lets yc-id-token through; `--kuberc` writes it:

credentialPluginPolicy: Allowlist
credentialPluginAllowlist:
- command: {command}
",
            path = path.display()
        );
        return Ok((None, Some(advice)));
    }
    if text.trim().is_empty() {
        let after = format!(
            "apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
credentialPluginPolicy: Allowlist
credentialPluginAllowlist:
- command: {command}
"
        );
        return Ok((Some(Change { path, before, after }), None));
    }
    let after = edited(&path, &text, command)?;
    Ok((Some(Change { path, before, after }), None))
}

fn path(env: &Env) -> Option<PathBuf> {
    match env.get_os(env::KUBERC) {
        Some(value) if value == "off" => None,
        Some(path) => Some(path.into()),
        None => Locations::of_system().home.map(|home| home.join(".kube").join("kuberc")),
    }
}

/// The entries of the list, as kubectl writes them and people do.
fn allowed(text: &str) -> impl Iterator<Item = &str> {
    let list = text.split("credentialPluginAllowlist:").nth(1).unwrap_or_default();
    let lines = list
        .lines()
        .skip(1)
        .take_while(|line| line.trim_start().starts_with(['-', '#']) || line.starts_with("  "));
    lines.filter_map(|line| {
        let entry = line.trim_start_matches([' ', '-']);
        let value = entry.strip_prefix("command:").or_else(|| entry.strip_prefix("name:"))?;
        Some(value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']))
    })
}

fn allows(text: &str, command: &str) -> bool {
    text.contains("credentialPluginPolicy: Allowlist")
        && allowed(text).any(|entry| entry == command)
}

/// Has kubectl edit a copy, as it would the file.
fn edited(path: &Path, text: &str, command: &str) -> Result<String> {
    let failed = |cause: String| Error::Unreadable {
        what: "kubectl's preferences",
        path: path.into(),
        cause,
    };
    let folder = tempfile::tempdir().map_err(|error| not_run("kubectl", &error))?;
    let copy = folder.path().join("kuberc");
    private_file::write(&copy, text.as_bytes()).map_err(|error| not_run("kubectl", &error))?;
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["kuberc", "set", "--section=credentialplugin", "--policy=Allowlist", "--kuberc"]);
    kubectl.arg(&copy).env_remove(env::KUBERC.name).stdin(Stdio::null());
    // It writes the list anew: those that may run already are named again.
    for entry in allowed(text).chain([command]) {
        kubectl.arg(format!("--allowlist-entry=command={entry}"));
    }
    let output = kubectl
        .output()
        .map_err(|error| failed(format!("kubectl is needed to write it: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!(
            "kubectl does not write it: {}",
            scrubbed(&String::from_utf8_lossy(&output.stderr))
        )));
    }
    Ok(change::read("kubectl's preferences", &copy)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_run_is_known() {
        let text = "# mine\ncredentialPluginAllowlist:\n- command: yc-id-token # ours\n- name: \"/opt/other\"\ncredentialPluginPolicy: Allowlist\ndefaults:\n- command: get\n";
        assert_eq!(allowed(text).collect::<Vec<_>>(), ["yc-id-token", "/opt/other"]);
        assert!(allows(text, "yc-id-token") && !allows(text, "get"));
        assert!(!allows(&text.replace("Policy: Allowlist", "Policy: DenyAll"), "yc-id-token"));
        assert!(!allows("", "yc-id-token"));
    }
}
