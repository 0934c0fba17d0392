//! A file of the agent: it is renewed, its readers are notified, and what happens is logged.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

use super::change::Change;
use super::plan::PlannedFile;
use super::state::Shared;
use crate::consumer::kept_file::{KeptFile, Renewed};
use crate::error::{Code, Error, shown};
use crate::run::OwnedContext;

/// A file, and its place in the state.
pub(super) struct ServedFile {
    file: KeptFile,
    change: Change,
    at: usize,
    shared: Arc<Shared>,
}

impl ServedFile {
    pub(super) fn new(planned: PlannedFile, at: usize, shared: Arc<Shared>) -> Self {
        let PlannedFile { path, access, source, change, .. } = planned;
        Self { file: KeptFile::new(path, access, source), change, at, shared }
    }

    /// Keeps it fresh until the agent ends, or reads its configuration again.
    pub(super) async fn keep(mut self, context: Arc<OwnedContext>, mut end: watch::Receiver<bool>) {
        loop {
            // A signal that ends the agent interrupts a renewal too, so that this returns soon.
            self.renew(&context).await;
            tokio::select! {
                _ = end.wait_for(|ends| *ends) => return,
                () = self.file.wait(&context) => {}
            }
        }
    }

    /// Renews it. Returns the failure if there is no valid credential in it.
    pub(super) async fn renew(&mut self, context: &Arc<OwnedContext>) -> Option<Error> {
        let Renewed { is_written, failure } = self.file.renew(context).await;
        let lifetime = self.file.lifetime().copied();
        let path = shown(&self.file.path);
        if let (true, Some(lifetime)) = (is_written, lifetime) {
            info!(expires_at = %lifetime.expires_at_here(), "`{path}` has a new credential");
        }
        // After a signal there is no news: it is tried again at once, or never.
        let failure = failure.filter(|failure| failure.code() != Code::Interrupted);
        if let Some(failure) = &failure {
            warn!(code = failure.code().name(), "`{path}` stays as it is: {failure}");
        }
        let code = failure.as_ref().map(Error::code);
        self.shared.change(self.at, |state| {
            (state.lifetime, state.failure) = (lifetime, code);
        });
        if is_written && let Err(problem) = self.change.notify().await {
            warn!("`{path}` has changed, but {problem}");
        }
        failure.filter(|_| {
            lifetime.is_none_or(|lifetime| lifetime.left(context.clock().now()).is_zero())
        })
    }
}
