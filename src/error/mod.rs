//! Every error a user can meet: what it says, its code, its exit status, and what to do about it.
//!
//! The messages are lower case and have no final period, as they follow the program's name. None of
//! them holds a token, a key or a response body that could hold one.

mod cause;
mod code;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::foreign_text::{ForeignText, Message, Printable};
use crate::message;
pub use cause::{Cause, plain};
pub use code::{Code, Exit};
pub use report::{ErrorFormat, Report};

/// `Result` with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error a user can meet.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Something that cannot happen, or that the system should not have refused.
    #[error("internal error: {0}")]
    Internal(Message),

    /// The system denies what every run needs.
    #[error("{problem}")]
    System {
        /// What it denies, and why.
        problem: Message,
        /// How to let it.
        hint: Message,
    },

    /// Standard output could not be written: closed, or full.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[source] Cause),

    /// A file that the user asked for could not be written.
    #[error("cannot write `{}`: {cause}", shown(path))]
    OutputFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Cause,
    },

    /// The command line is wrong.
    #[error("{problem}")]
    Usage {
        /// What is wrong with it.
        problem: Message,
        /// What was probably meant.
        hint: Message,
    },

    /// A file that the settings name cannot be read.
    #[error("cannot read {what} `{}`: {cause}", shown(path))]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: Cause,
    },

    /// Something in the configuration file is wrong.
    #[error("{}:{line}: {problem}", shown(path))]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: Message,
        /// What was probably meant.
        hint: Option<Message>,
    },

    /// The configuration is not one to run with, as a whole.
    #[error("{problem}")]
    Configuration {
        /// What is wrong with it.
        problem: Message,
        /// How to correct it.
        hint: Message,
    },

    /// A setting has a value that it cannot have; it did not come from the file.
    #[error("{origin}: {problem}")]
    Value {
        /// Where the value came from.
        origin: Message,
        /// What is wrong with it.
        problem: Message,
    },

    /// A value cannot be what it stands for, whatever it came from.
    #[error("{problem}")]
    Invalid {
        /// The value, and what it cannot be.
        problem: Message,
        /// What it must be.
        hint: Message,
    },

    /// A profile or identity was asked for that the configuration does not have.
    #[error("there is no {what} `{name}` in {place}")]
    NoSuch {
        /// `profile` or `identity`.
        what: &'static str,
        /// The name that was asked for.
        name: ForeignText,
        /// Where it was looked for.
        place: Message,
        /// What to do.
        hint: Message,
    },

    /// Something that exists already is different, and would have to be replaced.
    #[error("{problem}")]
    Conflict {
        /// What exists, and how it differs.
        problem: Message,
        /// How to keep it, and how to replace it.
        hint: Message,
    },

    /// A setting that is needed is missing.
    #[error("{problem}")]
    Missing {
        /// What is missing, and for what.
        problem: Message,
        /// How to give it.
        hint: Message,
    },

    /// Nothing says who we are.
    #[error("no identity for Yandex Cloud was found: {tried}")]
    NoIdentity {
        /// Every source that was tried and why it does not apply.
        tried: Message,
    },

    /// The file of an identity cannot be used.
    #[error("{what} `{}` {problem}", shown(path))]
    IdentityFile {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Message,
        /// What to do.
        hint: Message,
    },

    /// The system's keyring cannot be used.
    #[error("cannot {what}: {problem}")]
    Keyring {
        /// What was to be done.
        what: Message,
        /// Whether it was for a key or for the cache.
        code: Code,
        /// Why it cannot be.
        problem: Message,
        /// What to do.
        hint: Message,
    },

    /// An endpoint may not be used.
    #[error("the {what} `{url}` {problem}")]
    Endpoint {
        /// Which one.
        what: &'static str,
        /// Its address, without user and password.
        url: ForeignText,
        /// Why not.
        problem: Message,
        /// What to do.
        hint: Message,
    },

    /// `KUBERNETES_EXEC_INFO` asks for what we cannot give.
    #[error("KUBERNETES_EXEC_INFO {problem}")]
    ExecInfo {
        /// What is wrong with it.
        problem: Message,
        /// What to do.
        hint: Message,
    },

    /// A server refused.
    #[error("cannot get {what}: {reason}{}", request_note(request_id.as_ref()))]
    Refused {
        /// What was wanted.
        what: Message,
        /// Which kind of refusal.
        code: Code,
        /// The server's reason.
        reason: Message,
        /// The server's identifier of the request.
        request_id: Option<ForeignText>,
        /// What to do.
        hint: Message,
    },

    /// A server is busy or broken.
    #[error("cannot get {what}: {host} answered {status} {reason}{}", request_note(request_id.as_ref()))]
    Unavailable {
        /// What was wanted.
        what: Message,
        /// Which server.
        host: Message,
        /// The HTTP status.
        status: u16,
        /// The server's reason.
        reason: Message,
        /// The server's identifier of the request.
        request_id: Option<ForeignText>,
        /// When to ask again, if the server said.
        retry_after: Option<Duration>,
    },

    /// A server could not be reached, or what answered does not speak the protocol.
    #[error("cannot get {what}: {problem}")]
    Unreached {
        /// What was wanted.
        what: Message,
        /// Which kind of failure.
        code: Code,
        /// What happened.
        problem: Message,
        /// What to do.
        hint: Message,
    },

    /// What came back is not what was asked for.
    #[error("cannot use {what}: {problem}")]
    WrongToken {
        /// What was wanted.
        what: Message,
        /// Whose token it is.
        code: Code,
        /// How it differs.
        problem: Message,
        /// What to do.
        hint: Message,
    },

    /// The command that was to be run cannot be.
    #[error("cannot run `{command}`: {cause}")]
    Command {
        /// The command.
        command: ForeignText,
        /// Whether there is one.
        code: Code,
        /// Why it cannot be run.
        #[source]
        cause: Cause,
    },

    /// Another process holds the lock and does not finish.
    #[error("cannot get {what}: another process ({holder}) has been getting it for all of the {} s budget", budget.as_secs())]
    LockTimeout {
        /// What was wanted.
        what: Message,
        /// The other process.
        holder: Message,
        /// The lock file.
        lock: PathBuf,
        /// How long we waited.
        budget: Duration,
    },

    /// A signal, or the end of the program that waits for us, ended the run.
    #[error("interrupted while getting {what}")]
    Interrupted {
        /// What was wanted.
        what: Message,
        /// The signal; `SIGHUP` if the program that waited has ended.
        signal: i32,
    },

    /// The cache that was asked for by name cannot be used.
    #[error("cannot use the cache: {0}")]
    Cache(Message),

    /// A failure of a moment ago, remembered so that the same is not asked over and over.
    #[error("{message}")]
    Remembered {
        /// Its code.
        code: Code,
        /// What it said.
        message: Message,
        /// What it advised.
        hint: Option<Message>,
    },
}

