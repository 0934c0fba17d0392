//! Who acts: the identity, or the service account that it acts as.

use super::iam_token::{IamTokenWish, LEAST_LIFE};
use super::impersonation::ImpersonationWish;
use super::{Identity, Source};
use crate::broker::{Broker, Prospect};
use crate::cache::KeyBuilder;
use crate::credential::{Credential, IamToken};
use crate::error::Result;
use crate::http::{Client, Reply};

impl Source {
    /// The wish of whoever acts, presented to a server by `send`: see [`Broker::present`]. The connection
    /// is opened meanwhile, if getting the IAM token takes a while.
    pub(super) async fn act(
        &self,
        broker: &Broker,
        client: &Client,
        send: impl AsyncFn(&IamToken) -> Result<Reply>,
    ) -> Result<(Credential<IamToken>, Reply)> {
        let takes_a_while = self.impersonated.is_some()
            || matches!(
                self.identity,
                Identity::AuthorizedKey(_) | Identity::OauthToken(_) | Identity::YcCli { .. }
            );
        let ahead = client.clone();
        let meanwhile = async move {
            if takes_a_while {
                ahead.connect_ahead().await;
            }
        };
        let is_refused = |reply: &Reply| reply.status == 401;
        match &self.impersonated {
            Some(service_account) => {
                let wish = ImpersonationWish { source: self, service_account };
                broker.present(&wish, LEAST_LIFE, meanwhile, send, is_refused).await
            }
            None => {
                let wish = IamTokenWish(self);
                broker.present(&wish, LEAST_LIFE, meanwhile, send, is_refused).await
            }
        }
    }

    /// The IAM token of whoever acts.
    pub(super) async fn actor(&self, broker: &Broker) -> Result<IamToken> {
        let credential = match &self.impersonated {
            Some(service_account) => {
                let wish = ImpersonationWish { source: self, service_account };
                broker.obtain_on_the_way(&wish, LEAST_LIFE).await
            }
            None => broker.obtain_on_the_way(&IamTokenWish(self), LEAST_LIFE).await,
        };
        Ok(credential?.secret)
    }

    /// What would happen if whoever acts were to get an ID token now.
    pub fn prospects(&self, broker: &Broker) -> Vec<Prospect> {
        let mut prospects = Vec::new();
        match &self.impersonated {
            Some(service_account) => {
                let wish = ImpersonationWish { source: self, service_account };
                prospects.push(broker.prospect(&wish, LEAST_LIFE));
            }
            // It does both by itself.
            None if matches!(self.identity, Identity::YcCli { .. }) => return prospects,
            None => {}
        }
        if prospects.iter().all(|prospect| !prospect.outlook.is_hit()) {
            prospects.push(broker.prospect(&IamTokenWish(self), LEAST_LIFE));
        }
        prospects
    }

    /// The part in cache keys of whoever acts.
    pub(super) fn contribute(&self, key: KeyBuilder) -> KeyBuilder {
        let key = self.identity.contribute(key);
        match &self.impersonated {
            Some(service_account) => key.with("acts as", service_account),
            None => key,
        }
    }

    /// What whoever acts is, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.impersonated {
            Some(service_account) => format!(
                "service account `{service_account}`, which {} acts as",
                self.identity.describe()
            ),
            None => self.identity.describe(),
        }
    }
}
