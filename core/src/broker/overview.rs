//! Lists cached credentials and remembered failures, for `status`.

use std::time::Duration;

use super::freshness::Freshness;
use super::negative_cache;
use crate::cache::{self, EntryMetadata, FileCache, Key, ListedEntry, Place};
use crate::clock::{Moment, Timestamp};
use crate::credential::Lifetime;
use crate::error::Code;
use crate::foreign_text::Message;

/// A credential, or a failure to obtain it. Times are on the local clock.
#[derive(Debug)]
pub struct Row {
    pub key: Key,
    pub about: EntryMetadata,
    pub state: State,
    /// Where it is cached and its lifetime. `None` if it could not be obtained.
    pub cached: Option<CachedCredential>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<Failure>,
}

/// Where a credential is cached, and its lifetime.
#[derive(Clone, Copy, Debug)]
pub struct CachedCredential {
    pub place: Place,
    pub obtained_at: Timestamp,
    /// When it will be refreshed in the background.
    pub soft_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// Before its soft point.
    Fresh,
    /// Returned, and due for a refresh.
    Ageing,
    /// No longer returned.
    Expired,
    /// Not cached, because it could not be obtained.
    Failed,
}

#[derive(Clone, Debug)]
pub struct Failure {
    /// When, on the local clock.
    pub at: Timestamp,
    /// The stable error code.
    pub code: Code,
    pub message: Message,
}

impl Row {
    /// The kind of credential, such as `id-token`.
    pub fn kind(&self) -> &str {
        self.key.kind()
    }
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Ageing => "ageing",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    fn of(lifetime: &Lifetime, now: Moment) -> Self {
        match Freshness::judge(lifetime, Duration::ZERO, now) {
            Freshness::Fresh => Self::Fresh,
            Freshness::Ageing => Self::Ageing,
            Freshness::Short => Self::Expired,
        }
    }
}

impl CachedCredential {
    fn of(cached: &ListedEntry) -> Self {
        let Lifetime { obtained_at, .. } = cached.lifetime;
        let expires_at = cached.lifetime.expires_at_here();
        let soft_at = expires_at.minus(cached.lifetime.whole() / 2);
        Self { place: cached.place, obtained_at, soft_at, expires_at }
    }
}

/// Everything in the cache, ordered by expiry, the latest first.
pub fn overview(files: &FileCache, now: Moment) -> Vec<Row> {
    let mut failures = negative_cache::all(files);
    let mut rows: Vec<Row> = cache::list(files)
        .into_iter()
        .map(|cached| {
            let its = failures.iter().position(|(key, _)| *key == cached.key);
            let failure = its.map(|at| Failure::from(failures.swap_remove(at).1));
            Row {
                state: State::of(&cached.lifetime, now),
                cached: Some(CachedCredential::of(&cached)),
                key: cached.key,
                about: cached.about,
                failure,
            }
        })
        .collect();
    rows.extend(failures.into_iter().map(|(key, failure)| Row {
        key,
        about: failure.about.clone(),
        state: State::Failed,
        cached: None,
        failure: Some(failure.into()),
    }));
    let end = |row: &Row| row.cached.map(|rest| std::cmp::Reverse(rest.expires_at));
    rows.sort_by(|a, b| {
        (a.state == State::Failed, end(a), &a.key).cmp(&(b.state == State::Failed, end(b), &b.key))
    });
    rows
}

impl From<negative_cache::RememberedFailure> for Failure {
    fn from(failure: negative_cache::RememberedFailure) -> Self {
        let negative_cache::RememberedFailure { at, code, message, .. } = failure;
        Self { at, code, message }
    }
}
