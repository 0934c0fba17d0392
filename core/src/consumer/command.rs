//! Runs a user's command with credentials: it replaces this process, or this process waits for it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use tokio::process::Child;

use crate::child;
use crate::error::{Code, Error, Result};
use crate::harden;
pub(super) use system::Signals;

/// A command with its arguments.
pub(super) fn of_words(words: &[OsString]) -> Command {
    let mut words = words.iter();
    let name = words.next().map(OsString::as_os_str).unwrap_or_default();
    // Windows itself does not find a `.cmd` file by its name.
    let found = if cfg!(windows) { child::program(Path::new(name)).ok() } else { None };
    let mut command = Command::new(found.as_deref().map_or(name, Path::as_os_str));
    command.args(words);
    command
}

/// Replaces this process with the command, which then has its signals, terminal and exit status. On Unix, this
/// returns only if it fails.
#[cfg(unix)]
pub(super) fn replace_process(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = harden::with_original_limits(|| command.exec());
    Err(not_run(&command, error))
}

/// Windows has no such call, so this runs the command and returns its exit status.
#[cfg(windows)]
pub(super) fn replace_process(command: Command) -> Result<ExitCode> {
    let ended = crate::runtime::finish(async { Signals::catch()?.start(command)?.wait().await });
    ended.map(own_status)
}

/// The exit status of this process for that of its command. On Windows, this ends the process if the status is above
/// 255: it must be the last call of a run.
pub(super) fn own_status(of_command: i32) -> ExitCode {
    u8::try_from(of_command).map_or_else(|_| system::large_status(of_command), ExitCode::from)
}

/// A running command, which gets the signals of this process.
pub(super) struct Running {
    child: Child,
    /// The program without arguments, for errors.
    shown: Command,
    #[cfg(windows)]
    _signals: Signals,
}

impl Running {
    /// Waits until it ends, and returns its exit status.
    pub(super) async fn wait(&mut self) -> Result<i32> {
        self.child.wait().await.map(status_of).map_err(|error| not_run(&self.shown, error))
    }
}

fn spawn(command: Command) -> Result<(Child, Command)> {
    let shown = Command::new(command.get_program());
    let mut command = tokio::process::Command::from(command);
    let child = harden::with_original_limits(|| command.spawn());
    Ok((child.map_err(|error| not_run(&shown, error))?, shown))
}

/// The error for a command that cannot be started.
fn not_run(command: &Command, error: std::io::Error) -> Error {
    let is_absent = error.kind() == std::io::ErrorKind::NotFound;
    Error::Command {
        command: command.get_program().to_string_lossy().into_owned().into(),
        code: if is_absent { Code::NoCommand } else { Code::NotRun },
        cause: error.into(),
    }
}

fn status_of(status: ExitStatus) -> i32 {
    status.code().or_else(|| system::code_of_signal(status)).unwrap_or(1)
}

#[cfg(unix)]
mod system {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitCode, ExitStatus};

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use tokio::signal::unix::{self, SignalKind, signal};

    use super::{Result, Running, spawn};
    use crate::error::{Cause, Error};
    use crate::{private_file, runtime};

    /// The signals that end a process, and whether a terminal sends them.
    const SIGNALS: [(Signal, bool); 4] =
        [(Signal::INT, true), (Signal::QUIT, true), (Signal::HUP, true), (Signal::TERM, false)];

    /// The signals that end a process, caught for a command that is started later. After its end they are ignored, so
    /// that the cleanup is completed.
    pub(in super::super) struct Signals(Vec<Caught>);

    struct Caught {
        stream: unix::Signal,
        signal: Signal,
        by_terminal: bool,
    }

    impl Signals {
        /// Catches the signals. Those that this process was started to ignore stay ignored.
        pub(in super::super) fn catch() -> Result<Self> {
            let heard = SIGNALS.into_iter().filter(|(it, _)| !runtime::is_ignored(it.as_raw()));
            let caught = heard.map(|(number, by_terminal)| {
                let stream = signal(SignalKind::from_raw(number.as_raw())).map_err(|error| {
                    Error::Internal(Cause::from(error).context("cannot wait for signals"))
                })?;
                Ok(Caught { stream, signal: number, by_terminal })
            });
            caught.collect::<Result<_>>().map(Self)
        }

        /// Starts a command, and passes the signals on to it.
        pub(in super::super) fn start(self, command: Command) -> Result<Running> {
            let (child, shown) = spawn(command)?;
            let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
            for Caught { mut stream, signal, by_terminal } in self.0 {
                tokio::spawn(runtime::task(async move {
                    while stream.recv().await.is_some() {
                        if let Some(pid) = pid.filter(|_| !(by_terminal && is_in_foreground())) {
                            // It may have just ended.
                            let _ = kill_process(pid, signal);
                        }
                    }
                }));
            }
            Ok(Running { child, shown })
        }
    }

    /// Whether a terminal's signals reach this process. Then they reach the command too, and a second interrupt would
    /// have another meaning for it.
    fn is_in_foreground() -> bool {
        let terminal = private_file::open_terminal();
        terminal.is_ok_and(|terminal| {
            rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
        })
    }

    /// The exit status with which a shell reports a signal.
    pub(super) fn code_of_signal(status: ExitStatus) -> Option<i32> {
        status.signal().map(|signal| 128 + signal)
    }

    /// Unix has no such status.
    pub(super) const fn large_status(_: i32) -> ExitCode {
        ExitCode::FAILURE
    }
}

#[cfg(windows)]
mod system {
    use std::process::{Command, ExitCode, ExitStatus};

    use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};

    use super::{Result, Running, spawn};
    use crate::error::{Cause, Error};

    /// Console breaks, caught for a command that is started later. The console sends them to the command too, so none
    /// is passed on.
    pub(in super::super) struct Signals {
        _ctrl_c: CtrlC,
        _ctrl_break: CtrlBreak,
    }

    impl Signals {
        pub(in super::super) fn catch() -> Result<Self> {
            let failed =
                |error| Error::Internal(Cause::from(error).context("cannot wait for a break"));
            Ok(Self {
                _ctrl_c: ctrl_c().map_err(failed)?,
                _ctrl_break: ctrl_break().map_err(failed)?,
            })
        }

        pub(in super::super) fn start(self, command: Command) -> Result<Running> {
            let (child, shown) = spawn(command)?;
            Ok(Running { child, shown, _signals: self })
        }
    }

    /// Windows has no signals that end a program.
    pub(super) const fn code_of_signal(_: ExitStatus) -> Option<i32> {
        None
    }

    /// A program that crashes has a status such as 0xC0000005, which does not fit into `ExitCode`.
    #[expect(clippy::exit, reason = "the standard library has no other stable way")]
    pub(super) fn large_status(status: i32) -> ExitCode {
        std::process::exit(status)
    }
}
