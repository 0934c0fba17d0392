//! What an agent keeps: read from `[[agent.files]]` or from flags, and checked.

use std::path::{Path, PathBuf};

use super::FileArgs;
use super::change::Change;
use crate::consumer::document::{DocumentFormat, DocumentSource};
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::private_file::{self, Access};
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, PROFILE};
use crate::settings::{
    AgentFile, Flags, Origin, Setting, Settings, agent_tables, by_name, list, names_of, unfit,
};

/// The command, for `status`.
const COMMAND: &str = "agent";

/// All that one agent keeps.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) files: Vec<PlannedFile>,
}

#[derive(Debug)]
pub(super) struct PlannedFile {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    pub(super) source: DocumentSource,
    pub(super) change: Change,
    pub(super) remove_on_exit: bool,
}

impl Plan {
    pub(super) fn read(args: &FileArgs, context: Context<'_>) -> Result<Self> {
        let Context { flags, env, locations, consumers, .. } = context;
        let mut flags = flags.clone();
        let tables = match args.to_table() {
            Some(file) => vec![file],
            None => {
                let tables = agent_tables(&flags, env, locations, consumers)?;
                flags.unwritten = flags.unwritten.or(tables.text);
                tables.files
            }
        };
        if tables.is_empty() {
            return Err(Error::Missing {
                problem: "which files the agent keeps is not set".into(),
                hint: "give `--file PATH`, or add a table `[[agent.files]]` with `path` to the configuration file".into(),
            });
        }
        let mut files: Vec<PlannedFile> = Vec::new();
        for table in tables {
            let origin = table.origin();
            let file = PlannedFile::read(table, &flags, context)?;
            if files.iter().any(|other| other.path == file.path) {
                let path = shown(&file.path);
                return Err(unfit(origin, message!("two files of the agent are `{path}`", path)));
            }
            files.push(file);
        }
        Ok(Self { files })
    }
}

impl PlannedFile {
    fn read(table: AgentFile, flags: &Flags, context: Context<'_>) -> Result<Self> {
        let origin = table.origin();
        let AgentFile { profile, audience, path, format, mode, group, .. } = table;
        let format = format.map(read_format).transpose()?.unwrap_or(DocumentFormat::RAW);
        let mut flags = flags.clone();
        for (field, setting) in [(&PROFILE, profile), (&AUDIENCE, audience)] {
            if let Some(setting) = setting {
                flags = flags.with(field, setting.value);
            }
        }
        let path = path.map(|path| path.value).unwrap_or_default();
        let source = source(&flags, format, context).map_err(|error| {
            error.with_hint(&message!("it is about the file `{}` of the agent", shown(&path)))
        })?;
        Ok(Self {
            path,
            access: read_access(mode, group)?,
            source,
            change: Change::read(table.on_change, table.signal, table.pid_file, origin)?,
            remove_on_exit: table.remove_on_exit,
        })
    }
}

fn source(flags: &Flags, format: DocumentFormat, context: Context<'_>) -> Result<DocumentSource> {
    let Context { env, locations, consumers, .. } = context;
    let settings = Settings::load(flags, env, locations, consumers, format.tables())?;
    let source = DocumentSource { settings, format, command: COMMAND };
    source.check(context)?;
    Ok(source)
}

fn read_format(Setting { value, origin }: Setting<String>) -> Result<DocumentFormat> {
    let formats = DocumentFormat::all();
    by_name(&formats, &value).ok_or_else(|| {
        let names = names_of(&formats);
        let value = ForeignText::new(&value);
        unfit(origin, message!("there is no format `{value}`: it must be {}", list(&names), value))
    })
}

/// Security: nobody but the user and a group can read a file, and only the user can write it.
fn read_access(mode: Option<Setting<String>>, group: Option<Setting<String>>) -> Result<Access> {
    const MODES: [(u32, &str); 4] =
        [(0o600, "0600"), (0o400, "0400"), (0o640, "0640"), (0o440, "0440")];
    let has_group = group.is_some();
    let mode = match mode {
        None => None,
        Some(Setting { value, origin }) => {
            let four = format!("{value:0>4}");
            let found = by_name(&MODES, &four);
            Some(found.ok_or_else(|| {
                let (value, names) = (ForeignText::new(&value), MODES.map(|(_, name)| name));
                unfit(
                    origin,
                    message!("the mode cannot be `{value}`: it must be {}", list(&names), value),
                )
            })?)
        }
    };
    Ok(Access {
        mode: mode.unwrap_or(if has_group { 0o640 } else { 0o600 }),
        group: group.map(read_group).transpose()?,
    })
}

/// The number of a group. Names are looked up in `/etc/group`: a static program has no other directories.
fn read_group(Setting { value, origin }: Setting<String>) -> Result<u32> {
    const LIMIT: u64 = 1024 * 1024;
    if let Ok(number) = value.parse() {
        return Ok(number);
    }
    let groups = private_file::read_plain(Path::new("/etc/group"), LIMIT).unwrap_or_default();
    let groups = String::from_utf8_lossy(&groups);
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(&value)).then(|| fields.nth(1)?.parse().ok())?
    };
    groups.lines().find_map(number).ok_or_else(|| {
        let value = ForeignText::new(&value);
        unfit(
            origin,
            message!("there is no group `{value}` in `/etc/group`; give its number", value),
        )
    })
}

impl FileArgs {
    /// The file of the flags, if they name one.
    fn to_table(&self) -> Option<AgentFile> {
        fn setting<T>(value: Option<&T>, flag: &'static str) -> Option<Setting<T::Owned>>
        where
            T: ToOwned + ?Sized,
        {
            value.map(|value| Setting { value: value.to_owned(), origin: Origin::Flag(flag) })
        }
        let path = setting(self.file.as_deref(), "--file");
        path.as_ref()?;
        Some(AgentFile {
            profile: None,
            audience: None,
            path,
            format: setting(self.format.as_deref(), "--format"),
            mode: setting(self.mode.as_deref(), "--mode"),
            group: setting(self.group.as_deref(), "--group"),
            on_change: self.on_change.clone(),
            signal: setting(self.signal.as_deref(), "--signal"),
            pid_file: setting(self.pid_file.as_deref(), "--pid-file"),
            remove_on_exit: self.remove_on_exit,
        })
    }
}
