//! AWS's own configuration file, as far as it says which STS is asked (AWS SDKs and Tools Reference
//! Guide, "Shared config and credentials files").
//!
//! ```text
//! [profile NAME]            # or [default]
//! region = eu-central-1
//! services = NAME
//! [services NAME]
//! sts =
//!   endpoint_url = https://…
//! ```
//!
//! It is not ours: what cannot be read or understood in it is passed over, and the tools that own it
//! will say so.

use std::path::{Path, PathBuf};

use tracing::debug;

use crate::env::{self, Env};
use crate::private_file;
use crate::settings::{Origin, Setting};

pub(super) const LIMIT: u64 = 1024 * 1024;

/// The file, and the profile of it that AWS's tools use.
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
    profile: String,
}

impl ConfigFile {
    /// Reads the file, if there is one.
    pub(super) fn read(env: &Env, home: Option<&Path>) -> Option<Self> {
        let path = match env.get_os(env::AWS_CONFIG_FILE) {
            Some(path) => expanded(PathBuf::from(path), home),
            None => home?.join(".aws/config"),
        };
        let text = private_file::read_plain(&path, LIMIT)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = text else {
            debug!(path = %path.display(), "no configuration of AWS is read");
            return None;
        };
        let profile = env.get(env::AWS_PROFILE).or_else(|| env.get(env::AWS_DEFAULT_PROFILE));
        Some(Self { path, text, profile: profile.unwrap_or_else(|| "default".into()) })
    }

    /// A setting of the profile.
    pub(super) fn profile_setting(&self, key: &str) -> Option<Setting<String>> {
        let profile = &self.profile;
        self.find(|section| names(section, "profile", profile), key, None)
    }

    /// The address of STS, by the profile's `services`, or by its `endpoint_url` for all services.
    pub(super) fn sts_endpoint(&self) -> Option<Setting<String>> {
        let by_service = self.profile_setting("services").and_then(|services| {
            let is_named = |section: &str| names(section, "services", &services.value);
            self.find(is_named, "endpoint_url", Some("sts"))
        });
        by_service.or_else(|| self.profile_setting("endpoint_url"))
    }

    /// The value of a key in a section; or below another key, in the lines that are indented there.
    fn find(
        &self,
        is_section: impl Fn(&str) -> bool,
        key: &str,
        below: Option<&str>,
    ) -> Option<Setting<String>> {
        let mut inside = false;
        let mut parent = None;
        let mut found = None;
        for (number, line) in self.text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                inside = section.split_once(']').is_some_and(|(name, _)| is_section(name.trim()));
                parent = None;
                continue;
            }
            let indented = line.starts_with([' ', '\t']);
            let Some((name, value)) = line.split_once('=') else { continue };
            let (name, value) = (name.trim().to_lowercase(), without_comment(value));
            if inside && name == key && indented == below.is_some() && parent.as_deref() == below {
                // Of two, the later one counts.
                let origin = Origin::Shared { path: self.path.clone(), line: number + 1 };
                found = Some(Setting { value: value.to_owned(), origin });
            }
            if !indented {
                parent = below.is_some().then_some(name);
            }
        }
        found.filter(|setting| !setting.value.is_empty())
    }
}

/// Whether a section's head is that of `kind` and `name`: `profile prod`, `profile "prod"`. The
/// profile `default` goes without the kind too.
pub(crate) fn names(section: &str, kind: &str, name: &str) -> bool {
    if section == "default" {
        return kind == "profile" && name == "default";
    }
    section
        .strip_prefix(kind)
        .is_some_and(|rest| rest.starts_with([' ', '\t']) && rest.trim().trim_matches('"') == name)
}

/// A comment after a value begins behind white space.
pub(super) fn without_comment(value: &str) -> &str {
    let begins = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..begins.unwrap_or(value.len())].trim()
}

/// A path in which `~` is the home folder.
pub(crate) fn expanded(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(profile: &str, text: &str) -> ConfigFile {
        ConfigFile { path: "config".into(), text: text.into(), profile: profile.into() }
    }

    const TEXT: &str = "# ours
[default]
region = us-west-2   # home
[profile sa]
Region=eu-central-1
services = local
[profile \"with spaces\"]
endpoint_url = https://all.example
services = none
[services local]
s3 =
  endpoint_url = https://s3.example
sts =
  endpoint_url = https://sts.example ; here
  other = x
[services]
sts =
  endpoint_url = https://wrong.example
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
            Origin::Shared { path: "config".into(), line: 5 }
        );
    }

    #[test]
    fn the_address_of_sts_is_that_of_the_service_before_that_of_all() {
        let endpoint = |profile| file(profile, TEXT).sts_endpoint().map(|s| s.value);
        assert_eq!(endpoint("sa").as_deref(), Some("https://sts.example"));
        assert_eq!(endpoint("with spaces").as_deref(), Some("https://all.example"));
        assert_eq!(endpoint("default"), None);
    }

    #[test]
    fn a_file_that_is_none_says_nothing() {
        for text in
            ["", "[", "=", "[default", "[default]\nregion", "[default]\nregion =\n", "\u{0}"]
        {
            assert_eq!(file("default", text).profile_setting("region"), None, "{text:?}");
        }
    }
}
