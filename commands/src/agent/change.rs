//! Notifies the readers of a file when it changes: runs a command, or sends a signal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::child::{self, ChildError, Kill, Outcome};
use crate::clock::Deadline;
use crate::error::{Result, plain, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::settings::{Origin, Setting, invalid_value};

/// How long a command may take. The file is not renewed meanwhile.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// A process ID has fewer digits.
const PID_FILE_LIMIT: u64 = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    command: Vec<String>,
    signal: Option<(i32, PathBuf)>,
}

impl Change {
    pub(super) fn read(
        command: Vec<String>,
        signal: Option<Setting<String>>,
        pid_file: Option<Setting<PathBuf>>,
        origin: Origin,
    ) -> Result<Self> {
        let signal = match (signal, pid_file) {
            (None, None) => None,
            (Some(signal), Some(pid_file)) => Some((read_signal(signal)?, pid_file.value)),
            (Some(_), None) | (None, Some(_)) => {
                return Err(invalid_value(origin, "`signal` and `pid_file` belong together"));
            }
        };
        Ok(Self { command, signal })
    }

    /// Notifies the readers, or returns the problem.
    pub(super) async fn notify(&self) -> Result<(), Message> {
        let ran = self.run().await;
        self.send().and(ran)
    }

    async fn run(&self) -> Result<(), Message> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let name = ForeignText::new(program);
        let started = child::start(Path::new(program), "", Kill::Group, |command| {
            // The command must not report to systemd in the agent's name.
            command.args(arguments).env_remove("NOTIFY_SOCKET");
        });
        let running =
            started.map_err(|error| message!("cannot run `{name}`: {}", plain(&error), name))?;
        match running.finish(&[], Deadline::within(COMMAND_TIMEOUT)).await {
            Ok(Outcome { status, .. }) if status.success() => Ok(()),
            Ok(Outcome { status, stderr, .. }) => {
                let output = ForeignText::output(&stderr);
                Err(message!("`{name}` failed ({status}): {output}", name, status, output))
            }
            Err(ChildError::TooMuch) => {
                Err(message!("`{name}` was killed: it printed too much", name))
            }
            Err(ChildError::UnreadableOutput(cause)) => {
                Err(message!("cannot read the output of `{name}`: {}", cause.text(), name))
            }
            Err(ChildError::Late { budget, .. }) => {
                Err(message!("`{name}` was killed after {budget:.0} s", name, budget))
            }
        }
    }

    fn send(&self) -> Result<(), Message> {
        let Some((signal, pid_file)) = &self.signal else { return Ok(()) };
        let pid = private_file::read_plain(pid_file, PID_FILE_LIMIT);
        let pid =
            pid.map_err(|error| message!("cannot read `{}`: {}", shown(pid_file), plain(&error)))?;
        // Zero and negative numbers are process groups, and 1 is the init process.
        let pid = std::str::from_utf8(&pid).ok().and_then(|pid| pid.trim().parse().ok());
        match pid.filter(|pid: &i32| *pid > 1) {
            Some(pid) => send(*signal, pid),
            None => Err(message!("`{}` holds no process ID", shown(pid_file))),
        }
    }
}

#[cfg(unix)]
fn send(signal: i32, pid: i32) -> Result<(), Message> {
    use rustix::process::{Pid, Signal, kill_process};
    let (pid, signal) = (Pid::from_raw(pid), Signal::from_named_raw(signal));
    let Some((signal, pid)) = signal.zip(pid) else { return Ok(()) };
    kill_process(pid, signal)
        .map_err(|error| message!("cannot send the signal: {}", plain(&error.into())))
}

#[cfg(windows)]
fn send(_: i32, _: i32) -> Result<(), Message> {
    Err("Windows has no signals".into())
}

#[cfg(unix)]
fn read_signal(Setting { value, origin }: Setting<String>) -> Result<i32> {
    use crate::settings::{by_name, list, names_of};
    use rustix::process::Signal;

    let signals = [
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::TERM, "TERM"),
    ];
    let name = value.strip_prefix("SIG").unwrap_or(&value);
    by_name(&signals, name).map(Signal::as_raw).ok_or_else(|| {
        let value = ForeignText::new(&value);
        invalid_value(
            origin,
            message!(
                "the signal cannot be `{value}`: it must be {}",
                list(&names_of(&signals)),
                value
            ),
        )
    })
}

#[cfg(windows)]
fn read_signal(Setting { origin, .. }: Setting<String>) -> Result<i32> {
    Err(invalid_value(origin, "Windows has no signals; set `on_change`"))
}
