//! kubectl's preferences ("kuberc", kubectl 1.35 and later), which can restrict exec plugins.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::doctor::Checks;
use crate::command::doctor::programs::Program;
use crate::command::doctor::report::Group;
use crate::command::on_path::on_path;
use crate::command::query::{json, query};
use crate::error::shown;
use crate::foreign_text::{ForeignText, Message};
use crate::kubeconfig::kuberc_path;
use crate::message;

use super::entry::Entry;

/// The first minor version of kubectl that restricts plugins.
const FIRST_MINOR: u32 = 35;

/// The preferences as kubectl reads them.
#[derive(Deserialize)]
pub(super) struct Policy {
    kind: String,
    #[serde(default, rename = "credentialPluginPolicy")]
    mode: String,
    #[serde(default, rename = "credentialPluginAllowlist")]
    allowed: Option<Vec<Allowed>>,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Deserialize)]
struct Allowed {
    /// The key of the command in kubectl 1.35.
    name: Option<String>,
    command: Option<String>,
}

impl Policy {
    /// Reads kubectl's preferences, if it has any.
    pub(super) fn read(
        checks: &Checks<'_>,
        kubectl: &Program,
        group: &mut Group<'_>,
    ) -> Option<Self> {
        // Without a file, kubectl would offer to create one.
        let path = kuberc_path(checks.env, checks.locations.home.as_deref())
            .filter(|path| path.exists())?;
        if kubectl.minor().is_some_and(|minor| minor < FIRST_MINOR) {
            return None;
        }
        let arguments = ["kuberc", "view", "--output=json"].map(OsStr::new);
        let reading = query(&kubectl.path, &arguments, checks.part());
        let answer = checks.wait("reading kubectl's preferences", reading)?;
        let problem = match answer {
            Ok(answer) if answer.status.success() => {
                match json(&answer, |policy: &Self| policy.kind == "Preference") {
                    Some(policy) => return Some(Self { path, ..policy }),
                    None => "`kubectl kuberc view` prints none".into(),
                }
            }
            Ok(answer) => ForeignText::output(&answer.stderr).into(),
            Err(reason) => message!("`kubectl kuberc view` {}", reason.describe()),
        };
        group.warning(
            message!(
                "the preferences of kubectl, {}, cannot be read: {problem}",
                shown(&path),
                problem
            ),
            "run `kubectl kuberc view` in a terminal, and correct the file",
        );
        None
    }

    /// Why kubectl would not run this entry's command.
    pub(super) fn problem(&self, entry: &Entry<'_>) -> Option<(Message, Message)> {
        let place = || shown(&self.path);
        match self.mode.as_str() {
            "DenyAll" => Some((
                message!(
                    "{} forbids all exec plugins (`credentialPluginPolicy: DenyAll`)",
                    place()
                ),
                message!("allow it: {}", command(entry)),
            )),
            "Allowlist" if !self.allows(entry) => Some((
                message!(
                    "the `credentialPluginAllowlist` of {} does not contain its command",
                    place()
                ),
                message!("add it to the entries of the list: {}", command(entry)),
            )),
            _ => None,
        }
    }

    /// client-go compares paths as text, without resolving links.
    fn allows(&self, entry: &Entry<'_>) -> bool {
        let Some(program) = entry.program() else { return false };
        self.allowed.iter().flatten().any(|allowed| {
            let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
            let Some(command) = given(&allowed.command).or_else(|| given(&allowed.name)) else {
                return false;
            };
            if Path::new(&command).components().count() > 1 {
                return program.as_os_str() == command.as_str();
            }
            on_path(entry.checks.env, &command).is_some_and(|path| path == program)
        })
    }
}

/// The kubectl command that allows the entry's command.
fn command(entry: &Entry<'_>) -> Message {
    let command = entry.exec.command.as_deref().unwrap_or_default();
    let path = entry.program().filter(|_| Path::new(command).components().count() > 1);
    let command = path.as_deref().map_or_else(|| ForeignText::new(command), shown);
    message!(
        "`kubectl kuberc set --section=credentialplugin --policy=Allowlist --allowlist-entry=command={command}`",
        command
    )
}
