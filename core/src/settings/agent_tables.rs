//! `[agent]` of the configuration file: the files that `agent` keeps fresh and the endpoints that it serves, as text
//! with the place of each value. The agent checks the values, because it reads the same ones from its flags.

use std::path::{Path, PathBuf};

use toml::Spanned;
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
    pub endpoints: Vec<AgentEndpoint>,
    /// The configuration file and its text, so that all tables are read from one text.
    pub text: Option<(PathBuf, String)>,
}

/// A file that the agent keeps fresh, from the configuration file or the command line.
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

/// An endpoint that the agent serves, from the configuration file or the command line.
#[derive(Debug, Default)]
pub struct AgentEndpoint {
    pub kind: Option<Setting<String>>,
    pub listen: Option<Setting<String>>,
    pub profile: Option<Setting<String>>,
    /// The only audiences that it serves.
    pub audiences: Vec<String>,
    /// The file that the agent writes a secret into.
    pub secret_file: Option<Setting<PathBuf>>,
    /// The credential configuration for Google's libraries, which contains the secret.
    pub credential_file: Option<Setting<PathBuf>>,
}

const TABLES: &[&str] = &["endpoints", "files"];

/// The keys of `[[agent.endpoints]]`.
pub const ENDPOINT_KEYS: &[&str] =
    &["audiences", "credential_file", "listen", "profile", "secret_file", "type"];

/// The keys of `[[agent.files]]`.
pub const FILE_KEYS: &[&str] = &[
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

/// Reads `[agent]`, with a function that may continue after an error. Without a configuration file, all is empty.
pub fn agent_tables(
    flags: &Flags,
    env: &Env,
    locations: &Locations,
    consumers: &[&'static Table],
    report: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<AgentTables> {
    let Some(text) = read_file(flags, env, locations, None)? else {
        return Ok(AgentTables::default());
    };
    let home = locations.home.as_deref();
    let tables = read(&File::parse(&text, consumers)?, home, report)?;
    let Text { path, content, .. } = text;
    Ok(AgentTables { text: Some((path.to_path_buf(), content)), ..tables })
}

/// Reads the tables, with a function that may continue after an error.
pub(super) fn read(
    file: &File<'_>,
    home: Option<&Path>,
    report: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<AgentTables> {
    let Some(agent) = file.root.get("agent") else { return Ok(AgentTables::default()) };
    let agent = file.table(agent, "agent")?;
    file.check_keys_with(agent, TABLES, "`agent`", report)?;
    let mut read = AgentTables::default();
    for table in tables(file, agent, "files")? {
        file.check_keys_with(table, FILE_KEYS, "a file of the agent", report)?;
        match Reader::of(file, table, home).file() {
            Ok(file) => read.files.push(file),
            Err(error) => report(error)?,
        }
    }
    for table in tables(file, agent, "endpoints")? {
        file.check_keys_with(table, ENDPOINT_KEYS, "an endpoint of the agent", report)?;
        match Reader::of(file, table, home).endpoint() {
            Ok(endpoint) => read.endpoints.push(endpoint),
            Err(error) => report(error)?,
        }
    }
    Ok(read)
}

/// The tables of a list.
fn tables<'a>(
    file: &File<'_>,
    agent: &'a DeTable<'a>,
    name: &'static str,
) -> Result<Vec<&'a DeTable<'a>>> {
    let Some(list) = agent.get(name) else { return Ok(Vec::new()) };
    let not_tables = |span, found| {
        let problem =
            message!("`agent.{name}` must be a list of tables, not {}", with_article(found), name);
        file.source.wrong(&span, problem, Some(message!("write each as `[[agent.{name}]]`", name)))
    };
    let DeValue::Array(tables) = list.get_ref() else {
        return Err(not_tables(list.span(), list.get_ref().type_str()));
    };
    let table = |value: &'a Spanned<DeValue<'a>>| match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        other => Err(not_tables(value.span(), other.type_str())),
    };
    tables.iter().map(table).collect()
}

/// Reads one table.
struct Reader<'a> {
    file: &'a File<'a>,
    layer: Layer<'a>,
    home: Option<&'a Path>,
}

impl<'a> Reader<'a> {
    const fn of(file: &'a File<'a>, table: &'a DeTable<'a>, home: Option<&'a Path>) -> Self {
        Self { file, layer: Layer::new(file, table, None), home }
    }

    fn file(&self) -> Result<AgentFile> {
        let path = self.path("path")?;
        if path.is_none() {
            return Err(self.layer.missing_key("path", "add `path = \"/run/…\"`"));
        }
        let remove_on_exit = self.setting("remove_on_exit", Kind::Bool)?;
        Ok(AgentFile {
            profile: self.profile()?,
            audience: self.text("audience")?,
            path,
            format: self.text("format")?,
            mode: self.text("mode")?,
            group: self.text("group")?,
            on_change: self.layer.words("on_change")?,
            signal: self.text("signal")?,
            pid_file: self.path("pid_file")?,
            remove_on_exit: remove_on_exit.is_some_and(|it| it.value == "true"),
        })
    }

    fn endpoint(&self) -> Result<AgentEndpoint> {
        let (kind, listen) = (self.text("type")?, self.text("listen")?);
        if kind.is_none() {
            return Err(self.layer.missing_key("type", "add `type = \"token\"`, for example"));
        }
        if listen.is_none() {
            return Err(self
                .layer
                .missing_key("listen", "add `listen = \"127.0.0.1:9911\"`, for example"));
        }
        Ok(AgentEndpoint {
            kind,
            listen,
            profile: self.profile()?,
            audiences: self.layer.words("audiences")?,
            secret_file: self.path("secret_file")?,
            credential_file: self.path("credential_file")?,
        })
    }

    fn setting(&self, key: &str, kind: Kind) -> Result<Option<Setting<String>>> {
        let found = self.layer.value(key, kind)?;
        Ok(found.map(|(value, span)| Setting { value, origin: self.layer.origin(&span) }))
    }

    fn text(&self, key: &str) -> Result<Option<Setting<String>>> {
        self.setting(key, Kind::Text)
    }

    fn path(&self, key: &str) -> Result<Option<Setting<PathBuf>>> {
        let path = self.text(key)?.map(|path| checked_path(path, self.layer.folder(), self.home));
        path.transpose()
    }

    fn profile(&self) -> Result<Option<Setting<String>>> {
        let profile = self.text("profile")?;
        if let Some(Setting { value, origin }) = &profile {
            self.file.find_profile(value, origin)?;
        }
        Ok(profile)
    }
}

impl AgentFile {
    /// The place of the file, for errors that are not about one of its values.
    pub fn origin(&self) -> Origin {
        self.path.as_ref().map_or(Origin::BuiltIn, |path| path.origin.clone())
    }
}
