//! The addresses of Yandex Cloud: IAM, the OAuth server, the resource manager.

use serde::Deserialize;

use super::refusal;
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::http::{Endpoint, Http, HttpRequest};
use crate::message;
use crate::settings::{Installation, Setting, Settings};

#[derive(Clone, Debug)]
pub struct Endpoints {
    pub iam: ServiceEndpoint,
    /// The OAuth server, which exchanges tokens; or the error for a run that needs it, if it is unknown.
    oauth: Result<Endpoint>,
    /// The API endpoint, if known. It is parsed when needed, because few runs need it.
    api: Option<String>,
    /// The resource manager, which finds folders by name, if known without the API endpoint. It is parsed when
    /// needed.
    resource_manager: Option<String>,
}

/// The address of a service: known, or to be looked up.
#[derive(Clone, Debug)]
pub enum ServiceEndpoint {
    /// Configured, or from the installation.
    Known(Endpoint),
    /// To be looked up in the list of this API endpoint, under this name.
    PublishedBy(Endpoint, &'static str),
}

/// Addresses that replace those of the installation.
#[derive(Clone, Copy, Debug, Default)]
struct Overrides<'a> {
    api: Option<&'a str>,
    iam: Option<&'a str>,
    oauth: Option<&'a str>,
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
    /// The configured addresses. `of_yc` is the API endpoint of yc's profile, the fallback for an identity from
    /// there.
    pub fn from_settings(settings: &Settings, of_yc: Option<&str>) -> Result<Self> {
        fn text(setting: Option<&Setting<String>>) -> Option<&str> {
            setting.map(|setting| setting.value.as_str())
        }
        let iam = text(settings.iam_endpoint.as_ref());
        let api = text(settings.endpoint.as_ref()).or_else(|| of_yc.filter(|_| iam.is_none()));
        let oauth = text(settings.oauth_endpoint.as_ref());
        Self::new(&settings.installation, Overrides { api, iam, oauth })
    }

    /// The given addresses, completed by those of the installation.
    ///
    /// Security: an IAM token of one installation must not be sent to the OAuth server of another, and the published
    /// list does not contain that server. So another IAM endpoint requires another OAuth endpoint.
    fn new(installation: &Installation, given: Overrides<'_>) -> Result<Self> {
        let given_api = given.api.map(api).transpose()?;
        let given_iam = given.iam.map(iam).transpose()?;
        // Parsing an address is slow, so only the needed ones are parsed.
        let own_api = || installation.endpoint.as_deref().map(api).transpose();
        let own_iam = || installation.iam_endpoint.as_deref().map(iam).transpose();
        let is_own = (given_iam.is_none() || given_iam == own_iam()?)
            && (given_api.is_none() || given_api == own_api()?);
        let oauth = match (given.oauth, &installation.oauth_endpoint) {
            (Some(oauth), _) => Ok(Endpoint::parse("OAuth endpoint", oauth)?),
            (None, Some(oauth)) if is_own => Ok(Endpoint::parse("OAuth endpoint", oauth)?),
            _ => {
                let elsewhere = given.api.or(given.iam).unwrap_or_default();
                Err(Error::Missing {
                    problem: message!("the OAuth endpoint that belongs to {elsewhere} is not set", elsewhere = ForeignText::new(elsewhere)),
                    hint: "give `--oauth-endpoint`; it is not published, and a token must not go to another installation's".into(),
                })
            }
        };
        let api_address = match given.api {
            Some(api) => Some(api.to_owned()),
            None => installation.endpoint.clone().filter(|_| is_own),
        };
        let resource_manager = installation.resource_manager_endpoint.clone().filter(|_| is_own);
        let iam = match (given_iam, given_api) {
            (Some(iam), _) => ServiceEndpoint::Known(iam),
            (None, Some(api)) => ServiceEndpoint::PublishedBy(api, "iam"),
            (None, None) => match own_iam()? {
                Some(iam) => ServiceEndpoint::Known(iam),
                None => {
                    let api = own_api()?.ok_or_else(|| Error::Missing {
                        problem: "the address of IAM is not set".into(),
                        hint: "give `--endpoint` or `--iam-endpoint`".into(),
                    })?;
                    ServiceEndpoint::PublishedBy(api, "iam")
                }
            },
        };
        Ok(Self { iam, oauth, api: api_address, resource_manager })
    }

    pub fn oauth(&self) -> Result<&Endpoint> {
        self.oauth.as_ref().map_err(Clone::clone)
    }

    /// The OAuth server, for cache keys.
    pub fn oauth_name(&self) -> &str {
        self.oauth.as_ref().map_or("", Endpoint::as_str)
    }

