//! The configuration file as an editable document, for `config` and `setup`. Comments, order and spacing of everything
//! else stay.

use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use crate::error::{Error, Result};
use crate::files::edit::EditedFile;
use crate::foreign_text::ForeignText;
use crate::message;
use crate::settings::Kind;

/// The configuration file, with pending changes.
#[derive(Debug)]
pub(in crate::command) struct Document {
    path: PathBuf,
    file: EditedFile,
    original: DocumentMut,
    edited: DocumentMut,
}

impl Document {
    /// Reads the file if it exists.
    pub(in crate::command) fn read(path: PathBuf) -> Result<Self> {
        let file = EditedFile::open("the configuration file", &path)?;
        let original = parse(&path, file.text())?;
        let edited = original.clone();
        Ok(Self { path, file, original, edited })
    }

    pub(in crate::command) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::command) fn original_text(&self) -> &str {
        self.file.text()
    }

    pub(in crate::command) fn text(&self) -> String {
        let text = self.edited.to_string();
        // A new table begins with an empty line, which the first table of a file does not need.
        if self.file.text().is_empty() { text.trim_start().to_owned() } else { text }
    }

    /// The file and its new text.
    pub(in crate::command) fn into_change(self) -> (EditedFile, String) {
        let text = self.text();
        (self.file, text)
    }

    /// A table of the file on disk, by its path.
    pub(in crate::command) fn original_table(&self, names: &[&str]) -> Option<&dyn TableLike> {
        table_in(&self.original, names)
    }

    /// A table with the pending changes.
    pub(in crate::command) fn table(&self, names: &[&str]) -> Option<&dyn TableLike> {
        table_in(&self.edited, names)
    }

    /// The same table for changes. It is added if it is missing.
    pub(in crate::command) fn table_mut(&mut self, names: &[&str]) -> Result<&mut dyn TableLike> {
        let mut table: &mut dyn TableLike = self.edited.as_table_mut();
        for (at, name) in names.iter().enumerate() {
            if !table.contains_key(name) {
                let mut new = Table::new();
                new.set_implicit(at + 1 < names.len());
                new.decor_mut().set_prefix("\n");
                table.insert(name, Item::Table(new));
            }
            table = match table.get_mut(name).and_then(Item::as_table_like_mut) {
                Some(table) => table,
                None => {
                    return Err(Error::Config {
                        path: self.path.clone(),
                        line: 1,
                        problem: message!(
                            "`{}` must be a table",
                            ForeignText::new(&names[..=at].join("."))
                        ),
                        hint: None,
                    });
                }
            };
        }
        Ok(table)
    }

    /// The tables of `[[agent.LIST]]` with the pending changes.
    pub(in crate::command) fn agent_tables(
        &self,
        list: &'static str,
    ) -> impl Iterator<Item = &Table> {
        let tables = self.table(&["agent"]).and_then(|agent| agent.get(list));
        tables.and_then(Item::as_array_of_tables).into_iter().flatten()
    }

    /// The same tables for changes.
    pub(in crate::command) fn agent_tables_mut(
        &mut self,
        list: &'static str,
    ) -> Result<&mut ArrayOfTables> {
        let agent = self.edited.entry("agent").or_insert_with(|| {
            let mut agent = Table::new();
            agent.set_implicit(true);
            Item::Table(agent)
        });
        let tables = agent.as_table_like_mut().and_then(|agent| {
            agent
                .entry(list)
                .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
                .as_array_of_tables_mut()
        });
        tables.ok_or_else(|| Error::Config {
            path: self.path.clone(),
            line: 1,
            problem: message!("`agent.{list}` must be a list of tables `[[agent.{list}]]`", list),
            hint: None,
        })
    }
}

fn table_in<'a>(document: &'a DocumentMut, names: &[&str]) -> Option<&'a dyn TableLike> {
    let mut table: &dyn TableLike = document.as_table();
    for name in names {
        table = table.get(name)?.as_table_like()?;
    }
    Some(table)
}

pub(in crate::command) fn parse(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse::<DocumentMut>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..start]).count() + 1;
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        Error::Config {
            path: path.to_owned(),
            line,
            problem: ForeignText::new(&problem).into(),
            hint: None,
        }
    })
}

/// A setting's text as a TOML value. Text that does not fit the setting's type is written as a string, which the reader
/// of the file then reports.
pub(in crate::command) fn value_of(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Bool | Kind::Switch => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        Kind::Time => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        Kind::Words => Value::Array(text.lines().collect::<Array>()),
        Kind::Text | Kind::Path | Kind::File | Kind::Key | Kind::Proxy | Kind::Count => text.into(),
    }
}

/// Sets a value. A replaced value keeps the comment at the end of its line, and the same text keeps its quotes.
pub(in crate::command) fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let value = value.into();
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) if old.as_str().is_some() && old.as_str() == value.as_str() => {}
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}
