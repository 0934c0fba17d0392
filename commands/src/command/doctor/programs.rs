//! The consumers' programs: their paths and versions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::Checks;
use super::report::Group;
use crate::command::on_path::on_path;
use crate::command::query::{Answer, NoAnswer, json, query};
use crate::consumer::ConsumerName;
use crate::error::{Exit, shown};
use crate::foreign_text::ForeignText;
use crate::message;

/// A program that does not print its version by then hangs.
const VERSION_TIMEOUT: Duration = Duration::from_secs(3);

/// No version is longer.
const LIMIT: usize = 200;

const KUBECTL: &[&str] = &["version", "--client", "--output=json"];

#[derive(Debug, Default)]
pub(super) struct Programs {
    pub(super) kubectl: Option<Program>,
    pub(super) aws: Option<Program>,
    pub(super) vault: Option<Program>,
    pub(super) bao: Option<Program>,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// The version that it prints; `None` if it prints none.
    pub(super) version: Result<Option<String>, NoAnswer>,
}

impl Programs {
    /// Finds the programs to check, and runs them all at once.
    pub(super) fn look(checks: &Checks<'_>) -> Self {
        let find = |consumer: ConsumerName, name: &str| {
            if checks.is_about(consumer) { on_path(checks.env, name) } else { None }
        };
        let limit = VERSION_TIMEOUT.min(checks.deadline.left());
        let asked = async {
            tokio::join!(
                look(find(ConsumerName::Kubectl, "kubectl"), KUBECTL, limit, kubectl_version),
                look(find(ConsumerName::Aws, "aws"), &["--version"], limit, first_line),
                look(find(ConsumerName::Vault, "vault"), &["version"], limit, first_line),
                look(find(ConsumerName::Vault, "bao"), &["version"], limit, first_line)
            )
        };
        let Some((kubectl, aws, vault, bao)) =
            checks.wait("getting the versions of programs", asked)
        else {
            return Self::default();
        };
        Self { kubectl, aws, vault, bao }
    }
}

impl Program {
    pub(super) fn report(&self, group: &mut Group<'_>) {
        let path = shown(&self.path);
        match &self.version {
            Ok(Some(version)) => {
                group.good(message!(
                    "{version} ({path})",
                    version = ForeignText::new(version),
                    path
                ));
            }
            Ok(None) => group.warning(
                message!("{path} does not print its version", path),
                "run it in a terminal: it is broken, or another program has that name",
            ),
            Err(reason @ NoAnswer::NoTime) => group.warning(
                message!("{path} {}", reason.describe(), path),
                "give more time with `--timeout`",
            ),
            Err(reason) => group.bad(
                Exit::Configuration,
                message!("{path} {}", reason.describe(), path),
                "run it in a terminal: the program, or a wrapper of that name, hangs or cannot be run",
            ),
        }
    }

    pub(super) fn minor(&self) -> Option<u32> {
        let version = self.version.as_ref().ok()?.as_deref()?;
        version.strip_prefix("kubectl v1.")?.split('.').next()?.parse().ok()
    }
}

async fn look(
    program: Option<PathBuf>,
    arguments: &[&str],
    limit: Duration,
    version: fn(&Answer) -> Option<String>,
) -> Option<Program> {
    let path = program?;
    let answer = query(&path, arguments, limit).await;
    let printed = |answer: Answer| version(&answer).filter(|_| answer.status.success());
    Some(Program { path, version: answer.map(printed) })
}

fn first_line(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.stdout);
    let line = text.trim().lines().next()?;
    Some(line.chars().take(LIMIT).collect())
}

fn kubectl_version(answer: &Answer) -> Option<String> {
    let version = |answer: &Value| Some(answer["clientVersion"]["gitVersion"].as_str()?.to_owned());
    let answer = json(answer, |answer| version(answer).is_some())?;
    Some(format!("kubectl {}", version(&answer)?))
}

/// Whether a command is this program, by its name.
pub(super) fn is_this_program(command: &Path) -> bool {
    let name = command.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    name == "yc-id-token" || name.starts_with("yc-id-token-")
}
