//! Looks up a folder by its name (`yandex.cloud.resourcemanager.v1.FolderService.List`).

use serde::Deserialize;

use super::service_accounts::is_account_name;
use super::{Get, NAME_TTL, ResourceId};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::Credential;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::source::Source;

const PATH: &str = "/resource-manager/v1/folders";

/// The request for the ID of a folder with this name.
#[derive(Clone, Copy, Debug)]
pub(super) struct FolderRequest<'a> {
    pub(super) source: &'a Source,
    pub(super) cloud: &'a str,
    pub(super) name: &'a str,
}

#[derive(Deserialize)]
struct Page {
    // An empty list is missing in the answer.
    #[serde(default)]
    folders: Vec<Folder>,
}

#[derive(Deserialize)]
struct Folder {
    id: String,
    #[serde(default)]
    name: String,
}

impl Request for FolderRequest<'_> {
    type Secret = ResourceId;

    const KIND: &'static str = "folder";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let endpoints = &self.source.endpoints;
        let manager = endpoints.resource_manager_name();
        let key = key.with("iam", endpoints.iam.as_str()).with("resource manager", manager);
        self.source.cache_key(key).with("cloud", self.cloud).with("name", self.name)
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata::from(self.source.endpoints.resource_manager_name())
    }

    fn what(&self) -> Message {
        message!("the ID of folder `{}`", ForeignText::new(self.name))
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<ResourceId>> {
        let what = self.what();
        let Self { source, cloud, name } = *self;
        let by_id = "give the folder's ID with `--folder-id`";
        // Names of folders follow the same rule.
        if !is_account_name(name) {
            return Err(Error::Invalid {
                problem: message!(
                    "`{name}` is not a valid name of a folder",
                    name = ForeignText::new(name)
                ),
                hint: by_id.into(),
            });
        }
        let Some(manager) = source.endpoints.resource_manager()? else {
            return Err(Error::Missing {
                problem: message!(
                    "cannot get {what}: the address of the resource manager is not set",
                    what
                ),
                hint: by_id.into(),
            });
        };
        let endpoint = manager.resolve(&source.http).await?;
        let client = source.http.client(&endpoint, &what)?;
        let filter = format!("name = \"{name}\"");
        let query = [("cloudId", cloud), ("filter", filter.as_str())];
        let get = Get { source, client: &client, what: &what, path: PATH, query: &query };
        let page: Page = get.send(broker).await?.json(&what)?;
        match page.folders.into_iter().find(|folder| folder.name == name) {
            Some(folder) => Ok(ResourceId::found(folder.id, broker, NAME_TTL)),
            None => Err(Error::Refused {
                what,
                code: Code::SourceNotFound,
                reason: message!(
                    "cloud `{cloud}` has none of this name that {} may see",
                    source.describe(),
                    cloud = ForeignText::new(cloud)
                ),
                request_id: None,
                hint: by_id.into(),
            }),
        }
    }
}
