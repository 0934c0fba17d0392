//! The flags of settings: their description for clap, and the values that a command line gives them.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::field::{Field, Kind, Table};
use super::schema::{COMMON, CONFIG, VERBOSE};
use super::{Locations, expand_home};
use crate::env::Env;

/// The settings of a command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    given: Vec<(&'static Field, OsString)>,
    /// A configuration that is not in its file yet: the path and the new text. `setup` tests it in this way.
    pub unwritten: Option<(PathBuf, String)>,
}

impl Flags {
    /// Reads the flags of these tables and of the program, before and after the name of a command. The one after it
    /// wins.
    pub fn read(matches: &ArgMatches, tables: &[&'static Table]) -> Self {
        let mut flags = Self::default();
        let mut level = Some(matches);
        while let Some(matches) = level {
            for id in matches.ids() {
                let id = id.as_str();
                let tables = tables.iter().copied().chain([&COMMON]);
                let field = tables.flat_map(|table| table.settings).find(|field| field.flag == id);
                if let Some(field) = field
                    && matches.value_source(id) == Some(ValueSource::CommandLine)
                {
                    flags.set(field, value(matches, field));
                }
            }
            level = matches.subcommand().map(|(_, below)| below);
        }
        flags
    }

    /// The same, with another value of a setting.
    #[must_use]
    pub fn with(mut self, field: &'static Field, value: impl Into<OsString>) -> Self {
        self.set(field, value.into());
        self
    }

    fn set(&mut self, field: &'static Field, value: OsString) {
        self.given.retain(|(known, _)| !known.is(field));
        self.given.push((field, value));
    }

    /// The value of a setting as text.
    pub fn get(&self, field: &Field) -> Option<&str> {
        self.get_os(field)?.to_str()
    }

    /// The value of a setting, which need not be UTF-8.
    pub fn get_os(&self, field: &Field) -> Option<&OsStr> {
        let given = self.given.iter().find(|(known, _)| known.is(field));
        given.map(|(_, value)| value.as_os_str())
    }

    /// The first given flag of a setting that is not one of these.
    pub fn first_besides(&self, fields: &[Field]) -> Option<&'static str> {
        let mut given = self.given.iter().map(|(field, _)| *field);
        given.find(|given| !fields.iter().any(|field| field.is(given))).map(|field| field.flag)
    }

    /// All flags that are given.
    pub fn given(&self) -> impl Iterator<Item = (&'static Field, &OsStr)> {
        self.given.iter().map(|(field, value)| (*field, value.as_os_str()))
    }

    /// How often `--verbose` is given.
    pub fn verbosity(&self) -> u8 {
        self.get(&VERBOSE).and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// The configuration file that a flag or a variable names, if one does.
    pub fn config_asked_for(&self, env: &Env, locations: &Locations) -> Option<PathBuf> {
        let by_flag = self.get_os(&CONFIG).map(OsStr::to_owned);
        let asked_for = by_flag.or_else(|| env.get_os(CONFIG.var())).map(PathBuf::from);
        asked_for.map(|path| expand_home(&path, locations.home.as_deref()))
    }

    /// The configuration file: the named one, or the default one.
    pub fn config_file(&self, env: &Env, locations: &Locations) -> Option<PathBuf> {
        self.config_asked_for(env, locations).or_else(|| locations.config_file.clone())
    }
}

fn value(matches: &ArgMatches, field: &Field) -> OsString {
    match field.kind {
        Kind::Switch => "true".into(),
        Kind::Count => matches.get_count(field.flag).to_string().into(),
        _ => {
            let words: Vec<&OsStr> = matches.get_raw(field.flag).unwrap_or_default().collect();
            words.join(OsStr::new("\n"))
        }
    }
}

/// The arguments of a command, and its settings besides those of the program.
pub trait Arguments: clap::Args {
    const TABLES: &'static [&'static Table] = &[];

    /// Whether the command of this name, this one or one below it, takes the flag of a setting.
    fn takes(_command: &str, _field: &Field) -> bool {
        true
    }
}

impl<T: Arguments> Arguments for Box<T> {
    const TABLES: &'static [&'static Table] = T::TABLES;

    fn takes(command: &str, field: &Field) -> bool {
        T::takes(command, field)
    }
}

/// A command of the program, which is described to clap only when it is used.
#[derive(Clone, Copy, Debug)]
pub struct NamedCommand {
    pub name: &'static str,
    pub tables: &'static [&'static Table],
    arguments: fn(Command) -> Command,
    takes: fn(&str, &Field) -> bool,
    whole: fn(Command) -> Command,
}

impl NamedCommand {
    pub const fn new<A: Arguments>(name: &'static str) -> Self {
        Self {
            name,
            tables: A::TABLES,
            arguments: A::augment_args,
            takes: A::takes,
            whole: described::<A>,
        }
    }

    /// The command, whose description is deferred until it is used.
    pub fn deferred(&self) -> Command {
        Command::new(self.name).defer(self.whole)
    }

    /// The command, and those below it that are among these words, with the flags of settings that are among the words:
    /// clap spends more on the description of a flag than on its value.
    pub fn for_words(&self, words: &[OsString]) -> Command {
        let takes = |name: &str, field: &Field| is_named(field, words) && (self.takes)(name, field);
        let with_flags = |command| with_all_flags(command, self.tables, &takes);
        let command = (self.arguments)(Command::new(self.name));
        with_flags(command.mut_subcommands(|below| {
            if words.iter().any(|word| word == below.get_name()) {
                with_flags(below)
            } else {
                below
            }
        }))
    }
}

/// Whether one of the words may be the flag of a setting.
fn is_named(field: &Field, words: &[OsString]) -> bool {
    let words = words.iter().map(|word| word.as_encoded_bytes());
    words.filter(|word| word.starts_with(b"-")).any(|word| {
        match word.strip_prefix(field.flag.as_bytes()) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"="),
            None => field.kind == Kind::Count && !word.starts_with(b"--"),
        }
    })
}

/// Describes a command. The flags of those below it are described when they are used.
fn described<A: Arguments>(command: Command) -> Command {
    let flags = |command| with_all_flags(command, A::TABLES, &A::takes);
    flags(A::augment_args(command).mut_subcommands(|below| below.defer(flags)))
}

/// Adds the flags of these tables and of the program.
fn with_all_flags(
    command: Command,
    tables: &[&Table],
    takes: &dyn Fn(&str, &Field) -> bool,
) -> Command {
    let tables = tables.iter().copied().chain([&COMMON]);
    tables.fold(command, |command, table| with_flags(command, table, takes))
}

/// Adds the flags of a table that the command takes. The help groups them later: a run without help does not pay for
/// that.
pub fn with_flags(
    command: Command,
    table: &Table,
    takes: &dyn Fn(&str, &Field) -> bool,
) -> Command {
    let name = command.get_name().to_owned();
    let fields = table.settings.iter().copied().filter(|field| {
        !field.flag.is_empty()
            && (field.command.is_empty() || field.command == name)
            && takes(&name, field)
    });
    command.args(fields.map(Field::arg))
}
