//! The file that a path leads to: where it is, what kind it is, and its text.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::system;

/// Larger than any configuration that people look after.
const LIMIT: u64 = 8 * 1024 * 1024;

/// Where the symbolic links of a path lead, even if no file is there.
pub(super) fn final_target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    // More links than systems follow have failed in `check_kind`.
    for _ in 0..40 {
        let Ok(leads_to) = std::fs::read_link(&target) else { break };
        target = folder_of(&target).join(leads_to);
    }
    // The folders above can be links too.
    target.canonicalize().unwrap_or(target)
}

/// Reads a regular file of UTF-8. Nothing else is opened: a pipe would wait for its writer.
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

/// Whether there is a file. Refuses what is not a regular one.
pub(super) fn check_kind(path: &Path) -> io::Result<bool> {
    let refused = |problem| Err(io::Error::new(ErrorKind::InvalidData, problem));
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => refused("it is a folder"),
        Ok(metadata) if !metadata.is_file() => refused("it is not a regular file"),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn check_creatable(target: &Path) -> io::Result<()> {
    let mut folders = target.ancestors().skip(1);
    let there = folders.find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let there = there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(io::Error::new(
            ErrorKind::NotADirectory,
            format!("`{}` is not a folder", there.display()),
        ));
    }
    system::check_folder_writable(there)
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
