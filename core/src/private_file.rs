//! Private files: opened without following links, refused unless only this user can read them, written whole or not
//! at all. Code for one system is in its submodules.
//!
//! On Unix a file is private if it is a regular file of this user, and closed to group and others. On
//! Windows the user's profile folder is closed to others by inheritance, and files are only checked
//! to be regular ones.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::current_folder;
use crate::pipe::WaitingReader;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// The prefix of unfinished files.
pub const TEMPORARY: &str = ".yc-id-token-";

/// The problem of a file that every user can write.
pub const OPEN: &str = "can be written by every user";

/// Why a private file was not read.
#[derive(Debug)]
pub enum Unread {
    /// It does not exist.
    Absent,
    /// It exists and must not be used: a link, a file of another user, open to others, too large.
    Unusable(&'static str),
    /// The system refused.
    Io(io::Error),
}

/// Reads a file that this program wrote, of at most `limit` bytes.
///
/// Security: a link, or a file that others could have written, is refused. A pipe is never waited for.
pub fn read_own(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let file = match system::open_own(&current_folder::resolve(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unread::Absent),
        Err(error) if system::is_link_error(&error) => {
            return Err(Unread::Unusable("is a symbolic link"));
        }
        Err(error) => return Err(Unread::Io(error)),
    };
    let metadata = file.metadata().map_err(Unread::Io)?;
    if !metadata.is_file() {
        return Err(Unread::Unusable("is not a regular file"));
    }
    if let Some(problem) = system::foreign(&metadata) {
        return Err(Unread::Unusable(problem));
    }
    if metadata.len() > limit {
        return Err(Unread::Unusable("is larger than anything that this program writes"));
    }
    read_up_to(file, &metadata, limit).map_err(Unread::Io)
}

/// Why a user's secret was not read.
#[derive(Debug)]
pub enum UnreadSecret {
    /// Others can read it: its permissions.
    TooOpen(u32),
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for UnreadSecret {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a secret from a file of the user: an authorized key, a token. Links are followed and pipes are read (`<(…)`
/// keeps a key off the disk), but a file that other users can read is refused.
///
/// A file of another user may be readable by the group: Kubernetes mounts secrets in this way for a container that
/// does not run as root.
pub fn read_users_secret(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, UnreadSecret> {
    let file = system::open_following(&current_folder::resolve(path))?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        let error = io::Error::new(io::ErrorKind::IsADirectory, "it is a directory");
        return Err(UnreadSecret::Io(error));
    }
    if let Some(mode) = system::too_open(&metadata) {
        return Err(UnreadSecret::TooOpen(mode));
    }
    Ok(Zeroizing::new(read_whole(file, &metadata, limit)?))
}

/// Whether a file belongs to another user, so that this one cannot change its mode.
pub fn belongs_to_another_user(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| system::is_of_another_user(&metadata))
}

/// Reads a file without secrets, such as the configuration, of at most `limit` bytes.
pub fn read_plain(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = system::open_following(&current_folder::resolve(path))?;
    let metadata = file.metadata()?;
    read_whole(file, &metadata, limit)
}

/// Reads a file that names programs to run. Only this user and root may be able to write it.
pub fn read_settings(path: &Path, limit: u64) -> Result<Vec<u8>, Unread> {
    let file = system::open_following(&current_folder::resolve(path)).map_err(Unread::Io)?;
    let metadata = file.metadata().map_err(Unread::Io)?;
    if let Some(problem) = system::writable_by_others(&metadata) {
        return Err(Unread::Unusable(problem));
    }
    read_whole(file, &metadata, limit).map_err(Unread::Io)
}

fn read_whole(file: File, metadata: &Metadata, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = read_up_to(file, metadata, limit + 1)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(std::mem::take(&mut *bytes))
}

fn read_up_to(file: File, metadata: &Metadata, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // One byte more than expected, so that the end of the file is found without growing the buffer.
    let capacity = usize::try_from(metadata.len().min(limit)).unwrap_or(0) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    if metadata.is_file() {
        file.take(limit).read_to_end(&mut bytes)?;
    } else {
        WaitingReader(file).take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Writes a file whole or not at all: a new file of mode 0600 in the same folder, synced, renamed
/// over the old one. Readers see the old content or the new, at any moment, through any crash.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    write_with(path, content, Access::PRIVATE, Durability::Synced)
}

/// The same for a file that is checked when it is read, and can be made again. It is not synced, so it can be empty or
/// cut after a power failure or a crash of the system. A sync can
/// take longer than the requests to the cloud.
pub fn write_cached(path: &Path, content: &[u8]) -> io::Result<()> {
    write_with(path, content, Access::PRIVATE, Durability::Lost)
}

/// What a power failure leaves of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Durability {
    /// The old content or the new.
    Synced,
    /// Anything.
    Lost,
}

fn write_with(
    path: &Path,
    content: &[u8],
    access: Access,
    durability: Durability,
) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    if access != Access::PRIVATE {
        system::set_access(file.as_file(), access)?;
    }
    file.write_all(content)?;
    if durability == Durability::Synced {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Who can read a file that another program reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Access {
    /// Its permissions.
    pub mode: u32,
    /// Its group, if it is not that of this process.
    pub group: Option<u32>,
}

impl Access {
    /// Only this user.
    pub const PRIVATE: Self = Self { mode: 0o600, group: None };
}

/// Writes a file that another program reads. A mount point, as in containers, cannot be replaced by a rename: it is
/// closed to others, and its content is replaced.
pub fn write_output(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    match write_with(path, content, access, Durability::Synced) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
        written => return written,
    }
    let mut file = system::options().write(true).open(path)?;
    system::set_access(&file, access)?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// Whether a file already has this content and access.
pub fn is_written(path: &Path, content: &[u8], access: Access) -> bool {
    system::open_own(path).is_ok_and(|file| {
        let metadata = file.metadata();
        metadata.is_ok_and(|metadata| {
            metadata.is_file()
                && system::has_access(&metadata, access)
                && read_up_to(file, &metadata, content.len() as u64 + 1)
                    .is_ok_and(|found| **found == *content)
        })
    })
}

/// Opens a file for appending, and creates it with mode 0600 if necessary. A link is not followed, and a pipe is not
/// waited for.
pub fn append(path: &Path) -> io::Result<File> {
    system::options_without_waiting().append(true).create(true).open(current_folder::resolve(path))
}

/// Opens a lock file, and creates it with mode 0600 if necessary. A link is not followed.
pub fn open_lock(path: &Path) -> io::Result<File> {
    system::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Creates a file of mode 0600, which must not exist yet.
pub fn create_new(path: &Path) -> io::Result<File> {
    system::options().write(true).create_new(true).open(path)
}

/// The paths in a folder, at most `limit`. Empty if the folder cannot be read.
pub fn list(folder: &Path, limit: usize) -> Vec<PathBuf> {
    system::list(folder, limit).unwrap_or_default()
}

/// Opens the controlling terminal of this process, if it has one.
#[cfg(unix)]
pub fn open_terminal() -> io::Result<File> {
    File::open("/dev/tty")
}

/// Creates a folder that only this user can enter, and those above it. Closes an existing one that is open to
/// others, and refuses one of another user.
pub fn make_own_folder(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => system::close_folder(path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => system::make_folder(path),
        Err(error) => Err(error),
    }
}

/// Creates a folder that only this user can enter. It is removed with its content when the result is dropped.
pub fn make_temporary_folder(above: &Path) -> io::Result<TempDir> {
    system::private_folders(tempfile::Builder::new().prefix("yc-id-token-")).tempdir_in(above)
}

/// Checks that a folder belongs to this user. Returns the permissions of others there, which should be none.
pub fn look_at_folder(path: &Path) -> io::Result<u32> {
    system::own_folder(path, &std::fs::symlink_metadata(path)?)
}

/// How many bytes this user can still write to a folder's file system, if known.
pub fn space_left(folder: &Path) -> Option<u64> {
    system::space_left(folder)
}

/// Whether owners and modes of files are checked and set. Windows has access lists instead, which are not changed.
pub const CHECKS_PERMISSIONS: bool = cfg!(unix);

/// Whether `chmod` has no effect on a file.
pub fn has_no_permissions(path: &Path) -> bool {
    system::has_no_permissions(path)
}

/// Whether a lock on this folder's files could block for ever, as on NFS without its lock service: even a call that
/// should not block may never return there.
pub fn locks_can_hang(folder: &Path) -> bool {
    system::is_network_file_system(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_written_file_is_private_and_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(&**read_own(&path, 100).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file stays behind"
        );
    }

    #[test]
    fn a_file_that_others_could_have_written_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        write(&path, b"token").unwrap();
        assert!(matches!(
            read_own(&path, 4),
            Err(Unread::Unusable("is larger than anything that this program writes"))
        ));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(read_own(&link, 100), Err(Unread::Unusable("is a symbolic link"))));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_own(&path, 100), Err(Unread::Unusable("is open to others"))));
        assert!(matches!(
            read_own(folder.path(), 100),
            Err(Unread::Unusable("is not a regular file"))
        ));
        assert!(matches!(read_own(&folder.path().join("none"), 100), Err(Unread::Absent)));
    }

    #[test]
    fn a_users_secret_open_to_others_is_refused_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        write(&path, b"{}").unwrap();
        assert_eq!(&**read_users_secret(&path, 100).unwrap(), b"{}");
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(read_users_secret(&path, 100), Err(UnreadSecret::TooOpen(0o604))));
    }

    #[test]
    fn a_folder_of_this_user_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        make_own_folder(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        make_own_folder(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