    /// The resource manager, if its address or the API endpoint is known.
    pub(super) fn resource_manager(&self) -> Result<Option<ServiceEndpoint>> {
        if let Some(address) = &self.resource_manager {
            let known = Endpoint::parse("resource manager endpoint", address)?;
            return Ok(Some(ServiceEndpoint::Known(known)));
        }
        let api = self.api.as_deref().map(api).transpose()?;
        Ok(api.map(|api| ServiceEndpoint::PublishedBy(api, "resource-manager")))
    }

    /// The resource manager, or the API endpoint, for cache keys.
    pub(super) fn resource_manager_name(&self) -> &str {
        self.resource_manager.as_ref().or(self.api.as_ref()).map_or("", String::as_str)
    }

    /// The API endpoint as `host:port`, for the vendor's own programs.
    pub fn api_address(&self) -> Result<String> {
        let known = self.api.as_deref().map(api).transpose()?;
        known.map(|api| api.address()).ok_or_else(|| Error::Missing {
            problem: message!(
                "the API endpoint that belongs to {} is not set, and `yc` would send the IAM token to another",
                ForeignText::new(self.iam.as_str())),
            hint: "give `--endpoint`".into(),
        })
    }
}

fn api(text: &str) -> Result<Endpoint> {
    Endpoint::parse("API endpoint", text)
}

fn iam(text: &str) -> Result<Endpoint> {
    Endpoint::parse("IAM endpoint", text)
}

impl ServiceEndpoint {
    /// Its text, for cache keys.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(endpoint) | Self::PublishedBy(endpoint, _) => endpoint.as_str(),
        }
    }

    /// The address, looked up if necessary (`GET /endpoints`, vendor's "API endpoints").
    pub(super) async fn resolve(&self, http: &Http) -> Result<Endpoint> {
        let (api, service) = match self {
            Self::Known(endpoint) => return Ok(endpoint.clone()),
            Self::PublishedBy(api, service) => (api, *service),
        };
        let what = message!("the address of the service `{service}`", service);
        let reply = http.client(api, &what)?.send(&HttpRequest::get(&what, "/endpoints")).await?;
        let hint = "check `--endpoint`, or give `--iam-endpoint`";
        if reply.status != 200 {
            return Err(refusal::Refusal::read(&what, &reply)?.into_error(what, hint));
        }
        let list: List = reply.json(&what)?;
        let Some(listed) = list.endpoints.into_iter().find(|listed| listed.id == service) else {
            return Err(Error::Missing {
                problem: message!("{} does not publish {what}", api.host(), what),
                hint: hint.into(),
            });
        };
        // An emulator on this machine lists addresses for its own scheme.
        let scheme = api.as_str().split("://").next().unwrap_or("https");
        Endpoint::parse("published endpoint", &format!("{scheme}://{}", listed.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_goes_to_another_installation() {
        let russia = Installation::built_in();
        let new = |api, iam, oauth| Endpoints::new(&russia, Overrides { api, iam, oauth });
        assert!(new(None, None, None).is_ok());
        assert!(new(Some("api.cloud.yandex.net:443"), None, None).is_ok());
        assert!(new(None, Some("https://iam.api.cloud.yandex.net/"), None).is_ok());
        for (api, iam) in
            [(Some("api.yandexcloud.kz:443"), None), (None, Some("https://iam.api.yandexcloud.kz"))]
        {
            let error = new(api, iam, None).unwrap().oauth().unwrap_err();
            assert!(error.to_string().contains("OAuth endpoint"), "{error}");
            let there = new(api, iam, Some("https://auth.yandexcloud.kz")).unwrap();
            let manager = there.resource_manager().unwrap();
            let manager = manager.map(|manager| manager.as_str().to_owned());
            assert_eq!(manager.as_deref(), api.map(|_| "https://api.yandexcloud.kz"));
        }
    }

    #[test]
    fn a_custom_installation_is_complete() {
        let known = |address: &str| Some(address.to_owned());
        let private = Installation {
            endpoint: known("api.cloud.example"),
            oauth_endpoint: known("https://auth.cloud.example"),
            ..Installation::default()
        };
        let there = Endpoints::new(&private, Overrides::default()).unwrap();
        assert!(matches!(&there.iam, ServiceEndpoint::PublishedBy(_, "iam")));
        assert_eq!(there.oauth_name(), "https://auth.cloud.example");
        assert_eq!(there.api_address().unwrap(), "api.cloud.example:443");
        let elsewhere =
            Overrides { iam: Some("https://iam.api.cloud.yandex.net"), ..Overrides::default() };
        let elsewhere = Endpoints::new(&private, elsewhere).unwrap();
        assert!(elsewhere.oauth().is_err() && elsewhere.api_address().is_err());
    }
}
