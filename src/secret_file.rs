//! Files that the user keeps secrets or settings in: how they are read, and the errors and hints where they are
//! not private or cannot be read.

use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result, shown};
use crate::foreign_text::{Message, is_misplaced_secret};
use crate::message;
use crate::private_file::{self, Unread, UnreadSecret};

const ELSEWHERE: &str = "move it to a file system with permissions, such as that of your home folder; `chmod` has no effect where it is";

/// Reads a file of at most `limit` bytes; `what` names it in errors.
pub fn read(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    private_file::read_users_secret(path, limit).map_err(|problem| match problem {
        UnreadSecret::TooOpen(mode) => Error::IdentityFile {
            what,
            path: path.into(),
            problem: message!("can be read by others (mode {mode:04o})", mode),
            hint: closing(path),
        },
        UnreadSecret::Io(error) => unread(what, path, error),
    })
}

/// How to close a file that others can read.
fn closing(path: &Path) -> Message {
    if is_mounted_by_kubelet(path) {
        // The volume is read-only, and the kubelet sets the modes anew.
        return "set `defaultMode: 0400` in the volume of the pod that mounts this secret".into();
    }
    if private_file::has_no_permissions(path) {
        return ELSEWHERE.into();
    }
    message!("run `chmod 600 {}`", shown(path).quoted())
}

/// Whether the kubelet has laid this file out: behind a link `..data` to a folder that it replaces as
/// a whole.
fn is_mounted_by_kubelet(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.join("..data").is_symlink())
}

/// The error for a file that says which programs are run, and was not read; `what` names it.
#[must_use]
pub fn unread_settings(what: &'static str, path: &Path, problem: Unread) -> Error {
    let problem = match problem {
        Unread::Absent => return Error::unreadable(what, path, "no such file or directory"),
        Unread::Io(error) => return unread(what, path, error),
        Unread::Unfit(problem) => problem,
    };
    let shown_path = shown(path).quoted();
    let hint = if private_file::has_no_permissions(path) {
        ELSEWHERE.into()
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
    let mut content = Zeroizing::new(Vec::new());
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut content)
        .map_err(|error| Error::unreadable(what, "standard input", error))?;
    Ok(content)
}

/// Reads a file of at most `limit` bytes that another program writes, which decides who may read it: the
/// kubelet opens its tokens to everyone in a container.
pub fn read_of_others(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    let content = private_file::read_plain(path, limit).map(Zeroizing::new);
    content.map_err(|error| unread(what, path, error))
}

fn unread(what: &'static str, path: &Path, error: std::io::Error) -> Error {
    // Security: the secret itself may have been given instead of the file's name.
    if is_misplaced_secret(path) {
        return Error::IdentityFile {
            what,
            path: "[redacted]".into(),
            problem: "is not the name of a file, but what one would hold".into(),
            hint: "write it into a file of mode 0600, and give the name of that".into(),
        };
    }
    Error::unread(what, path, error)
}
