//! Asks the kubectl on the PATH whether it finds the new user in the new kubeconfig.
//!
//! It can only object. A program that does not answer, or answers nonsense, proves nothing about the text:
//! what is called kubectl can be another program.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env;
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// kubectl takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Larger than any kubeconfig.
const LIMIT: u64 = 16 * 1024 * 1024;

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
            // It may have refused the old text too.
            Answer::Refusal(said) => match self.ask(&self.before) {
                Answer::Config(_) => message!("kubectl refuses the new text: {said}", said),
                _ => return Ok(()),
            },
        };
        Err(Error::OutputFile { path: self.path.clone(), cause: problem.into() })
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
        let mut command = Command::new(&self.program);
        command.args(["config", "view", "--raw", "--output=json", "--kubeconfig"]).arg(file.path());
        // Its preferences could be broken, or hold an alias for `config`.
        command.env(env::KUBERC.name, "off").env_remove(env::KUBECONFIG.name);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        system::group(&mut command);
        let Ok(child) = command.spawn() else { return Answer::Silence };
        let Some((is_success, stdout, stderr)) = outcome(child) else { return Answer::Silence };
        if !is_success {
            return Answer::Refusal(ForeignText::output(&stderr).into());
        }
        serde_json::from_slice(&stdout).map_or(Answer::Silence, Answer::Config)
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

/// Whether it succeeded, and what it wrote. `None` if that took too long; it is killed then.
fn outcome(mut child: Child) -> Option<(bool, Vec<u8>, Vec<u8>)> {
    let deadline = Instant::now() + PATIENCE;
    let (stdout, stderr) = (child.stdout.take()?, child.stderr.take()?);
    let (output, errors) = (read(stdout), read(stderr));
    let left = || deadline.saturating_duration_since(Instant::now());
    let both = output.recv_timeout(left()).ok().zip(errors.recv_timeout(left()).ok());
    while both.is_some() && !left().is_zero() {
        if let Ok(Some(status)) = child.try_wait() {
            return both.map(|(output, errors)| (status.success(), output, errors));
        }
        thread::sleep(Duration::from_millis(2));
    }
    system::kill(&mut child);
    let _ = child.wait();
    None
}

/// Reads a pipe to its end in a thread of its own, which a program that holds the pipe cannot block.
fn read(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if pipe.take(LIMIT).read_to_end(&mut bytes).is_ok() {
            // Nobody waits for it any more once the time is up.
            let _ = sender.send(bytes);
        }
    });
    receiver
}

#[cfg(unix)]
mod system {
    use std::os::unix::process::CommandExt as _;

    use super::{Child, Command};

    pub(super) fn group(command: &mut Command) {
        command.process_group(0);
    }

    /// With what it has started itself.
    pub(super) fn kill(child: &mut Child) {
        let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.kill();
    }
}

#[cfg(windows)]
mod system {
    use super::{Child, Command};

    pub(super) const fn group(_: &mut Command) {}

    pub(super) fn kill(child: &mut Child) {
        let _ = child.kill();
    }
}
