//! The user of the kubeconfig that runs this program: whether it may be written, and how.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Setup;
use super::kubeconfig::Kubeconfig;
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

/// What the kubeconfig is to hold.
pub(super) struct Wanted {
    pub(super) cluster: String,
    pub(super) context: String,
    pub(super) user: String,
    /// `v1` or `v1beta1`.
    pub(super) version: String,
    /// Without the flag for the version.
    pub(super) args: Vec<String>,
    pub(super) command: String,
    /// Whether the command has to be a path.
    pub(super) is_absolute: bool,
    pub(super) needs_cluster: bool,
}

/// What there is by the name of the user.
pub(super) enum Present {
    Nothing,
    /// The same, in a file that is not written.
    Elsewhere,
    /// An entry of this program's.
    Own,
    /// Another one, which is to be replaced.
    Other,
}

impl Wanted {
    /// A client that does not send the version that it wants gets the one of the flag.
    fn all_args(&self) -> Vec<String> {
        let flag = (self.version != "v1").then(|| format!("{VERSION_FLAG}{}", self.version));
        self.args.iter().cloned().chain(flag).collect()
    }

    /// The fields that have to be so, for an entry that has this command or none.
    fn fields(&self, there: Option<&str>) -> Vec<(&'static str, Value)> {
        vec![
            ("apiVersion", json!(format!("{GROUP}{}", self.version))),
            ("args", json!(self.all_args())),
            ("command", json!(self.command(there))),
            ("provideClusterInfo", json!(self.needs_cluster)),
        ]
    }

    /// A path that works stays: programs with another PATH need it.
    fn command(&self, there: Option<&str>) -> String {
        let works = |path: &&str| Path::new(path).is_absolute() && Path::new(path).is_file();
        match there.filter(works) {
            Some(path) if !self.is_absolute => path.to_owned(),
            _ => self.command.clone(),
        }
    }
}

/// The version of an entry of this program's.
pub(super) fn version_of(kubeconfig: &Kubeconfig, user: &str) -> Option<String> {
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

/// The profile that an `exec` of this program's names.
pub(super) fn profile_of(exec: &Value) -> Option<&str> {
    let mut args = exec["args"].as_array().filter(|_| is_own(exec))?.iter();
    args.find_map(|arg| arg.as_str()?.strip_prefix("--profile="))
}

/// Looks at what there is. Only `--force` replaces what somebody wrote by hand.
pub(super) fn judge(
    setup: &Setup<'_>,
    kubeconfig: &Kubeconfig,
    wanted: &Wanted,
) -> Result<Present> {
    let Some(entry) = kubeconfig.merged().entry("users", "user", &wanted.user) else {
        return Ok(Present::Nothing);
    };
    let differences = differences(entry.value, wanted);
    let is_here = entry.file == kubeconfig.path();
    if !differences.is_empty() {
        setup.in_the_way(message!(
            "the user `{}` of `{}` is another one: {}",
            ForeignText::new(&wanted.user),
            shown(entry.file),
            Message::join(&differences, ", ")
        ))?;
    }
    Ok(match (is_here, differences.is_empty()) {
        (false, true) => Present::Elsewhere,
        // The file that is written is read first, so its entry wins.
        (false, false) => Present::Nothing,
        (true, _) if has_only_own(entry.value) => Present::Own,
        (true, _) => Present::Other,
    })
}

/// How an entry differs from what this program writes.
fn differences(user: &Value, wanted: &Wanted) -> Vec<Message> {
    let exec = &user["exec"];
    if !is_own(exec) {
        return vec!["it signs in by other means".into()];
    }
    let mut differences = Vec::new();
    for key in user.as_object().into_iter().flat_map(Map::keys).filter(|key| *key != "exec") {
        differences.push(message!("it has `{}` too", ForeignText::new(key)));
    }
    let args: Vec<&str> =
        exec["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !args.iter().filter(|arg| !arg.starts_with(VERSION_FLAG)).eq(&wanted.args) {
        differences.push(message!(
            "its `args` are `{}` instead of `{}`",
            ForeignText::new(&args.join(" ")),
            ForeignText::new(&wanted.all_args().join(" "))
        ));
    }
    let gives_cluster = exec["provideClusterInfo"] == true;
    if gives_cluster != wanted.needs_cluster {
        differences.push(message!(
            "its `provideClusterInfo` is {gives_cluster} instead of {}",
            wanted.needs_cluster,
            gives_cluster
        ));
    }
    differences
}

/// Whether a user runs this program, and has no other credential.
fn has_only_own(user: &Value) -> bool {
    is_own(&user["exec"]) && user.as_object().is_some_and(|user| user.len() == 1)
}

/// Writes the user, and returns its command. Of an entry of this program's, the other fields stay.
pub(super) fn write(
    kubeconfig: &mut Kubeconfig,
    wanted: &Wanted,
    present: &Present,
) -> Result<String> {
    let name = wanted.user.as_str();
    let there = kubeconfig.merged().entry("users", "user", name);
    let there = there.map(|entry| entry.value["exec"].clone()).filter(is_own);
    let there = there.unwrap_or_else(|| json!({}));
    let fields = wanted.fields(there["command"].as_str());
    let usual = [("installHint", json!(INSTALL_HINT)), ("interactiveMode", json!("Never"))];
    let new = usual.into_iter().filter(|(key, _)| there.get(key).is_none_or(Value::is_null));
    let is_change = |(key, value): &(&str, Value)| match there.get(*key) {
        Some(old) => old != value,
        // An absent truth value is false.
        None => matches!(present, Present::Nothing | Present::Other) || *value != false,
    };
    let command = match present {
        Present::Elsewhere => there["command"].as_str().unwrap_or_default().to_owned(),
        _ => wanted.command(there["command"].as_str()),
    };
    let changes: Vec<_> = fields.into_iter().chain(new).filter(is_change).collect();
    let user = [Step::Key("users"), Step::Named(name)];
    match present {
        Present::Elsewhere => {}
        Present::Own => {
            let exec = [user[0], user[1], Step::Key("user"), Step::Key("exec")];
            for (key, value) in changes {
                kubeconfig.set(&exec, key, &value)?;
            }
        }
        Present::Nothing | Present::Other => {
            let mut exec = there;
            for (key, value) in changes {
                exec[key] = value;
            }
            let entry = json!({ "exec": exec });
            if matches!(present, Present::Other) {
                kubeconfig.set(&user, "user", &entry)?;
            } else {
                kubeconfig.append("users", &json!({ "name": name, "user": entry }))?;
            }
        }
    }
    Ok(command)
}
