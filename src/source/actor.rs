//! Who acts: the identity, or the service account that it acts as.

use super::iam_token::{IamTokenRequest, MINIMUM_LIFETIME};
use super::impersonation::ImpersonationRequest;
use super::{Identity, Source};
use crate::broker::{Broker, Forecast};
use crate::cache::KeyBuilder;
use crate::credential::IamToken;
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::http::Client;
use crate::message;

impl Source {
    /// The IAM token of whoever acts, presented to a server by `send`: see [`Broker::present`]. The
    /// connection to it, `ahead`, is opened meanwhile, if getting the IAM token takes a while.
    pub(super) async fn act<R>(
        &self,
        broker: &Broker,
        ahead: Option<&Client>,
        send: impl AsyncFn(&IamToken) -> Result<R>,
        is_refused: impl Fn(&R) -> bool,
    ) -> Result<R> {
        let takes_a_while = self.impersonated.is_some()
            || matches!(
                self.identity,
                Identity::AuthorizedKey(_) | Identity::OauthToken(_) | Identity::YcCli { .. }
            );
        let ahead = ahead.filter(|_| takes_a_while).cloned();
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

    /// What would happen if whoever acts were to get an ID token now.
    pub fn forecasts(&self, broker: &Broker) -> Vec<Forecast> {
        let mut forecasts = Vec::new();
        match &self.impersonated {
            Some(service_account) => {
                let request = ImpersonationRequest { source: self, service_account };
                forecasts.push(broker.forecast(&request, MINIMUM_LIFETIME));
            }
            // It does both by itself.
            None if matches!(self.identity, Identity::YcCli { .. }) => return forecasts,
            None => {}
        }
        if forecasts.iter().all(|forecast| !forecast.prediction.is_hit()) {
            forecasts.push(broker.forecast(&IamTokenRequest(self), MINIMUM_LIFETIME));
        }
        forecasts
    }

    /// Where the IAM token of the identity comes from, in cache keys, if it is not IAM: a workload of
    /// elsewhere has it from the OAuth server.
    pub(super) fn with_issuer(&self, key: KeyBuilder) -> KeyBuilder {
        match self.identity {
            Identity::Federated(_) => key.with("oauth", self.endpoints.oauth_name()),
            _ => key,
        }
    }

    /// The part in cache keys of whoever acts.
    pub(super) fn contribute(&self, key: KeyBuilder) -> KeyBuilder {
        let key = self.with_issuer(self.identity.contribute(key));
        match &self.impersonated {
            Some(service_account) => key.with("acts as", service_account),
            None => key,
        }
    }

    /// What whoever acts is, for messages.
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
