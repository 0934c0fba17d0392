//! The files and endpoints of an agent, read from flags or the configuration file, and validated.

use std::path::{Path, PathBuf};

use super::PlanArgs;
use super::change::Change;
use super::endpoint::PlannedEndpoint;
use crate::consumer::document::{DocumentFormat, DocumentSource};
use crate::error::{Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::private_file::{self, Access};
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, PROFILE};
use crate::settings::{
    AgentEndpoint, AgentFile, AgentTables, Field, Flags, Origin, Setting, Settings, agent_tables,
    by_name, invalid_value, list, names_of,
};

/// The command name, for `status`.
const COMMAND: &str = "agent";

/// Everything that one agent keeps fresh.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) files: Vec<PlannedFile>,
    pub(super) endpoints: Vec<PlannedEndpoint>,
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
    pub(super) fn read(args: &PlanArgs, context: Context<'_>) -> Result<Self> {
        Self::read_with(args, context, &mut Err)
    }

    /// Reads the plan. `report` decides whether reading goes on after a mistake.
    pub(super) fn read_with(
        args: &PlanArgs,
        context: Context<'_>,
        report: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<Self> {
        let Context { flags, env, locations, consumers, .. } = context;
        let mut flags = flags.clone();
        let mut tables = args.to_tables();
        if tables.files.is_empty() && tables.endpoints.is_empty() {
            tables = agent_tables(&flags, env, locations, consumers, report)?;
            flags.unwritten = flags.unwritten.or(tables.text);
        }
        if tables.files.is_empty() && tables.endpoints.is_empty() {
            return Err(Error::Missing {
                problem: "no files and no endpoints are configured for the agent".into(),
                hint: "give `--file PATH` or `--serve TYPE`, or add a table `[[agent.files]]` or `[[agent.endpoints]]` to the configuration file".into(),
            });
        }
        let mut plan = Self { files: Vec::new(), endpoints: Vec::new() };
        let mut paths = Vec::new();
        for table in tables.files {
            let path = table.path.as_ref().map(|path| path.value.clone()).unwrap_or_default();
            if paths.contains(&path) {
                let path = shown(&path);
                let problem = message!("two files of the agent are `{path}`", path);
                report(invalid_value(table.origin(), problem))?;
            }
            paths.push(path);
            match PlannedFile::read(table, &flags, context) {
                Ok(file) => plan.files.push(file),
                Err(error) => report(error)?,
            }
        }
        for table in tables.endpoints {
            let origin = table.listen.as_ref().map_or(Origin::BuiltIn, |it| it.origin.clone());
            match PlannedEndpoint::read(table, &flags, context) {
                Ok(it) if plan.endpoints.iter().any(|other| other.listen == it.listen) => {
                    report(invalid_value(origin, "two endpoints of the agent have this address"))?;
                }
                Ok(endpoint) => plan.endpoints.push(endpoint),
                Err(error) => report(error)?,
            }
        }
        Ok(plan)
    }

    /// The files to remove at the end: those marked for removal, and those of endpoints.
    pub(super) fn temporary(&self) -> impl Iterator<Item = &PathBuf> {
        let files = self.files.iter().filter(|file| file.remove_on_exit).map(|file| &file.path);
        files.chain(self.endpoints.iter().flat_map(PlannedEndpoint::files))
    }
}

impl PlannedFile {
    fn read(table: AgentFile, flags: &Flags, context: Context<'_>) -> Result<Self> {
        let origin = table.origin();
        let AgentFile { profile, audience, path, format, mode, group, .. } = table;
        let format = format.map(read_format).transpose()?.unwrap_or(DocumentFormat::RAW);
        let flags = flags_with(flags, &[(&PROFILE, profile), (&AUDIENCE, audience)]);
        let path = path.map(|path| path.value).unwrap_or_default();
        let access = read_access(mode, group)?;
        let change = Change::read(table.on_change, table.signal, table.pid_file, origin)?;
        let source = document_source(&flags, format, context).map_err(|error| {
            error.with_hint(&message!("this is the agent's file `{}`", shown(&path)))
        })?;
        Ok(Self { path, access, source, change, remove_on_exit: table.remove_on_exit })
    }
}

/// The flags with these settings, which take precedence over variables and the profile.
pub(super) fn flags_with(
    flags: &Flags,
    settings: &[(&'static Field, Option<Setting<String>>)],
) -> Flags {
    let set = settings.iter().filter_map(|(field, setting)| Some((*field, setting.as_ref()?)));
    set.fold(flags.clone(), |flags, (field, setting)| flags.with(field, &setting.value))
}

pub(super) fn document_source(
    flags: &Flags,
    format: DocumentFormat,
    context: Context<'_>,
) -> Result<DocumentSource> {
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
        invalid_value(
            origin,
            message!("there is no format `{value}`: it must be {}", list(&names), value),
        )
    })
}

/// Security: only the user and a group can read a file, and only the user can write it.
fn read_access(mode: Option<Setting<String>>, group: Option<Setting<String>>) -> Result<Access> {
    const MODES: [(u32, &str); 4] =
        [(0o600, "0600"), (0o400, "0400"), (0o640, "0640"), (0o440, "0440")];
    if let (true, Some(given)) = (cfg!(windows), mode.as_ref().or(group.as_ref())) {
        return Err(invalid_value(
            given.origin.clone(),
            "`mode` and `group` do not work on Windows, where a file has the permissions of its folder",
        ));
    }
    let has_group = group.is_some();
    let mode = match mode {
        None => None,
        Some(Setting { value, origin }) => {
            let four = format!("{value:0>4}");
            let found = by_name(&MODES, &four);
            Some(found.ok_or_else(|| {
                let (value, names) = (ForeignText::new(&value), MODES.map(|(_, name)| name));
                invalid_value(
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

/// The ID of a group. Names are looked up in `/etc/group`, because a static program can use no other directory.
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
        invalid_value(
            origin,
            message!("there is no group `{value}` in `/etc/group`; give its number", value),
        )
    })
}

impl PlanArgs {
    /// The file and the endpoint that the flags configure, if any.
    fn to_tables(&self) -> AgentTables {
        fn setting<T>(value: Option<&T>, flag: &'static str) -> Option<Setting<T::Owned>>
        where
            T: ToOwned + ?Sized,
        {
            value.map(|value| Setting { value: value.to_owned(), origin: Origin::Flag(flag) })
        }
        let path = setting(self.file.as_deref(), "--file");
        let kind = setting(self.serve.as_deref(), "--serve");
        let file = path.is_some().then(|| AgentFile {
            path,
            format: setting(self.format.as_deref(), "--format"),
            mode: setting(self.mode.as_deref(), "--mode"),
            group: setting(self.group.as_deref(), "--group"),
            on_change: self.on_change.clone(),
            signal: setting(self.signal.as_deref(), "--signal"),
            pid_file: setting(self.pid_file.as_deref(), "--pid-file"),
            remove_on_exit: self.remove_on_exit,
            ..AgentFile::default()
        });
        let endpoint = kind.is_some().then(|| AgentEndpoint {
            kind,
            listen: setting(self.listen.as_deref(), "--listen"),
            secret_file: setting(self.secret_file.as_deref(), "--secret-file"),
            ..AgentEndpoint::default()
        });
        let (files, endpoints) = (file.into_iter().collect(), endpoint.into_iter().collect());
        AgentTables { files, endpoints, text: None }
    }
}
