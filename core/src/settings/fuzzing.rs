//! Fuzzes the configuration file.

use std::collections::HashMap;
use std::path::Path;

use super::{Env, File, Flags, Locations, Origin, Setting, Settings, Sources, Text, problems};
use crate::consumer::TABLES;
use crate::error::Result;
use crate::fuzzing::check_printed_error;

/// Every mistake in a file is reported as text.
///
/// # Panics
/// If that does not hold.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let whole = Text::of("config.toml".into(), text.to_owned());
    for profile in [None, Some("p")] {
        if let Err(error) = resolve(&whole, profile) {
            check_printed_error(&error);
        }
    }
    let check = |_: &Settings| Vec::new();
    let home = Locations::default();
    let problems = problems(
        Path::new("config.toml"),
        Some(text.to_owned()),
        &home,
        TABLES,
        &check,
        Vec::new(),
    );
    problems.iter().flatten().for_each(check_printed_error);
    if let Ok(file) = File::parse(&whole, TABLES) {
        for name in file.identities() {
            let _ = file.identity(name);
        }
    }
}

fn resolve(text: &Text, profile: Option<&str>) -> Result<Settings> {
    let profile =
        profile.map(|name| Setting { value: name.to_owned(), origin: Origin::Flag("--profile") });
    let env = Env::Fake(HashMap::new());
    let locations = Locations { home: Some("/home/me".into()), ..Locations::default() };
    let flags = Flags::default();
    let sources = Sources {
        profile,
        flags: &flags,
        env: &env,
        locations: &locations,
        consumers: TABLES,
        tables: TABLES,
    };
    Settings::resolve(Some(&File::parse(text, TABLES)?), sources)
}
