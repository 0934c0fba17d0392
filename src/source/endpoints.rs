//! Where Yandex Cloud is: the addresses of its API, of IAM and of the OAuth server.

use serde::Deserialize;

use super::refusal;
use crate::error::{Error, Result};
use crate::http::{Endpoint, Http, Request};

/// The API of the Russian installation.
pub const DEFAULT_API: &str = "https://api.cloud.yandex.net";
/// IAM of the Russian installation.
pub const DEFAULT_IAM: &str = "https://iam.api.cloud.yandex.net";
/// The OAuth server of the Russian installation.
pub const DEFAULT_OAUTH: &str = "https://auth.yandex.cloud";

/// The addresses of one installation.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// IAM.
    pub iam: IamEndpoint,
    /// The OAuth server, which exchanges tokens.
    pub oauth: Endpoint,
}

/// IAM's address: known, or to be asked for.
#[derive(Clone, Debug)]
pub enum IamEndpoint {
    /// Given, or the default.
    Known(Endpoint),
    /// To be found in the list that this API endpoint publishes.
    PublishedBy(Endpoint),
}

#[derive(Deserialize)]
struct List {
    endpoints: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    address: String,
}

impl Endpoints {
    /// The addresses that were given, completed by the defaults.
    ///
    /// Security: an IAM token of one installation must not be sent to the OAuth server of another,
    /// and the published list does not name that server. So whoever leaves the default IAM says
    /// which OAuth server goes with it.
    pub fn new(api: Option<&str>, iam: Option<&str>, oauth: Option<&str>) -> Result<Self> {
        let elsewhere = api.or(iam);
        let iam = match (iam, api) {
            (Some(iam), _) => IamEndpoint::Known(Endpoint::parse("IAM endpoint", iam)?),
            (None, Some(api)) => IamEndpoint::PublishedBy(Endpoint::parse("API endpoint", api)?),
            (None, None) => IamEndpoint::Known(Endpoint::parse("IAM endpoint", DEFAULT_IAM)?),
        };
        let is_default = match &iam {
            IamEndpoint::Known(endpoint) => {
                *endpoint == Endpoint::parse("IAM endpoint", DEFAULT_IAM)?
            }
            IamEndpoint::PublishedBy(endpoint) => {
                *endpoint == Endpoint::parse("API endpoint", DEFAULT_API)?
            }
        };
        let oauth = match oauth {
            Some(oauth) => Endpoint::parse("OAuth endpoint", oauth)?,
            None if is_default => Endpoint::parse("OAuth endpoint", DEFAULT_OAUTH)?,
            None => {
                return Err(Error::Missing {
                    problem: format!("the OAuth endpoint that belongs to {} is not set", elsewhere.unwrap_or_default()),
                    hint: "give `--oauth-endpoint`; it is not published, and a token must not go to another installation's".into(),
                });
            }
        };
        Ok(Self { iam, oauth })
    }
}

impl IamEndpoint {
    /// The part that it plays in cache keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(endpoint) | Self::PublishedBy(endpoint) => endpoint.as_str(),
        }
    }

    /// The address, asked for if need be (`GET /endpoints`, vendor's "API endpoints").
    pub(super) async fn resolve(&self, http: &Http) -> Result<Endpoint> {
        let api = match self {
            Self::Known(endpoint) => return Ok(endpoint.clone()),
            Self::PublishedBy(api) => api,
        };
        let what = "the address of IAM";
        let reply = http.client(api, what)?.send(&Request::get(what, "/endpoints")).await?;
        if reply.status != 200 {
            let refusal = refusal::Refusal::read(what, &reply)?;
            return Err(refusal
                .into_error(what.into(), "check `--endpoint`, or give `--iam-endpoint`".into()));
        }
        let list: List =
            serde_json::from_slice(&reply.body).map_err(|_| refusal::foreign(what, &reply))?;
        let Some(listed) = list.endpoints.into_iter().find(|listed| listed.id == "iam") else {
            return Err(Error::Missing {
                problem: format!("{} publishes no address of IAM", api.host()),
                hint: "check `--endpoint`, or give `--iam-endpoint`".into(),
            });
        };
        // An emulator on this machine lists addresses that speak what it speaks.
        let scheme = api.as_str().split("://").next().unwrap_or("https");
        Endpoint::parse("published IAM endpoint", &format!("{scheme}://{}", listed.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_goes_to_another_installation() {
        assert!(Endpoints::new(None, None, None).is_ok());
        assert!(Endpoints::new(Some("api.cloud.yandex.net:443"), None, None).is_ok());
        assert!(Endpoints::new(None, Some("https://iam.api.cloud.yandex.net/"), None).is_ok());
        for (api, iam) in
            [(Some("api.yandexcloud.kz:443"), None), (None, Some("https://iam.api.yandexcloud.kz"))]
        {
            let error = Endpoints::new(api, iam, None).unwrap_err();
            assert!(error.to_string().contains("OAuth endpoint"), "{error}");
            assert!(Endpoints::new(api, iam, Some("https://auth.yandexcloud.kz")).is_ok());
        }
    }
}
