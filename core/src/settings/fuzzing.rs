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
        check_excerpt(text, profile);
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
    with_sources(profile, |sources| Settings::resolve(Some(&File::parse(text, TABLES)?), sources))
}

/// An excerpt of a valid file gives the same settings, with the same lines. The comment makes most of the file a table
/// that is left out.
fn check_excerpt(text: &str, profile: Option<&str>) {
    let comment = "#".repeat(8 * text.len() + 2000);
    let long = Text::of("config.toml".into(), format!("{text}\n[profiles.last]\n{comment}\n"));
    if let Ok(settings) = resolve(&long, profile)
        && let Some(of_excerpt) =
            with_sources(profile, |sources| Settings::of_excerpt(&long, &sources))
    {
        assert_eq!(format!("{of_excerpt:?}"), format!("{settings:?}"));
    }
}

fn with_sources<T>(profile: Option<&str>, read: impl FnOnce(Sources<'_>) -> T) -> T {
    let origin = Origin::Flag("--profile");
    let profile = profile.map(|name| Setting { value: name.to_owned(), origin });
    let (flags, env) = (&Flags::default(), &Env::Fake(HashMap::new()));
    let locations = &Locations { home: Some("/home/me".into()), ..Locations::default() };
    read(Sources { profile, flags, env, locations, consumers: TABLES, tables: TABLES })
}
