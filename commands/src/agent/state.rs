//! The state of an agent's credentials, for the service manager and the endpoints' pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::{Moment, Timestamp};
use crate::credential::Lifetime;
use crate::error::Code;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

#[derive(Debug, Default)]
pub(super) struct Shared {
    credentials: Mutex<Vec<CredentialState>>,
    /// Requests to endpoints, by endpoint and status.
    requests: Mutex<BTreeMap<(ForeignText, u16), u64>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct CredentialState {
    /// Its file, or its endpoint and audience.
    name: ForeignText,
    lifetime: Option<Lifetime>,
    last_success: Option<Timestamp>,
    /// The error code of the last attempt, if it failed.
    failure: Option<Code>,
    failures: BTreeMap<&'static str, u64>,
}

impl CredentialState {
    fn is_valid(&self, now: Moment) -> bool {
        self.lifetime.is_some_and(|lifetime| !lifetime.left(now).is_zero())
    }
}

impl Shared {
    /// Adds a credential and returns its index.
    pub(super) fn add(&self, name: ForeignText) -> usize {
        let mut credentials = self.credentials();
        credentials.push(CredentialState { name, ..CredentialState::default() });
        credentials.len() - 1
    }

    fn credentials(&self) -> MutexGuard<'_, Vec<CredentialState>> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the result of an attempt to renew the credential at an index.
    pub(super) fn note(
        &self,
        at: usize,
        lifetime: Option<Lifetime>,
        failure: Option<Code>,
        now: Timestamp,
    ) {
        if let Some(state) = self.credentials().get_mut(at) {
            (state.lifetime, state.failure) = (lifetime, failure);
            match failure {
                None => state.last_success = Some(now),
                Some(code) => *state.failures.entry(code.name()).or_default() += 1,
            }
        }
        self.changed.notify_one();
    }

    pub(super) fn count_request(&self, endpoint: &ForeignText, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((endpoint.clone(), status)).or_default() += 1;
    }

    /// Waits for the next change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether every credential has been obtained at least once.
    pub(super) fn is_complete(&self) -> bool {
        self.credentials().iter().all(|credential| credential.lifetime.is_some())
    }

    pub(super) fn is_ready(&self, now: Moment) -> bool {
        self.credentials().iter().all(|credential| credential.is_valid(now))
    }

    /// A one-line summary.
    pub(super) fn summary(&self, now: Moment) -> Message {
        let credentials = self.credentials();
        let valid = credentials.iter().filter(|credential| credential.is_valid(now)).count();
        let failing = credentials.iter().find_map(|it| Some((&it.name, it.failure?)));
        let failing = failing.map(|(name, code)| message!("; `{name}`: {code}", name, code));
        let failing = failing.unwrap_or_default();
        message!("{valid} of {} credentials are valid{failing}", credentials.len(), valid, failing)
    }

    /// The metrics in the text format of Prometheus.
    pub(super) fn metrics(&self, now: Moment) -> String {
        let mut expiry = Metric::new(
            "credential_expiry_timestamp_seconds",
            "gauge",
            "When the credential expires.",
        );
        let mut success = Metric::new(
            "credential_last_success_timestamp_seconds",
            "gauge",
            "When it was last renewed, or found to be fresh.",
        );
        let mut valid =
            Metric::new("credential_valid", "gauge", "1 if the credential has not expired.");
        let mut failures = Metric::new(
            "credential_failures_total",
            "counter",
            "Failed renewals, by the code of the error.",
        );
        let mut requests =
            Metric::new("requests_total", "counter", "Requests to an endpoint, by status.");
        for credential in &*self.credentials() {
            let name = &credential.name;
            if let Some(lifetime) = credential.lifetime {
                let at = lifetime.expires_at_here().unix_seconds();
                expiry.add(&[("credential", name.as_str())], at);
            }
            if let Some(at) = credential.last_success {
                success.add(&[("credential", name.as_str())], at.unix_seconds());
            }
            valid.add(&[("credential", name.as_str())], i64::from(credential.is_valid(now)));
            for (code, count) in &credential.failures {
                failures.add(&[("credential", name.as_str()), ("code", code)], *count);
            }
        }
        let counted = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((endpoint, status), count) in &*counted {
            let status = status.to_string();
            requests.add(&[("endpoint", endpoint.as_str()), ("status", &status)], *count);
        }
        [expiry, success, valid, failures, requests].map(|metric| metric.0).concat()
    }
}

struct Metric(String, &'static str);

impl Metric {
    fn new(name: &'static str, kind: &str, help: &str) -> Self {
        let head = format!("# HELP yc_id_token_{name} {help}\n# TYPE yc_id_token_{name} {kind}\n");
        Self(head, name)
    }

    fn add(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let label = |(name, value): &(&str, &str)| {
            format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let labels: Vec<String> = labels.iter().map(label).collect();
        let _ = writeln!(self.0, "yc_id_token_{}{{{}}} {value}", self.1, labels.join(","));
    }
}
