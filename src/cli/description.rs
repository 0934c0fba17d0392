//! The description of the command line for clap: the program's own help and the list of its commands.

use std::ffi::OsString;
use std::path::Path;

use super::NAME;
use crate::command;
use crate::consumer;
use crate::settings::schema::COMMON;
use crate::settings::{NamedCommand, with_flags};

const ABOUT: &str = "Credential helper: OIDC ID tokens of Yandex Cloud service accounts, for kubectl, AWS, Vault and whatever else trusts OIDC";

const NOTES: &str = "Examples:
  yc-id-token setup kubectl
  yc-id-token token --key-file key.json --audience https://k8s.example --decode

Every option can be set by a variable of its name, such as YC_ID_TOKEN_KEY_FILE, or in a profile of the \
configuration file. Yandex's own YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE and YC_METADATA_ADDR are read if no other \
identity is set.

Exit status: 0 ok, 1 internal or output, 2 usage, 3 configuration, 4 refused by Yandex Cloud, 5 refused by the consumer's server, 6 temporary, 7 a cache that was asked for by name; \
`exec` ends as its command does.";

/// The description of the whole command line.
pub fn program() -> clap::Command {
    let mut program = described(&[]);
    program.build();
    program
}

/// The description of the command line, as far as these words need it. If the first word is a command, only that one is
/// described, because describing all others takes longer than a cache hit.
pub(super) fn described(words: &[OsString]) -> clap::Command {
    let program = clap::Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(NOTES)
        .max_term_width(100)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true);
    if let [first, rest @ ..] = words
        && let Some(named) = commands().find(|command| first == command.name)
    {
        return program.subcommand(named.followed_by(rest));
    }
    let program = program.subcommands(commands().map(NamedCommand::deferred));
    let mut program = with_flags(program, &COMMON);
    // The program's own help has a line for each command.
    let may_ask_for_help = |word: &OsString| {
        let word = word.as_encoded_bytes();
        word.starts_with(b"-") && word.contains(&b'h')
    };
    if words.iter().any(may_ask_for_help) {
        program.build();
    }
    program
}

pub(super) fn commands() -> impl Iterator<Item = &'static NamedCommand> {
    consumer::COMMANDS.iter().chain(command::COMMANDS)
}

pub(super) fn named_command(program: &OsString) -> Option<String> {
    let name = Path::new(program).file_stem()?.to_str()?;
    let command = name.strip_prefix(NAME)?.strip_prefix('-')?;
    commands().any(|known| known.name == command).then(|| command.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        described(&[]).debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{path}");
            // Hidden commands are run by the program itself.
            for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
                look(command, &path);
            }
        }
        look(&program(), "");
    }

    #[test]
    fn every_flag_is_in_the_help_of_a_command() {
        fn has(command: &clap::Command, flag: &str) -> bool {
            let long = flag.strip_prefix("--");
            command.get_arguments().any(|argument| argument.get_long() == long)
                || command.get_subcommands().any(|below| has(below, flag))
        }
        let program = program();
        for table in [&COMMON].into_iter().chain(consumer::TABLES.iter().copied()) {
            let command = program.find_subcommand(table.name).unwrap_or(&program);
            for field in table.settings.iter().filter(|field| !field.flag.is_empty()) {
                assert!(has(command, field.flag), "{}: {field:?}", table.name);
            }
        }
        for command in program.get_subcommands() {
            for field in COMMON.settings {
                assert!(has(command, field.flag), "{}: {field:?}", command.get_name());
            }
        }
    }
}
