//! The housekeeping commands.

use clap::Subcommand;

use crate::error::Result;
use crate::output::Output;

mod demo;
mod emulator;

/// A housekeeping command.
#[derive(Debug, Subcommand)]
pub enum Housekeeping {
    #[allow(missing_docs, reason = "its module says what it is, and so does its help")]
    Demo(demo::Args),
    #[allow(missing_docs, reason = "its module says what it is, and so does its help")]
    Emulator(emulator::Args),
}

impl Housekeeping {
    /// Runs the command.
    pub fn run(&self, output: &mut Output<'_>) -> Result<()> {
        match self {
            Self::Demo(arguments) => arguments.run(output),
            Self::Emulator(arguments) => arguments.run(output),
        }
    }
}
