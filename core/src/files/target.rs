//! The file that a path refers to: the target of its links, its type, and its text.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::system;

/// No configuration that is edited by hand is larger.
const LIMIT: u64 = 8 * 1024 * 1024;

/// Resolves the symbolic links of a path, even if the target does not exist.
pub(super) fn final_target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    // `check_kind` has rejected longer chains.
    for _ in 0..40 {
        let Ok(link) = std::fs::read_link(&target) else { break };
        target = folder_of(&target).join(link);
    }
    // Parent folders can be links too.
    target.canonicalize().unwrap_or(target)
}

/// Reads a regular file in UTF-8. Other types are not opened: a pipe would wait for its writer.
pub(super) fn read(target: &Path) -> io::Result<Option<Zeroizing<String>>> {
    if !check_kind(target)? {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    system::open_to_read(target)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is too large"));
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(content) => Ok(Some(Zeroizing::new(content))),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = Zeroizing::new(error.into_bytes());
            if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                let problem = "it is UTF-16; save it as UTF-8";
                return Err(io::Error::new(ErrorKind::InvalidData, problem));
            }
            let line = memchr::memchr_iter(b'\n', &bytes[..valid]).count() + 1;
            let problem = format!("it is not UTF-8 in line {line}; save it as UTF-8");
            Err(io::Error::new(ErrorKind::InvalidData, problem))
        }
    }
}

/// Whether the file exists. Fails if it is not a regular file.
pub(super) fn check_kind(path: &Path) -> io::Result<bool> {
    let rejected = |problem| Err(io::Error::new(ErrorKind::InvalidData, problem));
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => rejected("it is a folder"),
        Ok(metadata) if !metadata.is_file() => rejected("it is not a regular file"),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn check_creatable(target: &Path) -> io::Result<()> {
    let mut folders = target.ancestors().skip(1);
    let existing = folders.find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let existing =
        existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !existing.is_dir() {
        return Err(io::Error::new(
            ErrorKind::NotADirectory,
            format!("`{}` is not a folder", existing.display()),
        ));
    }
    system::check_folder_writable(existing)
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
