//! One credential of the agent, in a file or in memory: it is renewed, readers of the file are notified, and both are
//! logged.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::change::Change;
use super::plan::PlannedFile;
use super::state::Shared;
use crate::consumer::document::DocumentSource;
use crate::consumer::kept_document::{KeptDocument, Place, Renewed};
use crate::error::{Code, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::OwnedContext;

/// A credential, and its index in the state.
pub(super) struct AgentCredential {
    document: KeptDocument,
    name: ForeignText,
    change: Change,
    at: usize,
    shared: Arc<Shared>,
    /// Dropped after the first attempt, so that an endpoint can wait for it.
    first_attempt: Option<mpsc::Sender<Infallible>>,
}

impl AgentCredential {
    pub(super) fn in_file(planned: PlannedFile, shared: &Arc<Shared>) -> Self {
        let PlannedFile { path, access, source, change, .. } = planned;
        let name = shown(&path);
        let document = KeptDocument::new(Place::File(path, access), source);
        Self::new(document, name, change, shared)
    }

    pub(super) fn in_memory(
        place: Place,
        source: DocumentSource,
        name: ForeignText,
        shared: &Arc<Shared>,
        first_attempt: mpsc::Sender<Infallible>,
    ) -> Self {
        let document = KeptDocument::new(place, source);
        let credential = Self::new(document, name, Change::default(), shared);
        Self { first_attempt: Some(first_attempt), ..credential }
    }

    fn new(
        document: KeptDocument,
        name: ForeignText,
        change: Change,
        shared: &Arc<Shared>,
    ) -> Self {
        let at = shared.add(name.clone());
        Self { document, name, change, at, shared: Arc::clone(shared), first_attempt: None }
    }

    /// Renews the credential until the agent ends or reloads its configuration.
    pub(super) async fn keep(mut self, context: Arc<OwnedContext>, mut end: watch::Receiver<bool>) {
        loop {
            // A signal that ends the agent interrupts a renewal too, so that this returns soon.
            self.renew(&context).await;
            self.first_attempt = None;
            tokio::select! {
                _ = end.wait_for(|ends| *ends) => return,
                () = self.document.wait(&context) => {}
            }
        }
    }

    /// Renews the credential once. Fails if no valid credential is left, or if readers of a new one cannot be notified.
    pub(super) async fn write_once(&mut self, context: &Arc<OwnedContext>) -> Result<()> {
        let (failure, unnotified) = self.renew(context).await;
        let now = context.clock().now();
        let is_valid = self.document.lifetime().is_some_and(|it| !it.left(now).is_zero());
        let failure = failure.filter(|_| !is_valid).or_else(|| {
            let problem = unnotified?;
            Some(Error::Remembered {
                code: Code::NotRun,
                message: message!("`{}` has changed, but {problem}", self.name, problem),
                hint: Some("correct `on_change`, or `signal` and `pid_file`".into()),
            })
        });
        failure.map_or(Ok(()), Err)
    }

    /// Renews the credential and notifies its readers. Returns the failure of each.
    async fn renew(&mut self, context: &Arc<OwnedContext>) -> (Option<Error>, Option<Message>) {
        let Renewed { is_new, failure } = self.document.renew(context).await;
        let lifetime = self.document.lifetime().copied();
        let name = &self.name;
        if let (true, Some(lifetime)) = (is_new, lifetime) {
            info!(expires_at = %lifetime.expires_at_here(), "`{name}` has a new credential");
        }
        let now = context.clock().now();
        // A signal is no failure to report: the agent ends, or renews again after a reload.
        let is_news = failure.as_ref().is_none_or(|failure| failure.code() != Code::Interrupted);
        if is_news {
            self.shared.note(self.at, lifetime, failure.as_ref().map(Error::code), now.at);
        }
        if let Some(failure) = failure.as_ref().filter(|_| is_news) {
            log_failure(&message!("`{name}` is not renewed", name), failure);
        }
        let unnotified = if is_new { self.change.notify().await.err() } else { None };
        if let Some(problem) = &unnotified {
            warn!("`{name}` has changed, but {problem}");
        }
        (failure, unnotified)
    }
}

/// Logs an error, with its code and hint as fields.
pub(super) fn log_failure(consequence: &str, error: &Error) {
    let hint = error.hint().unwrap_or_default();
    warn!(code = error.code().name(), %hint, "{consequence}: {error}");
}
