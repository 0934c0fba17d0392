//! Private files on Unix: owners, modes, links, and the kinds of file systems.

use std::ffi::OsStr;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::sync::OnceLock;

use rustix::fs::{Dir, Mode, OFlags};

use super::{Access, File, Metadata, OpenOptions, Path, PathBuf, io};

#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(flags(OFlags::NOFOLLOW));
    options
}

/// The standard library ends the program if a folder cannot be closed.
pub(super) fn list(folder: &Path, limit: usize) -> io::Result<Vec<PathBuf>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = rustix::fs::open(folder, flags, Mode::empty())?;
    let names = Dir::new(open)?.filter_map(Result::ok);
    let paths = names.filter_map(|entry| {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        (name != "." && name != "..").then(|| folder.join(name))
    });
    Ok(paths.take(limit).collect())
}

pub(super) fn set_access(file: &File, access: Access) -> io::Result<()> {
    // The group is set first, so that the old group cannot read the file in between.
    if access.group.is_some() {
        fchown(file, None, access.group)?;
    }
    file.set_permissions(Permissions::from_mode(access.mode))
}

pub(super) fn has_access(metadata: &Metadata, access: Access) -> bool {
    metadata.uid() == own_uid()
        && metadata.mode() & 0o7777 == access.mode
        && access.group.is_none_or(|group| metadata.gid() == group)
}

pub(super) fn open_own(path: &Path) -> io::Result<File> {
    options_without_waiting().read(true).open(path)
}

/// Without NONBLOCK, opening a pipe at this path could wait for ever; without NOCTTY, a terminal there could become
/// this process's.
pub(super) fn options_without_waiting() -> OpenOptions {
    let mut options = options();
    options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY));
    options
}

pub(super) fn open_following(path: &Path) -> io::Result<File> {
    let without_waiting = flags(OFlags::NONBLOCK | OFlags::NOCTTY);
    match options().read(true).custom_flags(without_waiting).open(path) {
        // A regular file on which another system has a lease, which ends when the file is opened.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => File::open(path),
        opened => opened,
    }
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

pub(super) fn is_link_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

pub(super) fn foreign(metadata: &Metadata) -> Option<&'static str> {
    if metadata.uid() != own_uid() {
        Some("belongs to someone else")
    } else if metadata.mode() & 0o077 == 0 {
        None
    } else {
        Some("is open to others")
    }
}

/// Root can change the modes of all files.
pub(super) fn is_of_another_user(metadata: &Metadata) -> bool {
    own_uid() != 0 && metadata.uid() != own_uid()
}

/// The problem of a file that other users can write. A pipe is not checked, because only this user or root can pass
/// one.
pub(super) fn writable_by_others(metadata: &Metadata) -> Option<&'static str> {
    if !metadata.is_file() {
        None
    } else if metadata.uid() != own_uid() && metadata.uid() != 0 {
        Some("belongs to another user")
    } else if metadata.mode() & 0o002 != 0 {
        Some(super::OPEN)
    } else {
        None
    }
}

pub(super) fn too_open(metadata: &Metadata) -> Option<u32> {
    let forbidden = if metadata.uid() == own_uid() { 0o077 } else { 0o007 };
    // The permissions of a pipe have no meaning.
    (metadata.is_file() && metadata.mode() & forbidden != 0).then_some(metadata.mode() & 0o777)
}

/// Creates nothing in a folder of another user: root with the home of a user (`sudo -E`) would leave folders there
/// that the user's own programs cannot enter.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let above = path.ancestors().skip(1).find_map(|above| std::fs::metadata(above).ok());
    if above.is_some_and(|above| above.uid() != 0 && above.uid() != own_uid()) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the folder that it would be in belongs to another user",
        ));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    is_closed(path)
}

/// New folders are closed to others from the beginning.
pub(super) fn private_folders<'a, 'b, 'c>(
    builder: &'c mut tempfile::Builder<'a, 'b>,
) -> &'c mut tempfile::Builder<'a, 'b> {
    builder.permissions(Permissions::from_mode(0o700))
}

pub(super) fn close_folder(path: &Path, metadata: &Metadata) -> io::Result<()> {
    if own_folder(path, metadata)? == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    is_closed(path)
}

/// Some file systems (FAT, WSL's `DrvFs`) accept a change of the mode and ignore it.
fn is_closed(path: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if own_folder(path, &metadata)? == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "its file system has no permissions, so others can read what is in it",
    ))
}

/// Whether a file is on a file system without permissions, so that `chmod` cannot close it. By the magic numbers of
/// linux/magic.h: FAT, exFAT, NTFS (fuse), 9P (WSL's `DrvFs`).
#[cfg(target_os = "linux")]
pub(super) fn has_no_permissions(path: &Path) -> bool {
    const WITHOUT: [i64; 5] = [0x4D44, 0x2011_BAB0, 0x5346_544E, 0x6573_5546, 0x0102_1997];
    rustix::fs::statfs(path).is_ok_and(|file_system| {
        #[allow(
            clippy::unnecessary_cast,
            clippy::cast_possible_wrap,
            reason = "i64 or u64 by target"
        )]
        WITHOUT.contains(&(file_system.f_type as i64))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn has_no_permissions(_: &Path) -> bool {
    false
}

pub(super) fn own_folder(_: &Path, metadata: &Metadata) -> io::Result<u32> {
    if !metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory"));
    }
    if metadata.uid() != own_uid() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to someone else"));
    }
    let mode = metadata.mode() & 0o777;
    Ok(if mode & 0o077 == 0 { 0 } else { mode })
}

pub(super) fn space_left(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    system.f_bavail.checked_mul(system.f_frsize)
}

/// Called once, because a hit reads three files.
fn own_uid() -> u32 {
    static UID: OnceLock<u32> = OnceLock::new();
    *UID.get_or_init(|| rustix::process::geteuid().as_raw())
}

#[cfg(target_os = "linux")]
pub(super) fn is_network_file_system(folder: &Path) -> bool {
    // From linux/magic.h: NFS, SMB, SMB2, CIFS, Coda, AFS, 9P.
    const NETWORK: [i64; 7] =
        [0x6969, 0x517B, 0xFE53_4D42, 0xFF53_4D42, 0x7375_7245, 0x5346_414F, 0x0102_1997];
    rustix::fs::statfs(folder).is_ok_and(|file_system| {
        // The type of this field differs between architectures and C libraries.
        #[allow(
            clippy::unnecessary_cast,
            clippy::cast_possible_wrap,
            reason = "i64 or u64 by target"
        )]
        NETWORK.contains(&(file_system.f_type as i64))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_network_file_system(_: &Path) -> bool {
    false
}