impl Error {
    /// A file that the settings name could not be read, because the system refused.
    #[must_use]
    pub fn unread(what: &'static str, path: &Path, cause: &std::io::Error) -> Self {
        if out_of_descriptors(cause).is_some() {
            return Self::denied(message!("cannot read {what} `{}`", shown(path), what), cause);
        }
        Self::unreadable(what, path, cause)
    }

    /// A file that the settings name could not be read, because of `cause`.
    #[must_use]
    pub fn unreadable(
        what: &'static str,
        path: impl Into<PathBuf>,
        cause: impl Into<Cause>,
    ) -> Self {
        Self::Unreadable { what, path: path.into(), cause: cause.into() }
    }

    /// A library refused something that it should not, because of `cause`.
    #[must_use]
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Cause::new(cause).text().clone())
    }

    /// The system denies what every run needs, because of `cause`. `doing` is what could not be done.
    #[must_use]
    pub fn denied(doing: impl Into<Message>, cause: &std::io::Error) -> Self {
        let hint = match out_of_descriptors(cause) {
            Some(hint) => hint,
            None if cfg!(unix) => {
                "the sandbox that it runs in (seccomp, AppArmor, SELinux) must let it use sockets and `epoll`"
            }
            None => "end other programs, and run it again",
        };
        let doing = doing.into();
        Self::System { problem: message!("{doing}: {}", plain(cause), doing), hint: hint.into() }
    }

    /// A panic: a thread that a library could not start, or a bug. Its place in the sources is told without
    /// the folder that they were in when the program was built.
    #[must_use]
    pub fn of_panic(panic: &std::panic::PanicHookInfo<'_>) -> Self {
        let payload = panic.payload();
        let formatted = || payload.downcast_ref::<String>().map(String::as_str);
        let text = payload.downcast_ref::<&str>().copied().or_else(formatted);
        let text = text.unwrap_or("no reason is known");
        if let Some((_, cause)) = text.split_once("OS can't spawn worker thread: ") {
            let cause = cause.split(" (os error").next().unwrap_or_default().to_lowercase();
            return Self::System {
                problem: message!("cannot start a thread: {}", ForeignText::sentence(&cause)),
                hint: "let it start more threads: raise `ulimit -u`, or the limit of processes of its container or service".into(),
            };
        }
        let text = ForeignText::sentence(text);
        let place = panic.location().map(|at| (within_its_crate(at.file()), at.line()));
        let (file, line) = place.unwrap_or_default();
        Self::Internal(message!(
            "{text} ({file}:{line})",
            text,
            line,
            file = ForeignText::new(file)
        ))
    }

    /// The same, if it is about the cache, with what it means in there.
    #[must_use]
    pub fn within_cache(self, consequence: &'static str) -> Self {
        match self {
            Self::Cache(cause) => {
                Self::Cache(message!("{consequence}: {cause}", consequence, cause))
            }
            other => other,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Internal(_) => Code::Internal,
            Self::System { .. } => Code::System,
            Self::Stdout(_) | Self::OutputFile { .. } => Code::Output,
            Self::Usage { .. } => Code::Usage,
            Self::Unreadable { .. } => Code::Unreadable,
            Self::Value { .. } | Self::Invalid { .. } => Code::Value,
            Self::Config { .. } | Self::Configuration { .. } | Self::NoSuch { .. } => Code::Config,
            Self::Conflict { .. } => Code::Conflict,
            Self::Missing { .. } | Self::NoIdentity { .. } => Code::Missing,
            Self::IdentityFile { .. } => Code::Identity,
            Self::Endpoint { .. } => Code::Endpoint,
            Self::ExecInfo { .. } => Code::ExecInfo,
            Self::Refused { code, .. }
            | Self::Unreached { code, .. }
            | Self::WrongToken { code, .. }
            | Self::Command { code, .. }
            | Self::Keyring { code, .. }
            | Self::Remembered { code, .. } => *code,

            Self::Unavailable { .. } => Code::Unavailable,
            Self::LockTimeout { .. } => Code::Lock,
            Self::Interrupted { .. } => Code::Interrupted,
            Self::Cache(_) => Code::Cache,
        }
    }

    /// The process's exit status: that of the code; for a signal, 128 and its number, as shells have it.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted { signal, .. } => 128 + u8::try_from(*signal).unwrap_or(0),
            _ => self.code().exit() as u8,
        }
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn hint(&self) -> Option<Message> {
        let hint = match self {
            Self::Internal(_) => "run it again with `-vv` and report what it prints".into(),
            Self::Stdout(_) => "the program that reads the output closed it; run the command by hand to see it".into(),
            Self::OutputFile { .. } => "choose a file in a folder that you can write to".into(),
            Self::Unreadable { what, .. } => message!("check that {what} exists and that you can read it", what),
            Self::Value { .. } => "see `yc-id-token --help` for the values it can have".into(),
            Self::NoIdentity { .. } => {
                "give `--key-file` with an authorized key, or `--identity yc-cli` where `yc` is set up, or set YC_IAM_TOKEN, or run it on a machine with a service account".into()
            }
            Self::Unavailable { retry_after: Some(wait), .. } => message!("try again in {} s", wait.as_secs().max(1)),
            Self::Unavailable { .. } => "try again; if it lasts, report the request id to the cloud's support".into(),
            Self::LockTimeout { lock, .. } => {
                message!(
                    "end that process, or give more time with `--timeout`; the lock is `{}`",
                    shown(lock)
                )
            }
            Self::Interrupted { .. } => "run it again; nothing has been left half done".into(),
            Self::Cache(_) => "give `--cache none`, or set HOME or XDG_CACHE_HOME to a folder of yours".into(),
                        Self::Endpoint { hint, .. }
            | Self::ExecInfo { hint, .. }
            | Self::Usage { hint, .. }
            | Self::NoSuch { hint, .. }
            | Self::Conflict { hint, .. }
            | Self::Invalid { hint, .. }
            | Self::Configuration { hint, .. }
            | Self::System { hint, .. }
            | Self::Missing { hint, .. }
            | Self::IdentityFile { hint, .. }
            | Self::Keyring { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Unreached { hint, .. }
            | Self::WrongToken { hint, .. } => hint.clone(),
            Self::Command { .. } => "give a command that can be run after `--`; a shell's own commands need the shell: `sh -c '…'`".into(),
            Self::Config { hint, .. } => {
                hint.clone().unwrap_or_else(|| "correct that line of the file".into())
            }
            Self::Remembered { hint, .. } => return hint.clone(),
        };
        Some(hint)
    }

    /// When the server asked to be tried again, if it did.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Printable for Error {}

/// How to have more descriptors, if it is for want of them that something failed.
#[cfg(unix)]
fn out_of_descriptors(cause: &std::io::Error) -> Option<&'static str> {
    match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::MFILE) => Some("let it open more files: `ulimit -n 64`"),
        Some(rustix::io::Errno::NFILE) => {
            Some("this machine has too many files open: end other programs, or raise `fs.file-max`")
        }
        _ => None,
    }
}

