//! Every error a user can meet: what it says, its code, its exit status, and what to do about it.
//!
//! The messages are lower case and have no final period, as they follow the program's name. None of
//! them holds a token, a key or a response body that could hold one.

mod code;
mod report;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use code::{Code, Exit};
pub use report::{ErrorFormat, on_one_line, print};

/// `Result` with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error a user can meet.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Something that cannot happen, or that the system should not have refused.
    #[error("internal error: {0}")]
    Internal(String),

    /// Standard output could not be written: closed, or full.
    #[error("cannot write to standard output: {0}")]
    Stdout(String),

    /// A file that the user asked for could not be written.
    #[error("cannot write `{}`: {cause}", path.display())]
    OutputFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: String,
    },

    /// The command line is wrong.
    #[error("{problem}")]
    Usage {
        /// What is wrong with it.
        problem: String,
        /// What was probably meant.
        hint: String,
    },

    /// A file that the settings name cannot be read.
    #[error("cannot read {what} `{}`: {cause}", path.display())]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: String,
    },

    /// Something in the configuration file is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
        /// What was probably meant.
        hint: Option<String>,
    },

    /// A setting has a value that it cannot have; it did not come from the file.
    #[error("{origin}: {problem}")]
    Value {
        /// Where the value came from.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A profile or identity was asked for that the configuration does not have.
    #[error("there is no {what} `{name}` in {place}")]
    NoSuch {
        /// `profile` or `identity`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// Where it was looked for.
        place: String,
        /// What to do.
        hint: String,
    },

    /// A setting that is needed is missing.
    #[error("{problem}")]
    Missing {
        /// What is missing, and for what.
        problem: String,
        /// How to give it.
        hint: String,
    },

    /// Nothing says who we are.
    #[error("no identity towards Yandex Cloud was found: {tried}")]
    NoIdentity {
        /// Every source that was tried and why it does not apply.
        tried: String,
    },

    /// The file of an identity cannot be used.
    #[error("{what} `{}` {problem}", path.display())]
    IdentityFile {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// The system's keyring cannot be used.
    #[error("cannot {what}: {problem}")]
    Keyring {
        /// What was to be done.
        what: String,
        /// Whether it was for a key or for the cache.
        code: Code,
        /// Why it cannot be.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// An endpoint may not be used.
    #[error("the {what} `{url}` {problem}")]
    Endpoint {
        /// Which one.
        what: &'static str,
        /// Its address, without user and password.
        url: String,
        /// Why not.
        problem: String,
        /// What to do.
        hint: &'static str,
    },

    /// `KUBERNETES_EXEC_INFO` asks for what we cannot give.
    #[error("KUBERNETES_EXEC_INFO {problem}")]
    ExecInfo {
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: &'static str,
    },

    /// A server refused.
    #[error("cannot get {what}: {reason}{}", request_note(request_id.as_deref()))]
    Refused {
        /// What was wanted.
        what: String,
        /// Which kind of refusal.
        code: Code,
        /// The server's reason.
        reason: String,
        /// The server's identifier of the request.
        request_id: Option<String>,
        /// What to do.
        hint: String,
    },

    /// A server is busy or broken.
    #[error("cannot get {what}: {host} answered {status} {reason}{}", request_note(request_id.as_deref()))]
    Unavailable {
        /// What was wanted.
        what: String,
        /// Which server.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The server's reason.
        reason: String,
        /// The server's identifier of the request.
        request_id: Option<String>,
        /// When to ask again, if the server said.
        retry_after: Option<Duration>,
    },

    /// A server could not be reached, or what answered does not speak the protocol.
    #[error("cannot get {what}: {problem}")]
    Unreached {
        /// What was wanted.
        what: String,
        /// Which kind of failure.
        code: Code,
        /// What happened.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// What came back is not what was asked for.
    #[error("cannot use {what}: {problem}")]
    WrongToken {
        /// What was wanted.
        what: String,
        /// Whose token it is.
        code: Code,
        /// How it differs.
        problem: String,
        /// What to do.
        hint: String,
    },

    /// The command that was to be run cannot be.
    #[error("cannot run `{command}`: {cause}")]
    Command {
        /// The command.
        command: String,
        /// Whether there is one.
        code: Code,
        /// Why it cannot be run.
        cause: String,
    },

    /// Another process holds the lock and does not finish.
    #[error("cannot get {what}: another process ({holder}) has been getting it for all of the {} s budget", budget.as_secs())]
    LockTimeout {
        /// What was wanted.
        what: String,
        /// The other process.
        holder: String,
        /// The lock file.
        lock: PathBuf,
        /// How long we waited.
        budget: Duration,
    },

    /// A signal, or the end of the program that waits for us, ended the run.
    #[error("interrupted while getting {what}")]
    Interrupted {
        /// What was wanted.
        what: String,
        /// The signal; `SIGHUP` if the program that waited has ended.
        signal: i32,
    },

    /// The cache that was asked for by name cannot be used.
    #[error("cannot use the cache: {0}")]
    Cache(String),

    /// A failure of a moment ago, remembered so that the same is not asked over and over.
    #[error("{message}")]
    Remembered {
        /// Its code.
        code: Code,
        /// What it said.
        message: String,
        /// What it advised.
        hint: Option<String>,
    },
}

impl Error {
    /// A file that the settings name could not be read, because of `cause`.
    #[must_use]
    pub fn unreadable(what: &'static str, path: impl Into<PathBuf>, cause: &io::Error) -> Self {
        Self::Unreadable { what, path: path.into(), cause: plain(cause) }
    }

    /// The same, if it is about the cache, with what it means in there.
    #[must_use]
    pub fn within_cache(self, consequence: &str) -> Self {
        match self {
            Self::Cache(cause) => Self::Cache(format!("{consequence}: {cause}")),
            other => other,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Internal(_) => Code::Internal,
            Self::Stdout(_) | Self::OutputFile { .. } => Code::Output,
            Self::Usage { .. } => Code::Usage,
            Self::Unreadable { .. }
            | Self::Config { .. }
            | Self::Value { .. }
            | Self::NoSuch { .. } => Code::Config,
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
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Internal(_) => "run it again with `-vv` and report what it prints".into(),
            Self::Stdout(_) => "the program that reads the output closed it; run the command by hand to see it".into(),
            Self::OutputFile { .. } => "choose a file in a folder that you can write to".into(),
            Self::Unreadable { what, .. } => format!("check that {what} exists and that you may read it"),
            Self::Value { .. } => "see `yc-id-token --help` for the values it can have".into(),
            Self::NoIdentity { .. } => {
                "give `--key-file` with an authorized key, or `--identity yc-cli` where `yc` is set up, or set YC_IAM_TOKEN, or run it on a machine with a service account".into()
            }
            Self::Unavailable { retry_after: Some(wait), .. } => format!("try again in {} s", wait.as_secs().max(1)),
            Self::Unavailable { .. } => "try again; if it lasts, report the request id to the cloud's support".into(),
            Self::LockTimeout { lock, .. } => {
                format!("end that process, or give more time with `--timeout`; the lock is `{}`", lock.display())
            }
            Self::Interrupted { .. } => "run it again; nothing has been left half done".into(),
            Self::Cache(_) => "give `--cache none`, or set HOME or XDG_CACHE_HOME to a folder of yours".into(),
            Self::Endpoint { hint, .. } | Self::ExecInfo { hint, .. } => (*hint).into(),
            Self::Usage { hint, .. }
            | Self::NoSuch { hint, .. }
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

/// What an I/O error says, without the number of the operating system.
#[must_use]
pub fn plain(cause: &io::Error) -> String {
    let text = cause.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut plain = text[..end].to_owned();
    if let Some(first) = plain.get(..1) {
        let lower = first.to_lowercase();
        plain.replace_range(..1, &lower);
    }
    plain
}

fn request_note(request_id: Option<&str>) -> String {
    request_id.map(|id| format!(" (request id {id})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_reads_as_part_of_a_sentence() {
        assert_eq!(plain(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(plain(&io::Error::other("")), "");
    }

    #[test]
    fn codes_are_told_apart() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
