//! The configuration file. A run reads only the tables that it needs.
//!
//! ```toml
//! default_profile = "NAME"        # the profile of runs that name none
//! [defaults]                      # for every run
//! [defaults.kubectl]              # settings of one consumer, and the `profile` of its runs that name none
//! [identity.NAME]                 # how to authenticate: the type, and what that type needs
//! [installations.NAME]            # where another installation of Yandex Cloud is
//! [profiles.NAME]                 # a named set of settings; `extends` names another profile
//! [profiles.NAME.kubectl]         # settings of one consumer
//! [[agent.files]]                 # a file that `agent` keeps fresh
//! ```
//!
//! Keys are checked only in the tables that this run uses, so that a mistake in one profile does not break the
//! others. `excerpt` leaves out most of the other tables before they are parsed.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::Layer;
use super::names::{list, nearest, with_article};
use super::origin::{Origin, Setting};
use super::{Table, excerpt, installation, schema};
use crate::encoding;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file::{self, Unread};

/// The key of the profile for runs that name none.
pub(super) const DEFAULT_PROFILE: &str = "default_profile";

/// The keys at the top level of the file.
pub(super) const ROOT_KEYS: &[&str] =
    &[DEFAULT_PROFILE, "agent", "defaults", "identity", "installations", "profiles"];

/// Enough for ten thousand profiles.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The text of a configuration file, or an excerpt of it, and its path.
pub(super) struct Text {
    pub(super) path: Arc<Path>,
    pub(super) content: String,
    /// Where an excerpt leaves out lines.
    pub(super) gaps: Vec<excerpt::Gap>,
}

impl Text {
    /// Security: the file names programs to run, so it is refused if other users can write it.
    pub(super) fn read(path: PathBuf) -> Result<Self, Unread> {
        let bytes = private_file::read_settings(&path, LIMIT)?;
        let content = encoding::decode(bytes).map_err(|cause| {
            Unread::Io(io::Error::new(io::ErrorKind::InvalidData, format!("it {cause}")))
        })?;
        Ok(Self::of(path, content))
    }

    /// A text that may not be in its file yet.
    pub(super) fn of(path: PathBuf, content: String) -> Self {
        Self { path: path.into(), content, gaps: Vec::new() }
    }

    /// The line of the file at a position of this text.
    pub(super) fn line(&self, at: usize) -> usize {
        let before = &self.content.as_bytes()[..at.min(self.content.len())];
        memchr::memchr_iter(b'\n', before).count() + excerpt::lines_before(&self.gaps, at) + 1
    }

    pub(super) fn wrong(
        &self,
        span: &Range<usize>,
        problem: impl Into<Message>,
        hint: Option<Message>,
    ) -> Error {
        Error::Config {
            path: self.path.to_path_buf(),
            line: self.line(span.start),
            problem: problem.into(),
            hint,
        }
    }
}

pub(super) struct File<'a> {
    pub(super) source: &'a Text,
    pub(super) root: DeTable<'a>,
    pub(super) consumers: &'a [&'a Table],
}

