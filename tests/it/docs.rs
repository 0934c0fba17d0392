//! The reference pages of `docs` agree with the program: the parts between two marks are generated from the tables that
//! the program itself reads.
//!
//! `UPDATE_DOCS=1 tests/run docs::` writes these parts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{Arg, Command};
use yc_id_token::cli;
use yc_id_token::consumer::TABLES;
use yc_id_token::env;
use yc_id_token::error::Code;
use yc_id_token::settings::schema::COMMON;
use yc_id_token::settings::{
    ENDPOINT_KEYS, FILE_KEYS, Field, INSTALLATION_KEYS, IdentityKind, Kind, Table, with_flags,
};

/// A release has none of these: they are in the emulator's README.
const OF_DEVELOPERS: [&str; 2] = ["demo", "emulator"];

const WIDTH: usize = 120;

#[test]
fn the_page_of_errors_explains_every_code() {
    let codes: Vec<String> = Code::ALL.iter().map(|code| explained(*code)).collect();
    check("errors", &[("codes", codes.join("\n"))]);
}

#[test]
fn the_page_of_errors_lists_every_code_with_its_exit_status() {
    let page = read("errors");
    for code in Code::ALL {
        let status = (code.exit() as u8).to_string();
        let cell = format!("`{}`", code.name());
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&cell));
        let row = row.unwrap_or_else(|| panic!("{code} is not in the table"));
        let statuses: Vec<&str> =
            row.split('|').nth(1).unwrap().split(',').map(str::trim).collect();
        assert!(statuses.contains(&status.as_str()), "{code} exits with {status}: {row}");
    }
}

#[test]
fn the_page_of_the_command_line_describes_every_command() {
    let program = cli::program();
    let common = with_flags(Command::new(""), &COMMON);
    let mut commands = String::new();
    for command in visible(&program) {
        describe(command, command.get_name(), &common_flags(), &mut commands);
    }
    check("cli", &[("common options", options(&common, &BTreeSet::new())), ("commands", commands)]);
}

#[test]
fn the_page_of_the_configuration_lists_every_setting() {
    let of_consumers: Vec<String> = TABLES.iter().map(|table| of_consumer(table)).collect();
    check(
        "configuration",
        &[
            ("settings", settings(&COMMON)),
            ("settings of consumers", of_consumers.join("\n")),
            ("identities", identities()),
            ("files of the agent", agent_keys(FILE_KEYS)),
            ("endpoints of the agent", agent_keys(ENDPOINT_KEYS)),
            ("variables", variables()),
        ],
    );
}

#[test]
fn the_page_of_the_configuration_lists_every_key_of_an_installation() {
    let page = read("configuration");
    for key in INSTALLATION_KEYS {
        assert!(page.contains(&format!("\n| `{key}` | ")), "{key}");
    }
}

#[test]
fn the_page_of_authentication_lists_every_kind_of_identity() {
    let page = read("authentication");
    for kind in IdentityKind::ALL {
        let heading = page
            .lines()
            .find(|line| line.starts_with("### ") && line.contains(&format!("`{}", kind.name())));
        assert!(heading.is_some(), "{}", kind.name());
    }
}

fn explained(code: Code) -> String {
    let explanation = code.explanation();
    let name = code.name();
    let lines = [
        wrapped(explanation.meaning, ""),
        String::new(),
        wrapped(&format!("- Usual cause: {}", explanation.cause), "  "),
        wrapped(&format!("- Fix: {}", explanation.fix), "  "),
        format!("- Exit status: {}", code.exit() as u8),
    ];
    format!("### {name}\n\n{}\n", lines.join("\n"))
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.filter(|command| !OF_DEVELOPERS.contains(&command.get_name()))
}

fn common_flags() -> BTreeSet<String> {
    COMMON.settings.iter().map(|field| long_name(field.flag)).collect()
}

fn long_name(flag: &str) -> String {
    flag.trim_start_matches('-').to_owned()
}

