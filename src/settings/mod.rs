//! Settings: flag > environment > profile > defaults > built-in, and who won.

mod file;
mod flags;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod locations;
mod origin;
mod prune;
mod resolve;
mod table;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use crate::cache::{Digest, Key, KeyBuilder};
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::http::ProxyAddress;
use file::{File, Text};
pub use flags::Flags;
pub use locations::Locations;
pub use origin::{Origin, Setting};
use resolve::{Resolver, flag, variable};
pub use table::{Field, Form, Table};
pub use value::{is_on, parse_duration, parse_switch, unfit};
use value::{is_set, parse_cache, parse_proxy, parse_timeout, parsed};

/// Machine formats are waited for by programs that set no limit of their own.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// What one run has been told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The profile.
    pub profile: Option<Setting<String>>,
    /// The service account's ID.
    pub service_account: Option<Setting<String>>,
    /// The audience.
    pub audience: Option<Setting<String>>,
    /// Who we are towards Yandex Cloud.
    pub identity: Option<Setting<IdentitySetting>>,
    /// Whether to get a new credential whatever is cached.
    pub force_refresh: bool,
    /// Whether a credential past its soft point is refreshed in the background.
    pub background_refresh: Setting<bool>,
    /// Where credentials rest.
    pub cache: Setting<CacheSetting>,
    /// The run's time budget.
    pub timeout: Setting<Duration>,
    /// Certificate authorities to trust besides the system's.
    pub ca_file: Option<Setting<PathBuf>>,
    /// The proxy, instead of the system's.
    pub proxy: Option<Setting<ProxyAddress>>,
    /// The API endpoint of another installation.
    pub endpoint: Option<Setting<String>>,
    /// The IAM endpoint.
    pub iam_endpoint: Option<Setting<String>>,
    /// The OAuth endpoint.
    pub oauth_endpoint: Option<Setting<String>>,
    /// The consumers' own settings, but for their flags: table, key and value.
    consumer: Vec<(&'static str, &'static str, Setting<String>)>,
    /// Over all of the above and the variables that decide how servers are reached.
    pub fingerprint: Digest,
}

/// An identity as the settings name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdentitySetting {
    /// An authorized key in a file.
    AuthorizedKey {
        /// The file.
        file: PathBuf,
    },
    /// An IAM token in a file.
    IamTokenFile {
        /// The file.
        file: PathBuf,
    },
    /// An IAM token in the environment.
    IamToken,
    /// The service account of this machine.
    Metadata,
}

/// Where credentials rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheSetting {
    /// Files of this user.
    File,
    /// Nowhere.
    None,
}

impl Settings {
    /// What this run has been told, with the consumers' own settings of `tables`. `consumers` are all
    /// tables that may stand in a profile.
    pub fn load(
        flags: &Flags,
        env: &Env,
        locations: &Locations,
        consumers: &[&Table],
        tables: &[&Table],
    ) -> Result<Self> {
        let profile =
            flag(flags.profile.as_ref(), "--profile").or_else(|| variable(env, env::PROFILE));
        let text = read_file(flags, env, locations, profile.as_ref())?;
        let name = profile.as_ref().map(|profile| profile.value.as_str());
        let pruned = text.as_ref().and_then(|text| text.pruned(name));
        let resolve = |text: Option<&Text>| {
            Self::resolve(text, profile.clone(), flags, env, locations, consumers, tables)
        };
        // What is not right without the rest of the file may be so with it, and else is told by it.
        match pruned.and_then(|pruned| resolve(Some(&pruned)).ok()) {
            Some(settings) => Ok(settings),
            None => resolve(text.as_ref()),
        }
    }

    fn resolve(
        text: Option<&Text>,
        profile: Option<Setting<String>>,
        flags: &Flags,
        env: &Env,
        locations: &Locations,
        consumers: &[&Table],
        tables: &[&Table],
    ) -> Result<Self> {
        let file = text.map(|text| File::parse(text, consumers)).transpose()?;
        let chosen = profile.as_ref().map(|profile| (profile.value.as_str(), &profile.origin));
        let layers = file.as_ref().map(|file| file.layers(chosen)).transpose()?.unwrap_or_default();
        let resolver =
            Resolver { env, home: locations.home.as_deref(), file: file.as_ref(), layers: &layers };

        let background_refresh = resolver.text(
            "background_refresh",
            flags.background_refresh.as_ref(),
            "--background-refresh",
            env::BACKGROUND_REFRESH,
        )?;
        let cache = resolver.text("cache", flags.cache.as_ref(), "--cache", env::CACHE)?;
        let timeout =
            resolver.text("timeout", flags.timeout.as_ref(), "--timeout", env::TIMEOUT)?;
        let proxy = resolver.text("proxy", flags.proxy.as_ref(), "--proxy", env::PROXY)?;
        let mut settings = Self {
            service_account: resolver.text(
                "service_account",
                flags.service_account.as_ref(),
                "--service-account",
                env::SERVICE_ACCOUNT,
            )?,
            audience: resolver.text(
                "audience",
                flags.audience.as_ref(),
                "--audience",
                env::AUDIENCE,
            )?,
            identity: resolver.identity(flags)?,
            force_refresh: flags.force_refresh || is_set(env, env::FORCE_REFRESH)?,
            background_refresh: parsed(
                background_refresh,
                true,
                "a switch",
                "`true` or `false`",
                parse_switch,
            )?,
            cache: parsed(
                cache,
                CacheSetting::File,
                "where credentials rest",
                "`file` or `none`",
                parse_cache,
            )?,
            timeout: parsed(
                timeout,
                DEFAULT_TIMEOUT,
                "a time",
                "a time of at most an hour, such as `20s`, `500ms` or `2m`",
                parse_timeout,
            )?,
            ca_file: resolver.path("ca_file", flags.ca_file.as_ref(), "--ca-file", env::CA_FILE)?,
            proxy: proxy.map(parse_proxy).transpose()?,
            endpoint: resolver.text(
                "endpoint",
                flags.endpoint.as_ref(),
                "--endpoint",
                env::ENDPOINT,
            )?,
            iam_endpoint: resolver.text(
                "iam_endpoint",
                flags.iam_endpoint.as_ref(),
                "--iam-endpoint",
                env::IAM_ENDPOINT,
            )?,
            oauth_endpoint: resolver.text(
                "oauth_endpoint",
                flags.oauth_endpoint.as_ref(),
                "--oauth-endpoint",
                env::OAUTH_ENDPOINT,
            )?,
            consumer: resolver.consumer(tables)?,
            profile,
            fingerprint: Digest::of(&[]),
        };
        settings.fingerprint = settings.fingerprint(env);
        Ok(settings)
    }

