//! The housekeeping commands.

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Result;
use crate::output::Output;
use crate::session::Context;

mod cache;
#[cfg(feature = "emulator")]
mod demo;
mod doctor;
#[cfg(feature = "emulator")]
mod emulator;
mod key;
mod service_accounts;
mod status;

/// A housekeeping command.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "each module says what its command is, and so does its help")]
pub enum Housekeeping {
    Cache(cache::Args),
    #[cfg(feature = "emulator")]
    Demo(demo::Args),
    Doctor(doctor::Args),
    #[cfg(feature = "emulator")]
    Emulator(emulator::Args),
    Key(key::Args),
    ServiceAccounts(service_accounts::Args),
    Status(status::Args),
}

impl Housekeeping {
    /// Runs the command, and tells the exit status of a run that did not fail.
    pub fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        match self {
            Self::Cache(arguments) => arguments.run(output)?,
            #[cfg(feature = "emulator")]
            Self::Demo(arguments) => arguments.run(output)?,
            Self::Doctor(arguments) => return arguments.run(context, output),
            #[cfg(feature = "emulator")]
            Self::Emulator(arguments) => arguments.run(output)?,
            Self::Key(arguments) => arguments.run(output)?,
            Self::ServiceAccounts(arguments) => arguments.run(context, output)?,
            Self::Status(arguments) => arguments.run(context, output)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
