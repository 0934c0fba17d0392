//! A kubeconfig, read and written by kubectl itself: it knows every form of the file, and we need not.
//!
//! `kubectl config set-credentials` is not enough. It has no flag for `installHint`, before 1.30 none for
//! `interactiveMode`, which `v1` requires; and it makes paths below the kubeconfig's folder relative, and so
//! a bare name of some. But `kubectl config view --raw` turns a kubeconfig into JSON and back, paths as they
//! are, in every version.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::change::Change;
use super::not_run;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::settings::Locations;

/// The extension of a cluster that exec plugins are told.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// A kubeconfig.
pub(super) struct Kubeconfig {
    pub(super) path: PathBuf,
    file: EditedFile,
    /// `None` where there is no kubectl.
    content: Option<Value>,
    is_changed: bool,
}

impl Kubeconfig {
    /// The file that kubectl writes new entries to: the one that is named, or the first there is of
    /// KUBECONFIG, or its last.
    pub(super) fn read(named: Option<&Path>, env: &Env) -> Result<Self> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => usual_path(env)?,
        };
        let file = EditedFile::open("the kubeconfig", &path)?;
        let content = match file.text().trim() {
            // kubectl is asked all the same, so that it is known whether it is there.
            "" => view(&path, "json", OsStr::new("-"), Some("{}"))?,
            _ => view(&path, "json", path.as_os_str(), None)?,
        };
        let content = content.map(|text| serde_json::from_str(&text)).transpose();
        let content =
            content.map_err(|_| Error::Internal("kubectl prints what is not JSON".into()))?;
        Ok(Self { path, file, content, is_changed: false })
    }

    /// Whether kubectl is there to write it.
    pub(super) const fn can_be_written(&self) -> bool {
        self.content.is_some()
    }

    pub(super) fn current_context(&self) -> Option<&str> {
        self.content.as_ref()?["current-context"].as_str().filter(|name| !name.is_empty())
    }

    /// The names of clusters, users or contexts.
    pub(super) fn names(&self, list: &str) -> Vec<&str> {
        let entries = self.content.as_ref().and_then(|content| content[list].as_array());
        entries.into_iter().flatten().filter_map(|entry| entry["name"].as_str()).collect()
    }

    /// An entry of a list: what stands under `kind` beside its name.
    pub(super) fn entry(&self, list: &str, kind: &str, name: &str) -> Option<&Value> {
        let entries = self.content.as_ref()?[list].as_array()?;
        entries.iter().find(|entry| entry["name"] == name).map(|entry| &entry[kind])
    }

    /// The audience that a cluster's entry tells its exec plugins.
    pub(super) fn audience_of(&self, cluster: &str) -> Option<&str> {
        let extensions = self.entry("clusters", "cluster", cluster)?["extensions"].as_array()?;
        let ours = extensions.iter().find(|extension| extension["name"] == EXTENSION)?;
        ours["extension"]["audience"].as_str().filter(|audience| !audience.is_empty())
    }

    /// Puts an entry in its place, or behind the others.
    pub(super) fn put(&mut self, list: &str, kind: &str, name: &str, entry: Value) {
        if self.entry(list, kind, name) == Some(&entry) {
            return;
        }
        let Some(content) = &mut self.content else { return };
        self.is_changed = true;
        if !content[list].is_array() {
            content[list] = json!([]);
        }
        let Some(entries) = content[list].as_array_mut() else { return };
        match entries.iter_mut().find(|old| old["name"] == name) {
            Some(old) => old[kind] = entry,
            None => entries.push(json!({ "name": name, kind: entry })),
        }
    }

    pub(super) fn make_current(&mut self, context: &str) {
        if self.current_context() != Some(context)
            && let Some(content) = &mut self.content
        {
            content["current-context"] = context.into();
            self.is_changed = true;
        }
    }

    /// The change, written as kubectl writes it. What means the same as before is not written anew.
    pub(super) fn change(self) -> Result<Option<Change>> {
        let Some(content) = self.content.filter(|_| self.is_changed) else { return Ok(None) };
        let text = view(&self.path, "yaml", OsStr::new("-"), Some(&content.to_string()))?;
        let after = text.unwrap_or_default();
        let path = self.path;
        Ok(Some(Change::new(self.file, after, move |text| {
            view(&path, "json", OsStr::new("-"), Some(text)).map(drop)
        })))
    }
}

fn usual_path(env: &Env) -> Result<PathBuf> {
    let list = env.get_os(env::KUBECONFIG).unwrap_or_default();
    let named: Vec<PathBuf> =
        std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    let first = named.iter().find(|path| path.exists()).or(named.last());
    let home = || Locations::of_system().home.map(|home| home.join(".kube").join("config"));
    first.cloned().or_else(home).ok_or_else(|| Error::Missing {
        problem: "there is no home folder for the kubeconfig".into(),
        hint: "give `--kubeconfig`".into(),
    })
}

/// Has kubectl print a kubeconfig in a form: that of a file, or this one. `None` if there is no kubectl.
fn view(path: &Path, form: &str, file: &OsStr, given: Option<&str>) -> Result<Option<String>> {
    let mut command = Command::new("kubectl");
    command.args(["config", "view", "--raw", "--output", form, "--kubeconfig"]);
    // Its preferences are no matter here, and could be broken.
    command.env("KUBERC", "off");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = match given {
        Some(text) => system::run_on(command, text),
        None => command.arg(file).stdin(Stdio::null()).output(),
    };
    let output = match run {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(not_run("kubectl", &error)),
    };
    if output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    Err(Error::Unreadable {
        what: "the kubeconfig",
        path: path.into(),
        cause: Message::from(ForeignText::output(&output.stderr)).into(),
    })
}

#[cfg(unix)]
mod system {
    use super::{Command, Output, Write};

    /// Security: a kubeconfig holds keys, which are not put into a second file, however short-lived.
    pub(super) fn run_on(mut command: Command, text: &str) -> std::io::Result<Output> {
        let mut child = command.arg("/dev/stdin").spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends before it has read all says why.
            let _ = stdin.write_all(text.as_bytes());
        }
        child.wait_with_output()
    }
}

#[cfg(windows)]
mod system {
    use super::{Command, Output, Write};

    pub(super) fn run_on(mut command: Command, text: &str) -> std::io::Result<Output> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        command.arg(file.path()).output()
    }
}
