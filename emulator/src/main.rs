//! `yc-id-token-emulator`: parses the command line, starts the emulator, prints the instructions, and waits for Ctrl-C.

use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::iter::successors;
use std::process::ExitCode;

use clap::Parser as _;
use yc_id_token_emulator::program::Args;

#[derive(clap::Parser)]
#[command(
    version,
    after_help = "Example: with the same address and files at each start,
  yc-id-token-emulator --listen 127.0.0.1:8080 --directory ~/emulated-cloud"
)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn main() -> ExitCode {
    match run(&Cli::parse().args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = successors(Some(&*error), |error| (**error).source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            // A closed stderr cannot be reported anywhere.
            let _ = writeln!(stderr(), "yc-id-token-emulator: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let running = args.start()?;
    writeln!(stdout(), "{}", running.instructions().join("\n"))?;
    running.wait();
    Ok(())
}
