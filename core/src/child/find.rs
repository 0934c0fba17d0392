//! Finds the file of a program.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use crate::current_folder;
use crate::env::{self, Env};

/// The file of a program that a setting names: a path, or a name that is searched in `PATH`.
pub fn program(named: &Path) -> io::Result<PathBuf> {
    let is_name = named.components().count() == 1 && named.file_name() == Some(named.as_os_str());
    if is_name { look(&Env::Real, named) } else { Ok(current_folder::resolve(named).into_owned()) }
}

/// The file of a program that is called by its name, if there is one.
pub fn on_path(env: &Env, name: &str) -> Option<PathBuf> {
    look(env, Path::new(name)).ok()
}

/// The extensions of programs. On Windows, the tools of Python and Node.js are `.cmd` files.
const SUFFIXES: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };

/// Security: a folder relative to the current one (`.`, or nothing between two colons) is skipped. kubectl runs its
/// plugins in the current folder, which can belong to another user.
fn look(env: &Env, name: &Path) -> io::Result<PathBuf> {
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "there is no such program on PATH");
    let suffixes = if is_complete(name) { &[""] } else { SUFFIXES };
    let files = suffixes.iter().map(|suffix| {
        let mut file = name.as_os_str().to_owned();
        file.push(suffix);
        file
    });
    let folders = folders(env);
    let folders = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    for path in folders.flat_map(|folder| files.clone().map(move |file| folder.join(file))) {
        match path.metadata() {
            Ok(metadata) if may_run(&metadata) => return Ok(path),
            Ok(metadata) if metadata.is_file() => {
                problem = io::ErrorKind::PermissionDenied.into();
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => problem = error,
            _ => {}
        }
    }
    Err(problem)
}

/// Whether a name has one of the extensions. The dot in `python3.12` begins none.
fn is_complete(name: &Path) -> bool {
    let extension = name.extension().and_then(OsStr::to_str);
    extension.is_some_and(|found| {
        SUFFIXES
            .iter()
            .any(|it| it.strip_prefix('.').is_some_and(|it| it.eq_ignore_ascii_case(found)))
    })
}

/// The default of the C library without `PATH`, minus the current folder.
fn folders(env: &Env) -> OsString {
    let usual = if cfg!(unix) { "/bin:/usr/bin" } else { "" };
    env.get_os(env::PATH).unwrap_or_else(|| usual.into())
}

/// Whether this is an executable file.
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| may_run(&metadata))
}

#[cfg(unix)]
fn may_run(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

#[cfg(windows)]
fn may_run(metadata: &Metadata) -> bool {
    metadata.is_file()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_is_not_searched_in_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |mode| {
            let path = folder.path().join("yc");
            crate::private_file::write(&path, b"").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let look = |folders: &str| {
            let env = Env::Fake(HashMap::from([("PATH", folders.to_owned())]));
            look(&env, Path::new("yc")).map_err(|error| error.kind())
        };
        let there = folder.path().to_str().unwrap();
        let program = path(0o700);
        assert_eq!(look(&format!(".::../bin:{there}")), Ok(program));
        let relative = pathdiff(folder.path());
        assert_eq!(look(&relative), Err(io::ErrorKind::NotFound), "{relative}");
        path(0o600);
        assert_eq!(look(there), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(look("/nonexistent"), Err(io::ErrorKind::NotFound));
    }

    /// The same folder, relative to the current one.
    fn pathdiff(folder: &Path) -> String {
        let up =
            std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect::<Vec<_>>();
        format!("{}{}", up.join("/"), folder.display())
    }

    #[test]
    fn a_path_is_used_unchanged() {
        for path in ["./yc", "bin/yc", "/opt/yc"] {
            assert_eq!(program(Path::new(path)).unwrap(), Path::new(path));
        }
        assert!(program(Path::new("sh")).unwrap().is_absolute());
    }
}
