//! The service account of this virtual machine, function or container: an IAM token from the
//! instance metadata service (vendor's "Authenticating from inside a VM").

use std::time::Duration;

use serde::Deserialize;

use crate::credential::{Credential, IamToken, Secret};
use crate::error::{Code, Error, Result};
use crate::foreign_text::Message;
use crate::http::{Endpoint, Http, HttpRequest, Reply};
use crate::message;

/// Where the service is, unless `YC_METADATA_ADDR` says otherwise.
pub const DEFAULT_ADDRESS: &str = "169.254.169.254";

const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// It is on the same machine, or nowhere.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// When nobody asked for it, it may not cost more than this to find that it is not there.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// The service account of a machine can be changed while it runs. The vendor's SDK keeps its token
/// for a minute for that reason, and asking again costs next to nothing.
const KEPT: Duration = Duration::from_secs(60);

/// The metadata service of this machine.
#[derive(Debug)]
pub struct Metadata {
    endpoint: Endpoint,
    /// Of one that is only tried because nothing else is there: what was looked for before. `None` of one
    /// that was asked for by name.
    instead_of: Option<Vec<Message>>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<u64>,
}

impl Metadata {
    /// The service at `host[:port]`, asked for by name.
    pub fn at(address: &str) -> Result<Self> {
        Ok(Self { endpoint: Endpoint::metadata(address)?, instead_of: None })
    }

    /// The service at `host[:port]`, tried because these are not there.
    pub fn tried(address: &str, reasons: Vec<Message>) -> Result<Self> {
        Ok(Self { endpoint: Endpoint::metadata(address)?, instead_of: Some(reasons) })
    }

    /// Whether it was asked for by name.
    #[must_use]
    pub const fn is_chosen(&self) -> bool {
        self.instead_of.is_none()
    }

    /// Why what was looked for before is not there.
    #[must_use]
    pub fn reasons(&self) -> &[Message] {
        self.instead_of.as_deref().unwrap_or_default()
    }

    /// The error for a machine that is not asked, and has nothing else: `why`.
    #[must_use]
    pub fn not_tried(&self, why: impl Into<Message>) -> Error {
        let tried = [self.reasons(), &[why.into()]].concat();
        Error::NoIdentity { tried: Message::join(&tried, "; ") }
    }

    /// The service's address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.endpoint.as_str()
    }

    /// Asks for an IAM token.
    pub async fn fetch(&self, http: &Http) -> Result<Credential<IamToken>> {
        let reply = self.ask(http).await?;
        let answer = self.read(&reply)?;
        let life = answer.expires_in.map_or(KEPT, Duration::from_secs).min(KEPT);
        let lifetime = reply.lifetime(reply.server_now().plus(life));
        Ok(Credential { secret: IamToken(answer.access_token), lifetime })
    }

    async fn ask(&self, http: &Http) -> Result<Reply> {
        let what = self.what();
        let connect_timeout = if self.is_chosen() { CONNECT_TIMEOUT } else { PROBE_TIMEOUT };
        let client = http.metadata_client(&self.endpoint, connect_timeout)?;
        let headers = &[("metadata-flavor", "Google")];
        let request = HttpRequest { headers, ..HttpRequest::get(&what, PATH) };
        let answer = client.send(&request);
        if self.is_chosen() {
            return answer.await.map_err(|error| match error {
                Error::Unreached { what, code, problem, .. } => {
                    let hint =
                        "this identity works inside Yandex Cloud only; on other machines give `--key-file`";
                    Error::Unreached { what, code, problem, hint: hint.into() }
                }
                other => other,
            });
        }
        match tokio::time::timeout(PROBE_TIMEOUT, answer).await {
            Ok(Err(Error::Unreached { problem, .. })) => Err(self.nothing_else(&problem)),
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
                return Err(self.nothing_else(&message!("{host} has no service account", host)));
            }
            (status, false) => {
                return Err(self.nothing_else(&message!("{host} answered {status}", host, status)));
            }
        }
        let answer = serde_json::from_slice::<Answer>(&reply.body).ok();
        match answer.filter(|answer| self.is_ours(answer.access_token.expose().trim())) {
            Some(answer) => Ok(answer),
            None if self.is_chosen() => Err(Error::Unreached {
                what: self.what(),
                code: Code::Foreign,
                problem: "what answers there is not Yandex Cloud's metadata service".into(),
                hint: "give `--key-file`, or correct YC_METADATA_ADDR".into(),
            }),
            None => Err(self.nothing_else(&message!("{host} is another cloud's", host))),
        }
    }

    /// Security: Google's machines answer the same request at the same address with a token of
    /// Google's, which must not be sent to Yandex. IAM tokens begin with `t1.`; as the vendor may
    /// change that, only a machine that nobody has called Yandex Cloud's is held to it.
    fn is_ours(&self, token: &str) -> bool {
        let googles = token.starts_with("ya29.");
        !token.is_empty() && !googles && (self.is_chosen() || token.starts_with("t1."))
    }

    fn nothing_else(&self, problem: &Message) -> Error {
        self.not_tried(message!("this is not a machine of Yandex Cloud ({problem})", problem))
    }

    fn what(&self) -> Message {
        message!("an IAM token from the metadata service at {}", self.endpoint.host())
    }
}
