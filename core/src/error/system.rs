//! Errors of the system: no more descriptors, sockets or threads.

use std::path::Path;

use super::{Cause, Error, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

impl Error {
    /// A file named in the settings could not be read, because the system refused.
    pub fn unread(what: &'static str, path: &Path, cause: std::io::Error) -> Self {
        if out_of_descriptors(&cause).is_some() {
            return Self::denied(message!("cannot read {what} `{}`", shown(path), what), cause);
        }
        Self::unreadable(what, path, cause)
    }

    /// The system denies a resource that every run needs, because of `cause`. `doing` is the action that failed.
    pub fn denied(doing: impl Into<Message>, cause: std::io::Error) -> Self {
        let hint = match out_of_descriptors(&cause) {
            Some(hint) => hint,
            None if cfg!(unix) => {
                "allow sockets and `epoll` in the sandbox that it runs in (seccomp, AppArmor, SELinux)"
            }
            None => "end other programs, and run it again",
        };
        Self::System { problem: Cause::from(cause).context(doing), hint: hint.into() }
    }

    /// A panic: a thread that a library could not start, or a bug. The source location is printed without the folder
    /// of the build machine.
    pub fn of_panic(panic: &std::panic::PanicHookInfo<'_>) -> Self {
        let payload = panic.payload();
        let formatted = || payload.downcast_ref::<String>().map(String::as_str);
        let text = payload.downcast_ref::<&str>().copied().or_else(formatted);
        let text = text.unwrap_or("no reason is known");
        if let Some((_, cause)) = text.split_once("OS can't spawn worker thread: ") {
            let cause = cause.split(" (os error").next().unwrap_or_default().to_lowercase();
            return Self::System {
                problem: message!("cannot start a thread: {}", ForeignText::sentence(&cause)).into(),
                hint: "allow more threads: raise `ulimit -u`, or the limit of processes of its container or service".into(),
            };
        }
        let text = ForeignText::sentence(text);
        let place = panic.location().map(|at| (within_its_crate(at.file()), at.line()));
        let (file, line) = place.unwrap_or_default();
        let file = ForeignText::new(file);
        Self::Internal(message!("{text} ({file}:{line})", text, line, file).into())
    }
}

/// The hint for a failure due to too few descriptors.
#[cfg(unix)]
fn out_of_descriptors(cause: &std::io::Error) -> Option<&'static str> {
    match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::MFILE) => Some("allow more open files: `ulimit -n 64`"),
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

/// The path of a source file, relative to its crate.
fn within_its_crate(file: &str) -> &str {
    let sources = file.rfind("/src/").or_else(|| file.rfind("\\src\\")).unwrap_or(0);
    let crates = file[..sources].rfind(['/', '\\']).map_or(0, |at| at + 1);
    &file[crates..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_location_has_no_folder_of_the_build_machine() {
        for (file, printed) in [
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
            assert_eq!(within_its_crate(file), printed);
        }
    }
}
