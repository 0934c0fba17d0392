//! The IAM token (`t1.…`, up to 12 h): what proves an identity to Yandex Cloud.
//!
//! From an authorized key, a PS256 assertion, or an OAuth token, posted to `/iam/v1/tokens`
//! (`yandex.cloud.iam.v1.IamTokenService.Create`); the other identities have ways of their own.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::{AuthorizedKey, GivenToken, Identity, Manner, Source};
use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::clock::{Offset, Timestamp};
use crate::credential::{Credential, IamToken, Lifetime, Secret};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, Client, HttpRequest, Reply};
use crate::message;

/// It is used at once, for one exchange.
pub(super) const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// "No more than 12 hours", says the vendor. A later expiry would be a mistake somewhere.
const LONGEST_LIFE: Duration = Duration::from_secs(12 * 3600);

/// The `aud` that the vendor's documentation gives for an assertion.
const ASSERTION_AUDIENCE: &str = "https://iam.api.cloud.yandex.net/iam/v1/tokens";

/// yc does not say how long its token lives, and keeps it itself.
const KEPT_OF_YC: Duration = Duration::from_secs(60);

/// The wish for the IAM token of an identity.
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
        let key = identity.contribute(key.with("iam", endpoints.iam.as_str()));
        self.0.with_issuer(key)
    }

    fn about(&self) -> EntryMetadata {
        let Source { identity, endpoints, .. } = self.0;
        let from = match identity {
            Identity::Metadata(metadata) => metadata.address(),
            Identity::YcCli { .. } => "yc",
            Identity::Federated(_) => endpoints.oauth_name(),
            _ => endpoints.iam.as_str(),
        };
        EntryMetadata {
            service_account: identity.service_account().map(ForeignText::from),
            ..EntryMetadata::from(from)
        }
    }

    fn what(&self) -> Message {
        message!("an IAM token for {}", self.0.identity.describe())
    }

    /// A token that was given is not ours to keep: whoever gave it decides where it rests.
    fn is_cacheable(&self) -> bool {
        !matches!(self.0.identity, Identity::GivenToken(_))
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IamToken>> {
        let http = &self.0.http;
        match &self.0.identity {
            Identity::AuthorizedKey(key) => self.exchange_key(key, broker).await,
            Identity::GivenToken(given) => Ok(given.credential(broker.clock().now())),
            Identity::OauthToken(token) => self.exchange_oauth_token(token).await,
            Identity::Metadata(metadata) => metadata.fetch(http).await,
            Identity::Federated(workload) => workload.fetch(self.0, broker).await,
            Identity::YcCli { yc, .. } => {
                let is_unattended = broker.is_unattended();
                let manner = Manner { actor: None, is_unattended, mark: &broker.mark() };
                let token = yc.iam_token(&self.what(), manner, http.deadline()).await?;
                let now = broker.clock().now();
                let lifetime = Lifetime::new(now, now.at.plus(KEPT_OF_YC), Offset::default());
                Ok(Credential { secret: IamToken(token), lifetime })
            }
        }
    }
}

impl IamTokenRequest<'_> {
    async fn exchange_key(
        &self,
        key: &AuthorizedKey,
        broker: &Broker,
    ) -> Result<Credential<IamToken>> {
        let what = self.what();
        let client = self.client(&what).await?;
        let now = broker.clock().now().at;
        let mut reply = self.present(key, now, &client).await?;
        if let Some(offset) = reply.clock_offset.filter(|offset| offset.is_wrong_clock())
            && reply.status == 401
        {
            // It was of another time, by a clock of which we now know how wrong it is.
            reply = self.present(key, now.shifted(offset), &client).await?;
        }
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = hint(&refusal, key);
            return Err(refusal.into_error(what, hint));
        }
        accept(&what, &reply)
    }

    async fn exchange_oauth_token(&self, token: &GivenToken) -> Result<Credential<IamToken>> {
        let what = self.what();
        let client = self.client(&what).await?;
        let body = json!({ "yandexPassportOauthToken": token.secret().expose() });
        let reply = post(&client, &what, &body).await?;
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = message!(
                "the OAuth token of {} may be revoked, or have expired after a year; get another, or better an authorized key, as Yandex retires OAuth tokens",
                token.origin()
            );
            return Err(refusal.into_error(what, hint));
        }
        accept(&what, &reply)
    }

    async fn client(&self, what: &Message) -> Result<Client> {
        let endpoint = self.0.endpoints.iam.resolve(&self.0.http).await?;
        self.0.http.client(&endpoint, what)
    }

    async fn present(&self, key: &AuthorizedKey, now: Timestamp, client: &Client) -> Result<Reply> {
        let audience = self.0.assertion_audience.as_deref().unwrap_or(ASSERTION_AUDIENCE);
        let assertion = key.assertion(now, audience, self.0.http.deadline()).await?;
        debug!("signed the assertion");
        post(client, &self.what(), &json!({ "jwt": assertion.expose() })).await
    }
}

async fn post(client: &Client, what: &Message, body: &Value) -> Result<Reply> {
    let body = Body::Json(Zeroizing::new(body.to_string()));
    client.send(&HttpRequest::post(what, "/iam/v1/tokens", body)).await
}

/// The IAM token in an answer of IAM's, checked to be alive.
pub(super) fn accept(what: &Message, reply: &Reply) -> Result<Credential<IamToken>> {
    let answer: Answer = reply.json(what)?;
    let text = answer.iam_token.expose();
    let problem = if text.trim().is_empty() {
        Some("it is empty")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        // It could not be sent on in a header.
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
    let lifetime = reply.life_until(what, Code::SourceToken, end, LONGEST_LIFE)?;
    Ok(Credential { secret: IamToken(answer.iam_token), lifetime })
}

fn hint(refusal: &Refusal, key: &AuthorizedKey) -> Message {
    match refusal.code {
        Code::SourceAuth => message!(
            "the key `{}` may be revoked or its service account deleted; see `yc iam key list --service-account-id {}`",
            ForeignText::new(&key.id),
            ForeignText::new(&key.service_account_id)
        ),
        Code::SourceNotFound => "check `--iam-endpoint`".into(),
        _ => "check that the key belongs to this installation of Yandex Cloud, and the endpoint"
            .into(),
    }
}
