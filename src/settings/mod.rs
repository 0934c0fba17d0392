//! Settings: flag > environment > profile > defaults > built-in, and who won.

mod file;
mod flags;
mod locations;
mod origin;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::{Digest, Key, KeyBuilder};
use crate::env::{self, Env, Var};
use crate::error::{Error, Result};
use crate::http::ProxyAddress;
use crate::private_file;
use file::{File, Layer, Text};
pub use flags::Flags;
pub use locations::Locations;
pub use origin::{Origin, Setting};

/// Machine formats are waited for by programs that set no limit of their own.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// A consumer's own settings: the name of its table in a profile, and its keys with their variables.
#[derive(Debug)]
pub struct Table {
    /// The table's name, which is the subcommand's too.
    pub name: &'static str,
    /// Key and variable of each setting.
    pub settings: &'static [(&'static str, Var)],
}

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
    /// The consumer's own settings, but for its flags: key and value.
    consumer: Vec<(&'static str, Setting<String>)>,
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
    /// What this run has been told, with the own settings of the consumer `table`. `consumers` are
    /// all tables that may stand in a profile.
    pub fn load(
        flags: &Flags,
        env: &Env,
        locations: &Locations,
        consumers: &[&Table],
        table: &Table,
    ) -> Result<Self> {
        let profile =
            flag(flags.profile.as_ref(), "--profile").or_else(|| variable(env, env::PROFILE));
        let text = read_file(flags, env, locations, profile.as_ref())?;
        let file = text
            .as_ref()
            .map(|text| File::parse(text, consumers))
            .transpose()?;
        let chosen = profile
            .as_ref()
            .map(|profile| (profile.value.as_str(), &profile.origin));
        let layers = file
            .as_ref()
            .map(|file| file.layers(chosen))
            .transpose()?
            .unwrap_or_default();
        let resolver = Resolver {
            env,
            home: locations.home.as_deref(),
            file: file.as_ref(),
            layers: &layers,
        };

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
            force_refresh: flags.force_refresh || is_on(env, env::FORCE_REFRESH)?,
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
                "a time such as `20s`, `500ms` or `2m`",
                parse_duration,
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
            consumer: resolver.consumer(table)?,
            profile,
            fingerprint: Digest::of(&[]),
        };
        settings.fingerprint = settings.fingerprint(env);
        Ok(settings)
    }

    /// A setting of the consumer's own: its flag, or its variable, or its table.
    #[must_use]
    pub fn consumer(
        &self,
        key: &'static str,
        value: Option<&String>,
        flag_name: &'static str,
    ) -> Option<Setting<String>> {
        let configured = || {
            self.consumer
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, setting)| setting.clone())
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
        key = add(key, "identity", self.identity.as_ref(), |identity| {
            format!("{identity:?}")
        });
        key = add(key, "timeout", Some(&self.timeout), |timeout| {
            format!("{timeout:?}")
        });
        key = add(key, "ca_file", self.ca_file.as_ref(), |file| {
            file.display().to_string()
        });
        key = add(key, "proxy", self.proxy.as_ref(), |proxy| {
            proxy.expose().to_owned()
        });
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

fn read_file(
    flags: &Flags,
    env: &Env,
    locations: &Locations,
    profile: Option<&Setting<String>>,
) -> Result<Option<Text>> {
    let asked_for = flags
        .config
        .clone()
        .or_else(|| env.get_os(env::CONFIG).map(PathBuf::from));
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

/// Looks settings up, the strongest origin first.
struct Resolver<'a> {
    env: &'a Env,
    home: Option<&'a Path>,
    file: Option<&'a File<'a>>,
    layers: &'a [Layer<'a>],
}

