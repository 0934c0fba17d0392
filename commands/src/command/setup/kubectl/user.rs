//! The kubeconfig's user that runs this program: whether an existing entry may be replaced, and what is written.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::DesiredEntries;
use super::kubeconfig::Kubeconfig;
use crate::command::setup::Setup;
use crate::consumer::EXEC_GROUP as GROUP;
use crate::error::{Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::kubeconfig::Step;
use crate::message;

const VERSION_FLAG: &str = "--api-version=";

const INSTALL_HINT: &str =
    "This cluster is signed in to with yc-id-token, which is not on the PATH.
Install it, or write its absolute path as `command` of the user in the kubeconfig.
";

/// The existing entry with the user's name.
pub(super) enum EntryState {
    Missing,
    /// The desired entry is in a file that is not written.
    InOtherFile,
    /// An entry that runs this program.
    Own,
    /// An entry with other credentials, which is replaced.
    Foreign,
}

impl DesiredEntries {
    /// The arguments with the flag for the version, for clients that do not send the version they expect.
    fn all_args(&self) -> Vec<String> {
        let flag =
            (self.api_version != "v1").then(|| format!("{VERSION_FLAG}{}", self.api_version));
        self.args.iter().cloned().chain(flag).collect()
    }

    /// The required fields. `existing` is the command of an existing entry.
    fn fields(&self, existing: Option<&str>) -> Vec<(&'static str, Value)> {
        vec![
            ("apiVersion", json!(format!("{GROUP}{}", self.api_version))),
            ("args", json!(self.all_args())),
            ("command", json!(self.command(existing))),
            ("provideClusterInfo", json!(self.needs_cluster)),
        ]
    }

    /// The command of the entry. A working path of an existing entry stays, because programs with another PATH need it.
    fn command(&self, existing: Option<&str>) -> String {
        let works = |path: &&str| Path::new(path).is_absolute() && Path::new(path).is_file();
        match existing.filter(works) {
            Some(path) if !self.is_absolute => path.to_owned(),
            _ => self.command.clone(),
        }
    }
}

/// The version of the exec protocol in an entry that runs this program.
pub(super) fn api_version_of(kubeconfig: &Kubeconfig, user: &str) -> Option<String> {
    let exec = &kubeconfig.merged().entry("users", "user", user)?.value["exec"];
    let version = exec["apiVersion"].as_str()?.strip_prefix(GROUP)?;
    let is_known = is_own(exec) && ["v1", "v1beta1"].contains(&version);
    is_known.then(|| version.to_owned())
}

/// Whether an `exec` runs this program.
pub(super) fn is_own(exec: &Value) -> bool {
    let command = exec["command"].as_str().unwrap_or_default();
    Path::new(command).file_stem().is_some_and(|name| name == "yc-id-token")
}

/// The profile in an `exec` that runs this program.
pub(super) fn profile_of(exec: &Value) -> Option<&str> {
    let mut args = exec["args"].as_array().filter(|_| is_own(exec))?.iter();
    args.find_map(|arg| arg.as_str()?.strip_prefix("--profile="))
}

/// Finds the existing entry. Fails if it differs, unless `--force` is given.
pub(super) fn check(
    setup: &Setup<'_>,
    kubeconfig: &Kubeconfig,
    desired: &DesiredEntries,
) -> Result<EntryState> {
    let Some(entry) = kubeconfig.merged().entry("users", "user", &desired.user) else {
        return Ok(EntryState::Missing);
    };
    let differences = differences(entry.value, desired);
    if !differences.is_empty() {
        setup.overwrite_conflict(message!(
            "the user `{}` of `{}` differs: {}",
            ForeignText::new(&desired.user),
            shown(entry.file),
            Message::join(&differences, ", ")
        ))?;
    }
    let is_in_target = entry.file == kubeconfig.path();
    Ok(match (is_in_target, differences.is_empty()) {
        (false, true) => EntryState::InOtherFile,
        // kubectl reads the written file first, so a new entry there takes precedence.
        (false, false) => EntryState::Missing,
        (true, _) if has_only_own_exec(entry.value) => EntryState::Own,
        (true, _) => EntryState::Foreign,
    })
}

/// How an entry differs from what this program writes.
fn differences(user: &Value, desired: &DesiredEntries) -> Vec<Message> {
    let exec = &user["exec"];
    if !is_own(exec) {
        return vec!["it authenticates in another way".into()];
    }
    let mut differences = Vec::new();
    for key in user.as_object().into_iter().flat_map(Map::keys).filter(|key| *key != "exec") {
        differences.push(message!("it has `{}` too", ForeignText::new(key)));
    }
    let args: Vec<&str> =
        exec["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !args.iter().filter(|arg| !arg.starts_with(VERSION_FLAG)).eq(&desired.args) {
        differences.push(message!(
            "its `args` are `{}` instead of `{}`",
            ForeignText::new(&args.join(" ")),
            ForeignText::new(&desired.all_args().join(" "))
        ));
    }
    let gives_cluster = exec["provideClusterInfo"] == true;
    if gives_cluster != desired.needs_cluster {
        differences.push(message!(
            "its `provideClusterInfo` is {gives_cluster} instead of {}",
            desired.needs_cluster,
            gives_cluster
        ));
    }
    differences
}

/// Whether a user runs this program and has no other credentials.
fn has_only_own_exec(user: &Value) -> bool {
    is_own(&user["exec"]) && user.as_object().is_some_and(|user| user.len() == 1)
}

/// Writes the user and returns its command. Other fields of an entry that runs this program stay.
pub(super) fn write(
    kubeconfig: &mut Kubeconfig,
    desired: &DesiredEntries,
    state: &EntryState,
) -> Result<String> {
    let name = desired.user.as_str();
    let existing = kubeconfig.merged().entry("users", "user", name);
    let existing = existing.map(|entry| entry.value["exec"].clone()).filter(is_own);
    let existing = existing.unwrap_or_else(|| json!({}));
    let old_command = existing["command"].as_str();
    let fields = desired.fields(old_command);
    let defaults = [("installHint", json!(INSTALL_HINT)), ("interactiveMode", json!("Never"))];
    let missing = defaults.into_iter().filter(|(key, _)| existing[*key].is_null());
    let is_change = |(key, value): &(&str, Value)| match existing.get(*key) {
        Some(old) => old != value,
        // A missing boolean is false.
        None => matches!(state, EntryState::Missing | EntryState::Foreign) || *value != false,
    };
    let changes: Vec<_> = fields.into_iter().chain(missing).filter(is_change).collect();
    let user = [Step::Key("users"), Step::Named(name)];
    match state {
        EntryState::InOtherFile => return Ok(old_command.unwrap_or_default().to_owned()),
        EntryState::Own => {
            let exec = [user[0], user[1], Step::Key("user"), Step::Key("exec")];
            for (key, value) in changes {
                kubeconfig.set(&exec, key, &value)?;
            }
        }
        EntryState::Missing | EntryState::Foreign => {
            let mut exec = existing.clone();
            for (key, value) in changes {
                exec[key] = value;
            }
            let entry = json!({ "exec": exec });
            if matches!(state, EntryState::Foreign) {
                kubeconfig.set(&user, "user", &entry)?;
            } else {
                kubeconfig.append("users", &json!({ "name": name, "user": entry }))?;
            }
        }
    }
    Ok(desired.command(old_command))
}
