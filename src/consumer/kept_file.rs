//! A file with a credential that a process keeps fresh: those of `exec` and of the agent.
//!
//! A credential is renewed in a thread, which ends then, as obtaining one waits for locks, programs and servers.
//! Between two renewals nothing runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::broker::{Lead, Purpose};
use crate::clock::Moment;
use crate::credential::Lifetime;
use crate::error::{Error, Result};
use crate::private_file::{self, Access};
use crate::run::OwnedContext;
use crate::{random, runtime};

use super::delivery;
use super::document::{Document, DocumentSource, Obtained};

/// A token in a file is used until the next one is written: what must be left of it.
pub(crate) const MINIMUM_LIFETIME_IN_FILE: Duration = Duration::from_secs(10 * 60);

/// The shortest pause after a success, in case that a server issues credentials that are due already.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after the first failed attempt, which the broker remembers for as long. It doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause between failed attempts, as a share of the lifetime and at most.
const PAUSES_IN_A_LIFETIME: u32 = 16;
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The longest pause where there is no valid credential.
const LONGEST_PAUSE_WITHOUT: Duration = Duration::from_secs(30);

/// A file, and what it holds.
pub(crate) struct KeptFile {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    source: Arc<DocumentSource>,
    lead: Lead,
    /// That of the credential in it.
    lifetime: Option<Lifetime>,
    failed: Option<Failed>,
}

/// Failed attempts since the last success.
struct Failed {
    times: u32,
    /// How long the server asked to wait.
    retry_after: Duration,
}

/// What a renewal came to.
pub(crate) struct Renewed {
    /// Whether the file was written.
    pub(crate) is_written: bool,
    pub(crate) failure: Option<Error>,
}

impl KeptFile {
    pub(crate) fn new(path: PathBuf, access: Access, source: DocumentSource) -> Self {
        let (source, lead) = (Arc::new(source), Lead::random());
        Self { path, access, source, lead, lifetime: None, failed: None }
    }

    pub(crate) const fn lifetime(&self) -> Option<&Lifetime> {
        self.lifetime.as_ref()
    }

    /// Obtains a credential that is not due yet, and writes it. After a failure the file stays as it is, unless a
    /// cached credential expires later.
    pub(crate) async fn renew(&mut self, context: &Arc<OwnedContext>) -> Renewed {
        let Obtained { document, mut failure } = self.obtain(context).await;
        let expires_at = |lifetime: &Lifetime| lifetime.expires_at;
        let is_better = |document: &Document| {
            failure.is_none()
                || self.lifetime.as_ref().map(expires_at) < Some(document.lifetime.expires_at)
        };
        let mut is_written = false;
        if let Some(document) = document.filter(is_better) {
            match self.write(document) {
                Ok(written) => is_written = written,
                Err(error) => failure = Some(error),
            }
        }
        self.lead = Lead::random();
        self.failed = failure.as_ref().map(|failure| Failed {
            times: self.failed.as_ref().map_or(0, |failed| failed.times) + 1,
            retry_after: failure.retry_after().unwrap_or_default(),
        });
        Renewed { is_written, failure }
    }

    async fn obtain(&self, context: &Arc<OwnedContext>) -> Obtained {
        let (sender, receiver) = oneshot::channel();
        let (source, context, lead) = (Arc::clone(&self.source), Arc::clone(context), self.lead);
        let work = move || {
            let purpose = Purpose::Renew(lead);
            let _ = sender.send(source.obtain(context.to_run(&purpose)));
        };
        let failed = |error: Error| Obtained { document: None, failure: Some(error) };
        let started = std::thread::Builder::new().name("renewal".into()).spawn(work);
        match started {
            Ok(_) => receiver
                .await
                .unwrap_or_else(|_| failed(Error::Internal("a renewal has no result".into()))),
            Err(error) => failed(Error::denied("cannot start a thread", error)),
        }
    }

    /// Writes a document, unless it is there already. Returns whether it was written.
    pub(crate) fn write(&mut self, document: Document) -> Result<bool> {
        let Document { content, lifetime } = document;
        let is_there = private_file::is_written(&self.path, &content, self.access);
        if !is_there {
            delivery::write(&self.path, &content, self.access)?;
        }
        self.lifetime = Some(lifetime);
        Ok(!is_there)
    }

    /// Waits until the next attempt is due.
    pub(crate) async fn wait(&self, context: &OwnedContext) {
        runtime::sleep(context.clock(), self.pause(context.clock().now())).await;
    }

    /// The time until the next attempt.
    pub(crate) fn pause(&self, now: Moment) -> Duration {
        let due_in = |lifetime| self.lead.due_in(lifetime, now);
        let until_due = self.lifetime.as_ref().map(due_in).unwrap_or_default().max(SHORTEST_PAUSE);
        let Some(Failed { times, retry_after }) = &self.failed else { return until_due };
        let valid = self.lifetime.filter(|lifetime| !lifetime.left(now).is_zero());
        let longest = valid.map_or(LONGEST_PAUSE_WITHOUT, |lifetime| {
            (lifetime.whole() / PAUSES_IN_A_LIFETIME).clamp(FIRST_PAUSE, LONGEST_PAUSE)
        });
        let doubled = FIRST_PAUSE.saturating_mul(1 << (times - 1).min(10)).min(longest);
        doubled.max(*retry_after).mul_f64(1.0 + random::fraction() / 2.0)
    }
}
