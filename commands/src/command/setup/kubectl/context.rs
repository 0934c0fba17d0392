//! The cluster to connect to, and the context that combines it with the user.

use serde_json::json;

use super::DesiredEntries;
use super::kubeconfig::Kubeconfig;
use crate::command::setup::Setup;
use crate::command::setup::question::Question;
use crate::command::terminal::Terminal;
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::kubeconfig::Step;
use crate::message;

/// The cluster of the flag, or the only one, or the answer to a prompt.
pub(super) fn choose_cluster(
    flag: Option<&String>,
    kubeconfig: &Kubeconfig,
    terminal: Option<Terminal>,
) -> Result<String> {
    let merged = kubeconfig.merged();
    let names = merged.names("clusters");
    let list = || ForeignText::new(&names.join(", "));
    if names.is_empty() {
        return Err(Error::Missing {
            problem: message!("there is no cluster in `{}`", shown(kubeconfig.path())),
            hint: "add yours with `kubectl config set-cluster NAME --server=https://… --certificate-authority=FILE`, and run the command again".into(),
        });
    }
    if let Some(name) = flag {
        if names.contains(&name.as_str()) {
            return Ok(name.clone());
        }
        return Err(Error::NoSuch {
            what: "cluster",
            name: name.to_owned().into(),
            place: message!("`{}`", shown(kubeconfig.path())),
            hint: message!("choose {}", list()),
        });
    }
    if let [only] = names[..] {
        return Ok(only.to_owned());
    }
    let terminal = terminal.ok_or_else(|| Error::Missing {
        problem: "the kubeconfig has several clusters".into(),
        hint: message!("give `--cluster`: {}", list()),
    })?;
    let context = merged.current_context();
    let context = context.and_then(|name| merged.entry("contexts", "context", name));
    let current = context.and_then(|entry| entry.value["cluster"].as_str());
    let question = Question::new("--cluster", "cluster of the kubeconfig")
        .with_default(current.map(str::to_owned));
    terminal.say(&message!("The clusters of the kubeconfig are {}.", list()));
    loop {
        let name = question.answer(Some(terminal))?.unwrap_or_default();
        if names.contains(&name.as_str()) {
            return Ok(name);
        }
        terminal.say(&message!("! There is no such cluster. Clusters: {}", list()));
    }
}

/// Fails if the context has another cluster, or another user that exists.
pub(super) fn check(
    setup: &Setup<'_>,
    kubeconfig: &Kubeconfig,
    desired: &DesiredEntries,
) -> Result<()> {
    let merged = kubeconfig.merged();
    let Some(context) = merged.entry("contexts", "context", &desired.context) else {
        return Ok(());
    };
    let conflict = |kind: &'static str, name: &str| {
        setup.overwrite_conflict(message!(
            "the context `{}` of `{}` uses the {kind} `{}`",
            ForeignText::new(&desired.context),
            shown(context.file),
            ForeignText::new(name),
            kind
        ))
    };
    let [cluster, user] = ["cluster", "user"].map(|key| context.value[key].as_str().unwrap_or(""));
    if cluster != desired.cluster {
        conflict("cluster", cluster)?;
    }
    if user != desired.user && merged.entry("users", "user", user).is_some() {
        conflict("user", user)?;
    }
    Ok(())
}

/// Writes the cluster and the user of the context. Its other fields, such as the namespace, stay.
pub(super) fn write(
    kubeconfig: &mut Kubeconfig,
    desired: &DesiredEntries,
    is_current: bool,
) -> Result<()> {
    let DesiredEntries { cluster, user, context, .. } = desired;
    let existing = kubeconfig.merged().entry("contexts", "context", context);
    let is_in_target = existing.is_some_and(|entry| entry.file == kubeconfig.path());
    match existing.map(|entry| entry.value.clone()) {
        Some(entry) if entry["cluster"] == **cluster && entry["user"] == **user => {}
        Some(entry) if is_in_target && entry.is_object() => {
            let place = [Step::Key("contexts"), Step::Named(context), Step::Key("context")];
            kubeconfig.set(&place, "cluster", &json!(cluster))?;
            kubeconfig.set(&place, "user", &json!(user))?;
        }
        _ => {
            let entry = json!({ "cluster": cluster, "user": user });
            if is_in_target {
                let place = [Step::Key("contexts"), Step::Named(context)];
                kubeconfig.set(&place, "context", &entry)?;
            } else {
                kubeconfig.append("contexts", &json!({ "context": entry, "name": context }))?;
            }
        }
    }
    if is_current && kubeconfig.merged().current_context() != Some(context) {
        kubeconfig.set(&[], "current-context", &json!(context))?;
    }
    Ok(())
}
