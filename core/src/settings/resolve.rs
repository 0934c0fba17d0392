//! Resolves settings, all in the same way: flag, variable, profile and those it extends, defaults, another program's
//! variable.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::field::{Field, Kind, Table};
use super::file::File;
use super::key_source::{KeySource, KeyText};
use super::layer::Layer;
use super::value::{EMPTY, MISPLACED_SECRET, invalid_value, not_of_form, text_problem};
use super::{Flags, Origin, Setting, Settings};
use crate::env::{Env, OWN, Var};
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message, is_misplaced_secret};
use crate::message;

/// Resolves settings, the strongest origin first.
pub(super) struct Resolver<'a> {
    pub(super) flags: &'a Flags,
    pub(super) env: &'a Env,
    pub(super) home: Option<&'a Path>,
    pub(super) file: Option<&'a File<'a>>,
    pub(super) layers: &'a [Layer<'a>],
}

/// All settings that are set, as text.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved(Vec<Row>);

#[derive(Clone)]
pub(super) struct Row {
    /// The table of its consumer; empty for a setting of the program.
    pub(super) table: &'static str,
    pub(super) field: &'static Field,
    /// Text, or a path, which need not be UTF-8.
    pub(super) setting: Setting<OsString>,
}

/// Security: the value can be a proxy's password.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Row").field(&self.field.key).field(&self.setting.origin).finish()
    }
}

impl Resolved {
    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    pub(super) fn get(&self, field: &Field) -> Option<&Setting<OsString>> {
        self.0.iter().find(|row| row.field.is(field)).map(|row| &row.setting)
    }

    /// Removes a setting that another one replaces.
    pub(super) fn take(&mut self, field: &Field) -> Option<Setting<OsString>> {
        let at = self.0.iter().position(|row| row.field.is(field))?;
        Some(self.0.remove(at).setting)
    }

    pub(super) fn text(&self, field: &Field) -> Option<Setting<String>> {
        let Setting { value, origin } = self.get(field)?;
        Some(Setting { value: value.to_string_lossy().into_owned(), origin: origin.clone() })
    }

    pub(super) fn path(&self, field: &Field) -> Option<Setting<PathBuf>> {
        self.get(field).cloned().map(|setting| setting.map(PathBuf::from))
    }

