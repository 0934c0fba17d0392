//! `completions`: prints the script that makes a shell complete our command lines, and answers that script.
//!
//! The script runs this program for each completion, so it knows the current profiles and stays valid when the
//! program is updated. In such a run `YC_ID_TOKEN_COMPLETE` is the index of the word to complete, and the words
//! of the line follow `--`. The answer has a line for each candidate: the word, and its help after a tab. If there
//! is none, the shell completes file names.

mod offers;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Arg, Command, ValueEnum};
use clap_complete::engine::{self, ArgValueCandidates, CompletionCandidate};

use self::offers::{Offer, offer};
use super::config;
use super::setup::kubeconfig_names;
use crate::consumer::TABLES;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::schema::CONFIG;
use crate::settings::{Flags, Locations, profile_names};
use crate::source::ImportedKeys;

const BASH: &str = r#"_yc_id_token() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <(YC_ID_TOKEN_COMPLETE=$COMP_CWORD yc-id-token -- "${COMP_WORDS[@]}" 2>/dev/null)
}
complete -o bashdefault -o default -F _yc_id_token yc-id-token
"#;

const ZSH: &str = r#"#compdef yc-id-token
_yc-id-token() {
    local -a found
    found=("${(@f)$(YC_ID_TOKEN_COMPLETE=$((CURRENT - 1)) yc-id-token -- "${words[@]}" 2>/dev/null)}")
    if [[ -z "${found[*]}" ]]; then
        _files
        return
    fi
    found=("${(@)found//:/\\:}")
    found=("${(@)found/$'\t'/:}")
    _describe 'yc-id-token' found
}
if [[ "${funcstack[1]}" == _yc-id-token ]]; then
    _yc-id-token "$@"
else
    compdef _yc-id-token yc-id-token
fi
"#;

const FISH: &str = r#"function __yc_id_token_complete
    set -l current (commandline --current-token --cut-at-cursor)
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l found (YC_ID_TOKEN_COMPLETE=(count $words) yc-id-token -- $words "$current" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete --command yc-id-token --no-files --keep-order --arguments '(__yc_id_token_complete)'
"#;

const POWERSHELL: &str = r#"Register-ArgumentCompleter -Native -CommandName yc-id-token -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { $_.Extent.Text })
    $index = if ($wordToComplete -eq '') { $words.Count } else { $words.Count - 1 }
    $before = $env:YC_ID_TOKEN_COMPLETE
    $env:YC_ID_TOKEN_COMPLETE = $index
    try { $found = @(& yc-id-token '--' $words 2>$null) } finally { $env:YC_ID_TOKEN_COMPLETE = $before }
    $found | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
"#;

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

impl Args {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        let script = match self.shell {
            Shell::Bash => BASH,
            Shell::Zsh => ZSH,
            Shell::Fish => FISH,
            Shell::Powershell => POWERSHELL,
        };
        output.document(script.as_bytes())
    }
}

/// Answers a shell that asks how one of the words of a line goes on.
pub fn complete(
    program: Command,
    words: &[OsString],
    env: &Env,
    output: &mut Output<'_>,
) -> Result<()> {
    let index = env.get(env::COMPLETE).and_then(|index| index.parse::<usize>().ok());
    let Some(index) = index.filter(|index| *index > 0) else {
        return Err(Error::Usage {
            problem: "a command is missing".into(),
            hint: "see `yc-id-token --help`".into(),
        });
    };
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into()).collect();
    let (words, current) = taken_together(&program, &words, index);
    let line = words.iter().chain([&current]).map(OsString::from).collect();
    let index = words.len();
    let mut program = with_offers(program, &Arc::new(Around { words, env: env.clone() }));
    let mut found = engine::complete(&mut program, line, index, None).unwrap_or_default();
    let is_option =
        |found: &CompletionCandidate| found.get_value().as_encoded_bytes().starts_with(b"-");
    // Where there is something else, options are offered only after a dash.
    if current.is_empty() && !found.iter().all(is_option) {
        found.retain(|found| !is_option(found));
    }
    let mut answer = String::new();
    for found in found.iter().filter(|found| !found.is_hide_set()) {
        let help = found.get_help().map(|help| format!("\t{}", first_line(&help.to_string())));
        let word = found.get_value().to_string_lossy().into_owned();
        answer.extend([word, help.unwrap_or_default(), "\n".to_owned()]);
    }
    output.document(answer.as_bytes())
}

