//! The acting account: the identity, or the service account that it impersonates (vendor's "Impersonation"). The IAM
//! token of the latter is requested with that of the identity.

use super::iam_token::{self, IamTokenRequest};
use super::refusal::Refusal;
use super::{Source, iam_token::MINIMUM_LIFETIME};
use crate::broker::{Broker, Forecast, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::{Credential, IamToken};
use crate::error::{Code, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, Client, HttpRequest, Reply};
use crate::message;
use serde_json::json;
use zeroize::Zeroizing;

/// The request for the IAM token of a service account that the identity acts as.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImpersonationRequest<'a> {
    pub(super) source: &'a Source,
    pub(super) service_account: &'a str,
}

impl Source {
    /// Calls `send` with the IAM token of the acting account: see [`Broker::present`]. The connection `ahead` is
    /// opened meanwhile, if fetching the IAM token takes long.
    pub(super) async fn with_iam_token<R>(
        &self,
        broker: &Broker,
        ahead: Option<&Client>,
        send: impl AsyncFn(&IamToken) -> Result<R>,
        is_refused: impl Fn(&R) -> bool,
    ) -> Result<R> {
        let is_slow = self.impersonated.is_some() || self.identity.is_slow();
        let ahead = ahead.filter(|_| is_slow).cloned();
        let meanwhile = async move {
            if let Some(client) = ahead {
                client.connect_ahead().await;
            }
        };
        match &self.impersonated {
            Some(service_account) => {
                let request = ImpersonationRequest { source: self, service_account };
                broker
                    .present(&request, MINIMUM_LIFETIME, meanwhile, &send, is_refused)
                    .await
                    .map(|it| it.1)
            }
            None => {
                let request = IamTokenRequest(self);
                broker
                    .present(&request, MINIMUM_LIFETIME, meanwhile, &send, is_refused)
                    .await
                    .map(|it| it.1)
            }
        }
    }

    /// The forecasts of the IAM tokens with which an ID token would be obtained.
    pub fn forecasts(&self, broker: &Broker) -> Vec<Forecast> {
        let mut forecasts = Vec::new();
        match &self.impersonated {
            Some(service_account) => {
                let request = ImpersonationRequest { source: self, service_account };
                forecasts.push(broker.forecast(&request, MINIMUM_LIFETIME));
            }
            // yc gets an IAM token itself.
            None if self.identity.yc().is_some() => return forecasts,
            None => {}
        }
        if forecasts.iter().all(|forecast| !forecast.prediction.is_hit()) {
            forecasts.push(broker.forecast(&IamTokenRequest(self), MINIMUM_LIFETIME));
        }
        forecasts
    }

    /// Adds the acting account to a cache key.
    pub(super) fn cache_key(&self, key: KeyBuilder) -> KeyBuilder {
        let key = self.identity.cache_key(key, &self.endpoints);
        match &self.impersonated {
            Some(service_account) => key.with("acts as", service_account),
            None => key,
        }
    }

    /// Describes the acting account, for messages.
    pub(super) fn describe(&self) -> Message {
        match &self.impersonated {
            Some(service_account) => message!(
                "service account `{service_account}`, which {} acts as",
                self.identity.describe(),
                service_account = ForeignText::new(service_account)
            ),
            None => self.identity.describe(),
        }
    }
}

impl Request for ImpersonationRequest<'_> {
    type Secret = IamToken;

    const KIND: &'static str = "iam-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let Source { identity, endpoints, .. } = self.source;
        identity
            .cache_key(key.with("iam", endpoints.iam.as_str()), endpoints)
            .with("acts as", self.service_account)
    }

    fn about(&self) -> EntryMetadata {
        let about = EntryMetadata::from(self.source.endpoints.iam.as_str());
        EntryMetadata { service_account: Some(ForeignText::new(self.service_account)), ..about }
    }

    fn what(&self) -> Message {
        message!(
            "an IAM token to act as service account `{}`",
            ForeignText::new(self.service_account)
        )
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IamToken>> {
        let what = self.what();
        let source = self.source;
        let client = iam_token::client(source, &what).await?;
        let send = async |actor: &IamToken| self.ask(actor, &what, &client).await;
        let is_refused = |reply: &Reply| reply.status == 401;
        let request = IamTokenRequest(source);
        // The connection to IAM is opened by the request for the IAM token itself.
        let meanwhile = std::future::ready(());
        let (_, reply) =
            broker.present(&request, MINIMUM_LIFETIME, meanwhile, &send, is_refused).await?;
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = self.hint(&refusal);
            return Err(refusal.into_error(what, hint));
        }
        iam_token::accept(&what, &reply)
    }
}

impl ImpersonationRequest<'_> {
    async fn ask(&self, actor: &IamToken, what: &Message, client: &Client) -> Result<Reply> {
        let bearer = Zeroizing::new(format!("Bearer {}", actor.0.expose()));
        let body = json!({ "serviceAccountId": self.service_account }).to_string();
        let headers = &[("authorization", bearer.as_str())];
        let path = "/iam/v1/tokens:createForServiceAccount";
        let request = HttpRequest::post(what, path, Body::Json(Zeroizing::new(body)));
        client.send(&HttpRequest { headers, ..request }).await
    }

    fn hint(&self, refusal: &Refusal) -> Message {
        let account = self.service_account;
        let actor = self.source.identity.describe();
        match refusal.code {
            Code::SourceAuth => self.source.identity.rejected_hint(actor),
            Code::SourceNotFound => {
                message!(
                    "check `--impersonate-service-account`: `{account}` is not known there",
                    account = ForeignText::new(account)
                )
            }
            _ => message!(
                "grant `iam.serviceAccounts.tokenCreator` on service account `{account}` to the account behind {actor}; then see the folder's access policies",
                account = ForeignText::new(account),
                actor
            ),
        }
    }
}
