//! The records of applied runs, for `setup --undo`: one file for each run, in the data folder.
//!
//! Security: a record contains no line that the run left unchanged. Only records of mode 0600 in the user's own folder
//! are read, because they name files to change.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::changes::FileKind;
use super::diff::Hunk;
use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::run::Context;

const WHAT: &str = "the record of a run of `setup`";

/// A record is smaller: it has the lines that one run adds to a few files.
const LIMIT: u64 = 1024 * 1024;

/// More records are not read.
const MAX_RECORDS: usize = 10_000;

/// An applied run.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) profile: String,
    pub(super) files: Vec<ChangedFile>,
    /// The files that were created, such as the link of the token helper.
    pub(super) made: Vec<MadeFile>,
}

/// A file that was edited.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ChangedFile {
    pub(super) path: PathBuf,
    pub(super) kind: FileKind,
    pub(super) existed: bool,
    pub(super) backup: Option<PathBuf>,
    /// The digests of its content.
    pub(super) before: String,
    pub(super) after: String,
    pub(super) hunks: Vec<Hunk>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct MadeFile {
    pub(super) path: PathBuf,
    /// The state of the file after its creation, see [`state`].
    pub(super) state: String,
}

impl ChangedFile {
    /// Describes an edit that was made. `file` is the file before the edit. If the result cannot be read, the digest
    /// matches no content, so that only the lines can be undone.
    pub(super) fn new(
        kind: FileKind,
        file: &EditedFile,
        backup: Option<&Path>,
        hunks: Vec<Hunk>,
    ) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let after = EditedFile::open(WHAT, file.path());
        Self {
            path: absolute(file.path()),
            kind,
            existed: file.exists(),
            backup: backup.map(absolute),
            before: file.digest(),
            after: after.map(|file| file.digest()).unwrap_or_default(),
            hunks,
        }
    }
}

impl Record {
    pub(super) fn new(profile: String, files: Vec<ChangedFile>, made: &[PathBuf]) -> Self {
        let made = made.iter().filter_map(|path| {
            let path = std::path::absolute(path).ok()?;
            Some(MadeFile { state: state(&path)?, path })
        });
        Self { profile, files, made: made.collect() }
    }

    /// Saves the record and returns what the user can do with it. A failure is only reported, because the changes are
    /// already made.
    pub(super) fn save(&self, context: Context<'_>, stamp: &str) -> Message {
        match self.write(context, stamp) {
            Ok(()) => {
                message!(
                    "`yc-id-token setup --undo --profile={}` undoes this.",
                    ForeignText::line(&self.profile).quoted()
                )
            }
            Err(error) => message!("`--undo` cannot undo this: {error}", error),
        }
    }

    fn write(&self, context: Context<'_>, stamp: &str) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(Error::internal)?;
        let folder = folder(context)?;
        let names = (0..MAX_RECORDS).map(|number| format!("{stamp}-{number:04}.json"));
        for path in names.map(|name| folder.join(name)) {
            let file = EditedFile::open(WHAT, &path)?;
            if file.exists() {
                continue;
            }
            match file.replace(&text, |_| Ok(())) {
                // Another run has used the name meanwhile.
                Err(Error::Conflict { .. }) => {}
                written => return written,
            }
        }
        Err(Error::unwritten(folder, "it has too many records with the same time"))
    }

    /// The last record, or the last of a profile, and its path.
    pub(super) fn last(context: Context<'_>, profile: Option<&str>) -> Result<(PathBuf, Self)> {
        let mut paths = private_file::list(&folder(context)?, MAX_RECORDS);
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort_unstable();
        for path in paths.into_iter().rev() {
            let record = Self::read(&path)?;
            if profile.is_none_or(|profile| profile == record.profile) {
                return Ok((path, record));
            }
        }
        let of = profile.map(|name| message!(" of the profile `{}`", ForeignText::new(name)));
        Err(Error::Missing {
            problem: message!("no run of `setup`{} can be undone", of.unwrap_or_default()),
            hint: "each run with changes can be undone once, if this version or a later one made them; earlier versions only left a backup beside each changed file".into(),
        })
    }

    fn read(path: &Path) -> Result<Self> {
        let unreadable =
            |cause: &str| Error::unreadable(WHAT, path, std::io::Error::other(cause.to_owned()));
        let content = private_file::read_own(path, LIMIT).map_err(|cause| match cause {
            private_file::Unread::Absent => unreadable("it no longer exists"),
            private_file::Unread::Unusable(problem) => unreadable(problem),
            private_file::Unread::Io(cause) => Error::unreadable(WHAT, path, cause),
        })?;
        serde_json::from_slice(&content).map_err(|_| Error::Conflict {
            problem: message!("`{}` is not a record that this version can read", shown(path)),
            hint: "undo that run by hand, from the backups beside the changed files, and delete the record".into(),
        })
    }
}

/// The target of a link, or the digest of a file.
pub(super) fn state(path: &Path) -> Option<String> {
    match std::fs::read_link(path) {
        Ok(target) => Some(target.to_string_lossy().into_owned()),
        Err(_) => Some(Digest::of(&std::fs::read(path).ok()?).to_hex()),
    }
}

fn folder(context: Context<'_>) -> Result<PathBuf> {
    let folder = context.locations.data_folder.as_ref().ok_or_else(|| Error::Missing {
        problem: "there is no home folder for the records of `setup`".into(),
        hint: "set HOME".into(),
    })?;
    Ok(folder.join("setup"))
}
