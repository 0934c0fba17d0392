//! Pipes where a file's name has to last: a shell's `<(…)` is gone when the command ends.

use std::path::Path;

use crate::error::{Error, Result};
use crate::foreign_text::Message;

/// Fails if a path is a pipe. `origin` is the flag or variable that gives it.
pub(super) fn refuse(origin: impl Into<Message>, path: &Path) -> Result<()> {
    if !is_pipe(path) {
        return Ok(());
    }
    Err(Error::Value {
        origin: origin.into(),
        problem: "a pipe cannot stay in a profile or a configuration, as it ends with this command; give a file".into(),
    })
}

/// By its kind, or by its name where the number is already closed.
fn is_pipe(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdin", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder))
        || system::is_pipe(path)
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::FileTypeExt as _;

    use super::Path;

    pub(super) fn is_pipe(path: &Path) -> bool {
        let kind = std::fs::metadata(path).map(|metadata| metadata.file_type());
        kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
    }
}

#[cfg(windows)]
mod system {
    use super::Path;

    pub(super) fn is_pipe(path: &Path) -> bool {
        path.starts_with(r"\\.\pipe")
    }
}