#[cfg(windows)]
const fn out_of_descriptors(_: &std::io::Error) -> Option<&'static str> {
    None
}

/// A file of the sources, from the folder of its crate on.
fn within_its_crate(file: &str) -> &str {
    let sources = file.rfind("/src/").or_else(|| file.rfind("\\src\\")).unwrap_or(0);
    let crates = file[..sources].rfind(['/', '\\']).map_or(0, |at| at + 1);
    &file[crates..]
}

/// The name of a file, fit to be printed.
#[must_use]
pub fn shown(path: &Path) -> ForeignText {
    ForeignText::path(path)
}

fn request_note(request_id: Option<&ForeignText>) -> Message {
    request_id.map(|id| message!(" (request id {id})", id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_sources_does_not_tell_where_they_were() {
        for (file, told) in [
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949/tokio-1.54.1/src/signal/unix.rs",
                "tokio-1.54.1/src/signal/unix.rs",
            ),
            (
                r"C:\Users\me\.cargo\registry\src\i\tokio-1.54.1\src\lib.rs",
                r"tokio-1.54.1\src\lib.rs",
            ),
            ("/rustc/59807616/library/core/src/result.rs", "core/src/result.rs"),
            ("src/broker/mod.rs", "src/broker/mod.rs"),
            ("", ""),
        ] {
            assert_eq!(within_its_crate(file), told);
        }
    }

    #[test]
    fn codes_are_told_apart() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
