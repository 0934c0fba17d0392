//! The look-up: flag, variable, profile and those it extends, defaults.

use std::path::{Path, PathBuf};

use super::file::{File, Layer};
use super::{Form, Origin, Setting, Table};
use crate::env::{Env, Var};
use crate::error::Result;

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
        if let Some(setting) = flag(value, flag_name).or_else(|| variable(self.env, var)) {
            return Ok(Some(setting));
        }
        for layer in self.layers {
            if let Some((text, span)) = layer.text(key)? {
                return Ok(Some(Setting { value: text, origin: layer.origin(&span) }));
            }
        }
        Ok(None)
    }

    /// A path. In the file, `~/` is the home folder, and a relative one starts where the file is.
    pub(super) fn path(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<PathBuf>>> {
        if let Some(setting) = flag(value, flag_name).or_else(|| variable(self.env, var)) {
            return Ok(Some(Setting { value: setting.value.into(), origin: setting.origin }));
        }
        for layer in self.layers {
            if let Some((text, span)) = layer.text(key)? {
                return Ok(Some(Setting {
                    value: resolve_path(&text, layer.folder(), self.home),
                    origin: layer.origin(&span),
                }));
            }
        }
        Ok(None)
    }

    pub(super) fn consumer(
        &self,
        tables: &[&Table],
    ) -> Result<Vec<(&'static str, &'static str, Setting<String>)>> {
        let mut found = Vec::new();
        for (table, field) in
            tables.iter().flat_map(|table| table.settings.iter().map(|field| (table.name, field)))
        {
            if let Some(setting) = variable(self.env, field.var) {
                found.push((table, field.key, setting));
                continue;
            }
            for layer in self.layers {
                if let Some((mut value, span)) = layer.consumer_value(table, field)? {
                    if field.form == Form::Path {
                        let path = resolve_path(&value, layer.folder(), self.home);
                        value = path.to_string_lossy().into_owned();
                    }
                    found.push((table, field.key, Setting { value, origin: layer.origin(&span) }));
                    break;
                }
            }
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
        .filter(|value| !value.is_empty())
        .map(|value| Setting { value: value.clone(), origin: Origin::Flag(name) })
}

pub(super) fn variable(env: &Env, var: Var) -> Option<Setting<String>> {
    env.get(var).map(|value| Setting { value, origin: Origin::Variable(var.name) })
}

/// A path with a leading `~/` resolved, and a relative one taken from `base`.
pub(super) fn resolve_path(path: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}
