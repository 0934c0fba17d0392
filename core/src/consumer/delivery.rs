//! The destination of a rendered credential: standard output or a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tracing::info;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::output::Output;
use crate::private_file::{self, Access};

/// A rendered credential and its destination.
pub(crate) enum Delivery {
    /// A document for standard output.
    Print(Zeroizing<Vec<u8>>),
    /// A file, which is replaced whole, with mode 0600.
    Write(PathBuf, Zeroizing<Vec<u8>>),
    /// A document for standard output, and a file in which the calling program caches it. A failed write of the file
    /// is not an error.
    PrintAndKeep(PathBuf, Zeroizing<Vec<u8>>),
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
            Self::Write(path, document) => write(&path, &document, Access::PRIVATE)?,
            Self::PrintAndKeep(path, document) => {
                if let Err(error) = write(&path, &document, Access::PRIVATE) {
                    info!("{error}");
                }
                output.document(&document)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The document.
    pub(super) fn into_document(self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Print(document) | Self::Write(_, document) | Self::PrintAndKeep(_, document) => {
                document
            }
        }
    }
}

pub(super) fn write(path: &Path, document: &[u8], access: Access) -> Result<()> {
    // A device or a pipe would be replaced by a file.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if special {
        return Err(Error::unwritten(path, "it is not a regular file"));
    }
    private_file::write_output(path, document, access)
        .map_err(|error| Error::unwritten(path, error))
}
