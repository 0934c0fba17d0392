//! A configuration file, and what becomes of it when it is large.

use std::collections::HashMap;

use super::{Env, File, Flags, Locations, Origin, Setting, Settings, Text, Told};
use crate::consumer::TABLES;
use crate::error::Result;
use crate::fuzzing::is_told_in_two_lines;

/// What is wrong in a file is told in words; and a large one, of which only a part is parsed, says the
/// same as all of it.
///
/// # Panics
/// If that does not hold.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let whole = Text::of("config.toml".into(), format!("{text}\n#{}", "-".repeat(8 * 1024)));
    for profile in [None, Some("p")] {
        let resolved = resolve(&whole, profile);
        match &resolved {
            Ok(settings) => {
                let pruned =
                    whole.pruned(profile).and_then(|pruned| resolve(&pruned, profile).ok());
                if let Some(pruned) = pruned {
                    assert_eq!(format!("{pruned:?}"), format!("{settings:?}"));
                }
            }
            Err(error) => is_told_in_two_lines(error),
        }
    }
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
    let told = Told {
        profile: profile.as_ref(),
        flags: &flags,
        env: &env,
        locations: &locations,
        consumers: TABLES,
        tables: TABLES,
    };
    Settings::resolve(Some(text), told)
}
