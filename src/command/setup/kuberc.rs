//! kubectl's own preferences, in which it can be told which exec plugins may run (kubectl 1.35 and later).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::change::Change;
use super::not_run;
use crate::env::{self, Env};
use crate::error::{Cause, Error, Result};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::settings::Locations;
use crate::yaml::{self, Node};

/// The change that lets this plugin run, or what to say of it.
pub(super) fn plan(
    is_wanted: bool,
    command: &str,
    env: &Env,
) -> Result<(Option<Change>, Option<String>)> {
    let Some(path) = path(env) else { return Ok((None, None)) };
    let file = EditedFile::open("kubectl's preferences", &path)?;
    let plugins = Plugins::read(&path, file.text())?;
    if plugins.allow(command) {
        return Ok((None, None));
    }
    if !is_wanted {
        let why = if plugins.policy.is_empty() { "can restrict" } else { "restricts" };
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
    let after = if file.text().trim().is_empty() {
        format!(
            "apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
credentialPluginPolicy: Allowlist
credentialPluginAllowlist:
- command: {command}
"
        )
    } else {
        edited(&path, file.text(), &plugins, command)?
    };
    let verify = move |text: &str| Plugins::read(&path, text).map(drop);
    Ok((Some(Change::new(file, after, verify)), None))
}

fn path(env: &Env) -> Option<PathBuf> {
    match env.get_os(env::KUBERC) {
        Some(value) if value == "off" => None,
        Some(path) => Some(path.into()),
        None => Locations::of_system().home.map(|home| home.join(".kube").join("kuberc")),
    }
}

/// What the file says of exec plugins.
#[derive(Debug, Default, Eq, PartialEq)]
struct Plugins {
    policy: String,
    /// The commands that may run.
    allowed: Vec<String>,
}

impl Plugins {
    fn read(path: &Path, text: &str) -> Result<Self> {
        let root = yaml::parse(text).map_err(|fault| Error::Config {
            path: path.into(),
            line: fault.line,
            problem: message!("kubectl's preferences: the file {}", fault.problem),
            hint: None,
        })?;
        let policy = root.get("credentialPluginPolicy").and_then(Node::text).unwrap_or_default();
        let entries = root.get("credentialPluginAllowlist").map(Node::items).unwrap_or_default();
        let command = |entry: &Node| {
            let named = entry.get("command").or_else(|| entry.get("name"))?;
            named.text().map(str::to_owned)
        };
        Ok(Self {
            policy: policy.to_owned(),
            allowed: entries.iter().filter_map(command).collect(),
        })
    }

    fn allow(&self, command: &str) -> bool {
        self.policy == "Allowlist" && self.allowed.iter().any(|allowed| allowed == command)
    }
}

/// Has kubectl edit a copy, as it would the file.
fn edited(path: &Path, text: &str, plugins: &Plugins, command: &str) -> Result<String> {
    let failed = |cause: Message| Error::Unreadable {
        what: "kubectl's preferences",
        path: path.into(),
        cause: cause.into(),
    };
    let folder = tempfile::tempdir().map_err(|error| not_run("kubectl", &error))?;
    let copy = folder.path().join("kuberc");
    private_file::write(&copy, text.as_bytes()).map_err(|error| not_run("kubectl", &error))?;
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["kuberc", "set", "--section=credentialplugin", "--policy=Allowlist", "--kuberc"]);
    kubectl.arg(&copy).env_remove(env::KUBERC.name).stdin(Stdio::null());
    // It writes the list anew: those that may run already are named again.
    for entry in plugins.allowed.iter().map(String::as_str).chain([command]) {
        kubectl.arg(format!("--allowlist-entry=command={entry}"));
    }
    let output = kubectl.output().map_err(|error| {
        failed(message!("kubectl is needed to write it: {}", Cause::from(error)))
    })?;
    if !output.status.success() {
        return Err(failed(message!(
            "kubectl does not write it: {}",
            ForeignText::output(&output.stderr)
        )));
    }
    Ok(EditedFile::open("kubectl's preferences", &copy)?.text().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Plugins {
        Plugins::read(Path::new("kuberc"), text).unwrap()
    }

    #[test]
    fn what_may_run_is_known_however_it_is_written() {
        let text = "# credentialPluginAllowlist: none of these\ncredentialPluginAllowlist:\n- command: yc-id-token # ours\n\n- name: \"/opt/other\"\ncredentialPluginPolicy: Allowlist\ndefaults:\n- command: get\n";
        let flow = "{credentialPluginPolicy: Allowlist, credentialPluginAllowlist: [{command: yc-id-token}, {name: /opt/other}]}";
        for text in [text, flow] {
            let plugins = read(text);
            assert_eq!(plugins.allowed, ["yc-id-token", "/opt/other"]);
            assert!(plugins.allow("yc-id-token") && !plugins.allow("get"));
        }
        assert!(!read(&text.replace("Policy: Allowlist", "Policy: DenyAll")).allow("yc-id-token"));
        assert_eq!(read(""), Plugins::default());
        assert!(Plugins::read(Path::new("kuberc"), "credentialPluginAllowlist: [").is_err());
    }
}
