//! The metadata of a cache entry, for `status`: no secrets, and nothing that a cache hit reads.

use serde::{Deserialize, Serialize};

use crate::foreign_text::ForeignText;

/// What a credential is, and for whom it was obtained.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct EntryMetadata {
    /// Its origin: an address, or a program.
    pub from: ForeignText,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ForeignText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<ForeignText>,
    /// The command that first needed it. Other commands may use it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ForeignText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ForeignText>,
}

impl EntryMetadata {
    /// The metadata of a credential that comes from `from`.
    pub fn from(from: &str) -> Self {
        Self { from: from.into(), ..Self::default() }
    }
}
