//! An installation of Yandex Cloud: where it is, and what it wants to be told. The Russian one is built
//! in; another is a table `[installations.NAME]` of the configuration file.

use super::Setting;
use super::file::File;
use super::names;
use super::resolve::Resolver;
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;

/// What is known of an installation. What is absent has to be said, or found by its API endpoint.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Installation {
    /// The API endpoint, which publishes the addresses of services.
    pub endpoint: Option<String>,
    pub iam_endpoint: Option<String>,
    /// The OAuth server, which is not published.
    pub oauth_endpoint: Option<String>,
    /// The resource manager, which knows folders by name.
    pub resource_manager_endpoint: Option<String>,
    /// `aud` of the assertions that authorized keys sign.
    pub assertion_audience: Option<String>,
    /// `subject_token_type` of a service account in the exchange for an ID token.
    pub subject_token_type: Option<String>,
}

/// The name of the installation that is built in.
pub(super) const BUILT_IN: &str = "ru";

pub(super) const KEYS: &[&str] = &[
    "assertion_audience",
    "endpoint",
    "iam_endpoint",
    "oauth_endpoint",
    "resource_manager_endpoint",
    "subject_token_type",
];

impl Installation {
    /// The Russian installation.
    pub fn built_in() -> Self {
        let known = |address: &str| Some(address.to_owned());
        Self {
            endpoint: known("https://api.cloud.yandex.net"),
            iam_endpoint: known("https://iam.api.cloud.yandex.net"),
            oauth_endpoint: known("https://auth.yandex.cloud"),
            resource_manager_endpoint: known("https://resource-manager.api.cloud.yandex.net"),
            assertion_audience: None,
            subject_token_type: None,
        }
    }
}

impl Resolver<'_> {
    /// The installation that is named, or the one that is built in.
    pub(super) fn installation(&self, named: Option<Setting<String>>) -> Result<Installation> {
        let Some(named) = named else { return Ok(Installation::built_in()) };
        let layer = self.file.map(|file| file.installation(&named.value)).transpose()?.flatten();
        let Some(layer) = layer else {
            if named.value == BUILT_IN {
                return Ok(Installation::built_in());
            }
            let mut known = vec![BUILT_IN];
            known.extend(self.file.map(File::installations).unwrap_or_default());
            let hint = names::nearest(&named.value, &known).map_or_else(
                || {
                    message!(
                        "known is {}; another is a table `[installations.{}]`",
                        names::list(&known),
                        ForeignText::new(&named.value)
                    )
                },
                |near| message!("did you mean `{near}`?", near = ForeignText::new(near)),
            );
            return Err(Error::NoSuch {
                what: "installation",
                name: named.value.into(),
                place: message!("the configuration ({})", named.origin),
                hint,
            });
        };
        let text = |key| Ok::<_, Error>(layer.text(key)?.map(|(text, _)| text));
        let installation = Installation {
            endpoint: text("endpoint")?,
            iam_endpoint: text("iam_endpoint")?,
            oauth_endpoint: text("oauth_endpoint")?,
            resource_manager_endpoint: text("resource_manager_endpoint")?,
            assertion_audience: text("assertion_audience")?,
            subject_token_type: text("subject_token_type")?,
        };
        if installation.endpoint.is_none() && installation.iam_endpoint.is_none() {
            return Err(layer.lacks("endpoint", "give its API endpoint, or `iam_endpoint`"));
        }
        if installation.oauth_endpoint.is_none() {
            return Err(layer.lacks("oauth_endpoint", "it is not published, and has to be said"));
        }
        Ok(installation)
    }
}
