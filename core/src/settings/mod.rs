//! Settings: flag > environment > profile > defaults > built-in, each with its origin.

mod agent_tables;
#[cfg(test)]
mod completeness;
mod excerpt;
mod explain;
mod field;
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
mod resolve;
pub mod schema;
mod unnamed_profile;
mod value;
mod whole_file;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::Key;
use crate::digest::Digest;
use crate::env::{self, Env};
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::http::ProxyAddress;
use crate::message;
use crate::private_file::Unread;
use crate::secret_file;
pub use agent_tables::{
    AgentEndpoint, AgentFile, AgentTables, ENDPOINT_KEYS, FILE_KEYS, agent_tables,
};
pub use explain::Explained;
pub use field::{Decides, Field, Group, Kind, Offer, Table};
use file::{File, Text};
pub use flags::{Arguments, Flags, NamedCommand, with_flags};
pub use identity::{IdentityArgument, IdentityKind, IdentitySetting};
pub use installation::{Installation, KEYS as INSTALLATION_KEYS, SUBJECT_TOKEN_TYPES};
pub use key_source::{KeySource, KeyText};
pub use locations::Locations;
pub use names::{list, nearest};
pub use origin::{Origin, Setting};
pub use resolve::expand_home;
use resolve::{Resolved, Resolver, Row, key_source, parsed};
use schema::COMMON;
pub use unnamed_profile::unchosen_profiles;
use unnamed_profile::{consumer_of, unnamed_profile};
pub use value::{EMPTY, invalid_value, parse_duration, parse_switch, text_problem};
use value::{parse_cache, parse_proxy, parse_route, parse_timeout};
pub use whole_file::{Profile, Profiles, problems, profiles};

