//! Service accounts by name, and the list of those in a folder
//! (`yandex.cloud.iam.v1.ServiceAccountService.List`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Get, NAME_TTL, ResourceId};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::Credential;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::source::Source;

const PATH: &str = "/iam/v1/serviceAccounts";

/// The vendor's maximum.
const PAGE_SIZE: &str = "1000";

/// The vendor's quota is 100 accounts per cloud; an endless list is an error of the server.
const MAX_PAGES: usize = 100;

/// A service account, as the vendor lists it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "camelCase"))]
pub struct ServiceAccount {
    pub id: ForeignText,
    #[serde(default)]
    pub folder_id: ForeignText,
    /// Its name, unique in its cloud.
    #[serde(default)]
    pub name: ForeignText,
    #[serde(default)]
    pub description: ForeignText,
    #[serde(default)]
    pub labels: BTreeMap<ForeignText, ForeignText>,
    /// When it was created, as RFC 3339.
    #[serde(default)]
    pub created_at: ForeignText,
    /// When it was last used, as RFC 3339, if known.
    #[serde(default)]
    pub last_authenticated_at: Option<ForeignText>,
    /// `ACTIVE`, `SUSPENDED`, …
    #[serde(default)]
    pub status: ForeignText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    // An empty list is missing in the answer.
    #[serde(default)]
    service_accounts: Vec<ServiceAccount>,
    #[serde(default)]
    next_page_token: String,
}

/// The request for the ID of a service account with this name.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServiceAccountRequest<'a> {
    pub(super) source: &'a Source,
    pub(super) folder: &'a str,
    pub(super) name: &'a str,
}

impl Request for ServiceAccountRequest<'_> {
    type Secret = ResourceId;

    const KIND: &'static str = "service-account";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let key = key.with("iam", self.source.endpoints.iam.as_str());
        self.source.cache_key(key).with("folder", self.folder).with("name", self.name)
    }

    fn about(&self) -> EntryMetadata {
        let about = EntryMetadata::from(self.source.endpoints.iam.as_str());
        EntryMetadata { service_account: Some(self.name.into()), ..about }
    }

    fn what(&self) -> Message {
        message!("the ID of service account `{}`", ForeignText::new(self.name))
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<ResourceId>> {
        let what = self.what();
        let Self { source, folder, name } = *self;
        if !is_account_name(name) {
            return Err(Error::Invalid {
                problem: message!("`{name}` is neither the ID of a service account nor a valid name of one", name = ForeignText::new(name)),
                hint: "an ID begins with `aje`; a name has 3 to 63 lower-case letters, digits and hyphens, and begins with a letter".into(),
            });
        }
        let accounts = list(source, broker, &what, folder, Some(name)).await?;
        // The server may ignore the filter.
        match accounts.into_iter().find(|account| account.name.as_str() == name) {
            Some(account) if account.status.as_str() == "SUSPENDED" => Err(Error::Refused {
                what,
                code: Code::SourceDenied,
                reason: message!("it is `{}`, and suspended", ForeignText::new(&account.id)),
                request_id: None,
                hint: "activate the service account".into(),
            }),
            Some(account) => {
                Ok(ResourceId::found(account.id.as_str().to_owned(), broker, NAME_TTL))
            }
            None => Err(Error::Refused {
                what,
                code: Code::SourceNotFound,
                reason: message!("folder `{folder}` has none of this name that {} may see", source.describe(), folder = ForeignText::new(folder)),
                request_id: None,
                hint: "see `yc-id-token service-accounts`; to list them takes the role `iam.serviceAccounts.user`, or `viewer`; an ID (`aje…`) needs neither".into(),
            }),
        }
    }
}

/// The service accounts of a folder, or the one of a name.
pub(super) async fn list(
    source: &Source,
    broker: &Broker,
    what: &Message,
    folder: &str,
    name: Option<&str>,
) -> Result<Vec<ServiceAccount>> {
    let endpoint = source.endpoints.iam.resolve(&source.http).await?;
    let client = source.http.client(&endpoint, what)?;
    // In the notation of the vendor's SDK.
    let filter = name.map(|name| format!("name = \"{name}\""));
    let mut query = vec![("folderId", folder), ("pageSize", PAGE_SIZE)];
    query.extend(filter.as_deref().map(|filter| ("filter", filter)));
    let mut accounts = Vec::new();
    let mut token = String::new();
    for _ in 0..MAX_PAGES {
        let mut query = query.clone();
        if !token.is_empty() {
            query.push(("pageToken", &token));
        }
        let get = Get { source, client: &client, what, path: PATH, query: &query };
        let page: Page = get.send(broker).await?.json(what)?;
        accounts.extend(page.service_accounts);
        if page.next_page_token.is_empty() {
            return Ok(accounts);
        }
        token = page.next_page_token;
    }
    Err(Error::Unreached {
        what: what.into(),
        code: Code::Foreign,
        problem: message!("{} has more than {MAX_PAGES} pages of them", endpoint.host(), MAX_PAGES)
            .into(),
        hint: "check the IAM endpoint".into(),
    })
}

/// Whether a text has the format of a service account's ID, and so is not a name.
pub fn is_account_id(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() == 20 && text.starts_with("aje") && text.bytes().all(is_part)
}

/// Whether a name is valid, and so safe in a filter: `[a-z][-a-z0-9]{1,61}[a-z0-9]`.
pub(super) fn is_account_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(is_part)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_distinguished_from_a_name() {
        assert!(is_account_id("ajeboa0du6edu6m43c3t"));
        for name in
            ["my-robot", "ajeboa0du6edu6m43c3", "ajeboa0du6edu6m43c3-", "bjeboa0du6edu6m43c3t"]
        {
            assert!(!is_account_id(name), "{name}");
        }
    }

    #[test]
    fn only_a_name_gets_into_a_filter() {
        assert!(is_account_name("my-robot"));
        for bad in [
            "",
            "ab",
            "My-robot",
            "my_robot",
            "1robot",
            "robot-",
            "a\" OR name=\"b",
            &"a".repeat(64),
        ] {
            assert!(!is_account_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_empty_page_and_unknown_fields_are_accepted() {
        let empty: Page = serde_json::from_str("{}").unwrap();
        assert!(empty.service_accounts.is_empty() && empty.next_page_token.is_empty());
        let page: Page = serde_json::from_str(
            r#"{"serviceAccounts":[{"id":"aje1","name":"a","labels":{"x":"y"},"lastAuthenticatedAt":"2026-01-01T00:00:00Z","new":1}],"nextPageToken":"t"}"#,
        )
        .unwrap();
        assert_eq!(page.service_accounts[0].labels[&"x".into()].as_str(), "y");
        assert_eq!(page.next_page_token, "t");
    }
}
