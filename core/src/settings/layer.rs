//! A table of settings in the configuration file: its values as text, with their places.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{Field, Kind};
use super::file::File;
use super::names::with_article;
use super::origin::Origin;
use super::schema::{COMMON, PROFILE};
use super::value::text_problem;
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// One table of settings: `[defaults]` or a profile.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    file: &'a File<'a>,
    pub(super) table: &'a DeTable<'a>,
    /// Its name in messages: `profiles.prod`.
    pub(super) profile: Option<&'a str>,
}

impl<'a> Layer<'a> {
    pub(super) const fn new(
        file: &'a File<'a>,
        table: &'a DeTable<'a>,
        profile: Option<&'a str>,
    ) -> Self {
        Self { file, table, profile }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<(String, Range<usize>)>> {
        self.value(key, Kind::Text)
    }

    /// A setting of the program, or of a consumer's table with this name, as text with its place.
    pub(super) fn setting(
        &self,
        table: &str,
        field: &Field,
    ) -> Result<Option<(String, Range<usize>)>> {
        if table.is_empty() {
            return self.value(field.key, field.kind);
        }
        let Some(value) = self.table.get(table) else {
            return Ok(None);
        };
        let table = self.file.table(value, table)?;
        Layer { table, ..*self }.value(field.key, field.kind)
    }

    pub(super) fn value(&self, key: &str, kind: Kind) -> Result<Option<(String, Range<usize>)>> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = kind.read(value).map_err(|(span, found)| {
            let (wanted, example) = kind.described();
            let problem = message!(
                "`{key}` must be {wanted}, not {}",
                with_article(found),
                key = ForeignText::new(key),
                wanted
            );
            self.wrong(
                &span,
                problem,
                Some(message!(
                    "write it as `{key} = {example}`",
                    key = ForeignText::new(key),
                    example
                )),
            )
        })?;
        if kind != Kind::Words
            && let Some(problem) = text_problem(key, &text)
        {
            return Err(self.wrong(
                &value.span(),
                message!("`{key}` {problem}", key = ForeignText::new(key), problem),
                None,
            ));
        }
        Ok(Some((text, value.span())))
    }

    /// A list of words, which can contain line breaks; empty if it is missing.
    pub(super) fn words(&self, key: &str) -> Result<Vec<String>> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let texts = match value.get_ref() {
            DeValue::Array(words) => words.iter().map(|word| Kind::Text.read(word)).collect(),
            _ => Kind::Text.read(value).map(|word| vec![word]),
        };
        texts.map_err(|(span, found)| {
            let problem = message!(
                "`{key}` must be a list of strings, not {}",
                with_article(found),
                key = ForeignText::new(key)
            );
            self.wrong(
                &span,
                problem,
                Some(message!("write it as `{key} = [\"…\"]`", key = ForeignText::new(key))),
            )
        })
    }

    /// The origin of a place in the file.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let source = self.file.source;
        match self.profile {
            Some(profile) => Origin::Profile {
                profile: profile.into(),
                path: Arc::clone(&source.path),
                line: source.line(span.start),
            },
            None => {
                Origin::Defaults { path: Arc::clone(&source.path), line: source.line(span.start) }
            }
        }
    }

    /// Checks that this table of an identity has only these keys.
    pub(super) fn check_identity(&self, keys: &[&str]) -> Result<()> {
        self.file.check_keys(self.table, keys, "an identity of this type")
    }

    /// Whether this is the table of the profile `name`.
    pub(super) fn is_profile(&self, name: &str) -> bool {
        self.profile == Some(name)
    }

    /// An error about a place in the file.
    pub(super) fn wrong(
        &self,
        span: &Range<usize>,
        problem: impl Into<Message>,
        hint: Option<Message>,
    ) -> Error {
        self.file.source.wrong(span, problem, hint)
    }

    /// The error for a missing key.
    pub(super) fn missing_key(&self, key: &'static str, hint: impl Into<Message>) -> Error {
        let span = self.table.keys().next().map(Spanned::span).unwrap_or_default();
        self.wrong(&span, message!("`{key}` is missing", key), Some(hint.into()))
    }

    /// The folder of the file, for relative paths.
    pub(super) fn folder(&self) -> &'a Path {
        self.file.source.path.parent().unwrap_or(Path::new("."))
    }

    /// Checks that the table has only known keys.
    pub(super) fn check(&self) -> Result<()> {
        self.check_with(&mut Err)
    }

    /// The same, with a function that may continue after an error.
    pub(super) fn check_with(&self, report: &mut dyn FnMut(Error) -> Result<()>) -> Result<()> {
        let keys = COMMON.settings.iter().filter(|field| field.is_in_file).map(|field| field.key);
        let mut known = Vec::with_capacity(COMMON.settings.len() + self.file.consumers.len() + 1);
        known.extend(keys);
        known.extend(self.file.consumers.iter().map(|consumer| consumer.name));
        if self.profile.is_some() {
            known.push("extends");
        }
        self.file.check_keys_with(self.table, &known, "it", report)?;
        for consumer in self.file.consumers {
            if let Some(value) = self.table.get(consumer.name) {
                let mut keys: Vec<&str> = consumer.settings.iter().map(|field| field.key).collect();
                if self.profile.is_none() {
                    keys.push(PROFILE.key);
                }
                match self.file.table(value, consumer.name) {
                    Ok(table) => self.file.check_keys_with(table, &keys, "it", report)?,
                    Err(problem) => report(problem)?,
                }
            }
        }
        Ok(())
    }
}
