//! The whole configuration file with all profiles, for the commands that list, check and edit it. A run reads only
//! the tables that it uses.

use std::collections::HashMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::{File, ROOT_KEYS, Text};
use super::layer::Layer;
use super::resolve::Resolver;
use super::schema::COMMON;
use super::{CONFIGURATION, agent_tables, read_file, unnamed_profile};
use super::{Field, Flags, Locations, Origin, Setting, Settings, Sources, Table};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::secret_file;

/// The profiles of a configuration file.
#[derive(Debug)]
pub struct Profiles {
    /// The profile of a run that names none.
    pub default: Option<String>,
    /// All profiles, in the order of their names.
    pub all: Vec<Profile>,
}

/// A profile of the configuration file.
#[derive(Debug)]
pub struct Profile {
    pub name: String,
    /// The settings that only the file sets, or the first mistake.
    pub settings: Result<Settings>,
    /// The consumers that the profile, or one that it extends, has a table for.
    pub consumers: Vec<&'static str>,
    /// The consumers that have it as their own default.
    pub default_of: Vec<&'static str>,
}

/// Lists the profiles. `None` if there is no configuration file.
pub fn profiles(
    flags: &Flags,
    env: &Env,
    locations: &Locations,
    consumers: &[&'static Table],
) -> Result<Option<Profiles>> {
    let Some(text) = read_file(flags, env, locations, None)? else { return Ok(None) };
    let file = File::parse(&text, consumers)?;
    let whole = WholeFile { file: &file, locations, consumers };
    let default = unnamed_profile(&file, flags, env, None)?.map(|profile| profile.value);
    let mut defaults = Vec::new();
    for consumer in consumers {
        if let Some(profile) = file.own_default_profile(consumer.name)? {
            defaults.push((consumer.name, profile.0));
        }
    }
    let all = file.profiles().into_iter().map(|name| {
        let layers = file.layers(Some((&name, &Origin::BuiltIn))).unwrap_or_default();
        let has_table = |consumer: &&&'static Table| {
            let mut profiles = layers.iter().filter(|layer| layer.profile.is_some());
            profiles.any(|layer| layer.table.contains_key(consumer.name))
        };
        let default_of = defaults.iter().filter(|(_, profile)| *profile == name);
        Profile {
            settings: whole.settings(Some(&name)),
            consumers: consumers.iter().filter(has_table).map(|table| table.name).collect(),
            default_of: default_of.map(|(consumer, _)| *consumer).collect(),
            name,
        }
    });
    Ok(Some(Profiles { default, all: all.collect() }))
}

/// Every mistake in a configuration file, or in a text that is not in it yet, ordered by line. `check` returns the
/// mistakes that the consumers find in a profile; `others` were found before.
pub fn problems(
    path: &Path,
    text: Option<String>,
    locations: &Locations,
    consumers: &[&'static Table],
    check: &dyn Fn(&Settings) -> Vec<Error>,
    others: Vec<Error>,
) -> Result<Vec<Error>> {
    let text = match text {
        Some(text) => Text::of(path.to_owned(), text),
        None => Text::read(path.to_owned())
            .map_err(|problem| secret_file::unread_settings(CONFIGURATION, path, problem))?,
    };
    let file = match File::parse_only(&text, consumers) {
        Ok(file) => file,
        Err(error) => return Ok(vec![error]),
    };
    let mut problems = Problems::default();
    WholeFile { file: &file, locations, consumers }.check(check, &mut problems);
    for problem in others {
        problems.add(problem);
    }
    Ok(problems.0)
}

/// Mistakes without duplicates, ordered by line.
#[derive(Default)]
struct Problems(Vec<Error>);

impl Problems {
    fn add(&mut self, problem: Error) {
        if !self.0.iter().any(|other| other.to_string() == problem.to_string()) {
            let at = self.0.partition_point(|other| line(other) <= line(&problem));
            self.0.insert(at, problem);
        }
    }

    fn of<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }
}

fn line(problem: &Error) -> usize {
    match problem {
        Error::Config { line, .. } => *line,
        // A name that does not exist: its text has the line.
        _ => 0,
    }
}

#[derive(Clone, Copy)]
struct WholeFile<'a> {
    file: &'a File<'a>,
    locations: &'a Locations,
    consumers: &'a [&'static Table],
}

impl<'a> WholeFile<'a> {
    /// The settings that only the file sets, with or without a profile.
    fn settings(&self, profile: Option<&str>) -> Result<Settings> {
        let Self { file, locations, consumers } = *self;
        let origin = Origin::BuiltIn;
        let profile = profile.map(|name| Setting { value: name.to_owned(), origin });
        let (flags, env) = (&Flags::default(), &Env::Fake(HashMap::new()));
        let sources = Sources { profile, flags, env, locations, consumers, tables: consumers };
        Settings::resolve(Some(file), sources)
    }

