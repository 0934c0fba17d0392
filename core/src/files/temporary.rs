//! New files that get their final name only after their content is on the disk, and the errors that mean that they
//! cannot get it.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::private_file::TEMPORARY;

/// Renames a new file to `path`, or to `path-N` with the first free number.
pub(super) fn persist_as_free_name(mut file: NamedTempFile, path: &Path) -> io::Result<PathBuf> {
    let mut free = path.to_owned();
    for number in 1.. {
        match file.persist_noclobber(&free) {
            Ok(_) => break,
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(error.error),
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-{number}"));
        free = name.into();
    }
    Ok(free)
}

/// Creates a file of mode 0600 and syncs its content to the disk.
pub(super) fn temporary_in(folder: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Whether a file cannot be renamed over another one because that is a mount point.
pub(super) fn is_mount_point(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::CrossesDevices)
}

/// Whether no file can be created in a folder.
pub(super) fn is_closed_folder(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}
