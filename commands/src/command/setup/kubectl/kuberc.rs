//! kubectl's preferences file (kuberc), which can restrict the exec plugins that kubectl runs (1.35 and
//! later).

use std::path::Path;

use serde_json::{Value, json};

use crate::command::setup::changes::{FileChange, FileKind};
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::kubeconfig::{Document, kuberc_path};
use crate::message;
use crate::run::Context;
use crate::yaml::Fault;

const POLICY: &str = "credentialPluginPolicy";
const LIST: &str = "credentialPluginAllowlist";

/// Allows the plugin `command`. Returns the change, if `edit_requested`, and advice for the user. `others` are the
/// other plugins of the kubeconfig. Without a policy every plugin is allowed; nothing is written then, because a new
/// list would block the others.
pub(super) fn allow(
    command: &str,
    edit_requested: bool,
    others: &[String],
    context: Context<'_>,
) -> Result<(Option<FileChange>, Option<Message>)> {
    let Some(path) = kuberc_path(context.env, context.locations.home.as_deref()) else {
        return Ok((None, None));
    };
    let file = EditedFile::open("kubectl's preferences", &path)?;
    let mut document = read(&path, file.text())?;
    let plugins = Plugins::of(document.value());
    if !plugins.are_restricted() {
        let advice = message!(
            "`{}` restricts no exec plugins, so `--kuberc` has nothing to do.\n",
            shown(&path)
        );
        return Ok((None, edit_requested.then_some(advice)));
    }
    if plugins.allow(command) {
        return Ok((None, None));
    }
    if !edit_requested {
        let advice = message!(
            "# Which exec plugins kubectl runs
`{path}` does not allow `{command}` (kubectl 1.35 and later). `--kuberc` writes this there:

{POLICY}: Allowlist
{LIST}:
- {key}: {command}
",
            path = shown(&path),
            command = ForeignText::line(command),
            key = plugins.key,
            POLICY,
            LIST
        );
        return Ok((None, Some(advice)));
    }
    let invalid = |fault: Fault| invalid(&path, &fault);
    document.set(&[], POLICY, &json!("Allowlist")).map_err(invalid)?;
    document.append(LIST, &json!({ plugins.key: command })).map_err(invalid)?;
    let advice = plugins.still_blocked(others, &path);
    let (new_text, expected) = (document.text().to_owned(), document.value().clone());
    let change = FileChange::new(FileKind::Kuberc, file, new_text, move |text| {
        if *read(&path, text)?.value() == expected {
            return Ok(());
        }
        Err(Error::Internal("kubectl's preferences read back differently".into()))
    });
    Ok((Some(change), advice))
}

fn read(path: &Path, text: &str) -> Result<Document> {
    Document::parse(text.to_owned()).map_err(|fault| invalid(path, &fault))
}

fn invalid(path: &Path, fault: &Fault) -> Error {
    Error::Config {
        path: path.to_owned(),
        line: fault.mark.line,
        problem: message!("the file of kubectl's preferences {}", fault.problem),
        hint: None,
    }
}

/// The file's settings on exec plugins.
#[derive(Debug, Eq, PartialEq)]
struct Plugins {
    policy: String,
    listed: Vec<String>,
    /// The key of a command in the list: `name` in kubectl 1.35, later `command`.
    key: &'static str,
}

impl Plugins {
    fn of(file: &Value) -> Self {
        let entries = file[LIST].as_array().map(Vec::as_slice).unwrap_or_default();
        let has_names = entries.iter().any(|entry| entry["name"].is_string());
        let command = |entry: &Value| {
            let named = entry.get("command").or_else(|| entry.get("name"))?;
            named.as_str().map(str::to_owned)
        };
        Self {
            policy: file[POLICY].as_str().unwrap_or_default().to_owned(),
            listed: entries.iter().filter_map(command).collect(),
            key: if has_names { "name" } else { "command" },
        }
    }

    /// Whether kubectl runs only some plugins or none.
    fn are_restricted(&self) -> bool {
        !matches!(self.policy.as_str(), "" | "AllowAll")
    }

    fn allow(&self, command: &str) -> bool {
        self.policy == "Allowlist" && self.listed.iter().any(|listed| listed == command)
    }

    /// Advice on the other plugins that the list does not allow. They were blocked before, and only the user
    /// can decide to allow them.
    fn still_blocked(&self, others: &[String], path: &Path) -> Option<Message> {
        let blocked = others.iter().filter(|other| !self.listed.contains(other));
        let blocked: Vec<Message> =
            blocked.map(|other| message!("`{}`", ForeignText::new(other).quoted())).collect();
        (!blocked.is_empty()).then(|| {
            message!(
                "`{}` still blocks other exec plugins of the kubeconfig: {}. To allow one, add it to `{LIST}`.\n",
                shown(path),
                Message::join(&blocked, ", "),
                LIST
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins(text: &str) -> Plugins {
        Plugins::of(read(Path::new("kuberc"), text).unwrap().value())
    }

    #[test]
    fn policy_and_list_are_read_in_every_yaml_style() {
        let text = "# credentialPluginAllowlist: none of these\ncredentialPluginAllowlist:\n- command: yc-id-token # mine\n\n- name: \"/opt/other\"\ncredentialPluginPolicy: Allowlist\ndefaults:\n- command: get\n";
        let flow = "{credentialPluginPolicy: Allowlist, credentialPluginAllowlist: [{command: yc-id-token}, {name: /opt/other}]}";
        for text in [text, flow] {
            let plugins = plugins(text);
            assert_eq!(plugins.listed, ["yc-id-token", "/opt/other"]);
            assert!(plugins.allow("yc-id-token") && !plugins.allow("get"));
        }
        let denied = plugins(&text.replace("Policy: Allowlist", "Policy: DenyAll"));
        assert!(denied.are_restricted() && !denied.allow("yc-id-token"));
        for open in ["", "kind: Preference\n", "credentialPluginPolicy: AllowAll\n"] {
            assert!(!plugins(open).are_restricted(), "{open}");
        }
        assert!(read(Path::new("kuberc"), "credentialPluginAllowlist: [").is_err());
    }
}