/// The words before the one that is to be completed, and that one. bash takes `--profile=prod` for three
/// words, and wants the third completed; without the second they mean the same. The engine takes the value in
/// `--profile kubectl` for a command, unless it is one word with its option.
fn taken_together(program: &Command, words: &[String], index: usize) -> (Vec<String>, String) {
    let before = &words[..index.min(words.len())];
    let mut current = words.get(index).cloned().unwrap_or_default();
    let is_option = |word: Option<&String>| word.is_some_and(|word| word.starts_with("--"));
    let is_sign = |at: usize| before[at] == "=" && at > 0 && is_option(before.get(at - 1));
    if current == "=" && is_option(before.last()) {
        current.clear();
    }
    let needs_value = |word: &str| {
        let mut options =
            program.get_arguments().filter(|option| option.get_action().takes_values());
        options.any(|option| {
            option.get_long().is_some() && option.get_long() == word.strip_prefix("--")
        })
    };
    let mut kept: Vec<String> = Vec::new();
    for at in (0..before.len()).filter(|at| !is_sign(*at)) {
        match kept.last_mut() {
            Some(option) if needs_value(option) => *option = format!("{option}={}", before[at]),
            Some(_) | None => kept.push(before[at].clone()),
        }
    }
    (kept, current)
}

/// The command with what can be offered for the values of its options and arguments, and of those below it.
/// Where that is nothing, the shell completes files, which the engine would do otherwise.
fn with_offers(command: Command, around: &Arc<Around>) -> Command {
    let name = command.get_name().to_owned();
    let with_offer = |argument: Arg| match offer(&name, argument.get_id().as_str()) {
        Some(offer) if argument.get_possible_values().is_empty() => {
            let around = Arc::clone(around);
            argument.add(ArgValueCandidates::new(move || around.candidates(offer)))
        }
        Some(_) | None => argument,
    };
    command.mut_args(with_offer).mut_subcommands(|command| with_offers(command, around))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What the names in the files around a line are looked for by.
struct Around {
    words: Vec<String>,
    env: Env,
}

impl Around {
    fn candidates(&self, offer: Offer) -> Vec<CompletionCandidate> {
        let words: Vec<String> = match offer {
            Offer::Profile => self.profiles(),
            Offer::ProfileOrConsumer => {
                let consumers = TABLES.iter().map(|table| table.name.to_owned());
                let mut names: Vec<String> = consumers.chain(self.profiles()).collect();
                names.sort();
                names.dedup();
                names
            }
            Offer::Kubeconfig(list) => self.kubeconfig_names(list),
            Offer::Key => keys(),
            Offer::ConfigKey => config::keys(&self.profiles()),
            Offer::Words(words) => words().into_iter().map(str::to_owned).collect(),
            Offer::Path | Offer::Text => Vec::new(),
        };
        words.into_iter().map(CompletionCandidate::new).collect()
    }

    /// The value of an option that is on the line already.
    fn given(&self, option: &str) -> Option<&str> {
        let after = self.words.iter().position(|word| word == option);
        let named = after.and_then(|at| self.words.get(at + 1)).map(String::as_str);
        let joined = |word: &'_ String| -> Option<usize> {
            word.strip_prefix(option)?.starts_with('=').then_some(option.len() + 1)
        };
        named.or_else(|| self.words.iter().find_map(|word| joined(word).map(|at| &word[at..])))
    }

    /// The profiles of the configuration that the line names, or else of the usual one.
    fn profiles(&self) -> Vec<String> {
        let flags = Flags::default();
        let flags = match self.given(CONFIG.flag) {
            Some(config) => flags.with(&CONFIG, config),
            None => flags,
        };
        flags.config_file(&self.env, &Locations::of_system()).map(profile_names).unwrap_or_default()
    }

    /// The names in a list of the kubeconfig that the line names, or else of all of KUBECONFIG's files.
    fn kubeconfig_names(&self, list: &str) -> Vec<String> {
        let given = self.given("--kubeconfig").map(PathBuf::from);
        kubeconfig_names(given.as_deref(), &self.env, list).unwrap_or_default()
    }
}

/// The names of the keys in the keyring.
fn keys() -> Vec<String> {
    let keys = ImportedKeys::of(Locations::of_system().data_folder);
    let keys = keys.and_then(|keys| keys.all()).unwrap_or_default();
    keys.into_iter().map(|key| key.name).collect()
}
