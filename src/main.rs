//! The entry point: hardens the process, parses the command line, runs the command, and prints the error. The
//! map of the modules is in the library.

use std::io::{stderr, stdout};
use std::process::ExitCode;

use yc_id_token::cli::{self, Cli, Invocation};
use yc_id_token::colour::Colours;
use yc_id_token::env::Env;
use yc_id_token::error::{Error, Report};
use yc_id_token::harden;
use yc_id_token::output::Output;

/// musl's own allocator maps and unmaps memory for every larger block, which is half of the system calls of a cache
/// hit.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    harden::process();
    harden::report_file_size_limit();
    let env = Env::Real;
    let arguments: Vec<_> = std::env::args_os().collect();
    let error_format = cli::error_format(&arguments, &env);
    std::panic::set_hook(Box::new(move |panic| {
        let error = Error::of_panic(panic);
        Report::of(&error).print(error_format, Colours::NONE, &mut stderr());
        std::process::exit(error.exit_status().into());
    }));
    let result = match cli::parse(arguments) {
        Ok(Invocation::Run(cli)) => cli.run(&env, &mut Output::new(stdout())),
        Ok(Invocation::Refresh(cli)) => cli.refresh(&env),
        Ok(Invocation::Complete(words)) => Cli::complete(&words, &env, &mut Output::new(stdout())),
        Ok(Invocation::Print(text)) => {
            Output::new(stdout()).document(text.as_bytes()).map(|()| ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        let report = cli::report(&error, std::env::args_os());
        report.print(error_format, Colours::of_stderr(&env), &mut stderr());
        ExitCode::from(error.exit_status())
    })
}
