//! The description of commands, as clap has it, in Markdown.

use std::collections::BTreeSet;

use clap::{Arg, Command};
use yc_id_token::consumer::TABLES;
use yc_id_token::settings::Field;
use yc_id_token::settings::schema::COMMON;

use super::{table, wrapped};

/// A release has none of these: they are in the emulator's README.
const OF_DEVELOPERS: [&str; 2] = ["demo", "emulator"];

pub(super) fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.filter(|command| !OF_DEVELOPERS.contains(&command.get_name()))
}

pub(super) fn common_flags() -> BTreeSet<String> {
    COMMON.settings.iter().map(|field| long_name(field.flag)).collect()
}

fn long_name(flag: &str) -> String {
    flag.trim_start_matches('-').to_owned()
}

/// Describes a command and those below it. Options that are described above are left out.
pub(super) fn describe(command: &Command, path: &str, above: &BTreeSet<String>, page: &mut String) {
    let level = if path.contains(' ') { "###" } else { "##" };
    page.extend([format!("{level} {path}\n\n")]);
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    for paragraph in about.unwrap_or_default().split("\n\n") {
        let end = if paragraph.ends_with(['.', ':']) { "" } else { "." };
        page.extend([format!("{}{end}\n\n", wrapped(paragraph, ""))]);
    }
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> = usage
        .trim_start_matches("Usage:")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    page.extend([format!("```text\n{}\n```\n\n", usage.join("\n"))]);
    let own = options(command, above);
    if !own.is_empty() {
        page.extend([format!("{own}\n")]);
    }
    let top = path.split(' ').next().unwrap();
    let others = others_options(command, top);
    if !others.is_empty() {
        page.extend([format!("It takes the options of {} too.\n\n", others.join(", "))]);
    }
    if let Some(notes) = command.get_after_help() {
        page.push_str(&marked_up(&notes.to_string()));
    }
    let mut known = above.clone();
    known.extend(
        command
            .get_opts()
            .chain(command.get_arguments())
            .filter_map(Arg::get_long)
            .map(str::to_owned),
    );
    for below in visible(command) {
        describe(below, &format!("{path} {}", below.get_name()), &known, page);
    }
}

/// The table of a command's arguments and options, besides those that are described above.
pub(super) fn options(command: &Command, above: &BTreeSet<String>) -> String {
    let is_own = |argument: &&Arg| {
        let name = argument.get_long();
        !argument.is_hide_set()
            && !matches!(name, Some("help" | "version"))
            && table_of(argument).is_none_or(|table| table == command.get_name())
            && name.is_none_or(|name| !above.contains(name))
    };
    let rows: Vec<Vec<String>> = command
        .get_arguments()
        .filter(is_own)
        .map(|argument| vec![form(argument), meaning(argument)])
        .collect();
    if rows.is_empty() { String::new() } else { table(&["option", "meaning"], &rows) }
}

/// The consumers whose settings a command has options for, with links.
fn others_options(command: &Command, top: &str) -> Vec<String> {
    let mut names: Vec<&str> = command.get_arguments().filter_map(table_of).collect();
    names.dedup();
    names.retain(|name| *name != top);
    names.into_iter().map(|name| format!("[{name}](#{name})")).collect()
}

/// The consumer whose setting an option is.
fn table_of(argument: &Arg) -> Option<&'static str> {
    // The ID of a setting's option is the option itself.
    let is_it = |field: &Field| !field.flag.is_empty() && argument.get_id() == field.flag;
    TABLES.iter().find(|table| table.settings.iter().copied().any(is_it)).map(|table| table.name)
}

/// The notes after the help of a command: what is indented is a block.
fn marked_up(notes: &str) -> String {
    let mut text = String::new();
    let mut is_block = false;
    for line in notes.trim_end().lines() {
        let (indented, is_blank) = (line.strip_prefix("  "), line.is_empty());
        match indented {
            Some(_) if !is_block => text.push_str("\n```text\n"),
            None if is_block && !is_blank => text.push_str("```\n\n"),
            _ => {}
        }
        is_block = indented.is_some() || (is_block && is_blank);
        let line = indented.map_or_else(|| wrapped(line, ""), str::to_owned);
        text.extend([format!("{line}\n")]);
    }
    let end = if is_block { "```\n" } else { "" };
    format!("{text}{end}\n").replace("\n\n```\n", "\n```\n")
}

/// How an argument is written.
fn form(argument: &Arg) -> String {
    let values: Vec<String> =
        argument.get_value_names().into_iter().flatten().map(ToString::to_string).collect();
    let values = values.join(" ");
    let Some(name) = argument.get_long() else { return format!("`{values}`") };
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    if !argument.get_action().takes_values() {
        return format!("{short}`--{name}`");
    }
    let is_optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    let value = if is_optional { format!("[={values}]") } else { format!(" {values}") };
    format!("{short}`--{name}{value}`")
}

pub(super) fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
    let mut text = vec![help.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")];
    if argument.get_action().takes_values() {
        let values = argument.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !values.is_empty() {
            text.push(format!("[values: {}]", values.join(", ")));
        }
        let defaults: Vec<String> = argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy().into())
            .collect();
        if !defaults.is_empty() && !argument.is_hide_default_value_set() {
            text.push(format!("[default: {}]", defaults.join(" ")));
        }
    }
    text.join(" ")
}
