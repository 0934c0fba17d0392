//! The settings as `status` and `doctor` show them, each with its value and origin.

use std::path::Path;
use std::time::Duration;

use crate::foreign_text::{ForeignText, Message};
use crate::message;

use super::resolve::Row;
use super::schema::COMMON;
use super::{
    IdentitySetting, Installation, Kind, Origin, Setting, Settings, parse_duration, parse_switch,
};
use crate::http::ProxyAddress;

/// A setting as shown to users.
#[derive(Debug)]
pub struct Explained {
    /// Its key in the configuration file, prefixed with the table and a dot if it is a consumer's.
    pub name: Message,
    pub value: Message,
    pub origin: Origin,
}

impl Settings {
    /// All settings that are set, ordered by name, with the profile first.
    pub fn explained(&self) -> Vec<Explained> {
        let mut all: Vec<Explained> = self.resolved.rows().iter().map(explained).collect();
        all.extend(explained_setting("identity", self.identity.as_ref(), IdentitySetting::shown));
        let unset = COMMON.settings.iter().filter(|field| self.own(field).is_none());
        all.extend(unset.filter_map(|field| {
            let (name, value) = (field.key.into(), field.built_in?.into());
            Some(Explained { name, value, origin: Origin::BuiltIn })
        }));
        if self.installation == Installation::built_in() {
            all.extend(self.built_in_endpoints());
        }
        let by_table = |it: &Explained| (it.name.contains('.'), it.name.to_string());
        all.sort_by_key(by_table);
        let profile = explained_setting("profile", self.profile.as_ref(), |name| shown(name));
        profile.into_iter().chain(all).collect()
    }

    /// The endpoints of Yandex Cloud that are used by default.
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

fn explained(Row { table, field, setting }: &Row) -> Explained {
    let text = setting.value.to_string_lossy();
    let value = match field.kind {
        Kind::Path | Kind::File | Kind::Key => file(Path::new(&setting.value)),
        Kind::Time => parse_duration(&text).as_ref().map_or_else(|| shown(&text), time),
        Kind::Bool => parse_switch(&text).map_or_else(|| shown(&text), |on| message!("{on}", on)),
        // Without its password.
        Kind::Proxy => {
            ProxyAddress::parse(&text).map(|proxy| shown(&format!("{proxy:?}"))).unwrap_or_default()
        }
        Kind::Text | Kind::Switch | Kind::Words | Kind::Count => shown(&text),
    };
    let name = match *table {
        "" => field.key.into(),
        table => message!("{}.{}", ForeignText::new(table), ForeignText::new(field.key)),
    };
    Explained { name, value, origin: setting.origin.clone() }
}

fn explained_setting<T>(
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
    fn a_misplaced_secret_is_not_shown() {
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
