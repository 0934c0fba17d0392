//! `completions`: prints the script by which a shell completes command lines of this program, and prints the
//! completions for that script.
//!
//! The script runs this program for each completion, so it knows the current profiles and stays valid when the
//! program is updated. In such a run `YC_ID_TOKEN_COMPLETE` is the index of the word to complete, and the words
//! of the line follow `--`. The answer has a line for each candidate: the word, and its help after a tab. If there
//! is none, the shell completes file names.

mod offers;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command, ValueEnum};

use self::offers::{Offer, offer};
use super::config;
use super::setup::kubeconfig_names;
use crate::consumer::TABLES;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::schema::{CONFIG, PROFILE};
use crate::settings::{Flags, Locations, names_in_file};
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

/// Generate a shell completion script
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples: in the startup file of the shell,
  bash        source <(yc-id-token completions bash)
  zsh         source <(yc-id-token completions zsh)
  fish        yc-id-token completions fish | source
  PowerShell  yc-id-token completions powershell | Out-String | Invoke-Expression")]
pub struct Args {
    /// Shell to generate the script for
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

/// Prints the completions of one word of a line.
pub fn complete(
    program: &Command,
    words: &[OsString],
    env: &Env,
    locations: &Locations,
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
    let (words, current) = taken_together(&words, index);
    let around = Around { words: &words, env, locations };
    let mut answer = String::new();
    for (word, help) in Line::read(program, &words).completions(&current, &around) {
        let help = help.map(|help| format!("\t{help}")).unwrap_or_default();
        answer.extend([word, help, "\n".to_owned()]);
    }
    output.document(answer.as_bytes())
}

/// The words up to the one to complete. bash splits `--profile=prod` into three words and completes the third; this
/// joins them.
fn taken_together(words: &[String], index: usize) -> (Vec<String>, String) {
    let before = &words[..index.min(words.len())];
    let mut current = words.get(index).cloned().unwrap_or_default();
    let is_option = |word: Option<&String>| word.is_some_and(|word| word.starts_with("--"));
    let is_sign = |at: usize| before[at] == "=" && at > 0 && is_option(before.get(at - 1));
    if current == "=" && is_option(before.last()) {
        current.clear();
    }
    let kept = (0..before.len()).filter(|at| !is_sign(*at)).map(|at| before[at].clone());
    (kept.collect(), current)
}

/// The state of the line before the word to complete.
struct Line<'a> {
    command: &'a Command,
    /// Whether the line already has a command, including those that only the parser knows, such as `help`.
    has_command: bool,
    /// The number of arguments that the command already has.
    arguments: usize,
    /// The option whose value comes next.
    option: Option<&'a Arg>,
    /// Whether the rest of the line belongs to another program.
    is_over: bool,
}

type Completion = (String, Option<String>);

/// Commands that clap adds by itself, with their help. `help` is followed by a command.
const OF_PARSER: [(&str, &str); 2] =
    [("help", "Print the help of a command"), ("version", "Print the version")];

impl<'a> Line<'a> {
    fn read(program: &'a Command, words: &[String]) -> Self {
        let mut line = Self {
            command: program,
            has_command: false,
            arguments: 0,
            option: None,
            is_over: false,
        };
        for word in words.iter().skip(1) {
            if line.option.take().is_some() {
                continue;
            }
            match word.strip_prefix("--") {
                Some("") => line.is_over = true,
                Some(name) => line.option = line.option_of(name),
                None if word.starts_with('-') => {}
                None => {
                    line.has_command = true;
                    match line.command.find_subcommand(word) {
                        Some(command) => (line.command, line.arguments) = (command, 0),
                        None => line.arguments += 1,
                    }
                }
            }
        }
        line
    }

