//! kubectl's own preferences, which can restrict the exec plugins that kubectl runs (1.35 and later).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::change::Change;
use crate::env::{self, Env};
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::kubeconfig::Document;
use crate::message;
use crate::settings::Locations;
use crate::yaml::Fault;

const POLICY: &str = "credentialPluginPolicy";
const LIST: &str = "credentialPluginAllowlist";

/// The change that lets this plugin run, and what the user should know. `others` are the other plugins of
/// the kubeconfig. Without a policy every plugin runs, and a list would end that: nothing is written then.
pub(super) fn plan(
    is_wanted: bool,
    command: &str,
    others: &[String],
    env: &Env,
) -> Result<(Option<Change>, Option<Message>)> {
    let Some(path) = path(env) else { return Ok((None, None)) };
    let file = EditedFile::open("kubectl's preferences", &path)?;
    let mut document = read(&path, file.text())?;
    let plugins = Plugins::of(document.value());
    if !plugins.are_restricted() {
        let advice = message!(
            "`{}` restricts no exec plugins, so `--kuberc` has nothing to do.\n",
            shown(&path)
        );
        return Ok((None, is_wanted.then_some(advice)));
    }
    if plugins.allow(command) {
        return Ok((None, None));
    }
    if !is_wanted {
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
    let unfit = |fault: Fault| unfit(&path, &fault);
    document.set(&[], POLICY, &json!("Allowlist")).map_err(unfit)?;
    document.append(LIST, &json!({ plugins.key: command })).map_err(unfit)?;
    let advice = plugins.still_blocked(others, &path);
    let (after, wanted) = (document.text().to_owned(), document.value().clone());
    let change = Change::new(file, after, move |text| {
        if *read(&path, text)?.value() == wanted {
            return Ok(());
        }
        Err(Error::Internal("kubectl's preferences read back differently".into()))
    });
    Ok((Some(change), advice))
}

fn path(env: &Env) -> Option<PathBuf> {
    match env.get_os(env::KUBERC) {
        Some(value) if value == "off" => None,
        Some(path) => Some(path.into()),
        None => Locations::home().map(|home| home.join(".kube").join("kuberc")),
    }
}

fn read(path: &Path, text: &str) -> Result<Document> {
    Document::parse(text.to_owned()).map_err(|fault| unfit(path, &fault))
}

fn unfit(path: &Path, fault: &Fault) -> Error {
    Error::Config {
        path: path.to_owned(),
        line: fault.mark.line,
        problem: message!("the file of kubectl's preferences {}", fault.problem),
        hint: None,
    }
}

/// What the file says of exec plugins.
#[derive(Debug, Eq, PartialEq)]
struct Plugins {
    policy: String,
    /// The commands of the list.
    listed: Vec<String>,
    /// What a command is called in the list: kubectl 1.35 called it `name`.
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

    /// Whether kubectl runs only some plugins, or none.
    fn are_restricted(&self) -> bool {
        !matches!(self.policy.as_str(), "" | "AllowAll")
    }

    fn allow(&self, command: &str) -> bool {
        self.policy == "Allowlist" && self.listed.iter().any(|listed| listed == command)
    }

    /// Names the plugins of the kubeconfig that the new list does not hold. The user had blocked them
    /// before, so only the user can allow them.
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
    fn what_may_run_is_known_however_it_is_written() {
        let text = "# credentialPluginAllowlist: none of these\ncredentialPluginAllowlist:\n- command: yc-id-token # ours\n\n- name: \"/opt/other\"\ncredentialPluginPolicy: Allowlist\ndefaults:\n- command: get\n";
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
