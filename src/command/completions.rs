//! `completions`: what a shell needs to complete our command lines.
//!
//! The script asks this program for each completion, so that it knows the profiles there are, and needs not
//! be made anew when the program is updated. It does so by a run with `YC_ID_TOKEN_COMPLETE`, in which the
//! name of the shell is, and the words of the line behind `--`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap_complete::CompletionCandidate;
use clap_complete::engine::{self, ArgValueCandidates, ArgValueCompleter, PathCompleter};
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

use crate::env::{self, Env};
use crate::error::{Error, Result, plain};
use crate::output::Output;
use crate::settings::{Locations, profile_names};

const NAME: &str = "yc-id-token";

/// Print a script by which a shell completes commands, options and the names of profiles
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples: in the start-up file of the shell,
  bash        source <(yc-id-token completions bash)
  zsh         source <(yc-id-token completions zsh)
  fish        yc-id-token completions fish | source
  PowerShell  yc-id-token completions powershell | Out-String | Invoke-Expression")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(alias = "pwsh")]
    Powershell,
}

impl Shell {
    const fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
        }
    }
}

impl Args {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        let mut script = Vec::new();
        let written = self.shell.completer().write_registration(
            env::COMPLETE.name,
            NAME,
            NAME,
            NAME,
            &mut script,
        );
        written.map_err(|error| Error::Internal(plain(&error)))?;
        output.write(&script)
    }
}

/// Answers a shell that asks how the last of these words goes on: those behind `--`.
pub fn complete(
    program: clap::Command,
    words: Vec<OsString>,
    env: &Env,
    output: &mut Output<'_>,
) -> Result<()> {
    let shell = env.get(env::COMPLETE).and_then(|name| Shell::from_str(&name, true).ok());
    let (Some(shell), false) = (shell, words.is_empty()) else {
        return Err(Error::Usage {
            problem: "a command is missing".into(),
            hint: "see `yc-id-token --help`".into(),
        });
    };
    let names = profiles(&words, env);
    let candidates = move || names.iter().map(CompletionCandidate::new).collect::<Vec<_>>();
    let files = ["ca_file", "config", "key_file", "iam_token_file", "log_file"];
    let mut program =
        program.mut_arg("profile", |arg| arg.add(ArgValueCandidates::new(candidates.clone())));
    for file in files {
        program =
            program.mut_arg(file, |arg| arg.add(ArgValueCompleter::new(PathCompleter::file())));
    }
    // What is written to a profile may be one that is there.
    program = program.mut_subcommand("setup", |setup| {
        setup.mut_subcommands(|consumer| {
            consumer.mut_arg("name", |arg| arg.add(ArgValueCandidates::new(candidates.clone())))
        })
    });
    let mut completions = Vec::new();
    let folder = std::env::current_dir().ok();
    let written = match shell {
        Shell::Bash => {
            complete_in_bash(&mut program, words, folder.as_deref(), env, &mut completions)
        }
        _ => shell.completer().write_complete(
            &mut program,
            words,
            folder.as_deref(),
            &mut completions,
        ),
    };
    // There is nobody to tell what is wrong with a line that is not finished.
    if written.is_ok() { output.write(&completions) } else { Ok(()) }
}

/// bash takes `--profile=prod` for three words, and wants the third completed. To us it is the value of the
/// option just as well without the second.
fn complete_in_bash(
    program: &mut clap::Command,
    mut words: Vec<OsString>,
    folder: Option<&Path>,
    env: &Env,
    completions: &mut Vec<u8>,
) -> std::io::Result<()> {
    let index = env.get(env::COMPLETE_INDEX).and_then(|text| text.parse().ok());
    let mut index: usize = index.unwrap_or(0);
    for at in (1..index.min(words.len())).rev() {
        if words[at] == "=" && words[at - 1].to_string_lossy().starts_with("--") {
            words.remove(at);
            index -= 1;
        }
    }
    let found = engine::complete(program, words, index, folder)?;
    let found: Vec<_> = found.iter().map(|one| one.get_value().to_string_lossy()).collect();
    let separator = env.get(env::COMPLETE_SEPARATOR).unwrap_or_else(|| "\n".into());
    completions.extend(found.join(&separator).bytes());
    Ok(())
}

/// The profiles of the configuration that the line names, or else the usual one.
fn profiles(words: &[OsString], env: &Env) -> Vec<String> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let after = words.iter().position(|word| word == "--config");
    let named = after.and_then(|at| words.get(at + 1)).map(ToString::to_string);
    let joined = || words.iter().find_map(|word| word.strip_prefix("--config=").map(str::to_owned));
    let named = named.or_else(joined).map(PathBuf::from);
    let told = named.or_else(|| env.get_os(env::CONFIG).map(PathBuf::from));
    told.or_else(|| Locations::of_system().config_file).map(profile_names).unwrap_or_default()
}