    fn check(&self, check: &dyn Fn(&Settings) -> Vec<Error>, problems: &mut Problems) {
        let file = self.file;
        let _ = file.check_keys_with(&file.root, ROOT_KEYS, "the file", &mut |problem| {
            problems.add(problem);
            Ok(())
        });
        for layer in self.layers(problems) {
            let _ = layer.check_with(&mut |problem| {
                problems.add(problem);
                Ok(())
            });
            self.check_values(&layer, problems);
        }
        self.check_tables(problems);
        self.check_default_profiles(problems);
        let home = self.locations.home.as_deref();
        let read = agent_tables::read(file, home, &mut |problem| {
            problems.add(problem);
            Ok(())
        });
        problems.of(read);
        let mut names: Vec<Option<String>> = file.profiles().into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names {
            if let Some(settings) = problems.of(self.settings(name.as_deref())) {
                for problem in check(&settings) {
                    problems.add(problem);
                }
            }
        }
    }

    /// The defaults and all profiles.
    fn layers(&self, problems: &mut Problems) -> Vec<Layer<'a>> {
        let file = self.file;
        let mut layers: Vec<Layer<'a>> =
            problems.of(file.defaults()).flatten().into_iter().collect();
        let profiles = file.root.get("profiles").map(|profiles| file.table(profiles, "profiles"));
        let profiles = profiles.and_then(|profiles| problems.of(profiles));
        for (name, value) in profiles.into_iter().flatten() {
            let table = problems.of(file.table(value, "a profile"));
            layers.extend(table.map(|table| Layer::new(file, table, Some(name.get_ref()))));
        }
        layers
    }

    /// Reads each value of a table as if it were the only one.
    fn check_values(&self, layer: &Layer<'_>, problems: &mut Problems) {
        for field in COMMON.settings.iter().filter(|field| field.is_in_file) {
            if let Some(only) = only(layer.table, field) {
                self.read(&Layer::new(self.file, &only, layer.profile), &[], problems);
            }
        }
        for consumer in self.consumers {
            let Some(value) = layer.table.get(consumer.name) else { continue };
            let Some(table) = value.get_ref().as_table() else { continue };
            for field in consumer.settings {
                let Some(only) = only(table, field) else { continue };
                let table = Spanned::new(value.span(), DeValue::Table(only));
                let name = Spanned::new(value.span(), consumer.name.into());
                let table = DeTable::from_iter([(name, table)]);
                self.read(&Layer::new(self.file, &table, layer.profile), &[consumer], problems);
            }
        }
    }

    fn read(&self, layer: &Layer<'_>, tables: &[&'static Table], problems: &mut Problems) {
        let layers = [*layer];
        self.with_resolver(&layers, |resolver| {
            problems.of(Settings::resolved(resolver, tables, None));
        });
    }

    /// Reads the tables of identities and installations.
    fn check_tables(&self, problems: &mut Problems) {
        let file = self.file;
        for name in ["identity", "installations"] {
            if let Some(value) = file.root.get(name) {
                problems.of(file.table(value, name));
            }
        }
        let named = |name: &str| Setting { value: name.to_owned(), origin: Origin::BuiltIn };
        self.with_resolver(&[], |resolver| {
            for name in file.identities() {
                problems.of(resolver.identity(Some(named(name)), None, None));
            }
            for name in file.installations() {
                problems.of(resolver.installation(Some(named(name))));
            }
        });
    }

    /// Whether the default profiles exist.
    fn check_default_profiles(&self, problems: &mut Problems) {
        let names = self.consumers.iter().map(|consumer| Some(consumer.name));
        for consumer in [None].into_iter().chain(names) {
            if let Some(Setting { value, origin }) =
                problems.of(self.file.default_profile(consumer)).flatten()
            {
                problems.of(self.file.find_profile(&value, &origin));
            }
        }
    }

    fn with_resolver<T>(&self, layers: &[Layer<'_>], read: impl FnOnce(&Resolver<'_>) -> T) -> T {
        let (flags, env) = (&Flags::default(), &Env::Fake(HashMap::new()));
        let home: Option<&Path> = self.locations.home.as_deref();
        read(&Resolver { flags, env, home, file: Some(self.file), layers })
    }
}

/// A table with only this key of another one.
fn only<'a>(table: &DeTable<'a>, field: &Field) -> Option<DeTable<'a>> {
    let (key, value) = table.get_key_value(field.key)?;
    Some(DeTable::from_iter([(key.clone(), value.clone())]))
}