const CONFIGURATION: &str = "the configuration file";

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub profile: Option<Setting<String>>,
    /// The service account's ID, or its name in a folder.
    pub service_account: Option<Setting<String>>,
    /// The folder in which names of service accounts are looked up.
    pub folder_id: Option<Setting<String>>,
    /// The same, by its name in a cloud.
    pub folder_name: Option<Setting<String>>,
    /// The cloud in which names of folders are looked up.
    pub cloud_id: Option<Setting<String>>,
    pub audience: Option<Setting<String>>,
    pub identity: Option<Setting<IdentitySetting>>,
    /// The ID of the service account that the identity acts as.
    pub impersonate: Option<Setting<String>>,
    pub id_token_route: Option<Setting<IdTokenRoute>>,
    /// `subject_token_type` of a service account in the exchange for an ID token.
    pub subject_token_type: Option<Setting<String>>,
    pub yc_path: Option<Setting<PathBuf>>,
    pub installation: Installation,
    /// Whether to get a new credential even if one is cached.
    pub force_refresh: bool,
    /// Whether a credential past its soft point is refreshed in the background.
    pub background_refresh: Setting<bool>,
    pub cache: Setting<CacheSetting>,
    /// The run's time limit.
    pub timeout: Setting<Duration>,
    /// Additional certificate authorities.
    pub ca_file: Option<Setting<PathBuf>>,
    /// The proxy, instead of the system's.
    pub proxy: Option<Setting<ProxyAddress>>,
    /// The API endpoint of another installation.
    pub endpoint: Option<Setting<String>>,
    pub iam_endpoint: Option<Setting<String>>,
    pub oauth_endpoint: Option<Setting<String>>,
    /// All settings that are set, as text.
    resolved: Resolved,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdTokenRoute {
    /// The exchange at the OAuth server.
    Exchange,
    /// The vendor's own command.
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

/// The value with a name, in a list of all values with their names.
pub fn by_name<T: Copy>(all: &[(T, &'static str)], name: &str) -> Option<T> {
    all.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
}

/// The names in a list of all values with their names.
pub fn names_of<T>(all: &[(T, &'static str)]) -> Vec<&'static str> {
    all.iter().map(|(_, name)| *name).collect()
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheSetting {
    File,
    Keyring,
    None,
}

/// The sources of settings, besides the configuration file.
#[derive(Clone)]
struct Sources<'a> {
    /// The profile named by a flag or a variable.
    profile: Option<Setting<String>>,
    flags: &'a Flags,
    env: &'a Env,
    locations: &'a Locations,
    consumers: &'a [&'static Table],
    tables: &'a [&'static Table],
}

impl Settings {
    /// Loads the settings of this run and of the consumers in `tables`: the first is the one that runs, unless these
    /// are all. `consumers` are all tables that a profile can have.
    pub fn load(
        flags: &Flags,
        env: &Env,
        locations: &Locations,
        consumers: &[&'static Table],
        tables: &[&'static Table],
    ) -> Result<Self> {
        let home = locations.home.as_deref();
        let profile =
            Resolver { flags, env, home, file: None, layers: &[] }.text(&schema::PROFILE)?;
        let text = read_file(flags, env, locations, profile.as_ref())?;
        let sources = Sources { profile, flags, env, locations, consumers, tables };
        let Some(text) = text else { return Self::resolve(None, sources) };
        match Self::of_excerpt(&text, &sources) {
            Some(settings) => Ok(settings),
            None => Self::resolve(Some(&File::parse(&text, consumers)?), sources),
        }
    }

    /// The settings from an excerpt of the file, with the profiles that this run uses. `None` if that is not enough.
    /// Errors come from the whole file, because they name the profiles that exist.
    fn of_excerpt(text: &Text, sources: &Sources<'_>) -> Option<Self> {
        let Sources { profile, consumers, tables, .. } = sources;
        let mut profiles: Vec<String> = profile.iter().map(|it| it.value.clone()).collect();
        loop {
            let excerpt = excerpt::of(text, &profiles)?;
            let file = File::parse(&excerpt, consumers).ok()?;
            let chosen = match profile {
                Some(profile) => profile.value.clone(),
                None => file.default_profile(consumer_of(consumers, tables)).ok()??.value,
            };
            match file.first_unknown(chosen, &profiles).ok()? {
                Some(name) => profiles.push(name),
                None => return Self::resolve(Some(&file), sources.clone()).ok(),
            }
        }
    }

    /// The same without the configuration file, if that is invalid.
    pub fn without_file(
        flags: &Flags,
        env: &Env,
        locations: &Locations,
        consumers: &[&'static Table],
    ) -> Result<Self> {
        let tables = consumers;
        Self::resolve(None, Sources { profile: None, flags, env, locations, consumers, tables })
    }

    fn resolve(file: Option<&File<'_>>, sources: Sources<'_>) -> Result<Self> {
        let Sources { profile, flags, env, locations, consumers, tables } = sources;
        let profile = match (profile, file) {
            (None, Some(file)) => {
                unnamed_profile(file, flags, env, consumer_of(consumers, tables))?
            }
            (profile, _) => profile,
        };
        let chosen = profile.as_ref().map(|profile| (profile.value.as_str(), &profile.origin));
        let layers = file.map(|file| file.layers(chosen)).transpose()?.unwrap_or_default();
        let home = locations.home.as_deref();
        let resolver = Resolver { flags, env, home, file, layers: &layers };
        Self::resolved(&resolver, tables, profile)
    }

    /// Builds the settings from a resolver.
    fn resolved(
        resolver: &Resolver<'_>,
        tables: &[&'static Table],
        profile: Option<Setting<String>>,
    ) -> Result<Self> {
        let mut all = Resolved::default();
        for table in [&COMMON].into_iter().chain(tables.iter().copied()) {
            resolver.resolve(table, &mut all)?;
        }
        resolver.leave_stronger(&mut all, [&schema::FOLDER_ID, &schema::FOLDER_NAME]);
        let force_refresh = resolver.text(&schema::FORCE_REFRESH)?;
        let force_refresh = switch(&schema::FORCE_REFRESH, force_refresh)?.value;
        let identity = resolver.identity(
            all.text(&schema::IDENTITY),
            all.take(&schema::KEY_FILE).map(key_source),
            all.path(&schema::IAM_TOKEN_FILE),
        )?;
        // The identity replaces the settings that it is built from.
        all.take(&schema::IAM_TOKEN_FILE);
        all.take(&schema::IDENTITY);
        Ok(Self {
            profile,
            service_account: all.text(&schema::SERVICE_ACCOUNT),
            folder_id: all.text(&schema::FOLDER_ID),
            folder_name: all.text(&schema::FOLDER_NAME),
            cloud_id: all.text(&schema::CLOUD_ID),
            audience: all.text(&schema::AUDIENCE),
            identity,
            impersonate: all.text(&schema::IMPERSONATE_SERVICE_ACCOUNT),
            id_token_route: all.text(&schema::ID_TOKEN_ROUTE).map(parse_route).transpose()?,
            subject_token_type: all.text(&schema::SUBJECT_TOKEN_TYPE),
            yc_path: all.path(&schema::YC_PATH),
            installation: resolver.installation(all.text(&schema::INSTALLATION))?,
            force_refresh,
            background_refresh: switch(
                &schema::BACKGROUND_REFRESH,
                all.text(&schema::BACKGROUND_REFRESH),
            )?,
            cache: all.parsed(
                &schema::CACHE,
                "a place to cache credentials in",
                "`file`, `keyring` or `none`",
                parse_cache,
            )?,
            timeout: all.parsed(
                &schema::TIMEOUT,
                "a time",
                "a time of at most an hour, such as `20s`, `500ms` or `2m`",
                parse_timeout,
            )?,
            ca_file: all.path(&schema::CA_FILE),
            proxy: all.text(&schema::PROXY).map(parse_proxy).transpose()?,
            endpoint: all.text(&schema::ENDPOINT),
            iam_endpoint: all.text(&schema::IAM_ENDPOINT),
            oauth_endpoint: all.text(&schema::OAUTH_ENDPOINT),
            resolved: all,
        })
    }

    /// The same for another audience, which the caller has checked.
    #[must_use]
    pub fn for_audience(self, audience: &str) -> Self {
        let audience = Setting { value: audience.to_owned(), origin: Origin::BuiltIn };
        Self { audience: Some(audience), ..self }
    }

    /// The value of a consumer's own setting.
    pub fn own(&self, field: &Field) -> Option<Setting<String>> {
        self.resolved.text(field)
    }

    /// The settings of a table from flags and variables of this run, as text, in the order of the schema. Those of
    /// the identity are left out: its own value replaces them.
    pub fn given(&self, table: &str) -> Vec<(&'static Field, Setting<OsString>)> {
        let is_given = |row: &&Row| {
            row.table == table
                && matches!(row.setting.origin, Origin::Flag(_) | Origin::Variable(_))
        };
        let rows = self.resolved.rows().iter().filter(is_given);
        rows.map(|row| (row.field, row.setting.clone())).collect()
    }

    /// Whether a consumer's own switch is on.
    pub fn is_on(&self, field: &Field) -> Result<Setting<bool>> {
        switch(field, self.own(field))
    }

    /// Whether a folder is set in which names of service accounts are looked up.
    pub fn has_folder(&self) -> bool {
        self.folder_id.is_some() || self.folder_name.is_some()
    }

    /// A digest of all settings of the program that decide what is obtained and how, and of the variables that decide
    /// how servers are reached. A consumer's own settings are part of its requests.
    pub fn fingerprint(&self, env: &Env) -> Digest {
        let mut key = Key::of("settings");
        if let Some(identity) = &self.identity {
            key = key.with("identity", &format!("{:?}", identity.value));
        }
        if self.installation != Installation::built_in() {
            key = key.with("installation", &format!("{:?}", self.installation));
        }
        // `doctor` gives a run only a part of the time.
        key = key.with("timeout", &format!("{:?}", self.timeout.value));
        for Row { table, field, setting } in self.resolved.rows() {
            if table.is_empty() && field.decides != Decides::Nothing {
                key = key.with(field.key, &setting.value.to_string_lossy());
            }
        }
        for variable in env::NETWORK {
            if let Some(value) = env.get_os(*variable) {
                key = key.with(variable.name, &value.to_string_lossy());
            }
        }
        Digest::of(key.build().name().as_bytes())
    }
}

fn switch(field: &Field, setting: Option<Setting<String>>) -> Result<Setting<bool>> {
    parsed(field, setting, "a switch", "`true` or `false`", parse_switch)
}

/// The names of the profiles in a configuration file; empty if it cannot be read.
pub fn profile_names(path: PathBuf) -> Vec<String> {
    names_in_file(path, "profiles")
}

/// The names of the tables below one in a configuration file; empty if it cannot be read.
pub fn names_in_file(path: PathBuf, table: &str) -> Vec<String> {
    let Ok(text) = Text::read(path) else { return Vec::new() };
    let Ok(file) = File::parse(&text, &[]) else { return Vec::new() };
    file.names(table).into_iter().map(str::to_owned).collect()
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
            // Also for "not a directory", if the home is a file.
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
