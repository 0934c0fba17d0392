//! Reading a secret that the user keeps in a file, and saying how to close one that is open to others.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::private_file;

/// Reads a file of at most `limit` bytes; `what` names it in errors.
pub fn read(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    private_file::read_users_secret(path, limit).map_err(|problem| match problem {
        Ok(mode) => Error::IdentityFile {
            what,
            path: path.into(),
            problem: format!("can be read by others (mode {mode:04o})"),
            hint: format!("run `chmod 600 {}`", shell_quoted(path)),
        },
        Err(error) => Error::unreadable(what, path, &error),
    })
}

fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~@%:,=".contains(c);
    if text.chars().all(plain) && !text.is_empty() {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_works_for_any_path() {
        assert_eq!(shell_quoted(Path::new("/home/me/key.json")), "/home/me/key.json");
        assert_eq!(shell_quoted(Path::new("/home/a b/it's.json")), r"'/home/a b/it'\''s.json'");
    }
}
