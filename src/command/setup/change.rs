//! A change of one file: shown as a unified diff before it is made, and with a copy of what was there kept
//! beside it.

use std::path::{Path, PathBuf};

use super::diff;
use crate::clock::Timestamp;
use crate::error::{Error, Result, plain};
use crate::private_file;

/// Larger than any configuration that people look after.
const LIMIT: u64 = 8 * 1024 * 1024;

/// What a file holds, and what it is to hold.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    /// `None` if there is no such file.
    pub(super) before: Option<String>,
    pub(super) after: String,
}

/// Reads the text of a file, if there is one.
pub(super) fn read(what: &'static str, path: &Path) -> Result<Option<String>> {
    let unreadable = |error: &std::io::Error| Error::unreadable(what, path, error);
    match private_file::read_plain(path, LIMIT) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| {
            unreadable(&std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

impl Change {
    /// Whether the file is as it should be.
    pub(super) fn is_none(&self) -> bool {
        self.before.as_deref().unwrap_or_default() == self.after
    }

    /// The change as `diff -u` shows it.
    ///
    /// Security: files of other programs hold secrets, and lines around the change are shown.
    pub(super) fn diff(&self) -> String {
        let before = masked(self.before.as_deref().unwrap_or_default());
        let after = masked(&self.after);
        let name = self.path.display().to_string();
        let old = if self.before.is_some() { name.as_str() } else { "/dev/null" };
        format!("--- {old}\n+++ {name}\n{}", diff::unified(&before, &after))
    }

    /// Makes the change, and tells what was done. The stamp names the copy of what was there.
    pub(super) fn make(&self, stamp: &str) -> Result<String> {
        let path = self.path.display();
        let unwritten = |path: &Path, error: &std::io::Error| Error::OutputFile {
            path: path.into(),
            cause: plain(error).into(),
        };
        if read("the file", &self.path)? != self.before {
            return Err(Error::OutputFile {
                path: self.path.clone(),
                cause: "it has changed since it was read; run the command again".into(),
            });
        }
        let mut done = format!("written    {path}\n");
        match &self.before {
            Some(before) => {
                let copy = copy_path(&self.path, stamp);
                let copied = private_file::write(&copy, before.as_bytes());
                copied.map_err(|error| unwritten(&copy, &error))?;
                done = format!("written    {path} (as it was: {})\n", copy.display());
            }
            None => make_folder(&self.path).map_err(|error| unwritten(&self.path, &error))?,
        }
        let written = private_file::rewrite(&self.path, self.after.as_bytes());
        written.map_err(|error| unwritten(&self.path, &error))?;
        Ok(done)
    }
}

/// `20261123-190000`, for the names of copies.
pub(super) fn stamp(now: Timestamp) -> String {
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().saturating_sub(6));
    format!("{date}-{time}")
}

/// A name beside the file that is not taken.
fn copy_path(path: &Path, stamp: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let nth = |number: u32| match number {
        0 => path.with_file_name(format!("{name}.bak-{stamp}")),
        _ => path.with_file_name(format!("{name}.bak-{stamp}-{number}")),
    };
    let mut number = 0;
    while std::fs::symlink_metadata(nth(number)).is_ok() {
        number += 1;
    }
    nth(number)
}

/// A folder that is there already is whatever its owner made it.
fn make_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
            private_file::make_own_folder(folder)
        }
        _ => Ok(()),
    }
}

/// A text with its secrets taken out, line for line.
fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

fn masked_line(line: &str) -> String {
    // In a kubeconfig, `value` is that of a variable of some plugin's.
    const SECRET: &[&str] = &["key-data", "password", "secret", "token", "value"];
    let is_secret = |name: &str| {
        let name = name.trim().trim_matches(['"', '\'']).to_lowercase();
        // The path of a file is no secret, and neither is a word of our own settings.
        SECRET.iter().any(|secret| name.ends_with(secret)) || name.ends_with("secret_access_key")
    };
    let end = if line.ends_with('\n') { "\n" } else { "" };
    if let Some(at) = line.find([':', '='])
        && is_secret(&line[..at])
        && !line[at + 1..].trim().is_empty()
    {
        return format!("{} [redacted]{end}", &line[..=at]);
    }
    // The rest of a value that goes on in the next line, or a token in the arguments of a command.
    let is_key = |c: char| c.is_ascii_alphanumeric() || "+=_-.".contains(c);
    let mut shown = String::new();
    for part in line.split_inclusive(|c| !is_key(c)) {
        let word = part.trim_end_matches(|c| !is_key(c));
        let begins = ["t1.", "eyJ", "hvs.", "AKIA"].iter().any(|start| word.starts_with(start));
        let is_secret = word.len() >= 60 || (begins && word.len() > 15);
        shown.push_str(if is_secret { "[redacted]" } else { word });
        shown.push_str(&part[word.len()..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_the_change_and_not_the_secrets_around_it() {
        let key = "a".repeat(70);
        let before = format!(
            "users:\n- name: other\n  user:\n    token: abc\n    client-key-data: QUJD\n    tokenFile: /run/jwt\n    {key}\n"
        );
        let change = Change {
            path: "/home/me/.kube/config".into(),
            after: before.replace("users:\n", "users:\n- name: yandex\n"),
            before: Some(before),
        };
        let diff = change.diff();
        assert!(diff.starts_with("--- /home/me/.kube/config\n+++ /home/me/.kube/config\n@@ "));
        assert!(diff.contains("\n+- name: yandex\n"), "{diff}");
        let config = Change {
            path: "c".into(),
            before: Some("aws_secret_access_key = abc\n".into()),
            after: "aws_secret_access_key = abc\nregion = eu\n".into(),
        };
        for secret in ["abc", "QUJD", key.as_str()] {
            assert!(!diff.contains(secret) && !config.diff().contains(secret), "{diff}");
        }
        let hidden =
            masked("      - name: X\n        value: hunter2\n    - --token=hvs.CAESIJlU4dmb\n");
        assert!(!hidden.contains("hunter2") && !hidden.contains("CAES"), "{hidden}");
        let whole = masked("    tokenFile: /run/jwt\n");
        assert_eq!(whole, "    tokenFile: /run/jwt\n");
    }

    #[test]
    fn a_copy_takes_no_place_that_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let stamp = stamp(Timestamp::parse_rfc3339("2026-11-23T19:00:00Z").unwrap());
        for (text, copies) in [("first", 0), ("second", 1), ("third", 2)] {
            let before = read("the file", &path).unwrap();
            Change { path: path.clone(), before, after: text.into() }.make(&stamp).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1 + copies);
        }
        let copy = folder.path().join("config.bak-20261123-190000-1");
        assert_eq!(std::fs::read_to_string(copy).unwrap(), "second");
        let stale = Change { path, before: Some("second".into()), after: "fourth".into() };
        assert!(stale.make(&stamp).unwrap_err().to_string().contains("has changed"));
    }
}
