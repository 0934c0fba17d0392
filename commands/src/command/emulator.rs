//! `emulator`: runs the crate `yc-id-token-emulator` with the output and error format of this program.

use yc_id_token_emulator::StartError;
use yc_id_token_emulator::program::{self, Running};

use crate::error::{Cause, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;

#[derive(clap::Args, Debug)]
#[command(after_help = "Example: with the same address and files at each start,
  yc-id-token emulator --listen 127.0.0.1:8080 --directory ~/emulated-cloud")]
pub struct Args {
    #[command(flatten)]
    program: program::Args,
}

impl Args {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        let running = self.program.start().map_err(failed)?;
        output.say(&instructions(&running))?;
        running.wait();
        Ok(())
    }
}

fn instructions(running: &Running) -> Message {
    let lines = running.instructions();
    let lines: Vec<Message> =
        lines.iter().map(|line| message!("{}", ForeignText::line(line))).collect();
    Message::join(&lines, "\n")
}

fn failed(error: program::Error) -> Error {
    match error {
        program::Error::Start(error) => not_started(&error),
        program::Error::Write { path, source } => Error::unwritten(path, source),
        program::Error::Wait(error) => {
            Error::Internal(Cause::from(error).context("cannot wait for Ctrl-C"))
        }
    }
}

pub(super) fn not_started(error: &StartError) -> Error {
    let error = ForeignText::new(&error.to_string());
    Error::Internal(message!("the emulator does not start: {error}", error).into())
}