    /// A setting of a consumer's own: its flag, or its variable, or its table.
    #[must_use]
    pub fn consumer(
        &self,
        table: &Table,
        key: &'static str,
        value: Option<&String>,
        flag_name: &'static str,
    ) -> Option<Setting<String>> {
        let configured = || {
            let is_it = |name: &str, its_key: &str| name == table.name && its_key == key;
            self.consumer
                .iter()
                .find(|(name, its_key, _)| is_it(name, its_key))
                .map(|(.., setting)| setting.clone())
        };
        flag(value, flag_name).or_else(configured)
    }

    fn fingerprint(&self, env: &Env) -> Digest {
        fn add<T>(
            key: KeyBuilder,
            name: &str,
            setting: Option<&Setting<T>>,
            text: impl Fn(&T) -> String,
        ) -> KeyBuilder {
            match setting {
                Some(setting) => key.with(name, &text(&setting.value)),
                None => key,
            }
        }
        let mut key = Key::of("settings");
        key = add(key, "identity", self.identity.as_ref(), |identity| format!("{identity:?}"));
        key = add(key, "timeout", Some(&self.timeout), |timeout| format!("{timeout:?}"));
        key = add(key, "ca_file", self.ca_file.as_ref(), |file| file.display().to_string());
        key = add(key, "proxy", self.proxy.as_ref(), |proxy| proxy.expose().to_owned());
        for (name, setting) in [
            ("service_account", &self.service_account),
            ("audience", &self.audience),
            ("endpoint", &self.endpoint),
            ("iam_endpoint", &self.iam_endpoint),
            ("oauth_endpoint", &self.oauth_endpoint),
        ] {
            key = add(key, name, setting.as_ref(), Clone::clone);
        }
        for variable in env::NETWORK {
            if let Some(value) = env.get_os(*variable) {
                key = key.with(variable.name, &value.to_string_lossy());
            }
        }
        Digest::of(key.build().name().as_bytes())
    }
}

/// The names of the profiles in a configuration file; none of one that cannot be read.
#[must_use]
pub fn profile_names(path: PathBuf) -> Vec<String> {
    let Ok(text) = Text::read(path) else { return Vec::new() };
    let names = File::parse(&text, &[]).map(|file| file.profiles());
    names.unwrap_or_default()
}

fn read_file(
    flags: &Flags,
    env: &Env,
    locations: &Locations,
    profile: Option<&Setting<String>>,
) -> Result<Option<Text>> {
    if let Some((path, content)) = &flags.unwritten {
        return Ok(Some(Text::of(path.clone(), content.clone())));
    }
    let asked_for = flags.config.clone().or_else(|| env.get_os(env::CONFIG).map(PathBuf::from));
    let what = "the configuration file";
    if let Some(path) = asked_for {
        return Text::read(path.clone())
            .map(Some)
            .map_err(|error| Error::unreadable(what, path, &error));
    }
    let text = match &locations.config_file {
        None => None,
        Some(path) => match Text::read(path.clone()) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // Also "not a directory", for a home that is none.
            Err(_) if !path.exists() => None,
            Err(error) => return Err(Error::unreadable(what, path, &error)),
        },
    };
    match (profile, text) {
        (Some(profile), None) => Err(Error::NoSuch {
            what: "profile",
            name: profile.value.clone(),
            place: format!("the configuration ({})", profile.origin),
            hint: match &locations.config_file {
                Some(path) => format!(
                    "there is no configuration file yet; make `{}` with a table `[profiles.{}]`",
                    path.display(),
                    profile.value
                ),
                None => "there is no home folder to look for the configuration in; give `--config`"
                    .into(),
            },
        }),
        (_, text) => Ok(text),
    }
}

#[cfg(test)]
mod tests;
