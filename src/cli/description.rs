//! The description of the command line for clap, and what only its help needs: the order of the commands and the
//! groups of the options.

use std::ffi::OsString;
use std::path::Path;

use super::NAME;
use crate::command;
use crate::consumer;
use crate::error::Exit;
use crate::settings::schema::{AUDIENCE, COMMON};
use crate::settings::{Field, Group, NamedCommand, Table, with_flags};

const ABOUT: &str =
    "Get ID tokens of Yandex Cloud service accounts for kubectl, AWS, Vault and Google Cloud";

const EXAMPLES: &str = "Examples:
  yc-id-token setup kubectl
  yc-id-token token --key-file key.json --audience https://k8s.example --decode";

const NOTES: &str = "Every common option has a variable of its name, such as YC_ID_TOKEN_KEY_FILE, and most have a key in the \
configuration file. The order of precedence is: option, variable, profile, `[defaults]`. If no identity is set, the \
first of these is used: YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE, a job of GitHub Actions, the current profile of `yc`, the service account of \
this machine.";

/// The commands in the order of use. Others follow.
const ORDER: [&str; 20] = [
    "setup",
    "doctor",
    "status",
    "token",
    "kubectl",
    "aws",
    "vault",
    "gcp",
    "exec",
    "agent",
    "profiles",
    "config",
    "key",
    "service-accounts",
    "cache",
    "explain",
    "demo",
    "emulator",
    "completions",
    "man",
];

/// The description of the whole command line, with all that the help needs.
pub fn program() -> clap::Command {
    let mut in_order: Vec<_> = commands().collect();
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    in_order.sort_by_key(|command| place(command.name).unwrap_or(ORDER.len()));
    let mut program = whole(in_order.into_iter());
    program.build();
    grouped(program.after_help(format!("{EXAMPLES}\n\n{NOTES}\n\n{}", exit_statuses())), "")
}

/// The description of the command line, as far as a run by these words needs it: of their command, with the flags that
/// are among them. The whole description takes longer than a cache hit. Words that ask for help are errors.
pub(super) fn described_for(words: &[OsString]) -> clap::Command {
    match named(words) {
        Some(command) => {
            let bare = bare().disable_help_flag(true).disable_version_flag(true);
            bare.subcommand(command.for_words(&words[1..]))
        }
        None => described(words),
    }
}

/// The description of the command line, as far as errors about these words and their help need it: if the first is a
/// command, only that one is described.
pub(super) fn described(words: &[OsString]) -> clap::Command {
    match named(words) {
        Some(command) => bare().subcommand(command.deferred()),
        None => whole(commands()),
    }
}

/// The command that the first of these words names.
fn named(words: &[OsString]) -> Option<&'static NamedCommand> {
    let first = words.first()?;
    commands().find(|command| first == command.name)
}

fn bare() -> clap::Command {
    clap::Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .max_term_width(100)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
}

fn whole(commands: impl Iterator<Item = &'static NamedCommand>) -> clap::Command {
    with_flags(bare().subcommands(commands.map(NamedCommand::deferred)), &COMMON, &|_, _| true)
}

/// Groups the options of a command and of those below it under headings. `-h` lists the essential options and shows
/// the first examples; `--help` has everything. `owner` is the first word that names the command.
fn grouped(command: clap::Command, owner: &str) -> clap::Command {
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples = notes.split("\n\n").find(|paragraph| paragraph.starts_with("Example"));
    let mut short_notes = examples.unwrap_or_default().to_owned();
    // A command that only has others below it lists these, and names the common options.
    let takes_all = command.get_arguments().any(|it| it.get_id() == AUDIENCE.flag);
    let is_brief = takes_all && command.is_subcommand_required_set();
    if is_brief {
        short_notes = format!("{}\n\n{short_notes}", essential_options());
    }
    let command = command.after_help(short_notes).after_long_help(notes);
    let command = command.mut_args(|argument| {
        let argument = match argument.get_id().as_str() {
            "help" => argument
                .help("Print help; `--help` lists all options")
                .long_help("Print help; `-h` lists the essential options"),
            "version" => argument.hide_short_help(true),
            id => match row(id) {
                Some((table, field)) => {
                    let heading = match field.group {
                        Group::OfTable if field.command.is_empty() => table.heading,
                        group => group.heading(),
                    };
                    let is_listed = match table.name {
                        "" => !is_brief || field.group == Group::OfTable,
                        name => name == owner,
                    };
                    argument
                        .help_heading((!heading.is_empty()).then_some(heading))
                        .hide_short_help(!(is_listed && field.is_essential))
                }
                None => argument,
            },
        };
        // Manual pages have no other text of an option that `-h` leaves out.
        match argument.get_long_help().or_else(|| argument.get_help()).cloned() {
            Some(text) => argument.long_help(text),
            None => argument,
        }
    });
    command.mut_subcommands(|below| {
        let owner = if owner.is_empty() { below.get_name().to_owned() } else { owner.to_owned() };
        grouped(below, &owner)
    })
}

