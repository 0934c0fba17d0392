//! Acting as another service account (vendor's "Impersonation"): its IAM token, for the IAM token of
//! someone who may have it.

use super::iam_token::{self, IamTokenRequest};
use super::refusal::Refusal;
use super::{Source, iam_token::MINIMUM_LIFETIME};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::{Credential, IamToken};
use crate::error::{Code, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, Client, HttpRequest, Reply};
use crate::message;
use serde_json::json;
use zeroize::Zeroizing;

/// The wish for the IAM token of a service account that the identity acts as.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImpersonationRequest<'a> {
    pub(super) source: &'a Source,
    /// The account's ID.
    pub(super) service_account: &'a str,
}

impl Request for ImpersonationRequest<'_> {
    type Secret = IamToken;

    const KIND: &'static str = "iam-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let Source { identity, endpoints, .. } = self.source;
        let key = identity.contribute(key.with("iam", endpoints.iam.as_str()));
        self.source.with_issuer(key).with("acts as", self.service_account)
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
        let endpoint = source.endpoints.iam.resolve(&source.http).await?;
        let client = source.http.client(&endpoint, &what)?;
        let send = async |actor: &IamToken| self.ask(actor, &what, &client).await;
        let is_refused = |reply: &Reply| reply.status == 401;
        let request = IamTokenRequest(source);
        // The connection to IAM is made for the IAM token itself, or for nobody's sake.
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
            Code::SourceAuth => {
                message!("{actor} is no longer accepted; check that it is active", actor)
            }
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
