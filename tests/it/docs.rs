//! The reference pages of `docs` agree with the program: the parts between two marks are generated from the tables that
//! the program itself reads.
//!
//! `UPDATE_DOCS=1 tests/run docs::` writes these parts, and the version and repository in all pages.

mod command_line;
mod names;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use yc_id_token::cli;
use yc_id_token::consumer::TABLES;
use yc_id_token::env;
use yc_id_token::error::Code;
use yc_id_token::settings::schema::COMMON;
use yc_id_token::settings::{
    ENDPOINT_KEYS, FILE_KEYS, Field, INSTALLATION_KEYS, IdentityKind, Kind, Table, with_flags,
};

use command_line::{common_flags, describe, meaning, options, visible};

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
    let common = with_flags(Command::new(""), &COMMON, &|_, _| true);
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

#[test]
fn every_link_to_a_section_leads_to_a_heading() {
    let folder = path("README").parent().unwrap().to_owned();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for page in files.filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((file, section)) = link.split_once('#').filter(|_| !link.contains("://"))
            else {
                continue;
            };
            let mut target = page.parent().unwrap().join(file);
            if file.is_empty() {
                target.clone_from(&page);
            } else if target.is_dir() {
                target.push("README.md");
            }
            let target = fs::read_to_string(target).unwrap();
            let headings = target.lines().filter(|line| line.starts_with('#'));
            assert!(headings.map(anchor).any(|it| it == section), "{}: {link}", page.display());
        }
    }
}

/// The address of a heading, as GitHub has it.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || ['-', '_', ' '].contains(letter);
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading.chars().filter(kept).collect::<String>().replace(' ', "-")
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

/// The table of settings.
fn settings(table_of: &Table) -> String {
    let rows: Vec<Vec<String>> = table_of.settings.iter().copied().map(setting).collect();
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
    let row = |var: env::Var| vec![code(var.name), var.doc.trim().to_owned()];
    table(&["variable", "meaning"], &env::all().map(row).collect::<Vec<_>>())
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

fn path(name: &str) -> PathBuf {
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
    write(&path(name), &page, &expected);
}

/// Fails if a file differs from what it should be, or writes it.
fn write(path: &Path, text: &str, expected: &str) {
    if text == expected {
        return;
    }
    let differs = text.lines().zip(expected.lines()).find(|(is, should)| is != should);
    let updates = std::env::var_os("UPDATE_DOCS").is_some();
    assert!(updates, "{}: UPDATE_DOCS=1 writes it; {differs:?}", path.display());
    // Another test may read the file meanwhile.
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, expected).unwrap();
    fs::rename(unfinished, path).unwrap();
}
