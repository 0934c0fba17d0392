//! Settings: flag > environment > profile > defaults > built-in, and who won.

mod explain;
mod file;
mod flags;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod identity;
mod installation;
mod key_source;
mod layer;
mod locations;
mod names;
mod origin;
mod prune;
mod resolve;
mod table;
mod value;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::{Key, KeyBuilder};
use crate::digest::Digest;
use crate::env::{self, Env};
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::http::ProxyAddress;
use crate::message;
use crate::private_file::Unread;
use crate::secret_file;
pub use explain::Explained;
use file::{File, Text};
pub use flags::Flags;
pub use identity::{IdentityArgument, IdentityKind, IdentitySetting};
pub use installation::Installation;
pub use key_source::{KeySource, KeyText};
pub use locations::Locations;
pub use names::{list, nearest};
pub use origin::{Origin, Setting};
pub use resolve::expand_home;
use resolve::{Resolver, checked, flag, shared_variable, variable};
pub use table::{Field, Form, Table};
pub use value::{EMPTY, is_on, parse_duration, parse_switch, text_problem, unfit};
use value::{is_set, parse_cache, parse_proxy, parse_route, parse_timeout, parsed};

/// Machine formats are waited for by programs that set no limit of their own.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = "the configuration file";

/// What one run has been told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The profile.
    pub profile: Option<Setting<String>>,
    /// The service account's ID, or its name in a folder.
    pub service_account: Option<Setting<String>>,
    /// The folder that names of service accounts are looked up in.
    pub folder_id: Option<Setting<String>>,
    /// The same, by its name in a cloud.
    pub folder_name: Option<Setting<String>>,
    /// The cloud that names of folders are looked up in.
    pub cloud_id: Option<Setting<String>>,
    /// The audience.
    pub audience: Option<Setting<String>>,
    /// The identity to authenticate with.
    pub identity: Option<Setting<IdentitySetting>>,
    /// The ID of the service account that the identity acts as.
    pub impersonate: Option<Setting<String>>,
    /// How ID tokens are obtained, if that is said.
    pub id_token_route: Option<Setting<IdTokenRoute>>,
    /// The `yc` program.
    pub yc_path: Option<Setting<PathBuf>>,
    /// The installation of Yandex Cloud.
    pub installation: Installation,
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
    /// What `~/` stands for.
    home: Option<PathBuf>,
}

/// How an ID token is obtained.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdTokenRoute {
    /// By the exchange at the OAuth server.
    Exchange,
    /// By the vendor's own command.
    YcCli,
}

impl IdTokenRoute {
    /// All routes, with their names.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Exchange, "exchange"), (Self::YcCli, "yc-cli")];
}

impl CacheSetting {
    /// All places, with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::File, "file"), (Self::Keyring, "keyring"), (Self::None, "none")];
}

/// The value of a name, in a list of all values with their names.
pub fn by_name<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
}

/// The name of a value, in a list of all values with their names.
fn name_of<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
}

/// Where credentials rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheSetting {
    /// Files of this user.
    File,
    /// The keyring of this user.
    Keyring,
    /// Nowhere.
    None,
}

