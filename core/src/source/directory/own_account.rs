//! The service account of this machine, as the metadata service names it (vendor's "Metadata folders").
//!
//! The vendor documents that the service accounts folder contains `default/`, but not that it names the account.
//! Google's service with the same interface does, so one request reads everything below that folder, and accepts an
//! ID anywhere in the answer.

use std::time::Duration;

use super::{ResourceId, is_account_id};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::{Credential, IamToken};
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::http::HttpRequest;
use crate::message;
use crate::settings::{Settings, schema};
use crate::source::Source;
use crate::source::identity::Metadata;

const PATH: &str = "/computeMetadata/v1/instance/service-accounts/";

/// The lifetime of an ID token: a machine can get another service account while it runs.
const TTL: Duration = Duration::from_secs(3600);

/// The request for the ID of the service account of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnAccountRequest<'a> {
    pub(super) source: &'a Source,
    pub(super) metadata: &'a Metadata,
    pub(super) settings: &'a Settings,
}

impl Request for OwnAccountRequest<'_> {
    type Secret = ResourceId;

    const KIND: &'static str = "service-account";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        self.source.cache_key(key).with("name", "default")
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata::from(self.metadata.address())
    }

    fn what(&self) -> Message {
        "the ID of the service account of this machine".into()
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<ResourceId>> {
        let what = self.what();
        let request = HttpRequest::get(&what, PATH);
        let request = HttpRequest { query: &[("recursive", "true")], ..request };
        let reply = self.metadata.get(&self.source.http, request).await?;
        if let Some(account) = account_in(&reply.body).filter(|_| reply.status == 200) {
            return Ok(ResourceId::found(account.to_owned(), broker, TTL));
        }
        if reply.is_trouble() {
            return Err(reply.unavailable(&what, reply.phrase(), None));
        }
        // An IAM token proves that this is a machine of Yandex Cloud with an account. Without one, that is the error.
        let nothing = async |_: &IamToken| Ok(());
        self.source.with_iam_token(broker, None, nothing, |()| false).await?;
        let metadata = self.source.identity.describe();
        let problem = message!(
            "the service account to get the ID token for is not set, and {metadata} does not name it",
            metadata
        );
        Err(Error::Missing { problem, hint: self.hint() })
    }
}

impl OwnAccountRequest<'_> {
    /// The hint if the metadata service does not name the account.
    pub(super) fn hint(&self) -> Message {
        message!(
            "give `--service-account` with its ID (`aje…`), set {}, or run `{}`; `yc compute instance get NAME` shows the ID as `service_account_id`",
            schema::SERVICE_ACCOUNT.variable,
            self.settings.set_command(&schema::SERVICE_ACCOUNT, "ID")
        )
    }
}

/// The only service account ID in an answer of any format.
fn account_in(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    // A token is a single word of these characters.
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let mut ids = text.split(|c| !is_part(c)).filter(|word| is_account_id(word));
    let id = ids.next()?;
    ids.all(|other| other == id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ajeboa0du6edu6m43c3t";

    #[test]
    fn an_id_is_found_in_every_format_and_never_guessed() {
        for named in [
            format!("default/\n{ID}/"),
            format!(r#"{{"default":{{"email":"{ID}"}},"{ID}":{{"aliases":["default"]}}}}"#),
            format!(r#"{{"default":{{"email":"{ID}@sa.example"}}}}"#),
            ID.to_owned(),
        ] {
            assert_eq!(account_in(named.as_bytes()), Some(ID), "{named}");
        }
        for unnamed in [
            "",
            "default/",
            r#"{"default":{}}"#,
            r#"{"default":{"token":"t1.ajeboa0du6edu6m43c3t.x-y"}}"#,
            r#"{"default":{"email":"me@project.iam.gserviceaccount.com"}}"#,
            "ajeboa0du6edu6m43c3t/\najeboa0du6edu6m43c3u/",
        ] {
            assert_eq!(account_in(unnamed.as_bytes()), None, "{unnamed}");
        }
    }
}
