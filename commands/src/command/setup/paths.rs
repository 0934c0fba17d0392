//! Paths that are written to a profile or another configuration. They are absolute, so that they work from every
//! folder. Pipes are refused, because a shell's `<(…)` is gone when the command ends.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::run::Context;
use crate::settings::IdentityKind;
use crate::settings::schema::CONFIG;

/// The configuration file that a run writes.
pub(in crate::command) fn config_path(context: Context<'_>) -> Result<PathBuf> {
    let path = context.flags.config_file(context.env, context.locations);
    let path = path.ok_or_else(|| Error::Missing {
        problem: "there is no home folder for the configuration".into(),
        hint: "give `--config`".into(),
    })?;
    let origin =
        if context.flags.get_os(&CONFIG).is_some() { CONFIG.flag } else { CONFIG.variable };
    refuse_pipe(origin, &path)?;
    Ok(path)
}

/// An identity with an absolute path, if it has a file.
pub(in crate::command) fn absolute_identity(
    origin: &'static str,
    identity: &str,
) -> Result<String> {
    match IdentityKind::read(identity) {
        Some((kind, Some(file))) if kind.takes_file() => {
            Ok(format!("{}:{}", kind.name(), absolute_path(origin, file)?))
        }
        Some(_) | None => Ok(identity.to_owned()),
    }
}

/// An absolute path. `origin` is the flag or variable that it comes from.
pub(in crate::command) fn absolute_path(origin: &'static str, path: &str) -> Result<String> {
    refuse_pipe(origin, Path::new(path))?;
    let absolute = std::path::absolute(Path::new(path));
    let absolute = absolute.map_err(|error| Error::unreadable("the file", path, error))?;
    Ok(absolute.to_string_lossy().into_owned())
}

/// Fails if a path is a pipe. `origin` is the flag or variable that it comes from.
pub(super) fn refuse_pipe(origin: impl Into<Message>, path: &Path) -> Result<()> {
    if !is_pipe(path) {
        return Ok(());
    }
    Err(Error::Value {
        origin: origin.into(),
        problem: "a pipe cannot be written to a configuration, because it ends with this command; give a file".into(),
    })
}

/// By its type, or by its name if the descriptor is already closed.
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
