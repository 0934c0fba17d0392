//! Reading a secret that the user keeps in a file, and saying how to close one that is open to others.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::private_file;
use crate::shell;

/// How tokens begin: Yandex Cloud's, a JWT, Vault's.
pub const TOKENS: &[&str] = &["t1.", "eyJ", "y0_", "y1_", "y2_", "y3_", "hvs.", "hvb."];

/// Reads a file of at most `limit` bytes; `what` names it in errors.
pub fn read(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    private_file::read_users_secret(path, limit).map_err(|problem| match problem {
        Ok(mode) => Error::IdentityFile {
            what,
            path: path.into(),
            problem: format!("can be read by others (mode {mode:04o})"),
            hint: format!("run `chmod 600 {}`", shell::quoted(&path.display().to_string())),
        },
        Err(error) => unread(what, path, &error),
    })
}

/// Reads a file of at most `limit` bytes that another program writes, which decides who may read it: the
/// kubelet opens its tokens to everyone in a container.
pub fn read_of_others(what: &'static str, path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
    let content = private_file::read_plain(path, limit).map(Zeroizing::new);
    content.map_err(|error| unread(what, path, &error))
}

fn unread(what: &'static str, path: &Path, error: &std::io::Error) -> Error {
    // Security: whoever puts the secret itself in the place of the name must not find it in a log.
    if is_secret(path) {
        return Error::IdentityFile {
            what,
            path: "[redacted]".into(),
            problem: "is not the name of a file, but what one would hold".into(),
            hint: "write it into a file of mode 0600, and give the name of that".into(),
        };
    }
    Error::unreadable(what, path, error)
}

/// The name of a file, for people: unless it is a secret that stands in its place.
#[must_use]
pub fn shown(path: &Path) -> String {
    if !path.exists() && is_secret(path) { "[redacted]".into() } else { path.display().to_string() }
}

/// Whether this, where there is no such file, is a key or a token.
#[must_use]
pub fn is_secret(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let last = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let is_token = TOKENS.iter().any(|start| last.starts_with(start));
    text.contains("PRIVATE KEY") || text.contains(['{', '\n']) || (is_token && last.len() > 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_told_from_the_name_of_a_file() {
        let token = format!("t1.{}", "a".repeat(40));
        let in_folder = format!("/home/me/.config/yc-id-token/{token}");
        for secret in [r#"{"id":"ajek"}"#, "-----BEGIN PRIVATE KEY-----", &token, &in_folder] {
            assert!(is_secret(Path::new(secret)), "{secret}");
        }
        for name in ["/home/me/key.json", "t1.txt", "~/keys/robot key.json"] {
            assert!(!is_secret(Path::new(name)), "{name}");
        }
    }
}
