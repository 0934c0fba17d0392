//! Reads files that contain secrets or name programs, and explains how to correct their permissions.

use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result, shown};
use crate::foreign_text::{Message, is_misplaced_secret};
use crate::message;
use crate::private_file::{self, Unread, UnreadSecret};

const NO_PERMISSIONS_HINT: &str = "move it to a file system with permissions, such as that of your home folder; `chmod` has no effect where it is";

/// Reads a secret file of at most `limit` bytes, which others must not be able to read. `what` names it in
/// errors.
pub fn read(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    private_file::read_users_secret(path, limit).map_err(|problem| match problem {
        UnreadSecret::TooOpen(mode) => Error::IdentityFile {
            what,
            path: path.into(),
            problem: message!("can be read by others (mode {mode:04o})", mode).into(),
            hint: permissions_hint(path),
        },
        UnreadSecret::Io(error) => unread(what, path, error),
    })
}

/// How to make a file unreadable for others.
fn permissions_hint(path: &Path) -> Message {
    if is_mounted_by_kubelet(path) {
        // `chmod` fails: the volume is read-only, and the kubelet sets the modes.
        return "set `defaultMode: 0400` in the volume of the pod that mounts this secret, and `fsGroup` if the pod does not run as root".into();
    }
    if private_file::belongs_to_another_user(path) {
        return "it belongs to another user: have its owner set mode 0440 and a group of yours, where it is mounted if a container runtime does that; or copy it to a file of yours with mode 0600".into();
    }
    if private_file::has_no_permissions(path) {
        return NO_PERMISSIONS_HINT.into();
    }
    message!("run `chmod 600 {}`", shown(path).quoted())
}

/// Whether the file is in a volume of the kubelet: it has a link `..data` to a folder that is replaced as a
/// whole.
fn is_mounted_by_kubelet(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.join("..data").is_symlink())
}

/// The error for an unreadable file that names programs to run. `what` names the file.
pub fn unread_settings(what: &'static str, path: &Path, problem: Unread) -> Error {
    let problem = match problem {
        Unread::Absent => return Error::unreadable(what, path, "no such file or directory"),
        Unread::Io(error) => return unread(what, path, error),
        Unread::Unusable(problem) => problem,
    };
    let shown_path = shown(path).quoted();
    let hint = if private_file::has_no_permissions(path) {
        NO_PERMISSIONS_HINT.into()
    } else if problem == private_file::OPEN {
        message!("check its content, then run `chmod o-w {shown_path}`", shown_path)
    } else {
        message!("check its content, then run `sudo chown \"$(id -u)\" {shown_path}`", shown_path)
    };
    let problem =
        message!("{what} `{}` {problem}, and it names programs to run", shown(path), what, problem);
    Error::Configuration { problem, hint }
}

/// Reads at most `limit` bytes of standard input; `what` names them in errors.
pub fn read_stdin(what: &'static str, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    // Large enough for a key: growing would leave copies of the secret in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(8 * 1024));
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut content)
        .map_err(|error| Error::unreadable(what, "standard input", error))?;
    Ok(content)
}

/// Reads a file of at most `limit` bytes that another program writes. Its permissions are not checked: the
/// kubelet makes its tokens readable for everyone in a container.
pub fn read_external(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    let content = private_file::read_plain(path, limit).map(Zeroizing::new);
    content.map_err(|error| unread(what, path, error))
}

fn unread(what: &'static str, path: &Path, error: std::io::Error) -> Error {
    // Security: if the user passed the secret instead of a file name, it must not appear in a log.
    if is_misplaced_secret(path) {
        return Error::IdentityFile {
            what,
            path: "[redacted]".into(),
            problem: "is not the name of a file, but looks like the content of one".into(),
            hint: "write it into a file that only you can read, and give the name of the file"
                .into(),
        };
    }
    Error::unread(what, path, error)
}
