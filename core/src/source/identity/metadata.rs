//! The identity of this virtual machine, function or container: its service account, whose IAM token the instance
//! metadata service returns (vendor's "Authenticating from inside a VM").

use std::time::Duration;

use serde::Deserialize;

use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::credential::{Credential, IamToken, Secret};
use crate::env::{self, Env};
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Endpoint, Http, HttpRequest, Reply};
use crate::message;
use crate::source::{Endpoints, Source};

/// The default address of the service.
const DEFAULT_ADDRESS: &str = "169.254.169.254";

const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// The service is on the same machine, so a connection is fast or fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// As the last resort, it may take no longer than this to find out that the service is absent.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// The service account of a machine can change while it runs. The vendor's SDK caches its token for a minute for that
/// reason, and another request is cheap.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// The metadata service of this machine.
#[derive(Debug)]
pub struct Metadata {
    endpoint: Endpoint,
    /// As the last resort: why each other identity was skipped. `None` if it is configured.
    instead_of: Option<Vec<Message>>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<u64>,
}

pub(super) fn open(inputs: IdentityInputs<'_>) -> Result<ResolvedIdentity> {
    Ok(Metadata::chosen(inputs.env)?.into())
}

impl Identity for Metadata {
    fn describe(&self) -> Message {
        message!("the metadata service at {}", ForeignText::new(self.endpoint.as_str()))
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        key.with("identity", "metadata").with("address", self.endpoint.as_str())
    }

    fn fetch<'a>(&'a self, source: &'a Source, _: &'a Broker) -> Fetching<'a> {
        Box::pin(async {
            let what = self.what();
            let reply = self.get(&source.http, HttpRequest::get(&what, PATH)).await?;
            let answer = self.read(&reply)?;
            let life = answer.expires_in.map_or(TOKEN_TTL, Duration::from_secs).min(TOKEN_TTL);
            let lifetime = reply.lifetime(reply.server_now().plus(life));
            Ok(Credential { secret: IamToken(answer.access_token), lifetime })
        })
    }

    fn is_slow(&self) -> bool {
        false
    }

    fn issuer<'a>(&'a self, _: &'a Endpoints) -> &'a str {
        self.endpoint.as_str()
    }

    fn is_last_resort(&self) -> bool {
        !self.is_chosen()
    }

    fn metadata(&self) -> Option<&Self> {
        Some(self)
    }

    fn warning(&self) -> Option<(Message, &'static str)> {
        let problem = message!(
            "no identity is configured; the service account of the machine is looked up at {}",
            ForeignText::new(self.endpoint.as_str())
        );
        self.is_last_resort().then_some((
            problem,
            "set `identity = \"metadata\"` in the profile; on other machines give `--key-file`",
        ))
    }
}

impl Metadata {
    /// The service for a configured identity.
    pub(super) fn chosen(env: &Env) -> Result<Self> {
        Self::at(env, None)
    }

    /// The service as the last resort, with the reasons why the others were skipped.
    pub(super) fn last_resort(env: &Env, reasons: Vec<Message>) -> Result<Self> {
        Self::at(env, Some(reasons))
    }

    fn at(env: &Env, instead_of: Option<Vec<Message>>) -> Result<Self> {
        let address = env.get(env::YC_METADATA_ADDR).unwrap_or_else(|| DEFAULT_ADDRESS.into());
        Ok(Self { endpoint: Endpoint::metadata(&address)?, instead_of })
    }

    const fn is_chosen(&self) -> bool {
        self.instead_of.is_none()
    }

    /// The error if nothing is available: why each identity was skipped, and `why` this one.
    fn not_tried(&self, why: impl Into<Message>) -> Error {
        let mut tried = self.instead_of.clone().unwrap_or_default();
        tried.push(why.into());
        Error::NoIdentity { tried: Message::join(&tried, "; ") }
    }

    pub fn address(&self) -> &str {
        self.endpoint.as_str()
    }

    /// Sends a request to the service.
    pub(in crate::source) async fn get(
        &self,
        http: &Http,
        request: HttpRequest<'_>,
    ) -> Result<Reply> {
        let connect_timeout = if self.is_chosen() { CONNECT_TIMEOUT } else { PROBE_TIMEOUT };
        let client = http.metadata_client(&self.endpoint, connect_timeout)?;
        let headers = &[("metadata-flavor", "Google")];
        let request = HttpRequest { headers, ..request };
        let answer = client.send(&request);
        if self.is_chosen() {
            return answer.await.map_err(|error| match error {
                Error::Unreached { what, code, problem, .. } => {
                    let hint =
                        "this identity works inside Yandex Cloud only; on other machines give `--key-file`, or `--identity yc-cli` where `yc` is set up, or set YC_IAM_TOKEN";
                    Error::Unreached { what, code, problem, hint: hint.into() }
                }
                other => other,
            });
        }
        match tokio::time::timeout(PROBE_TIMEOUT, answer).await {
            Ok(Err(Error::Unreached { problem, .. })) => Err(self.nothing_else(problem.text())),
            Ok(answer) => answer,
            Err(_) => {
                Err(self.nothing_else(&message!("nothing answers at {}", self.endpoint.host())))
            }
        }
    }

    fn read(&self, reply: &Reply) -> Result<Answer> {
        let host = &reply.host;
        let refused = |code, reason: Message, hint: &'static str| Error::Refused {
            what: self.what(),
            code,
            reason,
            request_id: reply.request_id.clone(),
            hint: hint.into(),
        };
        match (reply.status, self.is_chosen()) {
            (200, _) => {}
            (404, true) => {
                let hint =
                    "attach one with `yc compute instance update NAME --service-account-name NAME`";
                let reason = "no service account is attached to this machine".into();
                return Err(refused(Code::SourceNotFound, reason, hint));
            }
            (status, true) => {
                let hint =
                    "check that the machine's metadata options allow tokens (`gce-http-token`)";
                return Err(refused(
                    Code::SourceDenied,
                    message!("it answered {status}", status),
                    hint,
                ));
            }
            (404, false) => {
                return Err(self.not_tried(message!(
                    "the metadata service at {host} has no service account",
                    host
                )));
            }
            (status, false) => {
                return Err(self.nothing_else(&message!("{host} answered {status}", host, status)));
            }
        }
        let answer = serde_json::from_slice::<Answer>(&reply.body).ok();
        match answer.filter(|answer| self.is_iam_token(answer.access_token.expose().trim())) {
            Some(answer) => Ok(answer),
            None if self.is_chosen() => Err(Error::Unreached {
                what: self.what(),
                code: Code::Foreign,
                problem: "the server there is not Yandex Cloud's metadata service".into(),
                hint: "give `--key-file`, or correct YC_METADATA_ADDR".into(),
            }),
            None => Err(self.nothing_else(&message!("{host} is another cloud's", host))),
        }
    }

    /// Security: machines of Google Cloud answer the same request at the same address with a token of Google, which
    /// must not be sent to Yandex. IAM tokens begin with `t1.`. The vendor may change that, so the prefix is only
    /// required as the last resort.
    fn is_iam_token(&self, token: &str) -> bool {
        let is_google = token.starts_with("ya29.");
        !token.is_empty() && !is_google && (self.is_chosen() || token.starts_with("t1."))
    }

    fn nothing_else(&self, problem: &Message) -> Error {
        self.not_tried(message!("this is not a machine of Yandex Cloud ({problem})", problem))
    }

    fn what(&self) -> Message {
        message!("an IAM token from the metadata service at {}", self.endpoint.host())
    }
}