/// Describes a command and those below it. Options that are described above are left out.
fn describe(command: &Command, path: &str, above: &BTreeSet<String>, page: &mut String) {
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
fn options(command: &Command, above: &BTreeSet<String>) -> String {
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
    TABLES.iter().find(|table| table.settings.iter().any(is_it)).map(|table| table.name)
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

fn meaning(argument: &Arg) -> String {
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

/// The table of settings.
fn settings(table_of: &Table) -> String {
    let rows: Vec<Vec<String>> = table_of.settings.iter().map(setting).collect();
    table(&["key", "option", "variable", "type", "default", "meaning"], &rows)
}

fn setting(field: &Field) -> Vec<String> {
    let (meaning, default) = match field.help.split_once(" [default: ") {
        Some((meaning, default)) => (meaning, default.trim_end_matches(']')),
        None => (field.help, field.built_in.unwrap_or_default()),
    };
    let shared = field.shared.map(|var| format!(", `{}`", var.name)).unwrap_or_default();
    vec![
        if field.is_in_file { code(field.key) } else { String::new() },
        code(field.flag),
        format!("{}{shared}", code(field.variable)),
        kind(field.kind).to_owned(),
        if default.is_empty() && matches!(field.kind, Kind::Bool | Kind::Switch) {
            "false".to_owned()
        } else {
            default.to_owned()
        },
        meaning.to_owned(),
    ]
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Path | Kind::File | Kind::Key => "path",
        Kind::Proxy => "URL",
        Kind::Time => "time",
        Kind::Bool | Kind::Switch => "true, false",
        Kind::Words => "list of texts",
        Kind::Count => "number",
    }
}

fn of_consumer(table: &Table) -> String {
    format!("### `{}`\n\n{}", table.name, settings(table))
}

fn identities() -> String {
    let row = |kind: &IdentityKind| {
        let name = kind.name();
        let in_word = match (kind.takes_argument(), kind.requires_argument()) {
            (false, true) => String::new(),
            (false, false) => code(name),
            // The file of a key can be given by `key_file`.
            (true, true) if *kind != IdentityKind::AuthorizedKey => code(&format!("{name}:…")),
            (true, _) => code(&format!("{name}[:…]")),
        };
        let keys: Vec<String> =
            kind.keys().into_iter().filter(|key| *key != "type").map(code).collect();
        vec![code(name), in_word, keys.join(", "), kind.meaning().trim().to_owned()]
    };
    let rows: Vec<Vec<String>> = IdentityKind::ALL.iter().map(row).collect();
    table(&["`type`", "in a word (`identity = \"…\"`)", "keys of its table", "meaning"], &rows)
}

/// A table of the agent. Its keys are options of the command too, except two.
fn agent_keys(keys: &[&str]) -> String {
    let program = cli::program();
    let agent = program.find_subcommand("agent").unwrap();
    let row = |key: &&str| {
        let name = match *key {
            "path" => "file".to_owned(),
            "type" => "serve".to_owned(),
            other => other.replace('_', "-"),
        };
        let option = agent.get_arguments().find(|option| option.get_long() == Some(&name));
        let of_file_alone = match *key {
            "path" => "Path of the file; a relative one starts in the folder of the configuration",
            "audiences" => {
                "List of the audiences that tokens are issued for [default: that of the profile]"
            }
            "credential_file" => {
                "For `gcp-url`, instead of `secret_file`: Google's credential configuration that gets the secret"
            }
            _ => "",
        };
        let meaning = match (of_file_alone, option) {
            ("", Some(option)) => meaning(option),
            (text, _) => text.to_owned(),
        };
        assert!(!meaning.is_empty(), "{key} has no meaning");
        vec![code(key), option.map(|_| code(&format!("--{name}"))).unwrap_or_default(), meaning]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    table(&["key", "option of `agent`", "meaning"], &rows)
}

fn variables() -> String {
    let row = |var: &env::Var| vec![code(var.name), var.doc.trim().to_owned()];
    table(&["variable", "meaning"], &env::ALL.iter().map(row).collect::<Vec<_>>())
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |");
    let escaped = |cell: &String| cell.replace('|', "\\|");
    let mut text = line(heads.iter().map(ToString::to_string).collect());
    text.push_str(&line(heads.iter().map(|_| "---".to_owned()).collect()));
    text.extend(rows.iter().map(|row| line(row.iter().map(escaped).collect())));
    text
}

/// A text in lines that are not too long; those after the first are indented.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{word}"));
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.md"))
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Compares the generated parts of a page with what they should be, or writes them.
fn check(name: &str, parts: &[(&str, String)]) {
    let page = read(name);
    let mut expected = page.clone();
    for (part, text) in parts {
        let (begin, end) = (format!("<!-- generated: {part} -->\n"), "<!-- end of generated -->");
        let (before, rest) =
            expected.split_once(&begin).unwrap_or_else(|| panic!("{name}: no `{part}`"));
        let (_, after) = rest.split_once(end).unwrap();
        expected = format!("{before}{begin}\n{}\n\n{end}{after}", text.trim_end());
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // Another test may read the page meanwhile.
        let unfinished = path(&format!("{name}.new"));
        fs::write(&unfinished, expected).unwrap();
        fs::rename(unfinished, path(name)).unwrap();
    } else {
        let differs = page.lines().zip(expected.lines()).find(|(is, should)| is != should);
        assert!(page == expected, "docs/{name}.md: UPDATE_DOCS=1 writes it; {differs:?}");
    }
}
