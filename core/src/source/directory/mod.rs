//! Service accounts and folders by name: the lookups of one run.

mod folder;
mod own_account;
mod service_accounts;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Source;
use super::refusal::Refusal;
use crate::broker::{Broker, Forecast};
use crate::clock::Offset;
use crate::credential::{Cacheable, Credential, IamToken, Lifetime};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Client, HttpRequest, Reply};
use crate::message;
use crate::settings::Settings;
use folder::FolderRequest;
use own_account::OwnAccountRequest;
use service_accounts::ServiceAccountRequest;
pub use service_accounts::{ServiceAccount, is_account_id};

/// An account can be deleted and its name reused, but that is rare.
const NAME_TTL: Duration = Duration::from_secs(24 * 3600);

/// An ID is used immediately.
const MINIMUM_LIFETIME: Duration = Duration::ZERO;

/// The lookups that the settings of a run require.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    /// The settings, which name the service account, the folder and the cloud.
    pub settings: &'a Settings,
    pub source: &'a Source,
    pub broker: &'a Broker,
}

/// The ID behind a name. It is not secret, but is cached like a credential.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct ResourceId(String);

impl Cacheable for ResourceId {}

impl ResourceId {
    fn found(id: String, broker: &Broker, ttl: Duration) -> Credential<Self> {
        let now = broker.clock().now();
        let lifetime = Lifetime::new(now, now.at.plus(ttl), Offset::default());
        Credential { secret: Self(id), lifetime }
    }
}

impl<'a> Directory<'a> {
    /// The ID of the service account to get the ID token for: the configured one, looked up if it is a name;
    /// otherwise that of the identity, looked up if that is this machine.
    pub fn service_account(&self) -> Result<String> {
        let Some(setting) = &self.settings.service_account else {
            return match (self.source.service_account(), self.own_account()) {
                (Some(own), _) => Ok(own.to_owned()),
                (None, Some(request)) => {
                    Ok(self.broker.obtain(&request, MINIMUM_LIFETIME)?.secret.0)
                }
                (None, None) => Err(self.source.no_service_account()),
            };
        };
        let account = &setting.value;
        if is_account_id(account) {
            return Ok(account.clone());
        }
        let Some(folder) = self.folder()? else {
            // Another installation may have IDs in another format, which its server checks.
            return Ok(account.clone());
        };
        let request = ServiceAccountRequest { source: self.source, folder: &folder, name: account };
        Ok(self.broker.obtain(&request, MINIMUM_LIFETIME)?.secret.0)
    }

    /// The request for the service account of this machine, if neither a setting nor the identity names one.
    fn own_account(&self) -> Option<OwnAccountRequest<'a>> {
        let Self { settings, source, .. } = *self;
        let is_named = settings.service_account.is_some() || source.service_account().is_some();
        let metadata = source.identity.metadata().filter(|_| !is_named)?;
        Some(OwnAccountRequest { source, metadata, settings })
    }

    /// The hint if the first lookup may find nothing.
    pub fn lookup_hint(&self) -> Option<Message> {
        self.own_account().map(|request| request.hint())
    }

    /// The ID of the folder in which names of service accounts are looked up, if one is set.
    pub fn folder(&self) -> Result<Option<String>> {
        let Some(name) = &self.settings.folder_name else {
            let folder = self.settings.folder_id.as_ref().map(|folder| &folder.value);
            return Ok(folder.or(self.source.yc_defaults.folder_id.as_ref()).cloned());
        };
        let cloud = self.cloud().ok_or_else(|| Error::Missing {
            problem: message!(
                "the cloud of the folder `{}` ({}) is not set",
                ForeignText::new(&name.value),
                name.origin
            ),
            hint: "give `--cloud-id`, or the folder's ID with `--folder-id`".into(),
        })?;
        let request = FolderRequest { source: self.source, cloud, name: &name.value };
        Ok(Some(self.broker.obtain(&request, MINIMUM_LIFETIME)?.secret.0))
    }

    /// The ID of the cloud in which names of folders are looked up, if one is set.
    fn cloud(&self) -> Option<&'a str> {
        let cloud = self.settings.cloud_id.as_ref().map(|cloud| &cloud.value);
        cloud.or(self.source.yc_defaults.cloud_id.as_ref()).map(String::as_str)
    }

    pub fn service_accounts(&self, folder: &str) -> Result<Vec<ServiceAccount>> {
        let what = &"the list of service accounts".into();
        let list = service_accounts::list(self.source, self.broker, what, folder, None);
        self.broker.wait(what, list)
    }

    /// The forecast of the first lookup that needs a server.
    pub fn lookup(&self) -> Result<Option<Forecast>> {
        let last = self.lookups()?.pop();
        Ok(last.filter(|lookup| !lookup.prediction.is_hit()))
    }

    /// The forecasts of the folder and the service account, if they are looked up. They end with the first that needs
    /// a server, because the next one depends on it.
    pub fn lookups(&self) -> Result<Vec<Forecast>> {
        let mut lookups = Vec::new();
        let Some(account) = &self.settings.service_account else {
            let own = self.own_account();
            lookups.extend(own.map(|request| self.broker.forecast(&request, MINIMUM_LIFETIME)));
            return Ok(lookups);
        };
        let name = &account.value;
        if is_account_id(name) {
            return Ok(lookups);
        }
        if let (Some(name), Some(cloud)) = (&self.settings.folder_name, self.cloud()) {
            let request = FolderRequest { source: self.source, cloud, name: &name.value };
            let folder = self.broker.forecast(&request, MINIMUM_LIFETIME);
            let is_known = folder.prediction.is_hit();
            lookups.push(folder);
            if !is_known {
                return Ok(lookups);
            }
        }
        if let Some(folder) = self.folder()? {
            let request = ServiceAccountRequest { source: self.source, folder: &folder, name };
            lookups.push(self.broker.forecast(&request, MINIMUM_LIFETIME));
        }
        Ok(lookups)
    }
}

/// A request of the acting account to a server that lists resources.
struct Get<'a> {
    source: &'a Source,
    client: &'a Client,
    /// What is requested, for messages.
    what: &'a Message,
    path: &'static str,
    query: &'a [(&'a str, &'a str)],
}

impl Get<'_> {
    async fn send(&self, broker: &Broker) -> Result<Reply> {
        let send = async |actor: &IamToken| {
            let bearer = Zeroizing::new(format!("Bearer {}", actor.0.expose()));
            let headers = &[("authorization", bearer.as_str())];
            self.client
                .send(&HttpRequest {
                    query: self.query,
                    headers,
                    ..HttpRequest::get(self.what, self.path)
                })
                .await
        };
        let reply = self
            .source
            .with_iam_token(broker, Some(self.client), send, |reply| reply.status == 401)
            .await?;
        if reply.status == 200 {
            return Ok(reply);
        }
        let refusal = Refusal::read(self.what, &reply)?;
        let hint = match refusal.code {
            Code::SourceAuth => self.source.identity.rejected_hint(self.source.describe()),
            Code::SourceNotFound => "check `--folder-id`, or `--cloud-id`".into(),
            _ => message!(
                "give the account behind {} a role that lists them, such as `viewer` on the folder; or name the service account by its ID (`aje…`), which needs none",
                self.source.describe()
            ),
        };
        Err(refusal.into_error(self.what, hint))
    }
}
