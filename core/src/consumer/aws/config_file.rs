//! AWS's own configuration file, as far as it selects an STS (AWS SDKs and Tools Reference Guide, "Shared config and
//! credentials files").
//!
//! The file belongs to other tools: an invalid line is skipped, and `doctor aws` reports it.

use std::path::{Path, PathBuf};

use tracing::debug;
use zeroize::Zeroizing;

use super::ini::{Ini, Item, Kind};
use crate::env::{self, Env, Var};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::private_file;
use crate::settings::{Origin, Setting};

const LIMIT: u64 = 1024 * 1024;

/// The settings of a profile that are read here. Others are not stored, because some are secrets.
const KEYS: &[&str] = &[
    "endpoint_url",
    "ignore_configured_endpoint_urls",
    "region",
    "services",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
];

/// The settings of the profile that AWS's tools use.
pub(super) struct ConfigFile {
    path: PathBuf,
    settings: Vec<(&'static str, Setting<String>)>,
    services: Services,
}

/// The section of addresses that the profile names.
enum Services {
    None,
    Missing { line: usize, name: String },
    Sts(Option<Setting<String>>),
}

impl ConfigFile {
    /// Reads the file, if there is one.
    pub(super) fn read(env: &Env, home: Option<&Path>) -> Option<Self> {
        let path = aws_file(env, env::AWS_CONFIG_FILE, home, "config")?;
        let text = read_text(&path)?;
        let profile = env.get(env::AWS_PROFILE).or_else(|| env.get(env::AWS_DEFAULT_PROFILE));
        Some(Self::of(path, &text, profile.as_deref().unwrap_or("default")))
    }

    fn of(path: PathBuf, text: &str, profile: &str) -> Self {
        let ini = Ini::parse(text);
        let setting = |line, value: &str| Setting {
            value: value.to_owned(),
            origin: Origin::Shared { path: path.as_path().into(), line },
        };
        let find = |key: &str| {
            let items = ini.named(Kind::Profile, profile).flat_map(|section| &section.items);
            let item = ini.of_all_sections().chain(items).filter(|item| item.is(key)).last()?;
            let found = setting(item.lines.start + 1, item.plain_value());
            Some(found).filter(|found| !found.value.is_empty())
        };
        let settings: Vec<_> = KEYS.iter().filter_map(|key| Some((*key, find(key)?))).collect();
        let services = match settings.iter().find(|(key, _)| *key == "services") {
            None => Services::None,
            Some((_, Setting { value: name, origin })) => {
                let mut items =
                    ini.named(Kind::Services, name).flat_map(|section| &section.items).peekable();
                let line = if let Origin::Shared { line, .. } = origin { *line } else { 0 };
                if items.peek().is_none() {
                    Services::Missing { line, name: name.clone() }
                } else {
                    let nested = items.filter(|item| item.is("sts")).flat_map(Item::nested);
                    let urls = nested.filter(|(_, key, value)| {
                        key.eq_ignore_ascii_case("endpoint_url") && !value.is_empty()
                    });
                    Services::Sts(urls.last().map(|(line, _, url)| setting(line, url)))
                }
            }
        };
        Self { path, settings, services }
    }

    pub(super) fn profile_setting(&self, key: &str) -> Option<Setting<String>> {
        let mut settings = self.settings.iter();
        settings.find(|(name, _)| *name == key).map(|(_, setting)| setting.clone())
    }

    /// The address of STS from the profile's `services`, or from its `endpoint_url` for all services.
    pub(super) fn sts_endpoint(&self) -> Result<Option<Setting<String>>> {
        match &self.services {
            Services::Missing { line, name } => Err(Error::Config {
                path: self.path.clone(),
                line: *line,
                problem: message!(
                    "the file has no settings in `[services {}]`, which the profile names",
                    ForeignText::new(name)
                ),
                hint: Some("correct the name, or give the address with `--sts-endpoint`".into()),
            }),
            Services::Sts(Some(url)) => Ok(Some(url.clone())),
            Services::Sts(None) | Services::None => Ok(self.profile_setting("endpoint_url")),
        }
    }
}

/// The path of one of AWS's own files: from its variable, or the default.
pub(super) fn aws_file(env: &Env, var: Var, home: Option<&Path>, name: &str) -> Option<PathBuf> {
    match env.get_os(var) {
        Some(path) => Some(expanded(path.into(), home)),
        None => Some(home?.join(".aws").join(name)),
    }
}

/// A path in which `~` is the home folder.
pub fn expanded(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

/// The text of such a file. Security: it can contain keys, so it is wiped.
pub(super) fn read_text(path: &Path) -> Option<Zeroizing<String>> {
    let Ok(bytes) = private_file::read_plain(path, LIMIT).map(Zeroizing::new) else {
        debug!(path = %path.display(), "it is not read");
        return None;
    };
    Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(profile: &str, text: &str) -> ConfigFile {
        ConfigFile::of("config".into(), text, profile)
    }

    const TEXT: &str = "# a comment
[default]
region = us-west-2   # home
[profile sa]
  Region: eu-central-1
  services = local
[profile 'with spaces']
endpoint_url = https://all.example
services = other
[services local]
s3 =
  endpoint_url = https://s3.example
sts =
  endpoint_url = https://sts.example ; here
  other = x
[services]
sts =
  endpoint_url = https://wrong.example
[services other]
s3 =
  endpoint_url = https://s3.example
[profile mistaken]
endpoint_url = https://all.example
services = typo
";

    #[test]
    fn the_settings_of_one_profile_are_found() {
        let region = |profile| file(profile, TEXT).profile_setting("region").map(|s| s.value);
        assert_eq!(region("default").as_deref(), Some("us-west-2"));
        assert_eq!(region("sa").as_deref(), Some("eu-central-1"));
        assert_eq!(region("with spaces"), None);
        assert_eq!(region("absent"), None);
        assert_eq!(
            file("sa", TEXT).profile_setting("region").unwrap().origin,
            Origin::Shared { path: Path::new("config").into(), line: 5 }
        );
    }

    #[test]
    fn the_address_for_sts_has_precedence_over_that_for_all_services() {
        let endpoint = |profile| file(profile, TEXT).sts_endpoint().unwrap().map(|s| s.value);
        assert_eq!(endpoint("sa").as_deref(), Some("https://sts.example"));
        assert_eq!(endpoint("with spaces").as_deref(), Some("https://all.example"));
        assert_eq!(endpoint("default"), None);
    }

    #[test]
    fn a_missing_services_section_is_an_error_as_in_botocore() {
        let error = file("mistaken", TEXT).sts_endpoint().unwrap_err().to_string();
        assert_eq!(
            error,
            "config:24: the file has no settings in `[services typo]`, which the profile names"
        );
        assert!(file("default", "[default]\nservices = e\n[services e]").sts_endpoint().is_err());
    }

    #[test]
    fn an_invalid_file_has_no_settings() {
        for text in
            ["", "[", "=", "[default", "[default]\nregion", "[default]\nregion =\n", "\u{0}"]
        {
            assert_eq!(file("default", text).profile_setting("region"), None, "{text:?}");
        }
    }
}
