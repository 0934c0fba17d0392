//! The folder that relative names start from. A refresh in the background leaves it, so that the folder can
//! be removed or unmounted meanwhile, and still finds the files that its command line names.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static LEFT: OnceLock<PathBuf> = OnceLock::new();

/// Leaves it for the root folder.
pub fn leave() {
    if let Ok(folder) = std::env::current_dir()
        && std::env::set_current_dir("/").is_ok()
    {
        let _ = LEFT.set(folder);
    }
}

/// A path, from the folder that this process was started in.
#[must_use]
pub fn from(path: &Path) -> Cow<'_, Path> {
    match LEFT.get() {
        Some(folder) => folder.join(path).into(),
        None => path.into(),
    }
}
