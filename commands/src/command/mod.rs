//! The commands besides the consumers: they set up, inspect and remove what the consumers use. One module per command;
//! `table`, `terminal`, `signals`, `query` and `own_check` are shared.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Subcommand;

use crate::agent;
use crate::child as on_path;
use crate::error::Result;
use crate::foreign_text::Message;
use crate::log::LogFormat;
use crate::output::Output;
use crate::run::Context;
use crate::settings::{Arguments, Field, NamedCommand, Table};

mod cache;
mod completions;
mod config;
#[cfg(feature = "emulator")]
mod demo;
mod doctor;
#[cfg(feature = "emulator")]
mod emulator;
mod explain;
mod key;
mod man;
mod options;
mod own_check;
mod profiles;
mod query;
mod service_accounts;
mod setup;
mod signals;
mod status;
mod table;
mod terminal;

pub use completions::complete;
#[cfg(feature = "fuzzing")]
pub(crate) use doctor::fuzz_kubeconfig;

/// Adds the options of this command line, and these arguments, to the commands in a hint.
pub type Complete<'a> = &'a dyn Fn(&Message, &[OsString]) -> Message;

macro_rules! housekeeping {
    ($($(#[$attribute:meta])* $name:literal => $variant:ident($arguments:ty) $(with $tables:path)? $(, taking $takes:path)?;)+) => {
        /// A housekeeping command.
        #[derive(Debug, Subcommand)]
        pub enum Housekeeping {
            $($(#[$attribute])* #[command(name = $name)] $variant($arguments),)+
        }

        $(
            $(#[$attribute])*
            impl Arguments for $arguments {
                $(const TABLES: &'static [&'static Table] = $tables;)?

                $(fn takes(command: &str, field: &Field) -> bool {
                    $takes(command, field)
                })?
            }
        )+

        /// The names of the commands, and their descriptions.
        pub const COMMANDS: &[NamedCommand] =
            &[$($(#[$attribute])* NamedCommand::new::<$arguments>($name)),+];
    };
}

housekeeping! {
    "agent" => Agent(Box<agent::Args>) with agent::TABLES;
    "cache" => Cache(cache::Args), taking options::of_cache;
    "setup" => Setup(Box<setup::Args>);
    "completions" => Completions(completions::Args), taking options::for_diagnostics;
    "config" => Config(config::Args), taking options::of_file;
    "man" => Man(man::Args), taking options::for_diagnostics;
    #[cfg(feature = "emulator")]
    "demo" => Demo(demo::Args), taking options::for_diagnostics;
    "doctor" => Doctor(doctor::Args);
    #[cfg(feature = "emulator")]
    "emulator" => Emulator(emulator::Args), taking options::for_diagnostics;
    "explain" => Explain(explain::Args), taking options::for_diagnostics;
    "key" => Key(key::Args), taking options::of_key;
    "profiles" => Profiles(profiles::Args), taking options::of_file;
    "service-accounts" => ServiceAccounts(service_accounts::Args), taking options::of_folder;
    "status" => Status(status::Args);
}

impl Housekeeping {
    /// The log format of a command that keeps running, which logs without `-v` too.
    pub fn service_log(&self) -> Option<LogFormat> {
        if let Self::Agent(arguments) = self { arguments.service_log() } else { None }
    }

    /// Runs the command and returns the exit status of a successful run. `program` describes the whole command line,
    /// and `complete` adds its options to the commands in a hint.
    pub fn run(
        &self,
        context: Context<'_>,
        program: fn() -> clap::Command,
        complete: Complete<'_>,
        output: &mut Output<'_>,
    ) -> Result<ExitCode> {
        match self {
            Self::Agent(arguments) => arguments.run(context)?,
            Self::Cache(arguments) => arguments.run(context, output)?,
            Self::Setup(arguments) => arguments.run(context, output)?,
            Self::Completions(arguments) => arguments.run(output)?,
            Self::Config(arguments) => return arguments.run(context, output),
            Self::Man(arguments) => arguments.run(&program(), output)?,
            #[cfg(feature = "emulator")]
            Self::Demo(arguments) => arguments.run(output)?,
            Self::Doctor(arguments) => return arguments.run(context, program, complete, output),
            #[cfg(feature = "emulator")]
            Self::Emulator(arguments) => arguments.run(output)?,
            Self::Explain(arguments) => arguments.run(output)?,
            Self::Key(arguments) => arguments.run(context, output)?,
            Self::Profiles(arguments) => arguments.run(context, output)?,
            Self::ServiceAccounts(arguments) => arguments.run(context, output)?,
            Self::Status(arguments) => arguments.run(context, output)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
