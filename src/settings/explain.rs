//! The settings as people are told them: each with its value and where that came from.

use std::path::Path;
use std::time::Duration;

use crate::foreign_text::{ForeignText, Message};
use crate::message;

use super::{
    CacheSetting, IdTokenRoute, IdentitySetting, Installation, Origin, Setting, Settings, name_of,
};

/// A setting as people are told it.
#[derive(Debug)]
pub struct Explained {
    /// Its key in the configuration file, behind the name of its table and a dot if it is a consumer's.
    pub name: Message,
    /// Its value.
    pub value: Message,
    /// Where that came from.
    pub origin: Origin,
}

impl Settings {
    /// All that is set, in the order of their names but for the profile, which comes first.
    #[must_use]
    pub fn explained(&self) -> Vec<Explained> {
        let mut all = Vec::new();
        for (name, setting) in self.texts() {
            all.extend(told(name, setting.as_ref(), |text| shown(text)));
        }
        all.extend(told("identity", self.identity.as_ref(), IdentitySetting::shown));
        let route = |route: &IdTokenRoute| name_of(&IdTokenRoute::ALL, *route).into();
        all.extend(told("id_token_route", self.id_token_route.as_ref(), route));
        all.extend(told("yc_path", self.yc_path.as_ref(), |path| file(path)));
        all.extend(told("ca_file", self.ca_file.as_ref(), |path| file(path)));
        // Without its password.
        all.extend(told("proxy", self.proxy.as_ref(), |proxy| shown(&format!("{proxy:?}"))));
        let switch = |on: &bool| message!("{on}", on);
        all.extend(told("background_refresh", Some(&self.background_refresh), switch));
        all.extend(told("cache", Some(&self.cache), |place| {
            name_of(&CacheSetting::ALL, *place).into()
        }));
        all.extend(told("timeout", Some(&self.timeout), time));
        if self.installation == Installation::built_in() {
            all.extend(self.built_in_endpoints());
        }
        for (table, key, setting) in &self.consumer {
            all.extend(told(
                message!("{}.{}", ForeignText::new(table), ForeignText::new(key)),
                Some(setting),
                |text| shown(text),
            ));
        }
        let by_table = |it: &Explained| (it.name.contains('.'), it.name.to_string());
        all.sort_by_key(by_table);
        let profile = told("profile", self.profile.as_ref(), |name| shown(name));
        profile.into_iter().chain(all).collect()
    }

    /// Where Yandex Cloud is, as long as nothing else is said.
    fn built_in_endpoints(&self) -> impl Iterator<Item = Explained> {
        let Installation { iam_endpoint, oauth_endpoint, .. } = &self.installation;
        let known = [
            ("iam_endpoint", iam_endpoint, self.iam_endpoint.is_none() && self.endpoint.is_none()),
            ("oauth_endpoint", oauth_endpoint, self.oauth_endpoint.is_none()),
        ];
        known.into_iter().filter_map(|(name, address, is_used)| {
            let value = address.clone().filter(|_| is_used)?;
            Some(Explained { name: name.into(), value: shown(&value), origin: Origin::BuiltIn })
        })
    }
}

fn told<T>(
    name: impl Into<Message>,
    setting: Option<&Setting<T>>,
    text: impl FnOnce(&T) -> Message,
) -> Option<Explained> {
    let Setting { value, origin } = setting?;
    Some(Explained { name: name.into(), value: text(value), origin: origin.clone() })
}

fn file(path: &Path) -> Message {
    ForeignText::path(path).into()
}

fn shown(text: &str) -> Message {
    ForeignText::new(text).into()
}

fn time(duration: &Duration) -> Message {
    message!("{duration:?}", duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_wrong_place_is_not_told() {
        for secret in [
            "t1.9euelZrPmJuVkpmMlc2Lz5yR",
            "hvs.CAESIJ3n8mGQ2vK1x5uP0q",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert_eq!(shown(secret), "[redacted]", "{secret}");
        }
        assert_eq!(shown("https://user:hunter2@iam.example/x"), "https://[redacted]@iam.example/x");
        for plain in ["https://k8s.example", "aje0123456789abcdefg", "s.example", "me@host"] {
            assert_eq!(shown(plain), plain);
        }
    }
}
