//! The changes that `setup` proposes: they are shown first, applied if the user agrees, and undone if one of them
//! fails. Each changed file is shown as a unified diff and backed up beside itself. Applied changes are recorded for
//! `--undo`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::kubectl::KubeconfigLock;
use super::mask::masked;
use super::record::{ChangedFile, Record};
use super::server_check::ServerCheck;
use super::server_side::MARK;
use super::{Setup, diff};
use crate::clock::Timestamp;
use crate::command::signals::HeldSignals;
use crate::command::terminal::Terminal;
use crate::error::{Error, Result, shown};
use crate::files::edit::{EditedFile, Verify};
use crate::foreign_text::Message;
use crate::message;
use crate::output::Output;

pub(super) struct ChangeSet {
    /// Changes of the consumer's files. Changes of this program's configuration are inserted before them.
    pub(super) files: Vec<FileChange>,
    /// Changes that are not edits of a file.
    pub(super) actions: Vec<Action>,
    /// Instructions for the server's administrator, and notes for the user.
    pub(super) advice: Vec<Message>,
    /// The check after the changes are applied.
    pub(super) check: Option<ServerCheck>,
    /// The commands to run afterwards.
    pub(super) next: Message,
}

/// A change that is not an edit of a file, such as a new link.
pub(super) struct Action {
    pub(super) description: Message,
    /// The file that it creates.
    pub(super) makes: PathBuf,
    /// Applies the change, and returns what was done.
    pub(super) run: Box<dyn FnOnce() -> Result<Message>>,
}

impl Setup<'_> {
    /// Shows the changes, and applies them if the user agrees or gave `--apply`.
    pub(super) fn finish(self, changes: ChangeSet, output: &mut Output<'_>) -> Result<()> {
        let ChangeSet { mut files, actions, advice, check, next } = changes;
        self.check_profile()?;
        let advice = self.extension_note()?.into_iter().chain(self.notes).chain(advice);
        let profile = self.configuration.profile.clone();
        files.insert(0, self.configuration.change());
        files.retain(FileChange::is_needed);
        if files.is_empty() && actions.is_empty() {
            let done = "Nothing to change: everything is set up already.\n".into();
            let shown: Vec<Message> = [done].into_iter().chain(advice).chain([next]).collect();
            return output.say(&Message::join(&shown, "\n"));
        }
        let mut shown: Vec<Message> = files.iter().map(FileChange::diff).collect();
        shown.extend(actions.iter().map(|action| message!("{}\n", action.description)));
        shown.extend(advice);
        if !self.common.consent.obtain(&files, &mut shown, output)? {
            return Ok(());
        }
        let stamp = stamp(self.context.clock.now().at);
        let makes: Vec<PathBuf> = actions.iter().map(|action| action.makes.clone()).collect();
        let new = makes.into_iter().filter(|path| path.symlink_metadata().is_err());
        let new: Vec<PathBuf> = new.collect();
        let (mut done, files) = apply(actions, &files, &stamp)?;
        done.push(Record::new(profile, files, &new).save(self.context, &stamp));
        shown.push(message!("{}\n", Message::join(&done, "\n")));
        // The check may take some seconds.
        output.say(&Message::join(&shown, "\n"))?;
        let check = check.filter(|_| !self.common.offline);
        let checked = check.and_then(|check| check.run(self.context.env));
        let shown: Vec<Message> =
            [Message::default()].into_iter().chain(checked).chain([next]).collect();
        output.say(&Message::join(&shown, "\n"))
    }
}

/// How the user agrees to the changes.
#[derive(clap::Args, Debug)]
pub(super) struct Consent {
    /// Show the changes and write nothing
    #[arg(long, conflicts_with = "apply")]
    pub(super) print: bool,
    /// Write the changes without prompting
    #[arg(long)]
    pub(super) apply: bool,
}

impl Consent {
    /// The terminal for prompts. With `--apply`, there are no prompts.
    pub(super) fn terminal(&self) -> Option<Terminal> {
        if self.apply { None } else { Terminal::find() }
    }

