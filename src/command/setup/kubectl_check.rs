//! Asks the kubectl on the PATH whether it finds the new user in the new kubeconfig.
//!
//! It can only object. A program that does not answer, or answers nonsense, proves nothing about the text:
//! what is called kubectl can be another program.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use serde_json::Value;

use crate::command::ask::ask;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::runtime::block_on;

/// kubectl takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every kubectl reads.
const EMPTY: &str = "apiVersion: v1\nkind: Config\n";

/// What kubectl has to find.
pub(super) struct Check {
    pub(super) program: PathBuf,
    /// The kubeconfig, for errors.
    pub(super) path: PathBuf,
    /// Its text before the change.
    pub(super) before: String,
    pub(super) user: String,
    pub(super) exec: Value,
}

/// What came of a run.
enum Answer {
    Silence,
    Refusal(Message),
    Config(Value),
}

impl Check {
    /// Fails if kubectl understands the text and does not find the user in it. `wanted` is what it means.
    pub(super) fn run(&self, text: &str, wanted: &Value) -> Result<()> {
        let problem = match self.ask(text) {
            Answer::Silence => return Ok(()),
            Answer::Config(config) if !has_names(&config, wanted, "clusters") => return Ok(()),
            Answer::Config(config) if self.is_in(&config) => return Ok(()),
            Answer::Config(_) => {
                message!(
                    "kubectl does not find the user `{}` in the new text",
                    ForeignText::new(&self.user)
                )
            }
            Answer::Refusal(said) => match (self.ask(&self.before), self.ask(EMPTY)) {
                (Answer::Config(_), _) => message!("kubectl refuses the new text: {said}", said),
                // It works, and does not read this file.
                (Answer::Refusal(said), Answer::Config(_)) => {
                    return Err(Error::Conflict {
                        problem: message!(
                            "kubectl cannot read `{}`: {said}",
                            shown(&self.path),
                            said
                        ),
                        hint: "correct the file; nothing has been changed".into(),
                    });
                }
                _ => return Ok(()),
            },
        };
        Err(Error::Conflict {
            problem: message!("cannot edit `{}`: {problem}", shown(&self.path), problem),
            hint: "add the user by hand, as `--print` shows it; nothing has been changed".into(),
        })
    }

    fn is_in(&self, config: &Value) -> bool {
        let users = config["users"].as_array();
        users.into_iter().flatten().any(|user| {
            let exec = &user["user"]["exec"];
            user["name"] == *self.user
                && ["apiVersion", "command", "args"].iter().all(|key| exec[key] == self.exec[key])
        })
    }

    /// Security: the text is in a file that only this user can read, for as long as kubectl runs.
    fn ask(&self, text: &str) -> Answer {
        let file = tempfile::NamedTempFile::new();
        let file = file.and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
        let Ok(file) = file else { return Answer::Silence };
        let arguments = ["config", "view", "--raw", "--output=json", "--kubeconfig"];
        let arguments: Vec<&OsStr> =
            arguments.iter().map(OsStr::new).chain([file.path().as_os_str()]).collect();
        let mut answer = Answer::Silence;
        let run = async {
            let Ok(run) = ask(&self.program, &arguments, PATIENCE).await else { return Ok(()) };
            if !run.status.success() {
                let said = String::from_utf8_lossy(&run.stderr);
                let said =
                    said.replace(&*file.path().to_string_lossy(), &shown(&self.path).to_string());
                answer = Answer::Refusal(ForeignText::output(said.as_bytes()).into());
            } else if let Some(config) = run.json(|config: &Value| config["kind"] == "Config") {
                answer = Answer::Config(config);
            }
            Ok(())
        };
        // Where no program can be run, kubectl is silent too.
        let _ = block_on(pin!(run));
        answer
    }
}

/// Whether kubectl sees the same names in a list. One that sees nothing has read something else.
fn has_names(config: &Value, wanted: &Value, list: &str) -> bool {
    let names = |config: &Value| {
        let items = config[list].as_array().into_iter().flatten();
        items.filter_map(|item| item["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let seen = names(config);
    config.is_object() && names(wanted).iter().all(|name| seen.contains(name))
}
