//! The identity of a workload outside Yandex Cloud: its OIDC token, exchanged for an IAM token of a service
//! account that trusts it (vendor's "Exchanging a JWT for an IAM token", RFC 8693).

use std::time::Duration;

use serde::Deserialize;

use super::external_token::{self, ExternalToken};
use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::credential::{Credential, IamToken, Secret};
use crate::env::Env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, HttpRequest};
use crate::message;
use crate::settings::{IdentitySetting, Setting, Settings};
use crate::source::refusal::{self, Refusal};
use crate::source::{
    ACCESS_TOKEN_TYPE, Endpoints, GRANT_TYPE, ID_TOKEN_TYPE, Source, iam_token, is_account_id,
};

/// The lifetime of a token if the answer has none.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// A workload that a service account trusts.
#[derive(Debug)]
pub(super) struct Federated {
    pub(super) token: ExternalToken,
    /// The ID of the service account that it acts as.
    pub(super) service_account: String,
}

pub(super) fn open(
    setting: &IdentitySetting,
    inputs: IdentityInputs<'_>,
    open_token: fn(&IdentitySetting, &Env) -> Result<ExternalToken>,
) -> Result<ResolvedIdentity> {
    let service_account = service_account(setting, inputs.settings)?;
    let token = open_token(setting, inputs.env)?;
    Ok(Federated { token, service_account }.into())
}

/// The account that the workload acts as: its own setting, or the account of the ID token.
fn service_account(setting: &IdentitySetting, settings: &Settings) -> Result<String> {
    let wanted = settings.service_account.as_ref();
    match (&setting.service_account, wanted) {
        (Some(account), _) => Ok(account.clone()),
        (None, Some(wanted)) if is_name(wanted, settings) => Err(Error::Missing {
            problem: message!(
                "the workload acts as `{}` ({}), and cannot look that up by its name",
                ForeignText::new(&wanted.value),
                wanted.origin
            ),
            hint: "give the ID (`aje…`), or `service_account` in a table `[identity.NAME]`".into(),
        }),
        (None, Some(wanted)) => Ok(wanted.value.clone()),
        (None, None) => Err(Error::Missing {
            problem: "the service account that this workload acts as is not set".into(),
            hint: "give `--service-account` with its ID (`aje…`)".into(),
        }),
    }
}

/// Whether a service account is set by name, which cannot be looked up before the workload acts.
pub(super) fn is_name(account: &Setting<String>, settings: &Settings) -> bool {
    settings.has_folder() && !is_account_id(&account.value)
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<u64>,
}

impl Identity for Federated {
    fn describe(&self) -> Message {
        message!(
            "{}, acting as service account `{}`",
            self.token.describe(),
            ForeignText::new(&self.service_account)
        )
    }

    /// Its IAM token comes from the OAuth server.
    fn cache_key(&self, key: KeyBuilder, endpoints: &Endpoints) -> KeyBuilder {
        self.token
            .cache_key(key.with("identity", "federation"))
            .with("service account", &self.service_account)
            .with("oauth", endpoints.oauth_name())
    }

    fn fetch<'a>(&'a self, source: &'a Source, broker: &'a Broker) -> Fetching<'a> {
        Box::pin(self.exchange(source, broker))
    }

    /// The ID token comes from the same server, over the same connection.
    fn is_slow(&self) -> bool {
        false
    }

    fn service_account(&self) -> Option<&str> {
        Some(&self.service_account)
    }

    fn issuer<'a>(&'a self, endpoints: &'a Endpoints) -> &'a str {
        endpoints.oauth_name()
    }
}

impl Federated {
    async fn exchange(&self, source: &Source, broker: &Broker) -> Result<Credential<IamToken>> {
        let Self { token, service_account } = self;
        let what = message!(
            "an IAM token of service account `{service_account}`",
            service_account = ForeignText::new(service_account)
        );
        let http = &source.http;
        let external = token.obtain(http, broker).await?;
        let fields = [
            ("grant_type", GRANT_TYPE),
            ("requested_token_type", ACCESS_TOKEN_TYPE),
            // Here `audience` is not the receiver of the token, but its subject.
            ("audience", service_account),
            ("subject_token", external.expose()),
            ("subject_token_type", ID_TOKEN_TYPE),
        ];
        let client = http.client(source.endpoints.oauth()?, &what)?;
        let request = HttpRequest::post(&what, "/oauth/token", Body::Form(&fields));
        let reply = client.send(&request).await?;
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = self.hint(&refusal, &external);
            return Err(refusal.into_error(what, hint));
        }
        let answer: Answer = reply.json(&what)?;
        if answer.access_token.expose().trim().is_empty() {
            return Err(refusal::foreign(&what, &reply));
        }
        let life =
            answer.expires_in.map_or(DEFAULT_TTL, Duration::from_secs).min(iam_token::MAX_LIFETIME);
        let lifetime = reply.lifetime(reply.server_now().plus(life));
        Ok(Credential { secret: IamToken(answer.access_token), lifetime })
    }

    fn hint(&self, refusal: &Refusal, external: &Secret) -> Message {
        let claims = external_token::claims_of(external);
        let account = &self.service_account;
        match refusal.code {
            Code::SourceNotFound => {
                message!(
                    "check the service account's ID, `{account}`",
                    account = ForeignText::new(account)
                )
            }
            _ => message!(
                "the external token has {claims}: an enabled federation must have that issuer and audience, and `{account}` a federated credential of exactly that subject (`yc iam workload-identity federated-credential list --service-account-id {account}`)",
                claims,
                account = ForeignText::new(account)
            ),
        }
    }
}