/// What says what a run has been told, besides the text of the configuration file.
#[derive(Clone, Copy)]
struct Told<'a> {
    profile: Option<&'a Setting<String>>,
    flags: &'a Flags,
    env: &'a Env,
    locations: &'a Locations,
    consumers: &'a [&'a Table],
    tables: &'a [&'a Table],
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
        let profile = match flag(flags.profile.as_ref(), "--profile") {
            Some(profile) => Some(profile),
            None => variable(env, env::PROFILE)?,
        };
        let profile = profile.map(|profile| checked("profile", profile)).transpose()?;
        let text = read_file(flags, env, locations, profile.as_ref())?;
        let name = profile.as_ref().map(|profile| profile.value.as_str());
        let pruned = text.as_ref().and_then(|text| text.pruned(name));
        let told = Told { profile: profile.as_ref(), flags, env, locations, consumers, tables };
        // What is not right without the rest of the file may be so with it, and else is told by it.
        match pruned.and_then(|pruned| Self::resolve(Some(&pruned), told).ok()) {
            Some(settings) => Ok(settings),
            None => Self::resolve(text.as_ref(), told),
        }
    }

    /// The same without the configuration file, for whoever has found that it is broken.
    pub fn without_file(
        flags: &Flags,
        env: &Env,
        locations: &Locations,
        consumers: &[&Table],
    ) -> Result<Self> {
        let tables = consumers;
        Self::resolve(None, Told { profile: None, flags, env, locations, consumers, tables })
    }

    fn resolve(text: Option<&Text>, told: Told<'_>) -> Result<Self> {
        let Told { profile, flags, env, locations, consumers, tables } = told;
        let file = text.map(|text| File::parse(text, consumers)).transpose()?;
        let chosen = profile.map(|profile| (profile.value.as_str(), &profile.origin));
        let layers = file.as_ref().map(|file| file.layers(chosen)).transpose()?.unwrap_or_default();
        let resolver =
            Resolver { env, home: locations.home.as_deref(), file: file.as_ref(), layers: &layers };
        // A setting's key is the name of its flag's field.
        macro_rules! text {
            ($key:ident, $flag:literal, $variable:ident) => {
                resolver.text(stringify!($key), flags.$key.as_ref(), $flag, env::$variable)?
            };
        }
        macro_rules! path {
            ($key:ident, $flag:literal, $variable:ident) => {
                resolver.path(stringify!($key), flags.$key.as_ref(), $flag, env::$variable)?
            };
        }
        let (folder_id, folder_name) = resolver.stronger(
            text!(folder_id, "--folder-id", FOLDER_ID),
            text!(folder_name, "--folder-name", FOLDER_NAME),
        );
        let folder_id = match &folder_name {
            Some(_) => folder_id,
            None => folder_id.or_else(|| shared_variable(env, env::YC_FOLDER_ID)),
        };
        let background_refresh =
            text!(background_refresh, "--background-refresh", BACKGROUND_REFRESH);
        Ok(Self {
            service_account: text!(service_account, "--service-account", SERVICE_ACCOUNT),
            folder_id,
            folder_name,
            cloud_id: text!(cloud_id, "--cloud-id", CLOUD_ID)
                .or_else(|| shared_variable(env, env::YC_CLOUD_ID)),
            audience: text!(audience, "--audience", AUDIENCE),
            identity: resolver.identity(flags)?,
            impersonate: text!(
                impersonate_service_account,
                "--impersonate-service-account",
                IMPERSONATE_SERVICE_ACCOUNT
            ),
            id_token_route: text!(id_token_route, "--id-token-route", ID_TOKEN_ROUTE)
                .map(parse_route)
                .transpose()?,
            yc_path: path!(yc_path, "--yc-path", YC_PATH),
            installation: resolver.installation(flags)?,
            force_refresh: flags.force_refresh || is_set(env, env::FORCE_REFRESH)?,
            background_refresh: parsed(
                background_refresh,
                true,
                "a switch",
                "`true` or `false`",
                parse_switch,
            )?,
            cache: parsed(
                text!(cache, "--cache", CACHE),
                CacheSetting::File,
                "a place to cache credentials in",
                "`file`, `keyring` or `none`",
                parse_cache,
            )?,
            timeout: parsed(
                text!(timeout, "--timeout", TIMEOUT),
                DEFAULT_TIMEOUT,
                "a time",
                "a time of at most an hour, such as `20s`, `500ms` or `2m`",
                parse_timeout,
            )?,
            ca_file: path!(ca_file, "--ca-file", CA_FILE),
            proxy: text!(proxy, "--proxy", PROXY).map(parse_proxy).transpose()?,
            endpoint: text!(endpoint, "--endpoint", ENDPOINT),
            iam_endpoint: text!(iam_endpoint, "--iam-endpoint", IAM_ENDPOINT),
            oauth_endpoint: text!(oauth_endpoint, "--oauth-endpoint", OAUTH_ENDPOINT),
            consumer: resolver.consumer(tables)?,
            profile: profile.cloned(),
            home: locations.home.clone(),
        })
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
        let Some(given) = flag(value, flag_name) else { return configured() };
        let is_path =
            table.settings.iter().any(|field| field.key == key && field.form == Form::Path);
        if !is_path {
            return Some(given);
        }
        let path = expand_home(Path::new(&given.value), self.home.as_deref());
        Some(Setting { value: path.to_string_lossy().into_owned(), origin: given.origin })
    }

    /// The settings that are text, by their names.
    fn texts(&self) -> [(&'static str, &Option<Setting<String>>); 9] {
        [
            ("audience", &self.audience),
            ("cloud_id", &self.cloud_id),
            ("endpoint", &self.endpoint),
            ("folder_id", &self.folder_id),
            ("folder_name", &self.folder_name),
            ("iam_endpoint", &self.iam_endpoint),
            ("impersonate_service_account", &self.impersonate),
            ("oauth_endpoint", &self.oauth_endpoint),
            ("service_account", &self.service_account),
        ]
    }

    /// Whether there is a folder that names of service accounts are looked up in.
    #[must_use]
    pub fn has_folder(&self) -> bool {
        self.folder_id.is_some() || self.folder_name.is_some()
    }

    /// A digest of all that decides how a credential is obtained, and of the variables that decide how
    /// servers are reached.
    #[must_use]
    pub fn fingerprint(&self, env: &Env) -> Digest {
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
        key = add(key, "route", self.id_token_route.as_ref(), |route| format!("{route:?}"));
        key = add(key, "yc_path", self.yc_path.as_ref(), |path| path.display().to_string());
        if self.installation != Installation::built_in() {
            key = key.with("installation", &format!("{:?}", self.installation));
        }
        key = add(key, "timeout", Some(&self.timeout), |timeout| format!("{timeout:?}"));
        key = add(key, "ca_file", self.ca_file.as_ref(), |file| file.display().to_string());
        key = add(key, "proxy", self.proxy.as_ref(), |proxy| proxy.expose().to_owned());
        for (name, setting) in self.texts() {
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
    let asked_for = flags.config_asked_for(env, locations);
    if let Some(path) = asked_for {
        return Text::read(path.clone())
            .map(Some)
            .map_err(|problem| secret_file::unread_settings(CONFIGURATION, &path, problem));
    }
    let text = match &locations.config_file {
        None => None,
        Some(path) => match Text::read(path.clone()) {
            Ok(text) => Some(text),
            Err(Unread::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            // Also "not a directory", for a home that is none.
            Err(_) if !path.exists() => None,
            Err(problem) => return Err(secret_file::unread_settings(CONFIGURATION, path, problem)),
        },
    };
    match (profile, text) {
        (Some(profile), None) => Err(Error::NoSuch {
            what: "profile",
            name: profile.value.clone().into(),
            place: message!("the configuration ({})", profile.origin),
            hint: match &locations.config_file {
                Some(path) => message!(
                    "there is no configuration file yet; make `{}` with a table `[profiles.{}]`",
                    shown(path),
                    ForeignText::new(&profile.value)
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
