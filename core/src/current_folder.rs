//! The working directory that relative paths refer to. A background refresh leaves it, so that the folder can
//! be removed or unmounted meanwhile; paths of its command line are still resolved against the old one.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static ORIGINAL: OnceLock<PathBuf> = OnceLock::new();

/// Changes to the root folder.
pub fn leave() {
    if let Ok(folder) = std::env::current_dir()
        && std::env::set_current_dir("/").is_ok()
    {
        let _ = ORIGINAL.set(folder);
    }
}

/// Resolves a path against the folder that this process was started in.
pub fn resolve(path: &Path) -> Cow<'_, Path> {
    match ORIGINAL.get() {
        Some(folder) => folder.join(path).into(),
        None => path.into(),
    }
}