    /// The parsed value of a setting, or the built-in one. See [`parsed`].
    pub(super) fn parsed<T>(
        &self,
        field: &Field,
        what: &'static str,
        form: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Setting<T>> {
        parsed(field, self.text(field), what, form, parse)
    }
}

/// Parses a text, or the field's built-in text, or `false` for a switch. `what` and `form` describe the value in the
/// error.
pub(super) fn parsed<T>(
    field: &Field,
    setting: Option<Setting<String>>,
    what: &'static str,
    form: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Setting<T>> {
    let built_in = |text: &str| Setting { value: text.to_owned(), origin: Origin::BuiltIn };
    let setting = setting.or_else(|| field.built_in.map(built_in));
    let Setting { value, origin } = setting.unwrap_or_else(|| built_in("false"));
    match parse(&value) {
        Some(value) => Ok(Setting { value, origin }),
        None => Err(not_of_form(origin, &value, what, form)),
    }
}

impl Settings {
    /// The command that sets a setting where this run reads it: in its profile, or for all runs.
    pub fn set_command(&self, field: &Field, value: &'static str) -> Message {
        let key = field.key;
        match &self.profile {
            Some(profile) => message!(
                "yc-id-token config set {key} {value} --profile={}",
                ForeignText::new(&profile.value).quoted(),
                key,
                value
            ),
            None => message!("yc-id-token config set defaults.{key} {value}", key, value),
        }
    }
}

impl Resolver<'_> {
    /// Resolves all settings of a table. Those that cannot be in the file are resolved before it is read.
    pub(super) fn resolve(&self, table: &'static Table, resolved: &mut Resolved) -> Result<()> {
        let is_program = table.name.is_empty();
        for field in table.settings.iter().filter(|field| field.is_in_file || !is_program) {
            if let Some(setting) = self.value(table.name, field)? {
                resolved.0.push(Row { table: table.name, field, setting });
            }
        }
        Ok(())
    }

    /// The value of a setting, with a path resolved and a text checked.
    fn value(&self, table: &str, field: &Field) -> Result<Option<Setting<OsString>>> {
        let Some((setting, folder)) = self.first(table, field)? else { return Ok(None) };
        Ok(Some(match field.kind {
            Kind::Key if is_no_file(&setting) => setting.map(OsString::from),
            Kind::Path | Kind::Key => {
                checked_path(setting, folder, self.home)?.map(PathBuf::into_os_string)
            }
            Kind::Words => setting.map(OsString::from),
            Kind::Text
            | Kind::File
            | Kind::Proxy
            | Kind::Time
            | Kind::Bool
            | Kind::Switch
            | Kind::Count => checked(field.key, setting)?.map(OsString::from),
        }))
    }

    /// The text of a setting of the program.
    pub(super) fn text(&self, field: &Field) -> Result<Option<Setting<String>>> {
        let found = self.first("", field)?;
        found.map(|(setting, _)| checked(field.key, setting)).transpose()
    }

    /// The value from the strongest origin, and the folder that a relative path starts from.
    fn first(&self, table: &str, field: &Field) -> Result<Option<(Setting<String>, &Path)>> {
        let here = Path::new("");
        // The command line rejects empty values. A list without items is empty too.
        if let Some(value) = self.flags.get(field).filter(|value| !value.is_empty()) {
            let setting = Setting { value: value.to_owned(), origin: Origin::Flag(field.flag) };
            return Ok(Some((setting, here)));
        }
        if let Some(setting) = variable(self.env, field.var())? {
            return Ok(Some((setting, here)));
        }
        for layer in self.layers.iter().filter(|_| field.is_in_file) {
            if let Some((value, span)) = layer.setting(table, field)? {
                let origin = layer.origin(&span);
                return Ok(Some((Setting { value, origin }, layer.folder())));
            }
        }
        // An empty variable of another program counts as not set, as it does for that program.
        let shared = field.shared.copied().and_then(|var| Some((var, self.env.get(var)?)));
        Ok(shared.map(|(var, value)| (Setting { value, origin: Origin::Variable(var.name) }, here)))
    }

    /// Of two settings with the same meaning, keeps the one from the stronger origin; within one origin, the first.
    pub(super) fn leave_stronger(
        &self,
        resolved: &mut Resolved,
        [one, other]: [&'static Field; 2],
    ) {
        let rank = |field| resolved.get(field).map(|setting| self.rank(&setting.origin));
        if let (Some(rank_of_one), Some(rank_of_other)) = (rank(one), rank(other)) {
            resolved.take(if rank_of_one <= rank_of_other { other } else { one });
        }
    }

    /// The rank of an origin in the order of precedence.
    pub(super) fn rank(&self, origin: &Origin) -> usize {
        match origin {
            Origin::Flag(_) => 0,
            Origin::Variable(_) if !is_shared(origin) => 1,
            Origin::Profile { profile, .. } => {
                2 + self
                    .layers
                    .iter()
                    .position(|layer| layer.is_profile(profile))
                    .unwrap_or(self.layers.len())
            }
            Origin::Defaults { .. } | Origin::OnlyProfile { .. } => 3 + self.layers.len(),
            Origin::Variable(_) | Origin::Shared { .. } => 4 + self.layers.len(),
            Origin::BuiltIn => 5 + self.layers.len(),
        }
    }
}

/// Whether a key is not in a file: a flag can name standard input, and a variable can contain the key.
fn is_no_file(Setting { value, origin }: &Setting<String>) -> bool {
    match origin {
        Origin::Flag(_) => value == "-",
        Origin::Variable(name) => KeyText::read(value, name).is_some(),
        _ => false,
    }
}

/// The source of a key that a setting names.
pub(super) fn key_source(Setting { value, origin }: Setting<OsString>) -> Setting<KeySource> {
    let source = match (&origin, value.to_str()) {
        (Origin::Flag(_), Some("-")) => Some(KeySource::Stdin),
        (Origin::Variable(name), Some(text)) => KeyText::read(text, name).map(KeySource::Text),
        _ => None,
    };
    Setting { value: source.unwrap_or_else(|| KeySource::File(value.into())), origin }
}

/// The value of one of this program's own variables.
pub(super) fn variable(env: &Env, var: Var) -> Result<Option<Setting<String>>> {
    let value = Some(var).filter(|var| !var.name.is_empty()).and_then(|var| env.given(var));
    let Some(value) = value else { return Ok(None) };
    let origin = Origin::Variable(var.name);
    match value.into_string() {
        Ok(value) => Ok(Some(Setting { value, origin })),
        Err(_) => Err(invalid_value(origin, "is not UTF-8")),
    }
}

fn checked(key: &str, setting: Setting<String>) -> Result<Setting<String>> {
    match text_problem(key, &setting.value) {
        Some(problem) if !is_shared(&setting.origin) => Err(invalid_value(setting.origin, problem)),
        _ => Ok(setting),
    }
}

/// Whether it is another program's variable. An invalid value of such a variable must not stop a run that does not
/// need it.
fn is_shared(origin: &Origin) -> bool {
    matches!(origin, Origin::Variable(name) if !name.starts_with(OWN))
}

pub(super) fn checked_path(
    setting: Setting<String>,
    folder: &Path,
    home: Option<&Path>,
) -> Result<Setting<PathBuf>> {
    let Setting { value, origin } = setting;
    if value.trim().is_empty() {
        return Err(invalid_value(origin, EMPTY));
    }
    let path = resolve_path(&value, folder, home);
    if is_misplaced_secret(Path::new(&value)) && !path.exists() {
        return Err(invalid_value(origin, MISPLACED_SECRET));
    }
    Ok(Setting { value: path, origin })
}

/// Resolves a leading `~/` in a path, and a relative path against `base`.
pub(super) fn resolve_path(path: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    base.join(expand_home(Path::new(path), home))
}

/// Resolves a leading `~/` in a path. A shell does that at the start of a word, but not within
/// `--key-file=~/key.json`, in quotes, or in the environment of a service.
pub fn expand_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
