//! The profile of a run that names none, and the available profiles.

use tracing::info;

use super::file::File;
use super::{Field, Flags, Locations, Setting, Settings, Table, profile_names, schema};
use crate::env::{self, Env};
use crate::error::Result;
use crate::foreign_text::ForeignText;

/// The consumer of this run.
pub(super) fn consumer_of(consumers: &[&Table], tables: &[&'static Table]) -> Option<&'static str> {
    tables.first().filter(|_| tables.len() < consumers.len()).map(|table| table.name)
}

/// The profile of a run that names none: the default one, or the file's only profile unless something else sets an
/// identity.
pub(super) fn unnamed_profile(
    file: &File<'_>,
    flags: &Flags,
    env: &Env,
    consumer: Option<&str>,
) -> Result<Option<Setting<String>>> {
    let mut profile = file.default_profile(consumer)?;
    if profile.is_none()
        && let Some(only) = file.only_profile()
    {
        let defaults = file.defaults()?;
        let is_set = |field: &Field| {
            flags.get_os(field).is_some()
                || env.given(field.var()).is_some()
                || defaults.is_some_and(|defaults| defaults.table.contains_key(field.key))
        };
        let identities = [schema::IDENTITY, schema::KEY_FILE, schema::IAM_TOKEN_FILE];
        let has_identity = identities.iter().any(is_set)
            || env::IDENTITIES.iter().any(|var| env.get_os(*var).is_some());
        profile = Some(only).filter(|_| !has_identity);
    }
    if let Some(Setting { value, origin }) = &profile {
        info!("profile `{}` ({origin})", ForeignText::new(value));
    }
    Ok(profile)
}

/// The available profiles, if a run has none.
pub fn unchosen_profiles(
    flags: &Flags,
    env: &Env,
    locations: &Locations,
    consumers: &[&'static Table],
    tables: &[&'static Table],
) -> Vec<String> {
    match Settings::load(flags, env, locations, consumers, tables) {
        Ok(Settings { profile: None, .. }) => {
            flags.config_file(env, locations).map(profile_names).unwrap_or_default()
        }
        Ok(Settings { profile: Some(_), .. }) | Err(_) => Vec::new(),
    }
}