    /// Whether to apply the changes that are `shown`. If they are printed before a question, `shown` is empty
    /// afterwards. If the result is no, everything is printed.
    pub(super) fn obtain(
        &self,
        files: &[FileChange],
        shown: &mut Vec<Message>,
        output: &mut Output<'_>,
    ) -> Result<bool> {
        let asks = !self.print && !self.apply && Terminal::shows_output();
        if asks || self.apply {
            files.iter().try_for_each(FileChange::check)?;
        }
        if self.apply {
            return Ok(true);
        }
        let Some(terminal) = self.terminal().filter(|_| asks) else {
            shown.push("Nothing has been changed. To make these changes, give `--apply`.".into());
            output.say(&Message::join(shown, "\n"))?;
            return Ok(false);
        };
        // The user must see the changes before the question.
        shown.push(Message::default());
        output.say(&Message::join(shown, "\n"))?;
        shown.clear();
        let agrees = terminal.confirms(&"Apply?".into());
        if !agrees {
            output.say(&"Nothing has been changed.".into())?;
        }
        Ok(agrees)
    }
}

/// Applies all changes. If one fails, the files that were changed before it are restored. Returns what was done, and
/// the changes of the files.
pub(super) fn apply(
    actions: Vec<Action>,
    files: &[FileChange],
    stamp: &str,
) -> Result<(Vec<Message>, Vec<ChangedFile>)> {
    // Dropped after the locks, because a signal in between would leave them behind.
    let _signals = HeldSignals::hold();
    let _locks = files.iter().map(FileChange::lock).collect::<Result<Vec<_>>>()?;
    // The files may have changed while the user read the diff.
    files.iter().try_for_each(FileChange::check)?;
    let (mut done, mut changed) = (Vec::new(), Vec::new());
    // Actions first: the files refer to what they create.
    for action in actions {
        done.push((action.run)()?);
    }
    for (at, file) in files.iter().enumerate() {
        let (message, change) =
            file.apply(stamp).map_err(|error| rolled_back(&files[..at], error))?;
        done.push(message);
        changed.push(change);
    }
    Ok((done, changed))
}

/// Undoes the changes that were made before the error. The hint names files that cannot be restored.
fn rolled_back(applied: &[FileChange], error: Error) -> Error {
    let kept = applied.iter().rev().filter(|change| change.undo().is_err());
    let kept: Vec<Message> = kept.map(|change| message!("`{}`", shown(change.path()))).collect();
    if kept.is_empty() {
        return error;
    }
    let addition = message!("{} was written and cannot be restored", Message::join(&kept, ", "));
    error.with_hint(&addition)
}

/// A file and its new content.
pub(super) struct FileChange {
    file: EditedFile,
    new: Content,
    /// Reads the new text as the file's own program does.
    verify: Verify,
    kind: FileKind,
}

/// The new content of a file.
enum Content {
    Text(String),
    /// The content of this backup.
    Backup(EditedFile),
    /// The file is removed.
    Nothing,
}

/// The kind of a file, which decides how it is locked, shown and read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum FileKind {
    /// The configuration of this program.
    Configuration,
    /// kubectl locks it.
    Kubeconfig,
    Kuberc,
    Aws,
    VaultCli,
    /// A credential configuration of Google's libraries.
    Google,
    /// The file of `--server-config`, which has no secrets.
    Server,
}

impl FileChange {
    pub(super) fn new(
        kind: FileKind,
        file: EditedFile,
        new_text: String,
        verify: impl Fn(&str) -> Result<()> + 'static,
    ) -> Self {
        Self { file, new: Content::Text(new_text), verify: Box::new(verify), kind }
    }

    /// Restores the file from its backup.
    pub(super) fn restoring(kind: FileKind, file: EditedFile, backup: EditedFile) -> Self {
        Self { file, new: Content::Backup(backup), verify: Box::new(|_| Ok(())), kind }
    }

    pub(super) fn removing(kind: FileKind, file: EditedFile) -> Self {
        Self { file, new: Content::Nothing, verify: Box::new(|_| Ok(())), kind }
    }

    fn new_text(&self) -> &str {
        match &self.new {
            Content::Text(text) => text,
            Content::Backup(backup) => backup.text(),
            Content::Nothing => "",
        }
    }

    fn is_needed(&self) -> bool {
        self.file.text() != self.new_text()
    }

