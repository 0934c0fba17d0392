//! The state of all files of an agent, for the service manager, and to tell when all credentials are there.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Moment;
use crate::credential::Lifetime;
use crate::error::{Code, shown};
use crate::foreign_text::Message;
use crate::message;

#[derive(Debug, Default)]
pub(super) struct Shared {
    files: Mutex<Vec<FileState>>,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct FileState {
    pub(super) path: PathBuf,
    pub(super) lifetime: Option<Lifetime>,
    /// Why the last attempt failed, if it did.
    pub(super) failure: Option<Code>,
}

impl Shared {
    pub(super) fn of(paths: impl Iterator<Item = PathBuf>) -> Self {
        let files = paths.map(|path| FileState { path, ..FileState::default() });
        Self { files: Mutex::new(files.collect()), changed: Notify::new() }
    }

    fn files(&self) -> MutexGuard<'_, Vec<FileState>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state of the file at a place of the list.
    pub(super) fn change(&self, at: usize, change: impl FnOnce(&mut FileState)) {
        if let Some(file) = self.files().get_mut(at) {
            change(file);
        }
        self.changed.notify_one();
    }

    /// Waits for the next change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether every credential has been there once.
    pub(super) fn is_complete(&self) -> bool {
        self.files().iter().all(|file| file.lifetime.is_some())
    }

    /// The state in a line.
    pub(super) fn summary(&self, now: Moment) -> Message {
        let files = self.files();
        let is_valid =
            |file: &&FileState| file.lifetime.is_some_and(|lifetime| !lifetime.left(now).is_zero());
        let (valid, all) = (files.iter().filter(is_valid).count(), files.len());
        let failing = files.iter().find_map(|file| Some((&file.path, file.failure?)));
        let failing = failing.map(|(path, code)| message!("; `{}`: {code}", shown(path), code));
        let failing = failing.unwrap_or_default();
        message!("{valid} of {all} credentials are valid{failing}", valid, all, failing)
    }
}
