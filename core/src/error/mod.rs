//! Every error that a user can see: its text, code, exit status and hint.
//!
//! Messages are lower case and have no final period, because they follow the program's name. No message contains a
//! token, a key, or a response body that could contain one.

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
pub use hint::{MOVE_CACHE, SET_DATA_FOLDER};
pub use report::{ErrorFormat, Report};

/// `Result` with this program's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Something that cannot happen, or a system call that should not fail.
    #[error("internal error: {0}")]
    Internal(#[source] Cause),

    /// The system denies a resource that every run needs.
    #[error("{problem}")]
    System {
        #[source]
        problem: Cause,
        hint: Message,
    },

    /// Standard output could not be written: closed, or full.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[source] Cause),

    /// The output file could not be written.
    #[error("cannot write `{}`: {cause}", shown(path))]
    OutputFile {
        path: PathBuf,
        #[source]
        cause: Cause,
    },

    #[error("{problem}")]
    Usage { problem: Message, hint: Message },

    /// A file named in the settings cannot be read.
    #[error("cannot read {what} `{}`: {cause}", shown(path))]
    Unreadable {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: Cause,
    },

    /// Something in the configuration file is wrong.
    #[error("{}:{line}: {problem}", shown(path))]
    Config {
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        problem: Message,
        hint: Option<Message>,
    },

    /// The configuration is not usable as a whole.
    #[error("{problem}")]
    Configuration { problem: Message, hint: Message },

    /// A setting from outside the file has an invalid value.
    #[error("{origin}: {problem}")]
    Value { origin: Message, problem: Message },

    #[error("{problem}")]
    Invalid {
        /// The value, and why it is invalid.
        problem: Message,
        hint: Message,
    },

    /// A profile or identity that is not in the configuration.
    #[error("there is no {what} `{name}` in {place}")]
    NoSuch {
        /// `profile` or `identity`.
        what: &'static str,
        name: ForeignText,
        place: Message,
        hint: Message,
    },

    /// Something that already exists is different, and would have to be replaced.
    #[error("{problem}")]
    Conflict {
        /// What exists, and how it differs.
        problem: Message,
        /// How to keep it, and how to replace it.
        hint: Message,
    },

    /// A required setting is missing.
    #[error("{problem}")]
    Missing { problem: Message, hint: Message },

    /// No identity is configured, and none is available.
    #[error("no identity for Yandex Cloud was found: {tried}")]
    NoIdentity {
        /// Each identity that was tried, and why it was skipped.
        tried: Message,
    },

    /// The key file of an identity cannot be used.
    #[error("{what} `{}` {problem}", shown(path))]
    IdentityFile {
        what: &'static str,
        path: PathBuf,
        #[source]
        problem: Cause,
        hint: Message,
    },

    /// The system's keyring cannot be used.
    #[error("cannot {what}: {problem}")]
    Keyring { what: Message, code: Code, problem: Message, hint: Message },

    /// An endpoint is not allowed.
    #[error("the {what} `{url}` {problem}")]
    Endpoint {
        what: &'static str,
        /// Its address, without user and password.
        url: ForeignText,
        problem: Message,
        hint: Message,
    },

    /// `KUBERNETES_EXEC_INFO` requests something that is not supported.
    #[error("KUBERNETES_EXEC_INFO {problem}")]
    ExecInfo { problem: Message, hint: Message },

    #[error("cannot get {what}: {reason}{}", request_note(request_id.as_ref()))]
    Refused {
        what: Message,
        code: Code,
        reason: Message,
        /// The server's identifier of the request.
        request_id: Option<ForeignText>,
        hint: Message,
    },

    /// A server is busy or broken.
    #[error("cannot get {what}: {host} answered {status} {reason}{}", request_note(request_id.as_ref()))]
    Unavailable {
        what: Message,
        host: Message,
        status: u16,
        reason: Message,
        /// The server's identifier of the request.
        request_id: Option<ForeignText>,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },

    /// A server could not be reached, or the answer does not follow the protocol.
    #[error("cannot get {what}: {problem}")]
    Unreached {
        what: Message,
        code: Code,
        #[source]
        problem: Cause,
        hint: Message,
    },

    /// A token does not match its request.
    #[error("cannot use {what}: {problem}")]
    WrongToken { what: Message, code: Code, problem: Message, hint: Message },

    #[error("cannot run `{command}`: {cause}")]
    Command {
        command: ForeignText,
        code: Code,
        #[source]
        cause: Cause,
    },

    /// Another process holds the lock and does not finish.
    #[error("cannot get {what}: another process ({holder}) has been fetching it for the whole time limit of {} s", budget.as_secs())]
    LockTimeout { what: Message, holder: Message, lock: PathBuf, budget: Duration },

    /// A signal, or the end of the parent process, ended the run.
    #[error("interrupted while getting {what}")]
    Interrupted {
        what: Message,
        /// The signal; `SIGHUP` if the parent process has ended.
        signal: i32,
    },

    #[error("cannot use the cache: {0}")]
    Cache(#[source] Cause),

    /// A recent failure, remembered so that the request is not repeated at once.
    #[error("{message}")]
    Remembered { code: Code, message: Message, hint: Option<Message> },
}

impl Error {
    /// A file named in the settings could not be read, because of `cause`.
    pub fn unreadable(
        what: &'static str,
        path: impl Into<PathBuf>,
        cause: impl Into<Cause>,
    ) -> Self {
        Self::Unreadable { what, path: path.into(), cause: cause.into() }
    }

    /// The output file could not be written or removed.
    pub fn unwritten(path: impl Into<PathBuf>, cause: impl Into<Cause>) -> Self {
        Self::OutputFile { path: path.into(), cause: cause.into() }
    }

    /// A library failed unexpectedly, because of `cause`.
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Cause::new(cause))
    }

    /// The error in one line, with its code.
    pub fn with_code(&self) -> Message {
        message!("{self} [{}]", self.code(), self)
    }

    /// The same error. An error about the cache begins with its consequence.
    #[must_use]
    pub fn within_cache(self, consequence: &'static str) -> Self {
        match self {
            Self::Cache(cause) => Self::Cache(cause.context(consequence)),
            other => other,
        }
    }

    /// The same error, with `addition` at the end of its hint.
    #[must_use]
    pub fn with_hint(&self, addition: &Message) -> Self {
        let hint = self.hint().map(|hint| message!("{hint}; ", hint)).unwrap_or_default();
        Self::Remembered {
            code: self.code(),
            message: message!("{self}", self),
            hint: Some(message!("{hint}{addition}", hint, addition)),
        }
    }

    /// The server's `Retry-After`.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Printable for Error {}

/// A file name, safe to print.
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
    fn codes_have_different_names() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
