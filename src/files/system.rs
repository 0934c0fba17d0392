//! What editing a file takes of each operating system: owners, access lists, and who may write.

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

    /// A pipe that took the place of the file would be waited for, but for `NONBLOCK`.
    pub(in crate::files) fn open_to_read(path: &Path) -> io::Result<File> {
        options().read(true).open(path)
    }

    pub(in crate::files) fn open_to_write(path: &Path) -> io::Result<File> {
        options().write(true).open(path)
    }

    #[expect(clippy::disallowed_methods, reason = "files of the user's are opened here alone")]
    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        options
    }

    /// Opened, as permissions do not show that a file is immutable or can only be appended to.
    pub(in crate::files) fn check_file_writable(path: &Path) -> io::Result<()> {
        open_to_write(path).map(drop)
    }

    pub(in crate::files) fn check_folder_writable(path: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    /// Further hard links, or an access list and other attributes: those of a new file would be others.
    pub(in crate::files) fn has_more_than_a_rename_keeps(path: &Path, file: &Metadata) -> bool {
        if file.nlink() > 1 {
            return true;
        }
        let mut names = vec![0_u8; 4096];
        let Ok(length) = rustix::fs::listxattr(path, names.as_mut_slice()) else { return false };
        let mut names = names[..length].split(|byte| *byte == 0);
        names.any(|name| name.starts_with(b"user.") || name == b"system.posix_acl_access")
    }

    /// Gives a new file the owner and the group of an old one.
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

    /// Makes a folder and those above it, of mode 0700, each with the owner of the one above.
    pub(in crate::files) fn make_folders(folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
            make_folders(above)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        }
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        // Not through a link that took the folder's place.
        let mut made = options().read(true).open(folder)?;
        take_owner_of_folder(&mut made, above.unwrap_or(Path::new(".")))
    }

    /// Locks a folder, if it can be. A change is checked without the lock too.
    pub(in crate::files) fn lock_folder(folder: &Path, patience: Duration) -> Option<File> {
        let folder = File::open(folder).ok()?;
        let deadline = Instant::now() + patience;
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

    /// A rename is on the disk when its folder is.
    pub(in crate::files) fn sync_folder(path: &Path) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Some file systems cannot sync a folder, and some folders can be written but not read.
        let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
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

    #[expect(clippy::disallowed_methods, reason = "files of the user's are opened here alone")]
    pub(in crate::files) fn open_to_write(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).open(path)
    }

    pub(in crate::files) fn check_file_writable(path: &Path) -> io::Result<()> {
        open_to_write(path).map(drop)
    }

    /// Access lists are beyond the standard library: writing will show.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(in crate::files) fn check_folder_writable(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::files) fn has_more_than_a_rename_keeps(_: &Path, _: &Metadata) -> bool {
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

    /// A folder cannot be opened there by the standard library.
    pub(in crate::files) const fn lock_folder(_: &Path, _: Duration) -> Option<File> {
        None
    }

    pub(in crate::files) fn sync_folder(_: &Path) {}
}
