//! The parts of file editing that differ between operating systems: owners, access lists, and write
//! permissions.

#[cfg(unix)]
pub(super) use unix::*;
#[cfg(windows)]
pub(super) use windows::*;

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
    use std::path::Path;
    use std::time::{Duration, Instant};

    use rustix::fs::{Access, OFlags};

    use crate::files::target::folder_of;

    /// `NONBLOCK`: a pipe that has replaced the file must not block.
    pub(in crate::files) fn open_to_read(path: &Path) -> io::Result<File> {
        options().read(true).open(path)
    }

    pub(in crate::files) fn open_to_write(path: &Path) -> io::Result<File> {
        options().write(true).open(path)
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that opens files of the user")]
    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        options
    }

    /// Opens the file: permissions do not show whether it is immutable or append-only.
    pub(in crate::files) fn check_file_writable(path: &Path) -> io::Result<()> {
        open_to_write(path).map(drop)
    }

    pub(in crate::files) fn check_folder_writable(path: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    /// Whether the file has additional hard links, an access list or other attributes, which a new file would
    /// not have.
    pub(in crate::files) fn has_links_or_attributes(path: &Path, file: &Metadata) -> bool {
        if file.nlink() > 1 {
            return true;
        }
        let mut names = vec![0_u8; 4096];
        let Ok(length) = rustix::fs::listxattr(path, names.as_mut_slice()) else { return false };
        let mut names = names[..length].split(|byte| *byte == 0);
        names.any(|name| name.starts_with(b"user.") || name == b"system.posix_acl_access")
    }

    /// Sets the owner and the group of a new file to those of the old one.
    pub(in crate::files) fn give_owner(file: &mut File, old: &Metadata) -> io::Result<()> {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
            return Ok(());
        }
        let uid = (new.uid() != old.uid()).then_some(old.uid());
        fchown(file, uid, Some(old.gid()))
    }

    pub(in crate::files) fn take_owner_of_folder(file: &mut File, folder: &Path) -> io::Result<()> {
        let folder = std::fs::metadata(folder)?;
        if !rustix::process::geteuid().is_root() || folder.uid() == 0 {
            return Ok(());
        }
        fchown(file, Some(folder.uid()), Some(folder.gid()))
    }

    /// Creates a folder and its parents with mode 0700, each with the owner of its parent.
    pub(in crate::files) fn make_folders(folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            make_folders(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        }
        // `NOFOLLOW`: a link may have replaced the folder.
        let mut made = options().read(true).open(folder)?;
        take_owner_of_folder(&mut made, folder_of(folder))
    }

    /// Locks a folder if possible. The lock is optional: changes of the file are detected without it too.
    pub(in crate::files) fn lock_folder(folder: &Path, timeout: Duration) -> Option<File> {
        let folder = File::open(folder).ok()?;
        let deadline = Instant::now() + timeout;
        loop {
            match folder.try_lock() {
                Ok(()) => return Some(folder),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(_) => return None,
            }
        }
    }

    /// Syncs the folder of a file, so that a rename is on the disk. Errors are ignored: some file systems
    /// cannot sync a folder, and some folders are writable but not readable.
    pub(in crate::files) fn sync_folder(path: &Path) {
        let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    }
}

#[cfg(windows)]
mod windows {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;
    use std::time::Duration;

    pub(in crate::files) fn open_to_read(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that opens files of the user")]
    pub(in crate::files) fn open_to_write(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).open(path)
    }

    pub(in crate::files) fn check_file_writable(path: &Path) -> io::Result<()> {
        open_to_write(path).map(drop)
    }

    /// Does nothing: the standard library cannot read access lists, so only the write shows the error.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(in crate::files) fn check_folder_writable(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::files) fn has_links_or_attributes(_: &Path, _: &Metadata) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(in crate::files) fn give_owner(_: &mut File, _: &Metadata) -> io::Result<()> {
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(in crate::files) fn take_owner_of_folder(_: &mut File, _: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::files) fn make_folders(folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)
    }

    /// Does nothing: the standard library cannot open a folder on Windows.
    pub(in crate::files) const fn lock_folder(_: &Path, _: Duration) -> Option<File> {
        None
    }

    pub(in crate::files) fn sync_folder(_: &Path) {}
}
