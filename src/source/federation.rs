//! Workload identity federation: an OIDC token of elsewhere for an IAM token of a service account that
//! trusts it (vendor's "Exchanging a JWT for an IAM token", RFC 8693).

use std::time::Duration;

use serde::Deserialize;

use super::external_token::{self, ExternalToken};
use super::refusal::{self, Refusal};
use super::{ACCESS_TOKEN_TYPE, GRANT_TYPE, ID_TOKEN_TYPE, Source, is_account_id};
use crate::broker::Broker;
use crate::credential::{Credential, IamToken, Secret};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Body, HttpRequest};
use crate::message;
use crate::settings::{FederatedSetting, Setting, Settings};

/// A token of which it is not said how long it lives is asked for again after this.
const KEPT: Duration = Duration::from_secs(60);

/// "No more than 12 hours", says the vendor of IAM tokens.
const LONGEST_LIFE: Duration = Duration::from_secs(12 * 3600);

/// A workload of elsewhere that a service account trusts.
#[derive(Debug)]
pub struct Federated {
    /// Its own token.
    pub token: ExternalToken,
    /// The ID of the service account that it acts as.
    pub service_account: String,
}

/// Whether a service account is set by a name, which cannot be looked up before the workload acts.
pub(super) fn is_name(account: &Setting<String>, settings: &Settings) -> bool {
    settings.has_folder() && !is_account_id(&account.value)
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<u64>,
}

impl Federated {
    /// Whom a workload acts as: the account that goes with it, or else the one whose ID token is wanted.
    pub(super) fn account(setting: &FederatedSetting, settings: &Settings) -> Result<String> {
        let wanted = settings.service_account.as_ref();
        if let (None, Some(wanted)) = (&setting.service_account, wanted)
            && is_name(wanted, settings)
        {
            return Err(Error::Missing {
                problem: message!(
                    "the workload is to act as `{}` ({}), which cannot be looked up by its name before it does",
                    ForeignText::new(&wanted.value),
                    wanted.origin
                ),
                hint: "give the ID (`aje…`), or `service_account` in a table `[identity.NAME]`"
                    .into(),
            });
        }
        setting
            .service_account
            .clone()
            .or_else(|| wanted.map(|wanted| wanted.value.clone()))
            .ok_or_else(|| Error::Missing {
                problem: "the service account that this workload is to act as is not set".into(),
                hint: "give `--service-account` with its ID (`aje…`)".into(),
            })
    }

    /// Asks for an IAM token.
    pub(super) async fn fetch(
        &self,
        source: &Source,
        broker: &Broker,
    ) -> Result<Credential<IamToken>> {
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
            // Here it is not whom the result is for, but whose it is.
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
        let life = answer.expires_in.map_or(KEPT, Duration::from_secs).min(LONGEST_LIFE);
        let lifetime = reply.lifetime(reply.server_now().plus(life));
        Ok(Credential { secret: IamToken(answer.access_token), lifetime })
    }

    fn hint(&self, refusal: &Refusal, external: &Secret) -> Message {
        let claims = external_token::told(external);
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
