//! The endpoints of an agent: their configuration and their answers. [`crate::endpoint`] accepts the requests.
//!
//! Security: an endpoint only answers for audiences that the configuration names.

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

/// The protocol of an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The protocol of the AWS SDKs in containers.
    AwsContainer,
    /// The protocol of GitHub Actions.
    Github,
    /// The protocol of Google's URL-sourced credentials.
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

    /// Whether clients of this type read the secret's file for each request. Other clients have the secret in a
    /// variable or in their own configuration.
    const fn reads_secret_each_time(self) -> bool {
        match self {
            Self::AwsContainer => true,
            Self::Github | Self::GcpUrl | Self::Token => false,
        }
    }
}

pub(crate) fn names() -> Vec<&'static str> {
    names_of(&Kind::ALL)
}

/// A document that an endpoint returns.
pub(super) struct Served {
    /// The audience of its token; empty for keys of AWS.
    pub(super) audience: String,
    pub(super) memory: Arc<Memory>,
}

/// The pages of an endpoint.
struct Pages {
    kind: Kind,
    /// The endpoint's address, for metrics.
    name: ForeignText,
    documents: Vec<Served>,
    clock: Clock,
    shared: Arc<Shared>,
}

/// Opens a planned endpoint, with its secret.
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
