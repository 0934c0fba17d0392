//! New files, which get their name when their content is on the disk.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::private_file::TEMPORARY;

/// Gives a new file the name, or the name with the first number that is not taken.
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

/// A new file of mode 0600 whose content is on the disk.
pub(super) fn temporary_in(folder: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}
