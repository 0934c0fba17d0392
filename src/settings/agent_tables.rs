//! `[agent]` of the configuration file: the files that `agent` keeps, as text with the place of each value. What the
//! values mean is checked by the agent, which takes the same from its flags.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::field::Kind;
use super::file::{File, Text};
use super::layer::Layer;
use super::names::with_article;
use super::resolve::checked_path;
use super::{Flags, Locations, Origin, Setting, Table, read_file};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::message;

/// `[agent]`.
#[derive(Debug, Default)]
pub struct AgentTables {
    pub files: Vec<AgentFile>,
    /// The configuration file and its text, so that all is read from one text.
    pub text: Option<(PathBuf, String)>,
}

/// A file that the agent keeps, of the configuration file or of the command line.
#[derive(Debug, Default)]
pub struct AgentFile {
    pub profile: Option<Setting<String>>,
    pub audience: Option<Setting<String>>,
    pub path: Option<Setting<PathBuf>>,
    pub format: Option<Setting<String>>,
    pub mode: Option<Setting<String>>,
    pub group: Option<Setting<String>>,
    pub on_change: Vec<String>,
    pub signal: Option<Setting<String>>,
    pub pid_file: Option<Setting<PathBuf>>,
    pub remove_on_exit: bool,
}

const TABLES: &[&str] = &["files"];

const FILE_KEYS: &[&str] = &[
    "audience",
    "format",
    "group",
    "mode",
    "on_change",
    "path",
    "pid_file",
    "profile",
    "remove_on_exit",
    "signal",
];

/// Reads `[agent]`; nothing is there without a configuration file.
pub fn agent_tables(
    flags: &Flags,
    env: &Env,
    locations: &Locations,
    consumers: &[&'static Table],
) -> Result<AgentTables> {
    let Some(text) = read_file(flags, env, locations, None)? else {
        return Ok(AgentTables::default());
    };
    let files = read(&File::parse(&text, consumers)?, locations.home.as_deref(), &mut Err)?;
    let Text { path, content } = text;
    Ok(AgentTables { files, text: Some((path, content)) })
}

/// Reads the files, with a function that can go on after a mistake.
pub(super) fn read(
    file: &File<'_>,
    home: Option<&Path>,
    report: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<Vec<AgentFile>> {
    let Some(agent) = file.root.get("agent") else { return Ok(Vec::new()) };
    let agent = file.table(agent, "agent")?;
    file.check_keys_with(agent, TABLES, "`agent`", report)?;
    let Some(files) = agent.get("files") else { return Ok(Vec::new()) };
    let not_tables = |span, found| {
        let problem =
            message!("`agent.files` must be a list of tables, not {}", with_article(found));
        file.source.wrong(&span, problem, Some("write each file as `[[agent.files]]`".into()))
    };
    let DeValue::Array(tables) = files.get_ref() else {
        return Err(not_tables(files.span(), files.get_ref().type_str()));
    };
    let mut read = Vec::new();
    for value in tables {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(not_tables(value.span(), value.get_ref().type_str()));
        };
        file.check_keys_with(table, FILE_KEYS, "a file of the agent", report)?;
        match self::file(file, table, home) {
            Ok(file) => read.push(file),
            Err(error) => report(error)?,
        }
    }
    Ok(read)
}

fn file<'a>(file: &'a File<'a>, table: &'a DeTable<'a>, home: Option<&Path>) -> Result<AgentFile> {
    let layer = Layer::new(file, table, None);
    let setting = |key, kind| -> Result<Option<Setting<String>>> {
        let found = layer.value(key, kind)?;
        Ok(found.map(|(value, span)| Setting { value, origin: layer.origin(&span) }))
    };
    let text = |key| setting(key, Kind::Text);
    let path = |key| {
        let path = text(key)?.map(|path| checked_path(path, layer.folder(), home));
        path.transpose()
    };
    let profile = text("profile")?;
    if let Some(Setting { value, origin }) = &profile {
        file.find_profile(value, origin)?;
    }
    let found = path("path")?;
    if found.is_none() {
        return Err(layer.lacks("path", "add `path = \"/run/…\"`"));
    }
    Ok(AgentFile {
        profile,
        audience: text("audience")?,
        path: found,
        format: text("format")?,
        mode: text("mode")?,
        group: text("group")?,
        on_change: layer.words("on_change")?,
        signal: text("signal")?,
        pid_file: path("pid_file")?,
        remove_on_exit: setting("remove_on_exit", Kind::Bool)?.is_some_and(|it| it.value == "true"),
    })
}

impl AgentFile {
    /// Where the file is set, for errors that are about no value of it.
    pub fn origin(&self) -> Origin {
        self.path.as_ref().map_or(Origin::BuiltIn, |path| path.origin.clone())
    }
}