    /// The change in the format of `diff -u`.
    ///
    /// Security: the context lines may hold secrets of other programs, so the texts are masked.
    pub(super) fn diff(&self) -> Message {
        let name = shown(self.file.path());
        let old: Message =
            if self.file.exists() { name.clone().into() } else { "/dev/null".into() };
        let is_plain = |text: &str| self.kind == FileKind::Server && text.contains(MARK);
        let shown_text = |text: &str| if is_plain(text) { text.to_owned() } else { masked(text) };
        let lines = diff::unified(&shown_text(self.file.text()), &shown_text(self.new_text()));
        let new: Message = match self.new {
            Content::Text(_) | Content::Backup(_) => name.into(),
            Content::Nothing => "/dev/null".into(),
        };
        message!("--- {old}\n+++ {new}\n{lines}", old, new, lines)
    }

    /// Fails if the change cannot be applied.
    fn check(&self) -> Result<()> {
        self.file.check_unchanged()?;
        self.file.check_writable()?;
        (self.verify)(self.new_text())
    }

    /// Acquires the lock of a kubeconfig; other files have none.
    fn lock(&self) -> Result<Option<KubeconfigLock>> {
        match self.kind {
            FileKind::Kubeconfig => KubeconfigLock::acquire(self.file.path()),
            FileKind::Configuration
            | FileKind::Kuberc
            | FileKind::Aws
            | FileKind::VaultCli
            | FileKind::Google
            | FileKind::Server => Ok(None),
        }
    }

    /// Writes the file and returns what was done. `stamp` is part of the backup's name.
    fn apply(&self, stamp: &str) -> Result<(Message, ChangedFile)> {
        let (path, existed) = (self.file.path(), self.file.exists());
        let (done, backup) = match &self.new {
            Content::Text(text) => {
                let backup =
                    if existed { self.file.copy(&backup_name(path, stamp))? } else { None };
                self.file.replace(text, &self.verify)?;
                ("written   ", backup)
            }
            // Only text that `setup` wrote is lost.
            Content::Backup(backup) => {
                self.file.replace_with(backup)?;
                ("restored  ", None)
            }
            Content::Nothing => {
                self.file.remove()?;
                ("removed   ", None)
            }
        };
        let kept = backup.as_ref().map(|copy| message!(" (as it was: {})", shown(copy)));
        let message = message!("{done} {}{}", shown(path), kept.unwrap_or_default(), done);
        let hunks = match self.kind {
            // Security: its lines can contain a secret. It is undone as a whole.
            FileKind::Google => Vec::new(),
            FileKind::Configuration
            | FileKind::Kubeconfig
            | FileKind::Kuberc
            | FileKind::Aws
            | FileKind::VaultCli
            | FileKind::Server => diff::hunks(self.file.text(), self.new_text()),
        };
        Ok((message, ChangedFile::new(self.kind, &self.file, backup.as_deref(), hunks)))
    }

    /// Restores the old content, unless another program has written the file since.
    fn undo(&self) -> Result<()> {
        self.file.restore(self.new_text())
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn used_backup(&self) -> Option<&Path> {
        match &self.new {
            Content::Backup(backup) => Some(backup.path()),
            Content::Text(_) | Content::Nothing => None,
        }
    }
}

/// A time in the format of backup names: `20261123-190000`.
pub(super) fn stamp(now: Timestamp) -> String {
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at(digits.len().saturating_sub(6));
    format!("{date}-{time}")
}

/// The preferred name of a file's backup.
fn backup_name(path: &Path, stamp: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.bak-{stamp}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &Path, after: impl Into<String>) -> FileChange {
        let file = EditedFile::open("the file", path).unwrap();
        FileChange::new(FileKind::Configuration, file, after.into(), |_| Ok(()))
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
    fn a_backup_never_replaces_an_existing_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let stamp = stamp(Timestamp::parse_rfc3339("2026-11-23T19:00:00Z").unwrap());
        for (text, backups) in [("first", 0), ("second", 1), ("third", 2)] {
            change(&path, text).apply(&stamp).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1 + backups);
        }
        let backup = folder.path().join("config.bak-20261123-190000-1");
        assert_eq!(std::fs::read_to_string(backup).unwrap(), "second");
        let stale = change(&path, "fourth");
        change(&path, "other").apply(&stamp).unwrap();
        assert!(stale.check().unwrap_err().to_string().contains("has changed"));
    }
}
