//! Every error a user can meet: what it says, its code, its exit status, and what to do about it.
//!
//! The messages are lower case and have no final period, as they follow the program's name. None of
//! them holds a token, a key or a response body that could hold one.

mod cause;
mod code;
mod hint;
mod report;
mod system;

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
    /// A file that the settings name could not be read, because of `cause`.
    #[must_use]
    pub fn unreadable(
        what: &'static str,
        path: impl Into<PathBuf>,
        cause: impl Into<Cause>,
    ) -> Self {
        Self::Unreadable { what, path: path.into(), cause: cause.into() }
    }

    /// A file that the user asked for could not be written, or not removed.
    #[must_use]
    pub fn unwritten(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::OutputFile { path: path.into(), cause: plain(error).into() }
    }

    /// A library refused something that it should not, because of `cause`.
    #[must_use]
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Cause::new(cause).text().clone())
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
    fn codes_are_told_apart() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
