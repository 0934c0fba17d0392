//! Where a rendered credential goes: to standard output, into a file, or to a command.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
#[cfg(unix)]
use crate::harden;
use crate::output::Output;
use crate::private_file;

/// A rendered credential, and where it goes.
pub(crate) enum Delivery {
    /// A document for standard output.
    Print(Zeroizing<Vec<u8>>),
    /// A file, which is replaced whole, with mode 0600.
    Write(PathBuf, Zeroizing<Vec<u8>>),
    /// A command with the credential in its environment, which takes the place of this process. So signals, the
    /// terminal and the exit status are its own.
    Exec(Command),
}

impl Delivery {
    /// A document for standard output, which ends with a newline.
    pub(crate) fn line(document: impl Into<Vec<u8>>) -> Self {
        let mut document = Zeroizing::new(document.into());
        document.push(b'\n');
        Self::Print(document)
    }

    /// A JSON document for standard output.
    pub(crate) fn json(document: &impl serde::Serialize) -> Result<Self> {
        serde_json::to_vec(document).map(Self::line).map_err(Error::internal)
    }

    pub(super) fn carry_out(self, output: &mut Output<'_>) -> Result<ExitCode> {
        match self {
            Self::Print(document) => output.document(&document)?,
            Self::Write(path, document) => write(&path, &document)?,
            Self::Exec(command) => return exec(command),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, document: &[u8]) -> Result<()> {
    // A device or a pipe would be replaced by a file of that name.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if special {
        return Err(Error::unwritten(path, "it is not a regular file"));
    }
    private_file::write_output(path, document).map_err(|error| Error::unwritten(path, error))
}

/// On Unix, this returns only if it fails.
#[cfg(unix)]
fn exec(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = harden::with_original_limits(|| command.exec());
    Err(not_run(&command, error))
}

#[cfg(windows)]
fn exec(mut command: Command) -> Result<ExitCode> {
    let status = command.status().map_err(|error| not_run(&command, error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// The error of a command that cannot be started.
pub(super) fn not_run(command: &Command, error: std::io::Error) -> Error {
    let is_absent = error.kind() == std::io::ErrorKind::NotFound;
    Error::Command {
        command: command.get_program().to_string_lossy().into_owned().into(),
        code: if is_absent { Code::NoCommand } else { Code::NotRun },
        cause: error.into(),
    }
}
