//! Programs of others: where they are, and which versions.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::Patient;
use crate::command::on_path::on_path;
use crate::error::shown;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// A program that does not tell its version by then does not tell it.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than any version.
const LIMIT: usize = 200;

/// The programs that consumers are.
#[derive(Debug, Default)]
pub(super) struct Programs {
    pub(super) kubectl: Option<Program>,
    pub(super) aws: Option<Program>,
    pub(super) vault: Option<Program>,
    pub(super) bao: Option<Program>,
}

/// A program on the `PATH`.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// What it says of itself; `None` if it says nothing in time.
    pub(super) version: Option<String>,
}

impl Programs {
    /// Looks for those that this is about, and asks them all at once.
    pub(super) fn look(patient: &Patient<'_>) -> Self {
        let find = |consumer: &str, name: &str| {
            if patient.is_about(consumer) { on_path(patient.env, name) } else { None }
        };
        let limit = PATIENCE.min(patient.deadline.left());
        let asked = async {
            tokio::join!(
                ask(find("kubectl", "kubectl"), &["version", "--client", "--output=json"], limit),
                ask(find("aws", "aws"), &["--version"], limit),
                ask(find("vault", "vault"), &["version"], limit),
                ask(find("vault", "bao"), &["version"], limit)
            )
        };
        let Some((kubectl, aws, vault, bao)) =
            patient.wait("asking programs for their versions", asked)
        else {
            return Self::default();
        };
        let kubectl = kubectl.map(|Program { path, version }| {
            let version = version.and_then(|text| kubectl_version(&text));
            Program { path, version }
        });
        Self { kubectl, aws, vault, bao }
    }
}

impl Program {
    /// In a sentence.
    pub(super) fn describe(&self) -> Message {
        match &self.version {
            Some(version) => {
                message!("{version} ({})", shown(&self.path), version = ForeignText::new(version))
            }
            None => message!("{} does not tell its version", shown(&self.path)),
        }
    }
}

async fn ask(program: Option<PathBuf>, arguments: &[&str], limit: Duration) -> Option<Program> {
    let path = program?;
    let mut command = Command::new(&path);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.output()).await;
    let text = match output {
        Ok(Ok(output)) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        _ => None,
    };
    let version = text.filter(|text| !text.is_empty()).map(|text| shortened(&path, text));
    Some(Program { path, version })
}

/// The first line of what is no JSON.
fn shortened(path: &Path, text: String) -> String {
    let is_kubectl = path.file_stem().is_some_and(|name| name == "kubectl");
    if is_kubectl {
        text
    } else {
        text.lines().next().unwrap_or_default().chars().take(LIMIT).collect()
    }
}

fn kubectl_version(text: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(text).ok()?;
    Some(format!("kubectl {}", answer["clientVersion"]["gitVersion"].as_str()?))
}

/// Whether a command is this program, by its name.
pub(super) fn is_ours(command: &Path) -> bool {
    let name = command.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name == "yc-id-token" || name.starts_with("yc-id-token-")
}
