//! Programs by their names.

use std::path::{Path, PathBuf};

use crate::env::{self, Env};

/// Where a program is that is called by its name. A folder that depends on where one stands is passed over.
pub(super) fn on_path(env: &Env, name: &str) -> Option<PathBuf> {
    let folders = env.get_os(env::PATH)?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let absolute = std::env::split_paths(&folders).filter(|folder| folder.is_absolute());
    absolute.map(|folder| folder.join(&file)).find(|path| is_program(path))
}

/// Whether this can be run.
#[cfg(unix)]
pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(windows)]
pub(super) fn is_program(path: &Path) -> bool {
    path.is_file()
}
