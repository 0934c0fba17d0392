//! The endpoints of an agent: HTTP servers on loopback or a Unix socket, which answer from memory.
//!
//! Security: a request is answered only to a program that knows the secret of the endpoint or, on a Unix socket, that
//! runs as this user or root. Browsers are refused, whatever name they call the address by. Only the audiences that
//! the configuration names are answered for.
//!
//! | to find | look in |
//! | --- | --- |
//! | what the configuration says | `planned` |
//! | addresses, and how they are bound | `socket` |
//! | connections | `server` |
//! | what is answered | `answer` |

mod answer;
mod planned;
mod server;
mod socket;

use std::path::Path;
use std::sync::Arc;

use super::state::Shared;
use crate::clock::Clock;
use crate::consumer::CredentialFile;
use crate::consumer::kept_document::Memory;
use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::private_file::{self, Access};
use crate::random;
use crate::secret_file;
use crate::settings::names_of;
pub(super) use planned::{PlannedEndpoint, SecretPlace};
pub(super) use server::serve;
pub(super) use socket::{Listen, Socket};

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

/// An endpoint that is served.
pub(super) struct Endpoint {
    kind: Kind,
    listen: Listen,
    /// The digest of the secret, so that a comparison takes as long for every wrong one.
    secret: Option<Digest>,
    documents: Vec<Served>,
    clock: Clock,
    shared: Arc<Shared>,
}

impl Endpoint {
    pub(super) fn new(
        planned: &PlannedEndpoint,
        documents: Vec<Served>,
        clock: Clock,
        shared: Arc<Shared>,
    ) -> Result<Self> {
        let secret = match &planned.secret {
            Some(SecretPlace::New(path)) => Some(write_secret(path)?),
            Some(SecretPlace::Credential(path)) => Some(read_secret(path)?),
            None => None,
        };
        let (kind, listen) = (planned.kind, planned.listen.clone());
        Ok(Self { kind, listen, secret, documents, clock, shared })
    }

    /// Its address, for metrics.
    fn name(&self) -> ForeignText {
        self.listen.shown()
    }
}

/// Writes a new secret, and returns its digest.
fn write_secret(path: &Path) -> Result<Digest> {
    let secret = random::secret()?;
    private_file::write_output(path, secret.as_bytes(), Access::PRIVATE)
        .map_err(|error| Error::unwritten(path, error))?;
    Ok(Digest::of(secret.as_bytes()))
}

/// The digest of the secret in a credential configuration of Google's libraries. It stays the same for all agents, as
/// the libraries read their configuration once.
fn read_secret(path: &Path) -> Result<Digest> {
    let content = secret_file::read("the credential configuration", path, CredentialFile::LIMIT)?;
    let file = CredentialFile::parse(&content);
    let secret = file.as_ref().and_then(CredentialFile::secret);
    secret.map(|secret| Digest::of(secret.as_bytes())).ok_or_else(|| Error::Configuration {
        problem: message!("`{}` has no header Authorization with a secret", shown(path)),
        hint: "write it with `yc-id-token setup gcp --source=url`".into(),
    })
}
