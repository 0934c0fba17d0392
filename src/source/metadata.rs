//! The service account of this virtual machine, function or container: an IAM token from the
//! instance metadata service (vendor's "Authenticating from inside a VM").

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Deadline;
use crate::credential::{Credential, IamToken, Lifetime, Secret};
use crate::error::{Code, Error, Result};
use crate::http::{Body, Endpoint, Http, Request};

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
    /// Asked for by name, or only tried because nothing else is configured.
    chosen: bool,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: u64,
}

impl Metadata {
    /// The service at `host[:port]`.
    pub fn at(address: &str, chosen: bool) -> Result<Self> {
        Ok(Self { endpoint: Endpoint::metadata(address)?, chosen })
    }

    /// The service's address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.endpoint.as_str()
    }

    /// Asks for an IAM token.
    pub async fn fetch(&self, http: &Http) -> Result<Credential<IamToken>> {
        let what = format!("an IAM token from the metadata service at {}", self.endpoint.host());
        let connect_timeout = if self.chosen { CONNECT_TIMEOUT } else { PROBE_TIMEOUT };
        let client = http.metadata_client(&self.endpoint, connect_timeout)?;
        let request = Request {
            what: &what,
            path: PATH,
            body: Body::None,
            headers: &[("metadata-flavor", "Google")],
        };
        let began = Deadline::within(PROBE_TIMEOUT);
        let answer = if self.chosen {
            client.send(&request).await
        } else {
            match tokio::time::timeout(began.left(), client.send(&request)).await {
                Ok(answer) => answer,
                Err(_) => {
                    return Err(nothing_else(&format!(
                        "nothing answers at {}",
                        self.endpoint.host()
                    )));
                }
            }
        };
        let reply = match answer {
            Ok(reply) => reply,
            Err(Error::Unreached { problem, .. }) if !self.chosen => {
                return Err(nothing_else(&problem));
            }
            Err(Error::Unreached { what, code, problem, .. }) => {
                let hint =
                    "this identity works inside Yandex Cloud only; elsewhere give `--key-file`"
                        .into();
                return Err(Error::Unreached { what, code, problem, hint });
            }
            Err(error) => return Err(error),
        };
        let refused = |code, reason: String, hint: &str| Error::Refused {
            what: what.clone(),
            code,
            reason,
            request_id: reply.request_id.clone(),
            hint: hint.into(),
        };
        match reply.status {
            200 => {}
            404 => {
                let hint =
                    "attach one with `yc compute instance update NAME --service-account-name NAME`";
                return Err(refused(
                    Code::SourceNotFound,
                    "no service account is attached to this machine".into(),
                    hint,
                ));
            }
            status => {
                let hint =
                    "check that the machine's metadata options allow tokens (`gce-http-token`)";
                return Err(refused(Code::SourceDenied, format!("it answered {status}"), hint));
            }
        }
        let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| Error::Unreached {
            what: what.clone(),
            code: Code::Foreign,
            problem: "what answers there is not Yandex Cloud's metadata service".into(),
            hint: "give `--key-file`, or correct YC_METADATA_ADDR".into(),
        })?;
        let life = Duration::from_secs(answer.expires_in).min(KEPT);
        let lifetime = Lifetime {
            obtained_at: reply.received_at,
            expires_at: reply.received_at.shifted(reply.clock_offset).plus(life),
            clock_offset: reply.clock_offset,
        };
        Ok(Credential { secret: IamToken(answer.access_token), lifetime })
    }
}

fn nothing_else(problem: &str) -> Error {
    let tried = format!(
        "no key file and no IAM token is set, and this is not a machine of Yandex Cloud ({problem})"
    );
    Error::NoIdentity { tried }
}