impl Resolver<'_> {
    fn text(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<String>>> {
        if let Some(setting) = flag(value, flag_name).or_else(|| variable(self.env, var)) {
            return Ok(Some(setting));
        }
        for layer in self.layers {
            if let Some((text, span)) = layer.text(key)? {
                return Ok(Some(Setting {
                    value: text.to_owned(),
                    origin: layer.origin(&span),
                }));
            }
        }
        Ok(None)
    }

    /// A path. In the file, `~/` is the home folder, and a relative one starts where the file is.
    fn path(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<PathBuf>>> {
        if let Some(setting) = flag(value, flag_name).or_else(|| variable(self.env, var)) {
            return Ok(Some(Setting {
                value: setting.value.into(),
                origin: setting.origin,
            }));
        }
        for layer in self.layers {
            if let Some((text, span)) = layer.text(key)? {
                return Ok(Some(Setting {
                    value: private_file::resolve(text, layer.folder(), self.home),
                    origin: layer.origin(&span),
                }));
            }
        }
        Ok(None)
    }

    fn consumer(&self, table: &Table) -> Result<Vec<(&'static str, Setting<String>)>> {
        let mut found = Vec::new();
        for (key, var) in table.settings {
            if let Some(setting) = variable(self.env, *var) {
                found.push((*key, setting));
                continue;
            }
            for layer in self.layers {
                if let Some((text, span)) = layer.consumer_text(table.name, key)? {
                    found.push((
                        *key,
                        Setting {
                            value: text.to_owned(),
                            origin: layer.origin(&span),
                        },
                    ));
                    break;
                }
            }
        }
        Ok(found)
    }

    /// `identity`, `key_file` and `iam_token_file` say the same thing in three ways. The strongest
    /// origin that has one of them decides; within one origin, a file is more exact than a name.
    fn identity(&self, flags: &Flags) -> Result<Option<Setting<IdentitySetting>>> {
        let named = self.text(
            "identity",
            flags.identity.as_ref(),
            "--identity",
            env::IDENTITY,
        )?;
        let key_file = self.path(
            "key_file",
            flags.key_file.as_ref(),
            "--key-file",
            env::KEY_FILE,
        )?;
        let token_file = self.path(
            "iam_token_file",
            flags.iam_token_file.as_ref(),
            "--iam-token-file",
            env::IAM_TOKEN_FILE,
        )?;
        let candidates = [
            named.as_ref().map(|s| &s.origin),
            key_file.as_ref().map(|s| &s.origin),
            token_file.as_ref().map(|s| &s.origin),
        ];
        let Some(strongest) = candidates
            .into_iter()
            .flatten()
            .map(|origin| self.rank(origin))
            .min()
        else {
            return Ok(None);
        };
        let decides = |origin: &Origin| self.rank(origin) == strongest;
        let from_key = |setting: Setting<PathBuf>| Setting {
            value: IdentitySetting::AuthorizedKey {
                file: setting.value,
            },
            origin: setting.origin,
        };
        let from_token = |setting: Setting<PathBuf>| Setting {
            value: IdentitySetting::IamTokenFile {
                file: setting.value,
            },
            origin: setting.origin,
        };
        match (
            named.filter(|named| decides(&named.origin)),
            key_file,
            token_file,
        ) {
            (_, Some(key), Some(token)) if decides(&key.origin) && decides(&token.origin) => {
                Err(Error::Usage {
                    problem: format!(
                        "a key file ({}) and an IAM token file ({}) are given at once",
                        key.origin, token.origin
                    ),
                    hint: "give one of them".into(),
                })
            }
            (Some(named), Some(key), _)
                if decides(&key.origin) && named.value != "authorized-key" =>
            {
                Err(Error::Usage {
                    problem: format!(
                        "the identity `{}` ({}) and a key file ({}) are given at once",
                        named.value, named.origin, key.origin
                    ),
                    hint: "give one of them".into(),
                })
            }
            (Some(named), key, _) if named.value == "authorized-key" => match key {
                Some(key) => Ok(Some(from_key(key))),
                None => match self.env.get_os(env::YC_SERVICE_ACCOUNT_KEY_FILE) {
                    Some(file) => Ok(Some(Setting {
                        value: IdentitySetting::AuthorizedKey { file: file.into() },
                        origin: named.origin,
                    })),
                    None => Err(Error::Missing {
                        problem: format!(
                            "the identity `authorized-key` ({}) needs a key file, and none is set",
                            named.origin
                        ),
                        hint: "give `--key-file`".into(),
                    }),
                },
            },
            (Some(named), _, token) if named.value == "iam-token" => Ok(Some(token.map_or(
                Setting {
                    value: IdentitySetting::IamToken,
                    origin: named.origin,
                },
                from_token,
            ))),
            (Some(named), _, _) if named.value == "metadata" => Ok(Some(Setting {
                value: IdentitySetting::Metadata,
                origin: named.origin,
            })),
            (Some(named), _, _) => self.named_identity(named).map(Some),
            (None, Some(key), _) if decides(&key.origin) => Ok(Some(from_key(key))),
            (None, _, token) => Ok(token.map(from_token)),
        }
    }

    /// The place of an origin in the order of precedence.
    fn rank(&self, origin: &Origin) -> usize {
        match origin {
            Origin::Flag(_) => 0,
            Origin::Variable(_) => 1,
            Origin::Profile { profile, .. } => {
                2 + self
                    .layers
                    .iter()
                    .position(|layer| layer.is_profile(profile))
                    .unwrap_or(self.layers.len())
            }
            Origin::Defaults { .. } => 3 + self.layers.len(),
            Origin::BuiltIn => 4 + self.layers.len(),
        }
    }

    fn named_identity(&self, named: Setting<String>) -> Result<Setting<IdentitySetting>> {
        let Setting {
            value: name,
            origin,
        } = named;
        let found = self
            .file
            .map(|file| file.identity(&name))
            .transpose()?
            .flatten();
        let Some(layer) = found else {
            let mut known = vec!["authorized-key", "iam-token", "metadata"];
            known.extend(self.file.map(File::identities).unwrap_or_default());
            let hint = file::nearest(&name, &known).map_or_else(
                || format!("there are {}", file::list(&known)),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(Error::NoSuch {
                what: "identity",
                name,
                place: format!("the configuration ({origin})"),
                hint,
            });
        };
        let file_at = |key: &str| -> Result<Option<PathBuf>> {
            let found = layer.text(key)?;
            Ok(found.map(|(text, _)| private_file::resolve(text, layer.folder(), self.home)))
        };
        let kinds = ["authorized-key", "iam-token", "metadata"];
        let Some((kind, span)) = layer.text("type")? else {
            return Err(layer.lacks("type", format!("it is one of {}", file::list(&kinds))));
        };
        let value = match kind {
            "authorized-key" => match file_at("key_file")? {
                Some(file) => IdentitySetting::AuthorizedKey { file },
                None => {
                    return Err(
                        layer.lacks("key_file", "name the file of the authorized key".into())
                    );
                }
            },
            "iam-token" => file_at("iam_token_file")?.map_or(IdentitySetting::IamToken, |file| {
                IdentitySetting::IamTokenFile { file }
            }),
            "metadata" => IdentitySetting::Metadata,
            other => {
                let hint = file::nearest(other, &kinds).map_or_else(
                    || file::list(&kinds),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(layer.wrong(
                    &span,
                    format!("there is no type `{other}` of identity"),
                    Some(hint),
                ));
            }
        };
        Ok(Setting { value, origin })
    }
}

fn flag(value: Option<&String>, name: &'static str) -> Option<Setting<String>> {
    value
        .filter(|value| !value.is_empty())
        .map(|value| Setting {
            value: value.clone(),
            origin: Origin::Flag(name),
        })
}

fn variable(env: &Env, var: Var) -> Option<Setting<String>> {
    env.get(var).map(|value| Setting {
        value,
        origin: Origin::Variable(var.name),
    })
}

/// A setting that is on or off in the environment.
pub fn is_on(env: &Env, var: Var) -> Result<bool> {
    match env.get(var).as_deref() {
        None | Some("0" | "false" | "no") => Ok(false),
        Some("1" | "true" | "yes") => Ok(true),
        Some(_) => Err(Error::Value {
            origin: var.name.into(),
            problem: "must be `true` or `false`".into(),
        }),
    }
}

fn parsed<T>(
    setting: Option<Setting<String>>,
    built_in: T,
    what: &str,
    form: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Setting<T>> {
    let Some(Setting { value, origin }) = setting else {
        return Ok(Setting {
            value: built_in,
            origin: Origin::BuiltIn,
        });
    };
    match parse(&value) {
        Some(value) => Ok(Setting { value, origin }),
        None => Err(unfit(
            origin,
            &format!("`{value}` is not {what}: it must be {form}"),
        )),
    }
}

/// The error for a value that a setting cannot have.
#[must_use]
pub fn unfit(origin: Origin, problem: &str) -> Error {
    match origin {
        Origin::Flag(flag) => Error::Usage {
            problem: format!("`{flag}`: {problem}"),
            hint: "see `yc-id-token --help`".into(),
        },
        Origin::Profile { path, line, .. } | Origin::Defaults { path, line } => Error::Config {
            path,
            line,
            problem: problem.into(),
            hint: None,
        },
        origin => Error::Value {
            origin: origin.to_string(),
            problem: problem.into(),
        },
    }
}

fn parse_cache(text: &str) -> Option<CacheSetting> {
    match text {
        "file" => Some(CacheSetting::File),
        "none" => Some(CacheSetting::None),
        _ => None,
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (duration > Duration::ZERO && duration <= Duration::from_secs(3600)).then_some(duration)
}

fn parse_proxy(setting: Setting<String>) -> Result<Setting<ProxyAddress>> {
    match ProxyAddress::parse(&setting.value) {
        Some(value) => Ok(Setting {
            value,
            origin: setting.origin,
        }),
        // Not quoted: it may hold a password.
        None => Err(unfit(
            setting.origin,
            "the proxy is not of the form `http://[user:password@]host:port` or `socks5://host:port`",
        )),
    }
}

#[cfg(test)]
mod tests;
