//! The endpoints of an agent: their configuration, and what they answer. How requests come in is in
//! [`crate::endpoint`].
//!
//! Security: only the audiences that the configuration names are answered for.

mod pages;
mod planned;

use std::sync::Arc;

use super::state::Shared;
use crate::clock::Clock;
use crate::consumer::kept_document::Memory;
use crate::endpoint::{Endpoint, Secret};
use crate::foreign_text::ForeignText;
use crate::settings::names_of;
pub(super) use planned::PlannedEndpoint;

/// Whose protocol an endpoint speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The AWS SDKs', in containers.
    AwsContainer,
    /// That of GitHub Actions.
    Github,
    /// That of Google's URL-sourced credentials.
    GcpUrl,
    /// The token as text.
    Token,
}

impl Kind {
    /// All kinds, with their names.
    const ALL: [(Self, &'static str); 4] = [
        (Self::AwsContainer, "aws-container"),
        (Self::Github, "github"),
        (Self::GcpUrl, "gcp-url"),
        (Self::Token, "token"),
    ];

    /// Whether its clients read the file with the secret for each request. Those of other kinds have the secret in a
    /// variable or in their own configuration.
    const fn reads_secret_each_time(self) -> bool {
        match self {
            Self::AwsContainer => true,
            Self::Github | Self::GcpUrl | Self::Token => false,
        }
    }
}

/// The names of all kinds.
pub(crate) fn names() -> Vec<&'static str> {
    names_of(&Kind::ALL)
}

/// A document that an endpoint answers with.
pub(super) struct Served {
    /// The audience of its token; empty for keys of AWS.
    pub(super) audience: String,
    pub(super) memory: Arc<Memory>,
}

/// What an endpoint answers with.
struct Pages {
    kind: Kind,
    /// Its address, for metrics.
    name: ForeignText,
    documents: Vec<Served>,
    clock: Clock,
    shared: Arc<Shared>,
}

/// An endpoint as it is planned, with its secret.
pub(super) fn open(
    planned: &PlannedEndpoint,
    secret: Option<Arc<Secret>>,
    documents: Vec<Served>,
    clock: Clock,
    shared: Arc<Shared>,
) -> Endpoint {
    let (kind, name) = (planned.kind, planned.listen.shown());
    let pages = Pages { kind, name: name.clone(), documents, clock, shared };
    Endpoint { name, secret, clock, service: Box::new(pages) }
}
