//! Private files on Windows. Its profile folders are closed to others, so little is checked.

use super::{Access, File, Metadata, OpenOptions, Path, PathBuf, io};

#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
pub(super) fn options() -> OpenOptions {
    OpenOptions::new()
}

pub(super) fn list(folder: &Path, limit: usize) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)?.take(limit).map(|entry| entry.map(|entry| entry.path())).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) const fn set_access(_: &File, _: Access) -> io::Result<()> {
    Ok(())
}

pub(super) const fn has_access(_: &Metadata, _: Access) -> bool {
    true
}

pub(super) fn options_without_waiting() -> OpenOptions {
    options()
}

pub(super) fn open_own(path: &Path) -> io::Result<File> {
    if std::fs::symlink_metadata(path)?.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link"));
    }
    File::open(path)
}

pub(super) fn open_following(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn is_link_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

pub(super) fn foreign(_: &Metadata) -> Option<&'static str> {
    None
}

pub(super) fn has_no_permissions(_: &Path) -> bool {
    false
}

pub(super) fn writable_by_others(_: &Metadata) -> Option<&'static str> {
    None
}

pub(super) fn is_of_another_user(_: &Metadata) -> bool {
    false
}

pub(super) fn too_open(_: &Metadata) -> Option<u32> {
    None
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

pub(super) const fn private_folders<'a, 'b, 'c>(
    builder: &'c mut tempfile::Builder<'a, 'b>,
) -> &'c mut tempfile::Builder<'a, 'b> {
    builder
}

pub(super) fn close_folder(path: &Path, metadata: &Metadata) -> io::Result<()> {
    own_folder(path, metadata).map(drop)
}

pub(super) fn own_folder(_: &Path, metadata: &Metadata) -> io::Result<u32> {
    if metadata.is_dir() {
        Ok(0)
    } else {
        Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory"))
    }
}

pub(super) fn space_left(_: &Path) -> Option<u64> {
    None
}

pub(super) fn is_network_file_system(_: &Path) -> bool {
    false
}