    /// The option with a name, if it takes a value that is not part of the same word.
    fn option_of(&self, name: &str) -> Option<&'a Arg> {
        let mut options = self.command.get_arguments();
        options.find(|option| option.get_long() == Some(name) && option.get_action().takes_values())
    }

    fn completions(&self, current: &str, around: &Around<'_>) -> Vec<Completion> {
        if self.is_over {
            return Vec::new();
        }
        let beginning = |(word, _): &Completion| word.starts_with(current);
        if let Some(option) = self.option {
            return values(self.command, option, around).into_iter().filter(beginning).collect();
        }
        if let Some((name, _)) = current.split_once('=') {
            let option = name.strip_prefix("--").and_then(|name| self.option_of(name));
            let values =
                option.map(|option| values(self.command, option, around)).unwrap_or_default();
            let whole = values.into_iter().map(|(value, help)| (format!("{name}={value}"), help));
            return whole.filter(beginning).collect();
        }
        let options = || self.options();
        let mut found = if current.starts_with('-') { options() } else { self.commands(around) };
        // Options are offered if nothing else can follow.
        if current.is_empty() && found.is_empty() {
            found = options();
        }
        found.into_iter().filter(beginning).collect()
    }

    fn options(&self) -> Vec<Completion> {
        let shown = self.command.get_arguments().filter(|option| !option.is_hide_set());
        let named = shown.filter_map(|option| {
            let help = option.get_help().map(|help| first_line(&help.to_string()));
            Some((format!("--{}", option.get_long()?), help))
        });
        named.collect()
    }

    /// The subcommands, and the values of the next argument.
    fn commands(&self, around: &Around<'_>) -> Vec<Completion> {
        let shown = self.command.get_subcommands().filter(|command| !command.is_hide_set());
        let commands = shown.map(|command| {
            let help = command.get_about().map(|about| first_line(&about.to_string()));
            (command.get_name().to_owned(), help)
        });
        let next = self.command.get_positionals().nth(self.arguments);
        let values = next.map(|argument| values(self.command, argument, around));
        let of_parser = OF_PARSER.iter().filter(|_| !self.has_command);
        let of_parser =
            of_parser.map(|(name, help)| ((*name).to_owned(), Some((*help).to_owned())));
        commands.chain(of_parser).chain(values.into_iter().flatten()).collect()
    }
}

fn values(command: &Command, argument: &Arg, around: &Around<'_>) -> Vec<Completion> {
    let known = argument.get_possible_values();
    if !known.is_empty() {
        let shown = known.iter().filter(|value| !value.is_hide_set());
        return shown
            .map(|value| (value.get_name().to_owned(), value.get_help().map(ToString::to_string)))
            .collect();
    }
    let offer = match offer(command.get_name(), argument.get_id().as_str()) {
        Some(Offer::ConfigValue) => around.config_value(),
        offer => offer,
    };
    let words: Vec<String> = match offer {
        Some(Offer::Named(words, table)) => {
            let words = words().into_iter().map(str::to_owned);
            words.chain(around.names(table)).collect()
        }
        Some(Offer::ProfileOrConsumer) => {
            let consumers = TABLES.iter().map(|table| table.name.to_owned());
            let mut names: Vec<String> = consumers.chain(around.profiles()).collect();
            names.sort_unstable();
            names.dedup();
            names
        }
        Some(Offer::Kubeconfig(list)) => around.kubeconfig_names(list),
        Some(Offer::Key) => keys(around.locations),
        Some(Offer::ConfigKey) => config::keys(&around.profiles()),
        Some(Offer::Path | Offer::Text | Offer::ConfigValue) | None => Vec::new(),
    };
    words.into_iter().map(|word| (word, None)).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Where profile names and other names of the user are read: the line, the environment and its files.
struct Around<'a> {
    words: &'a [String],
    env: &'a Env,
    locations: &'a Locations,
}

impl Around<'_> {
    /// The value of an option that is already on the line.
    fn given(&self, option: &str) -> Option<&str> {
        let after = self.words.iter().position(|word| word == option);
        let named = after.and_then(|at| self.words.get(at + 1)).map(String::as_str);
        let joined = |word: &'_ String| -> Option<usize> {
            word.strip_prefix(option)?.starts_with('=').then_some(option.len() + 1)
        };
        named.or_else(|| self.words.iter().find_map(|word| joined(word).map(|at| &word[at..])))
    }

    fn profiles(&self) -> Vec<String> {
        self.names("profiles")
    }

    /// The names in a table of the configuration file, which is the one on the line or the default one.
    fn names(&self, table: &str) -> Vec<String> {
        let flags = Flags::default();
        let flags = match self.given(CONFIG.flag) {
            Some(config) => flags.with(&CONFIG, config),
            None => flags,
        };
        let path = flags.config_file(self.env, self.locations);
        path.map(|path| names_in_file(path, table)).unwrap_or_default()
    }

    /// The possible values of the last key on the line.
    fn config_value(&self) -> Option<Offer> {
        let profile = self.given(PROFILE.flag);
        let mut words = self.words.iter().rev();
        words.find_map(|word| config::offer(word, profile)).map(Offer::from)
    }

    /// The names in a list of the kubeconfig on the line, or else of all files in KUBECONFIG.
    fn kubeconfig_names(&self, list: &str) -> Vec<String> {
        let given = self.given("--kubeconfig").map(PathBuf::from);
        kubeconfig_names(given.as_deref(), self.env, self.locations, list).unwrap_or_default()
    }
}

fn keys(locations: &Locations) -> Vec<String> {
    let keys = ImportedKeys::of(locations.data_folder.clone());
    let keys = keys.and_then(|keys| keys.all()).unwrap_or_default();
    keys.into_iter().map(|key| key.name).collect()
}
