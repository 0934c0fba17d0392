//! The IAM token (`t1.…`, up to 12 h), which authenticates to Yandex Cloud, and the request for it by several
//! identities: `POST /iam/v1/tokens` (`yandex.cloud.iam.v1.IamTokenService.Create`).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Identity, Source};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::{Credential, IamToken, Secret};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, Client, HttpRequest, Reply};
use crate::message;

/// It is used immediately, for one exchange.
pub(super) const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// "No more than 12 hours" in the vendor's documentation. A later expiry is an error of the server.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(12 * 3600);

#[derive(Clone, Copy, Debug)]
pub(super) struct IamTokenRequest<'a>(pub(super) &'a Source);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "iamToken")]
    iam_token: Secret,
    #[serde(rename = "expiresAt")]
    expires_at: Option<String>,
}

impl Request for IamTokenRequest<'_> {
    type Secret = IamToken;

    const KIND: &'static str = "iam-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let Source { identity, endpoints, .. } = self.0;
        identity.cache_key(key.with("iam", endpoints.iam.as_str()), endpoints)
    }

    fn about(&self) -> EntryMetadata {
        let Source { identity, endpoints, .. } = self.0;
        EntryMetadata {
            service_account: identity.service_account().map(ForeignText::from),
            ..EntryMetadata::from(identity.issuer(endpoints))
        }
    }

    fn what(&self) -> Message {
        what(self.0.identity.as_ref())
    }

    fn is_cacheable(&self) -> bool {
        self.0.identity.is_cacheable()
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IamToken>> {
        self.0.identity.fetch(self.0, broker).await
    }
}

pub(super) fn what(identity: &dyn Identity) -> Message {
    message!("an IAM token for {}", identity.describe())
}

pub(super) async fn client(source: &Source, what: &Message) -> Result<Client> {
    let endpoint = source.endpoints.iam.resolve(&source.http).await?;
    source.http.client(&endpoint, what)
}

pub(super) async fn post(client: &Client, what: &Message, body: &Value) -> Result<Reply> {
    let body = Body::Json(Zeroizing::new(body.to_string()));
    client.send(&HttpRequest::post(what, "/iam/v1/tokens", body)).await
}

/// The IAM token in an answer of IAM, checked to be unexpired.
pub(super) fn accept(what: &Message, reply: &Reply) -> Result<Credential<IamToken>> {
    let answer: Answer = reply.json(what)?;
    let text = answer.iam_token.expose();
    let problem = if text.trim().is_empty() {
        Some("it is empty")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        // It could not be sent in a header.
        Some("it has characters that no token has")
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(Error::WrongToken {
            what: what.clone(),
            code: Code::SourceToken,
            problem: problem.into(),
            hint: "check the IAM endpoint".into(),
        });
    }
    let end = answer.expires_at.as_deref();
    let lifetime = reply.lifetime_until(what, Code::SourceToken, end, MAX_LIFETIME)?;
    Ok(Credential { secret: IamToken(answer.iam_token), lifetime })
}
