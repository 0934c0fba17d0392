//! Checks with the installed kubectl that the new kubeconfig has the new user.
//!
//! The check fails only if kubectl works and disagrees. If kubectl does not run or prints something else, there is no
//! result: the program of that name may not be kubectl.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use serde_json::Value;

use crate::command::query::{json, query};
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::runtime::block_on;

/// kubectl usually takes 0.1 s.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// A kubeconfig that every kubectl accepts.
const EMPTY: &str = "apiVersion: v1\nkind: Config\n";

/// The entries that kubectl must find.
pub(super) struct Check {
    pub(super) program: PathBuf,
    /// The kubeconfig, for errors.
    pub(super) path: PathBuf,
    pub(super) before: String,
    pub(super) user: String,
    pub(super) exec: Value,
}

enum Outcome {
    /// kubectl did not run, or did not print a kubeconfig.
    Unavailable,
    /// kubectl failed with this text on standard error.
    Rejected(Message),
    Config(Value),
}

impl Check {
    /// Fails if kubectl works and does not find the user in the text. `expected` is the parsed text.
    pub(super) fn run(&self, text: &str, expected: &Value) -> Result<()> {
        let problem = match self.view(text) {
            Outcome::Unavailable => return Ok(()),
            Outcome::Config(config) if !has_names(&config, expected, "clusters") => return Ok(()),
            Outcome::Config(config) if self.has_user(&config) => return Ok(()),
            Outcome::Config(_) => {
                message!(
                    "kubectl does not find the user `{}` in the new text",
                    ForeignText::new(&self.user)
                )
            }
            Outcome::Rejected(reason) => match (self.view(&self.before), self.view(EMPTY)) {
                (Outcome::Config(_), _) => {
                    message!("kubectl refuses the new text: {reason}", reason)
                }
                // kubectl works, but rejected the file before the change.
                (Outcome::Rejected(reason), Outcome::Config(_)) => {
                    return Err(Error::Conflict {
                        problem: message!(
                            "kubectl cannot read `{}`: {reason}",
                            shown(&self.path),
                            reason
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

    fn has_user(&self, config: &Value) -> bool {
        let users = config["users"].as_array();
        users.into_iter().flatten().any(|user| {
            let exec = &user["user"]["exec"];
            user["name"] == *self.user
                && ["apiVersion", "command", "args"].iter().all(|key| exec[key] == self.exec[key])
        })
    }

    /// Runs `kubectl config view` on a text.
    ///
    /// Security: the text is in a temporary file of mode 0600 while kubectl runs.
    fn view(&self, text: &str) -> Outcome {
        let file = tempfile::NamedTempFile::new();
        let file = file.and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
        let Ok(file) = file else { return Outcome::Unavailable };
        let arguments = ["config", "view", "--raw", "--output=json", "--kubeconfig"];
        let arguments: Vec<&OsStr> =
            arguments.iter().map(OsStr::new).chain([file.path().as_os_str()]).collect();
        let mut outcome = Outcome::Unavailable;
        let run = async {
            let Ok(run) = query(&self.program, &arguments, CHECK_TIMEOUT).await else {
                return Ok(());
            };
            if !run.status.success() {
                let stderr = String::from_utf8_lossy(&run.stderr);
                let (temporary, path) = (file.path().to_string_lossy(), shown(&self.path));
                let reason = stderr.replace(&*temporary, &path);
                outcome = Outcome::Rejected(ForeignText::output(reason.as_bytes()).into());
            } else if let Some(config) = json(&run, |config: &Value| config["kind"] == "Config") {
                outcome = Outcome::Config(config);
            }
            Ok(())
        };
        // If the runtime cannot be started, the outcome is `Unavailable` too.
        let _ = block_on(pin!(run));
        outcome
    }
}

/// Whether kubectl lists the same names. If not, it has not read this text.
fn has_names(config: &Value, expected: &Value, list: &str) -> bool {
    let names = |config: &Value| {
        let items = config[list].as_array().into_iter().flatten();
        items.filter_map(|item| item["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let found = names(config);
    config.is_object() && names(expected).iter().all(|name| found.contains(name))
}
