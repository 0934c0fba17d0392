//! The IAM token (`t1.…`, up to 12 h): what proves an identity to Yandex Cloud.
//!
//! From an authorized key: a PS256 assertion, posted to `/iam/v1/tokens`
//! (`yandex.cloud.iam.v1.IamTokenService.Create`).

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tracing::debug;
use zeroize::Zeroizing;

use super::refusal::{self, Refusal};
use super::{AuthorizedKey, Identity, Source};
use crate::broker::{Broker, Obtain};
use crate::cache::Key;
use crate::clock::Timestamp;
use crate::credential::{Credential, IamToken, Secret};
use crate::error::{Code, Error, Result};
use crate::http::{Body, Client, Reply, Request};

/// It is used at once, for one exchange.
pub(super) const LEAST_LIFE: Duration = Duration::from_secs(60);

/// "No more than 12 hours", says the vendor. A later expiry would be a mistake somewhere.
const LONGEST_LIFE: Duration = Duration::from_secs(12 * 3600);

/// The wish for the IAM token of an identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct IamTokenWish<'a>(pub(super) &'a Source);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "iamToken")]
    iam_token: Secret,
    #[serde(rename = "expiresAt")]
    expires_at: String,
}

impl Obtain for IamTokenWish<'_> {
    type Secret = IamToken;

    fn key(&self) -> Key {
        let Source { identity, endpoints, .. } = self.0;
        identity.contribute(Key::of("iam-token").with("iam", endpoints.iam.as_str())).build()
    }

    fn what(&self) -> String {
        format!("an IAM token for {}", self.0.identity.describe())
    }

    /// A token that was given is not ours to keep: whoever gave it decides where it rests.
    fn rests(&self) -> bool {
        !matches!(self.0.identity, Identity::GivenToken(_))
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<IamToken>> {
        match &self.0.identity {
            Identity::AuthorizedKey(key) => self.exchange(key, broker).await,
            Identity::GivenToken(given) => Ok(given.credential(broker.clock().now())),
            Identity::Metadata(metadata) => metadata.fetch(&self.0.http).await,
        }
    }
}

impl IamTokenWish<'_> {
    async fn exchange(&self, key: &AuthorizedKey, broker: &Broker) -> Result<Credential<IamToken>> {
        let what = self.what();
        let endpoint = self.0.endpoints.iam.resolve(&self.0.http).await?;
        let client = self.0.http.client(&endpoint, &what)?;
        let now = broker.clock().now().at;
        let mut reply = self.present(key, now, &client, broker).await?;
        if let Some(offset) = reply.clock_offset.filter(|offset| offset.is_wrong_clock())
            && reply.status == 401
        {
            // It was of another time, by a clock of which we now know how wrong it is.
            reply = self.present(key, now.shifted(offset), &client, broker).await?;
        }
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = hint(&refusal, key);
            return Err(refusal.into_error(what, hint));
        }
        let answer: Answer =
            serde_json::from_slice(&reply.body).map_err(|_| refusal::foreign(&what, &reply))?;
        let server_now = reply.server_now();
        let expires_at = Timestamp::parse_rfc3339(&answer.expires_at)
            .filter(|expires_at| *expires_at > server_now)
            .ok_or_else(|| Error::WrongToken {
                what: what.clone(),
                code: Code::SourceToken,
                problem: format!(
                    "the server says that it expires at `{}`, which is not ahead",
                    answer.expires_at.escape_debug()
                ),
                hint: "check this machine's date, and the endpoint".into(),
            })?;
        let lifetime = reply.lifetime(expires_at.min(server_now.plus(LONGEST_LIFE)));
        Ok(Credential { secret: IamToken(answer.iam_token), lifetime })
    }

    async fn present(
        &self,
        key: &AuthorizedKey,
        now: Timestamp,
        client: &Client,
        broker: &Broker,
    ) -> Result<Reply> {
        let assertion = key.assertion(now, broker.deadline()).await?;
        debug!("signed the assertion");
        let body = Body::Json(Zeroizing::new(json!({ "jwt": assertion.expose() }).to_string()));
        let what = self.what();
        client.send(&Request::post(&what, "/iam/v1/tokens", body)).await
    }
}

fn hint(refusal: &Refusal, key: &AuthorizedKey) -> String {
    match refusal.code {
        Code::SourceAuth => format!(
            "the key `{}` may be revoked or its service account deleted; see `yc iam key list --service-account-id {}`",
            key.id, key.service_account_id
        ),
        Code::SourceNotFound => "check `--iam-endpoint`".into(),
        _ => "check that the key belongs to this installation of Yandex Cloud, and the endpoint"
            .into(),
    }
}