impl<'a> File<'a> {
    pub(super) fn parse(source: &'a Text, consumers: &'a [&'a Table]) -> Result<Self> {
        let file = Self::parse_only(source, consumers)?;
        file.check_keys(&file.root, ROOT_KEYS, "the file")?;
        Ok(file)
    }

    /// The same, without a check for unknown keys.
    pub(super) fn parse_only(source: &'a Text, consumers: &'a [&'a Table]) -> Result<Self> {
        let root = DeTable::parse(&source.content).map_err(|error| {
            let problem = error.message().lines().collect::<Vec<_>>().join(", ");
            let problem = ForeignText::new(&problem);
            source.wrong(&error.span().unwrap_or_default(), problem, None)
        })?;
        Ok(Self { source, root: root.into_inner(), consumers })
    }

    /// The layers of a run, the strongest first: the profile, those it extends, the defaults.
    pub(super) fn layers(&'a self, profile: Option<(&str, &Origin)>) -> Result<Vec<Layer<'a>>> {
        let mut layers: Vec<Layer<'a>> = Vec::new();
        let mut next = match profile {
            Some((name, origin)) => Some(self.find_profile(name, origin)?),
            None => None,
        };
        while let Some(layer) = next {
            if layers.iter().any(|earlier| earlier.profile == layer.profile) {
                let span = layer.table.get("extends").map(Spanned::span).unwrap_or_default();
                return Err(self.source.wrong(
                    &span,
                    "profiles extend each other in a circle",
                    None,
                ));
            }
            layers.push(layer);
            next = match layer.text("extends")? {
                Some((parent, span)) => Some(self.profile(&parent, |_, hint| {
                    self.source.wrong(
                        &span,
                        message!(
                            "there is no profile `{parent}` to extend",
                            parent = ForeignText::new(&parent)
                        ),
                        Some(hint),
                    )
                })?),
                None => None,
            };
        }
        layers.extend(self.defaults()?);
        for layer in &layers {
            layer.check()?;
        }
        Ok(layers)
    }

    /// The first that is not in `known` of a profile and those it extends. It ends at a circle, which `layers` reports.
    pub(super) fn first_unknown(
        &'a self,
        first: String,
        known: &[String],
    ) -> Result<Option<String>> {
        let mut name = first;
        for _ in 0..=known.len() {
            if !known.contains(&name) {
                return Ok(Some(name));
            }
            match self.find_profile(&name, &Origin::BuiltIn)?.text("extends")? {
                Some((parent, _)) => name = parent,
                None => break,
            }
        }
        Ok(None)
    }

    /// `[defaults]`.
    pub(super) fn defaults(&'a self) -> Result<Option<Layer<'a>>> {
        let Some(defaults) = self.root.get("defaults") else { return Ok(None) };
        Ok(Some(Layer::new(self, self.table(defaults, "defaults")?, None)))
    }

    /// The profile of a run that names none: the consumer's default, or the general one.
    pub(super) fn default_profile(
        &'a self,
        consumer: Option<&str>,
    ) -> Result<Option<Setting<String>>> {
        let root = Layer::new(self, &self.root, None);
        let own = consumer.map(|consumer| self.own_default_profile(consumer)).transpose()?;
        let found = match own.flatten() {
            Some(own) => Some(own),
            None => root.value(DEFAULT_PROFILE, schema::PROFILE.kind)?,
        };
        Ok(found.map(|(value, span)| Setting { value, origin: root.origin(&span) }))
    }

    /// A consumer's default profile, and its place.
    pub(super) fn own_default_profile(
        &'a self,
        consumer: &str,
    ) -> Result<Option<(String, Range<usize>)>> {
        match self.defaults()? {
            Some(defaults) => defaults.setting(consumer, &schema::PROFILE),
            None => Ok(None),
        }
    }

    /// The profile of a file that has only one.
    pub(super) fn only_profile(&self) -> Option<Setting<String>> {
        let profiles = self.root.get("profiles")?.get_ref().as_table()?;
        let (name, _) = profiles.iter().next().filter(|_| profiles.len() == 1)?;
        let (path, line) = (Arc::clone(&self.source.path), self.source.line(name.span().start));
        let value = name.get_ref().to_string();
        Some(Setting { value, origin: Origin::OnlyProfile { path, line } })
    }

    /// The table of a named identity. The caller knows its type, and checks its keys.
    pub(super) fn identity(&'a self, name: &str) -> Result<Option<Layer<'a>>> {
        self.named("identity", name, "an identity")
    }

    pub(super) fn identities(&self) -> Vec<&str> {
        self.names("identity")
    }

    pub(super) fn profiles(&self) -> Vec<String> {
        self.names("profiles").into_iter().map(str::to_owned).collect()
    }

    pub(super) fn installation(&'a self, name: &str) -> Result<Option<Layer<'a>>> {
        let what = "an installation";
        let layer = self.named("installations", name, what)?;
        if let Some(layer) = &layer {
            self.check_keys(layer.table, installation::KEYS, what)?;
        }
        Ok(layer)
    }

    pub(super) fn installations(&self) -> Vec<&str> {
        self.names("installations")
    }

    fn named(&'a self, tables: &str, name: &str, what: &str) -> Result<Option<Layer<'a>>> {
        let Some(found) = self.root.get(tables) else {
            return Ok(None);
        };
        let Some(value) = self.table(found, tables)?.get(name) else {
            return Ok(None);
        };
        Ok(Some(Layer::new(self, self.table(value, what)?, None)))
    }

    /// The table of the profile that `origin` names.
    pub(super) fn find_profile(&'a self, name: &str, origin: &Origin) -> Result<Layer<'a>> {
        self.profile(name, |file, hint| Error::NoSuch {
            what: "profile",
            name: name.to_owned().into(),
            place: message!("{file} ({origin})", file, origin),
            hint,
        })
    }

    fn profile(
        &'a self,
        name: &str,
        missing: impl FnOnce(Message, Message) -> Error,
    ) -> Result<Layer<'a>> {
        let profiles = self
            .root
            .get("profiles")
            .map(|profiles| self.table(profiles, "profiles"))
            .transpose()?;
        let found = profiles.and_then(|profiles| profiles.get_key_value(name));
        let Some((key, value)) = found else {
            let names = self.names("profiles");
            let hint = match nearest(name, &names) {
                Some(near) => message!("did you mean `{near}`?", near = ForeignText::new(near)),
                None if names.is_empty() => {
                    message!("add a table `[profiles.{name}]` to it", name = ForeignText::new(name))
                }
                None => message!("choose {}", list(&names)),
            };
            return Err(missing(message!("`{}`", shown(&self.source.path)), hint));
        };
        Ok(Layer::new(self, self.table(value, "a profile")?, Some(key.get_ref())))
    }

    pub(super) fn names(&self, table: &str) -> Vec<&str> {
        let table = self.root.get(table).and_then(|value| value.get_ref().as_table());
        table
            .map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect())
            .unwrap_or_default()
    }

    pub(super) fn table(
        &self,
        value: &'a Spanned<DeValue<'a>>,
        what: &str,
    ) -> Result<&'a DeTable<'a>> {
        value.get_ref().as_table().ok_or_else(|| {
            let problem = message!(
                "{what} must be a table, not {}",
                with_article(value.get_ref().type_str()),
                what = ForeignText::new(what)
            );
            self.source.wrong(&value.span(), problem, None)
        })
    }

    pub(super) fn check_keys(
        &self,
        table: &DeTable<'_>,
        known: &[&str],
        what: &'static str,
    ) -> Result<()> {
        self.check_keys_with(table, known, what, &mut Err)
    }

    /// The same, with a function that may continue after an error.
    pub(super) fn check_keys_with(
        &self,
        table: &DeTable<'_>,
        known: &[&str],
        what: &'static str,
        report: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<()> {
        for key in table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let hint = match nearest(key.get_ref(), known) {
                    Some(near) => message!("did you mean `{near}`?", near = ForeignText::new(near)),
                    None => message!("{what} can have {}", list(known), what),
                };
                report(self.source.wrong(
                    &key.span(),
                    message!("unknown key `{}`", ForeignText::new(key.get_ref())),
                    Some(hint),
                ))?;
            }
        }
        Ok(())
    }
}
