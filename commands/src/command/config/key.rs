//! The keys of `config`: `default_profile`, `defaults.KEY`, `profiles.NAME.KEY`, and those of a consumer's table. The
//! rows of the settings define the keys and their types.

use std::path::Path;

use toml_edit::{Array, Value};

use crate::command::config::value_of;
use crate::command::setup::{absolute_identity, absolute_path};
use crate::consumer::TABLES;
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::schema::{COMMON, IDENTITY, PROFILE};
use crate::settings::{Field, Kind, list, nearest};

const DEFAULT_PROFILE: &str = "default_profile";
const EXTENDS: &str = "extends";

pub(super) struct Key {
    /// The path of its table.
    pub(super) tables: Vec<String>,
    pub(super) name: String,
    pub(super) field: &'static Field,
}

impl Key {
    /// Parses a key. A key of a profile may omit `profiles.NAME.` if `profile` is set.
    pub(super) fn read(text: &str, profile: Option<&str>) -> Result<Self> {
        let wrong = |problem: Message, hint: Message| Error::Usage { problem, hint };
        let keys = toml_edit::Key::parse(text).map_err(|_| {
            wrong(
                message!("`{}` is not a key", ForeignText::new(text)),
                "write it as `defaults.audience` or `profiles.\"NAME\".audience`".into(),
            )
        })?;
        let prefix = profile.into_iter().flat_map(|name| ["profiles", name]);
        let path: Vec<&str> = prefix.chain(keys.iter().map(toml_edit::Key::get)).collect();
        let (tables, rest, is_profile) = match &path[..] {
            [key] if *key == DEFAULT_PROFILE => {
                return Ok(Self::of(&[], DEFAULT_PROFILE, &PROFILE));
            }
            ["defaults", rest @ ..] => (&path[..1], rest, false),
            ["profiles", _, rest @ ..] => (&path[..2], rest, true),
            [] | ["profiles"] | [_, ..] => {
                return Err(unknown(&path, &[DEFAULT_PROFILE, "defaults", "profiles"]));
            }
        };
        let found = match rest {
            [EXTENDS] if is_profile => Some(&PROFILE),
            [key] => common().find(|field| field.key == *key),
            [consumer, key] if *key == PROFILE.key && !is_profile => {
                TABLES.iter().find(|table| table.name == *consumer).map(|_| &PROFILE)
            }
            [consumer, key] => {
                let table = TABLES.iter().find(|table| table.name == *consumer);
                table.and_then(|table| {
                    table.settings.iter().copied().find(|field| field.key == *key)
                })
            }
            [] | [_, _, _, ..] => None,
        };
        match (found, path.split_last()) {
            (Some(field), Some((name, tables))) => Ok(Self::of(tables, name, field)),
            _ => Err(unknown_setting(tables, rest, is_profile)),
        }
    }

    fn of(tables: &[&str], name: &str, field: &'static Field) -> Self {
        Self {
            tables: tables.iter().map(ToString::to_string).collect(),
            name: name.to_owned(),
            field,
        }
    }

    pub(super) fn tables(&self) -> Vec<&str> {
        self.tables.iter().map(String::as_str).collect()
    }

    /// The full key, for messages.
    pub(super) fn shown(&self) -> Message {
        let path: Vec<&str> = self.tables().into_iter().chain([self.name.as_str()]).collect();
        ForeignText::new(&path.join(".")).into()
    }

    /// The value of these words. A word that does not fit the key's type is written as a string, which the reader of
    /// the file then reports.
    pub(super) fn value(&self, words: &[String]) -> Result<Value> {
        if self.field.kind == Kind::Words {
            return Ok(Value::Array(words.iter().map(String::as_str).collect::<Array>()));
        }
        let [word] = words else {
            return Err(Error::Usage {
                problem: message!("`{}` has one value, not {}", self.shown(), words.len()),
                hint: "quote a value that contains spaces".into(),
            });
        };
        Ok(match self.field.kind {
            // A relative path in the file starts in the file's folder, and one on the command line in the current
            // folder.
            Kind::Path | Kind::File | Kind::Key if is_relative(word) => {
                absolute_path("the value", word)?.into()
            }
            Kind::Text if self.field.key == IDENTITY.key => {
                absolute_identity("the value", word)?.into()
            }
            kind => value_of(kind, word),
        })
    }
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.starts_with("~/") && !Path::new(path).is_absolute()
}

fn common() -> impl Iterator<Item = &'static Field> {
    COMMON.settings.iter().copied().filter(|field| field.is_in_file)
}

fn keys_of(is_profile: bool) -> Vec<String> {
    let own = is_profile.then(|| EXTENDS.to_owned());
    let common = common().map(|field| field.key.to_owned()).chain(own);
    let of_consumers = TABLES.iter().flat_map(|table| {
        let keys = table.settings.iter().map(|field| field.key);
        let keys = keys.chain((!is_profile).then_some(PROFILE.key));
        keys.map(|key| format!("{}.{key}", table.name))
    });
    common.chain(of_consumers).collect()
}

/// All keys of a file with these profiles.
pub(in crate::command) fn keys(profiles: &[String]) -> Vec<String> {
    let mut all = vec![DEFAULT_PROFILE.to_owned()];
    all.extend(keys_of(false).iter().map(|key| format!("defaults.{key}")));
    let of_profiles = keys_of(true);
    for profile in profiles {
        let name = toml_edit::Key::new(profile).to_string();
        all.extend(of_profiles.iter().map(|key| format!("profiles.{name}.{key}")));
    }
    all
}

fn unknown(path: &[&str], known: &[&str]) -> Error {
    let (first, is_alone) = (path.first().copied().unwrap_or_default(), path.len() == 1);
    let hint = match nearest(first, known) {
        _ if is_alone && common().any(|field| field.key == first) => message!(
            "give `--profile NAME`, or write `defaults.{}` for all profiles",
            ForeignText::new(first)
        ),
        Some(near) => message!("did you mean `{near}`?", near = ForeignText::new(near)),
        None => "a key begins with `default_profile`, `defaults.` or `profiles.NAME.`".into(),
    };
    wrong_key(path, hint)
}

fn unknown_setting(tables: &[&str], rest: &[&str], is_profile: bool) -> Error {
    let known = keys_of(is_profile);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let name = rest.join(".");
    let prefix = format!("{name}.");
    let below: Vec<&str> = known.iter().filter_map(|key| key.strip_prefix(&prefix)).collect();
    let hint = match nearest(&name, &known) {
        _ if name.is_empty() => "name a key in it, such as `audience`".into(),
        _ if !below.is_empty() => message!("name a key in it: {}", list(&below)),
        Some(near) => message!("did you mean `{near}`?", near = ForeignText::new(near)),
        None => message!("it can have {}", list(&known)),
    };
    wrong_key(&[tables, rest].concat(), hint)
}

fn wrong_key(path: &[&str], hint: Message) -> Error {
    let problem = message!("unknown key `{}`", ForeignText::new(&path.join(".")));
    Error::Usage { problem, hint }
}
