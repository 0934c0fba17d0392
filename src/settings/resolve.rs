//! The look-up: flag, variable, profile and those it extends, defaults.

use std::path::{Path, PathBuf};

use super::file::File;
use super::key_source::KeySource;
use super::layer::Layer;
use super::value::{EMPTY, MISPLACED_SECRET, text_problem, unfit};
use super::{Flags, Form, Origin, Setting, Table};
use crate::env::{self, Env, Var};
use crate::error::Result;
use crate::foreign_text::is_misplaced_secret;

/// Looks settings up, the strongest origin first.
pub(super) struct Resolver<'a> {
    pub(super) env: &'a Env,
    pub(super) home: Option<&'a Path>,
    pub(super) file: Option<&'a File<'a>>,
    pub(super) layers: &'a [Layer<'a>],
}

impl Resolver<'_> {
    pub(super) fn text(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<String>>> {
        let found = self.first(key, value, flag_name, var)?;
        found.map(|(setting, _)| checked(key, setting)).transpose()
    }

    /// A path. `~/` is the home folder. In the file, a relative one starts where the file is.
    pub(super) fn path(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<PathBuf>>> {
        let found = self.first(key, value, flag_name, var)?;
        found.map(|(setting, folder)| checked_path(setting, folder, self.home)).transpose()
    }

    /// The value of the strongest origin, and the folder that a relative path starts in.
    fn first(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<(Setting<String>, &Path)>> {
        let here = Path::new("");
        if let Some(setting) = flag(value, flag_name) {
            return Ok(Some((setting, here)));
        }
        if let Some(setting) = variable(self.env, var)? {
            return Ok(Some((setting, here)));
        }
        for layer in self.layers {
            if let Some((value, span)) = layer.text(key)? {
                let origin = layer.origin(&span);
                return Ok(Some((Setting { value, origin }, layer.folder())));
            }
        }
        Ok(None)
    }

    /// The authorized key: a file, or with the variable also its content, or with the flag `-`.
    pub(super) fn key(&self, flags: &Flags) -> Result<Option<Setting<KeySource>>> {
        let found = self.first("key_file", flags.key_file.as_ref(), "--key-file", env::KEY_FILE)?;
        let Some((setting, folder)) = found else { return Ok(None) };
        let value = match &setting.origin {
            Origin::Flag(_) if setting.value == "-" => KeySource::Stdin,
            Origin::Variable(name) => KeySource::of_variable(&setting.value, name, self.home)?,
            _ => {
                let path = checked_path(setting, folder, self.home)?;
                return Ok(Some(path.map(KeySource::File)));
            }
        };
        Ok(Some(Setting { value, origin: setting.origin }))
    }

    pub(super) fn consumer(
        &self,
        tables: &[&Table],
    ) -> Result<Vec<(&'static str, &'static str, Setting<String>)>> {
        let mut found = Vec::new();
        for (table, field) in
            tables.iter().flat_map(|table| table.settings.iter().map(|field| (table.name, field)))
        {
            let configured = || {
                let mut values = self.layers.iter().map(|layer| {
                    let value = layer.consumer_value(table, field)?;
                    Ok(value.map(|(value, span)| {
                        (Setting { value, origin: layer.origin(&span) }, layer.folder())
                    }))
                });
                values.find_map(Result::transpose).transpose()
            };
            let given = variable(self.env, field.var)?.map(|setting| (setting, Path::new("")));
            let Some((setting, folder)) = given.map_or_else(configured, |given| Ok(Some(given)))?
            else {
                continue;
            };
            let setting = match field.form {
                Form::Path => {
                    let Setting { value, origin } = checked_path(setting, folder, self.home)?;
                    Setting { value: value.to_string_lossy().into_owned(), origin }
                }
                Form::Words => setting,
                _ => checked(field.key, setting)?,
            };
            found.push((table, field.key, setting));
        }
        Ok(found)
    }

    /// Of two settings that say the same thing in two ways, the one of the stronger origin; within one
    /// origin, the first.
    pub(super) fn stronger<T, U>(
        &self,
        one: Option<Setting<T>>,
        other: Option<Setting<U>>,
    ) -> (Option<Setting<T>>, Option<Setting<U>>) {
        match (one, other) {
            (Some(one), Some(other)) if self.rank(&one.origin) <= self.rank(&other.origin) => {
                (Some(one), None)
            }
            (Some(_), Some(other)) => (None, Some(other)),
            (one, other) => (one, other),
        }
    }

    /// The place of an origin in the order of precedence.
    pub(super) fn rank(&self, origin: &Origin) -> usize {
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
            Origin::Shared { .. } => 4 + self.layers.len(),
            Origin::BuiltIn => 5 + self.layers.len(),
        }
    }
}

pub(super) fn flag(value: Option<&String>, name: &'static str) -> Option<Setting<String>> {
    value
        // The command line has refused empty values; a list without members is one too.
        .filter(|value| !value.is_empty())
        .map(|value| Setting { value: value.clone(), origin: Origin::Flag(name) })
}

/// The value of one of this program's own variables.
pub(super) fn variable(env: &Env, var: Var) -> Result<Option<Setting<String>>> {
    let Some(value) = env.given(var) else { return Ok(None) };
    let origin = Origin::Variable(var.name);
    match value.into_string() {
        Ok(value) => Ok(Some(Setting { value, origin })),
        Err(_) => Err(unfit(origin, "is not UTF-8")),
    }
}

/// The value of a variable of another program, which counts as unset when it is empty.
pub(super) fn shared_variable(env: &Env, var: Var) -> Option<Setting<String>> {
    env.get(var).map(|value| Setting { value, origin: Origin::Variable(var.name) })
}

pub(super) fn checked(key: &str, setting: Setting<String>) -> Result<Setting<String>> {
    match text_problem(key, &setting.value) {
        Some(problem) => Err(unfit(setting.origin, problem)),
        None => Ok(setting),
    }
}

pub(super) fn checked_path(
    setting: Setting<String>,
    folder: &Path,
    home: Option<&Path>,
) -> Result<Setting<PathBuf>> {
    let Setting { value, origin } = setting;
    if value.trim().is_empty() {
        return Err(unfit(origin, EMPTY));
    }
    let path = resolve_path(&value, folder, home);
    if is_misplaced_secret(Path::new(&value)) && !path.exists() {
        return Err(unfit(origin, MISPLACED_SECRET));
    }
    Ok(Setting { value: path, origin })
}

/// A path with a leading `~/` resolved, and a relative one taken from `base`.
pub(super) fn resolve_path(path: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    base.join(expand_home(Path::new(path), home))
}

/// A path with a leading `~/` resolved. A shell does that for a word that begins so, but not within
/// `--key-file=~/key.json`, in quotes, or in the environment of a service.
#[must_use]
pub fn expand_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
