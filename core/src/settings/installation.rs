//! An installation of Yandex Cloud: the addresses of its servers, and its differences in the protocol. The Russian
//! one is built in; others are tables `[installations.NAME]` of the configuration file.

use super::Setting;
use super::file::File;
use super::names;
use super::resolve::Resolver;
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;

/// An installation. A missing value must be set, or is found through the API endpoint.
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

/// The known values of `subject_token_type` for a service account: the one that public code sends to the vendor's
/// server, and those that two other projects document for the same exchange. The vendor documents none.
pub const SUBJECT_TOKEN_TYPES: [&str; 3] = [
    "urn:yandex-cloud:token-type:subject_id",
    "urn:ietf:params:oauth:token-type:subject_id",
    "urn:nebius:params:oauth:token-type:subject_identifier",
];

/// The name of the built-in installation.
pub(super) const BUILT_IN: &str = "ru";

/// The keys of `[installations.NAME]`.
pub const KEYS: &[&str] = &[
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
    /// The named installation, or the built-in one.
    ///
    /// A table of the built-in one replaces single values. Security: a table that sets another API or IAM endpoint
    /// inherits no addresses, because an IAM token of one installation must not be sent to another's servers.
    pub(super) fn installation(&self, named: Option<Setting<String>>) -> Result<Installation> {
        let name = named.as_ref().map_or(BUILT_IN, |named| &named.value);
        let layer = self.file.map(|file| file.installation(name)).transpose()?.flatten();
        let Some(layer) = layer else {
            let Some(named) = named.filter(|named| named.value != BUILT_IN) else {
                return Ok(Installation::built_in());
            };
            let mut known = vec![BUILT_IN];
            known.extend(self.file.map(File::installations).unwrap_or_default());
            let hint = names::nearest(&named.value, &known).map_or_else(
                || {
                    message!(
                        "known is {}; define another as a table `[installations.{}]`",
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
        let (endpoint, iam_endpoint) = (text("endpoint")?, text("iam_endpoint")?);
        let is_elsewhere = name != BUILT_IN || endpoint.is_some() || iam_endpoint.is_some();
        let inherited =
            if is_elsewhere { Installation::default() } else { Installation::built_in() };
        let installation = Installation {
            endpoint: endpoint.or(inherited.endpoint),
            iam_endpoint: iam_endpoint.or(inherited.iam_endpoint),
            oauth_endpoint: text("oauth_endpoint")?.or(inherited.oauth_endpoint),
            resource_manager_endpoint: text("resource_manager_endpoint")?
                .or(inherited.resource_manager_endpoint),
            assertion_audience: text("assertion_audience")?,
            subject_token_type: text("subject_token_type")?,
        };
        if installation.endpoint.is_none() && installation.iam_endpoint.is_none() {
            return Err(layer.missing_key("endpoint", "give its API endpoint, or `iam_endpoint`"));
        }
        if installation.oauth_endpoint.is_none() {
            return Err(layer.missing_key("oauth_endpoint", "set it; it is not published"));
        }
        Ok(installation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::private_file;
    use crate::settings::{Flags, Locations, Settings};

    fn installation(file: &str) -> Result<Installation> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        private_file::write(&path, file.as_bytes()).unwrap();
        let locations = Locations { config_file: Some(path), ..Locations::default() };
        let env = Env::Fake([].into());
        let settings = Settings::load(&Flags::default(), &env, &locations, &[], &[]);
        settings.map(|settings| settings.installation)
    }

    #[test]
    fn a_table_of_the_built_in_installation_replaces_single_values() {
        let changed = Installation {
            subject_token_type: Some("urn:x".into()),
            oauth_endpoint: Some("https://auth.example".into()),
            ..Installation::built_in()
        };
        let table = "[installations.ru]\nsubject_token_type = \"urn:x\"\noauth_endpoint = \"https://auth.example\"\n";
        assert_eq!(installation(table).unwrap(), changed, "it is the default installation");
        let named = format!("{table}[defaults]\ninstallation = \"ru\"\n");
        assert_eq!(installation(&named).unwrap(), changed);
    }

    #[test]
    fn another_iam_endpoint_needs_its_own_oauth_endpoint() {
        let table = "[installations.ru]\niam_endpoint = \"https://iam.example\"\n";
        let error = installation(table).unwrap_err().to_string();
        assert!(error.contains("`oauth_endpoint` is missing"), "{error}");
        let table = format!("{table}oauth_endpoint = \"https://auth.example\"\n");
        assert_eq!(installation(&table).unwrap().endpoint, None, "no address of another one");
    }
}
