//! Tests that every row has everything that a setting needs.

use std::collections::HashMap;

use super::*;
use crate::consumer::TABLES;
use crate::private_file;

/// All rows, each with the name of its table.
fn rows() -> impl Iterator<Item = (&'static str, &'static Field)> {
    let tables = [&COMMON].into_iter().chain(TABLES.iter().copied());
    tables.flat_map(|table| table.settings.iter().copied().map(|field| (table.name, field)))
}

/// A value that differs from the built-in one.
fn sample(field: &Field) -> String {
    let text = match (field.kind, field.offer) {
        (_, Offer::Words(words) | Offer::Named(words, "installations")) => {
            words().last().copied().unwrap_or_default()
        }
        (Kind::Bool | Kind::Switch, _) => "true",
        (Kind::Time, _) => "7s",
        (Kind::Proxy, _) => "proxy.example:3128",
        (Kind::Path | Kind::File | Kind::Key, _) => "/sample",
        (Kind::Count, _) => "1",
        (Kind::Text | Kind::Words, _) => "sample",
    };
    // The last kind of identity needs a table.
    if field.is(&schema::IDENTITY) { "metadata".into() } else { text.into() }
}

fn load(file: &str, variable: Option<&'static str>, value: &str, flags: &Flags) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    private_file::write(&path, file.as_bytes()).unwrap();
    let variables = variable.map(|variable| (variable, value.to_owned()));
    let env = Env::Fake(variables.into_iter().collect::<HashMap<_, _>>());
    let locations = Locations { config_file: Some(path), ..Locations::default() };
    Settings::load(flags, &env, &locations, TABLES, TABLES)
        .unwrap_or_else(|error| panic!("{file}, {variable:?}: {error}"))
}

/// The name of a setting in messages.
fn shown_as(table: &str, field: &Field) -> String {
    let says_identity = [schema::KEY_FILE, schema::IAM_TOKEN_FILE];
    if says_identity.iter().any(|other| other.is(field)) {
        return schema::IDENTITY.key.into();
    }
    if table.is_empty() { field.key.into() } else { format!("{table}.{}", field.key) }
}

fn origin(settings: &Settings, name: &str) -> Option<Origin> {
    let explained = settings.explained().into_iter().find(|it| it.name.as_str() == name);
    explained.map(|it| it.origin)
}

#[test]
fn the_names_of_a_setting_are_consistent() {
    for (table, field) in rows() {
        let name = field.key.replace('_', "-");
        assert!(field.flag.is_empty() || field.flag == format!("--{name}"), "{field:?}");
        let prefix = if table.is_empty() { String::new() } else { format!("{table}_") };
        let variable = format!("{}{prefix}{}", env::OWN, field.key).to_uppercase();
        assert!(field.variable.is_empty() || field.variable == variable, "{field:?}");
        assert!(!field.is_in_file || !field.variable.is_empty(), "{field:?}");
        assert_eq!(rows().filter(|(_, other)| other.is(field)).count(), 1, "{field:?}");
    }
}

#[test]
fn the_help_describes_a_setting_and_its_values() {
    for (_, field) in rows() {
        let takes_value = !matches!(field.kind, Kind::Switch | Kind::Count);
        assert_eq!(takes_value, !field.value_name.is_empty(), "{field:?}");
        assert!(field.help.starts_with(char::is_alphabetic), "{field:?}");
        if let Some(text) = field.built_in {
            assert!(field.help.ends_with(&format!("[default: {text}]")), "{field:?}");
        }
        if let Offer::Words(words) | Offer::Named(words, _) = field.offer {
            // An identity that needs a table cannot be set by one word.
            let words = words().into_iter().filter(|word| *word != "token-command");
            for word in words {
                assert!(field.help.contains(word), "{word}: {field:?}");
            }
        }
    }
}

#[test]
fn a_setting_is_read_from_every_source_and_shown_with_it() {
    for (table, field) in rows().filter(|(_, field)| field.is_in_file) {
        let (name, value) = (shown_as(table, field), sample(field));
        let written = match field.kind {
            Kind::Bool | Kind::Switch => value.clone(),
            _ => format!("{value:?}"),
        };
        let head = if table.is_empty() { String::new() } else { format!(".{table}") };
        let file = format!("[defaults{head}]\n{} = {written}\n", field.key);
        let settings = load(&file, None, "", &Flags::default());
        assert!(matches!(origin(&settings, &name), Some(Origin::Defaults { .. })), "{file}");

        let settings = load(&file, Some(field.variable), &value, &Flags::default());
        assert_eq!(origin(&settings, &name), Some(Origin::Variable(field.variable)));

        if !field.flag.is_empty() {
            let flags = Flags::default().with(field, value.clone());
            let settings = load(&file, Some(field.variable), &value, &flags);
            assert_eq!(origin(&settings, &name), Some(Origin::Flag(field.flag)));
        }
    }
}

#[test]
fn a_setting_that_decides_something_is_in_the_fingerprint() {
    let fingerprint = |flags: &Flags| load("", None, "", flags).fingerprint(&Env::Fake([].into()));
    let base = fingerprint(&Flags::default());
    for field in COMMON.settings.iter().filter(|field| field.is_in_file) {
        let with = fingerprint(&Flags::default().with(field, sample(field)));
        assert_eq!(base != with, field.decides != Decides::Nothing, "{field:?}");
    }
}
