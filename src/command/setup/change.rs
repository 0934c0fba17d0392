//! A change of one file: shown as a unified diff before it is made, and with a copy of what was there kept
//! beside it.

use std::path::{Path, PathBuf};

use super::diff;
use super::kube_lock::KubeLock;
use super::mask::masked;
use crate::clock::Timestamp;
use crate::error::{Result, shown};
use crate::files::edit::{EditedFile, Verify};
use crate::foreign_text::Message;
use crate::message;

/// What a file holds, and what it is to hold.
pub(super) struct Change {
    file: EditedFile,
    after: String,
    /// Reads the new text as the owner of the file does.
    verify: Verify,
    /// Whether the file is a kubeconfig, which kubectl locks.
    is_locked: bool,
}

impl Change {
    pub(super) fn new(
        file: EditedFile,
        after: String,
        verify: impl Fn(&str) -> Result<()> + 'static,
    ) -> Self {
        Self { file, after, verify: Box::new(verify), is_locked: false }
    }

    /// The same, made under the lock that kubectl uses.
    pub(super) fn locked(self) -> Self {
        Self { is_locked: true, ..self }
    }

    /// Whether the file is as it should be.
    pub(super) fn is_none(&self) -> bool {
        self.file.text() == self.after
    }

    /// The change as `diff -u` shows it.
    ///
    /// Security: files of other programs hold secrets, and lines around the change are shown.
    pub(super) fn diff(&self) -> Message {
        let before = masked(self.file.text());
        let after = masked(&self.after);
        let name = shown(self.file.path());
        let old: Message =
            if self.file.exists() { name.clone().into() } else { "/dev/null".into() };
        message!("--- {old}\n+++ {name}\n{}", diff::unified(&before, &after), old, name)
    }

    /// Fails if the change cannot be made. All changes of a run are checked before the first is made.
    pub(super) fn check(&self) -> Result<()> {
        self.file.check_unchanged()?;
        self.file.check_writable()?;
        (self.verify)(&self.after)
    }

    /// Takes the lock of the file, if it is of a kind that has one. All locks are taken before the first change.
    pub(super) fn lock(&self) -> Result<Option<KubeLock>> {
        if self.is_locked { KubeLock::take(self.file.path()) } else { Ok(None) }
    }

    /// Makes the change, and tells what was done. The stamp names the copy of what was there.
    pub(super) fn make(&self, stamp: &str) -> Result<Message> {
        let path = self.file.path();
        let copy = if self.file.exists() { self.file.copy(&copy_name(path, stamp))? } else { None };
        self.file.replace(&self.after, &self.verify)?;
        let as_it_was = copy.map(|copy| message!(" (as it was: {})", shown(&copy)));
        let as_it_was = as_it_was.unwrap_or_default();
        Ok(message!("written    {}{as_it_was}", shown(path), as_it_was))
    }

    /// Puts back what was there, unless another program has written since.
    pub(super) fn undo(&self) -> Result<()> {
        self.file.restore(&self.after)
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// `20261123-190000`, for the names of copies.
pub(super) fn stamp(now: Timestamp) -> String {
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().saturating_sub(6));
    format!("{date}-{time}")
}

/// How the copy of a file is called, unless that name is taken.
fn copy_name(path: &Path, stamp: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.bak-{stamp}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &Path, after: impl Into<String>) -> Change {
        Change::new(EditedFile::open("the file", path).unwrap(), after.into(), |_| Ok(()))
    }

    #[test]
    fn a_diff_shows_the_change_and_not_the_secrets_around_it() {
        let key = "a".repeat(70);
        let before = format!(
            "users:\n- name: other\n  user:\n    token: abc\n    client-key-data: QUJD\n    tokenFile: /run/jwt\n    {key}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        crate::private_file::write(&path, before.as_bytes()).unwrap();
        let diff = change(&path, before.replace("users:\n", "users:\n- name: yandex\n")).diff();
        let name = path.display();
        assert!(diff.starts_with(&format!("--- {name}\n+++ {name}\n@@ ")), "{diff}");
        assert!(diff.contains("\n+- name: yandex\n"), "{diff}");
        let secret = "aws_secret_access_key = abc\n";
        crate::private_file::write(&path, secret.as_bytes()).unwrap();
        let config = change(&path, format!("{secret}region = eu\n")).diff();
        for secret in ["abc", "QUJD", key.as_str()] {
            assert!(!diff.contains(secret) && !config.contains(secret), "{diff}{config}");
        }
    }

    #[test]
    fn a_copy_takes_no_name_that_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let stamp = stamp(Timestamp::parse_rfc3339("2026-11-23T19:00:00Z").unwrap());
        for (text, copies) in [("first", 0), ("second", 1), ("third", 2)] {
            change(&path, text).make(&stamp).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1 + copies);
        }
        let copy = folder.path().join("config.bak-20261123-190000-1");
        assert_eq!(std::fs::read_to_string(copy).unwrap(), "second");
        let stale = change(&path, "fourth");
        change(&path, "other").make(&stamp).unwrap();
        assert!(stale.check().unwrap_err().to_string().contains("has changed"));
    }
}