/// The row of a setting with its table, by the ID of its argument.
fn row(id: &str) -> Option<(&'static Table, &'static Field)> {
    let tables = [&COMMON].into_iter().chain(consumer::TABLES.iter().copied());
    let mut rows = tables.flat_map(|table| table.settings.iter().map(move |field| (table, *field)));
    rows.find(|(_, field)| !field.flag.is_empty() && field.flag == id)
}

/// The essential common options in their groups, a line for each group.
fn essential_options() -> String {
    let flags = |group: Group| {
        let fields = COMMON.settings.iter().filter(|it| it.group == group && it.is_essential);
        fields.map(|field| field.flag).collect::<Vec<_>>().join(", ")
    };
    let lines = Group::ALL.map(|group| format!("\n  {:<16}{}", group.heading(), flags(group)));
    format!("Common options (`--help` lists all):{}", lines.concat())
}

fn exit_statuses() -> String {
    let lines = Exit::ALL.iter().map(|(exit, meaning)| format!("\n  {:<5}{meaning}", *exit as u8));
    let failures = lines.collect::<String>();
    format!("Exit status, which for `exec` is that of the command:\n  0    Success{failures}")
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
        for command in commands() {
            described_for(&[command.name.into()]).debug_assert();
        }
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
        let commands = consumer::COMMANDS.iter().map(|command| command.name);
        for name in commands.chain(["setup", "doctor", "status", "agent"]) {
            for field in COMMON.settings {
                let command = program.find_subcommand(name).unwrap();
                assert!(has(command, field.flag), "{name}: {field:?}");
            }
        }
    }

    #[test]
    fn a_command_takes_no_common_option_that_does_nothing() {
        let program = program();
        for (words, taken) in [
            (&["completions"][..], &["--verbose"][..]),
            (&["man"], &["--verbose"]),
            (&["config"], &["--profile", "--config", "--verbose"]),
            (&["config", "path"], &["--config", "--verbose"]),
            (&["config", "set"], &["--profile", "--config", "--verbose"]),
            (&["profiles"], &["--profile", "--config", "--verbose"]),
            (&["cache", "path"], &["--verbose"]),
            (&["key", "import"], &["--profile", "--config", "--timeout", "--verbose"]),
        ] {
            let command = words.iter().fold(&program, |it, name| it.find_subcommand(name).unwrap());
            for field in COMMON
                .settings
                .iter()
                .filter(|field| field.group != Group::Diagnostics || field.is_essential)
            {
                let has = command.get_arguments().any(|it| it.get_id() == field.flag);
                assert_eq!(has, taken.contains(&field.flag), "{words:?}: {}", field.flag);
            }
        }
    }

    #[test]
    fn the_short_help_fits_a_screen_and_the_long_help_has_every_group() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let mut wide = command.clone().term_width(100);
            let short = wide.render_help().to_string();
            assert!(short.lines().count() <= 40, "{path}: {}\n{short}", short.lines().count());
            let long = wide.render_long_help().to_string();
            for line in short.lines().chain(long.lines()) {
                assert!(line.chars().count() <= 100, "{path}: {line}");
            }
            let takes_all = command.get_arguments().any(|it| it.get_id() == AUDIENCE.flag);
            let takes = |group: &Group| takes_all || *group == Group::Diagnostics;
            for group in Group::ALL.iter().filter(|group| takes(group)).map(|it| it.heading()) {
                let section = format!("\n{group}:\n");
                let line = format!("\n  {group} ");
                assert!(long.contains(&section), "{path}: {group}\n{long}");
                assert!(short.contains(&section) || short.contains(&line), "{path}: {group}");
            }
            for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
                look(command, &path);
            }
        }
        look(&program(), "");
    }

    #[test]
    fn every_command_has_a_place_in_the_list() {
        for command in program().get_subcommands() {
            assert!(ORDER.contains(&command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn the_texts_of_the_help_are_phrases() {
        fn look(command: &clap::Command) {
            let options = command.get_arguments().filter_map(clap::Arg::get_help);
            for text in options.chain(command.get_about()).map(ToString::to_string) {
                assert!(!text.ends_with('.') && !text.starts_with(char::is_lowercase), "{text}");
            }
            command.get_subcommands().for_each(look);
        }
        look(&program());
    }
}
