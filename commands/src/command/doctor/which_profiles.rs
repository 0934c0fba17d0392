//! Selects the profiles to check: those that entries of the consumers' files use, and the selected one.

use super::Checks;
use super::entry::{Entry, Target, decides_identity};
use super::profile::Profile;
use crate::run::Context;
use crate::settings::schema::PROFILE;
use crate::settings::{Settings, profile_names};

/// The profiles to check, each once: the named one; or those that entries use, and the selected one. `chosen` are the
/// settings of this run, unless they are broken.
pub(super) fn choose(
    checks: &Checks<'_>,
    chosen: Option<&Settings>,
    entries: Vec<Entry>,
    is_any_mentioned: bool,
) -> Vec<Profile> {
    let mut flags = checks.context.flags.given();
    let has_own_settings = flags.any(|(field, _)| decides_identity(field));
    let is_named = checks.profile.is_some() || has_own_settings;
    let is_chosen = is_named
        || match chosen {
            // Broken settings must be reported.
            None => true,
            // Without a profile, the settings may be those of entries that cannot be read.
            Some(settings) if entries.is_empty() => {
                let has_identity = settings.profile.is_some() || settings.identity.is_some();
                has_identity || !is_any_mentioned
            }
            // Commands without a profile use it.
            Some(settings) => settings.profile.is_some() && checks.consumer.is_none(),
        };
    let mut profiles = Vec::new();
    if is_chosen {
        let is_decided = is_named || chosen.is_none_or(|settings| settings.profile.is_some());
        profiles.push(self::chosen(checks, !is_decided));
    }
    for entry in entries {
        let mut known = profiles.iter_mut();
        match known.find(|profile: &&mut Profile| profile.is_where(&entry.target)) {
            Some(profile) => profile.entries.push(entry),
            None if is_named => {}
            None => profiles.push(Profile::of(entry)),
        }
    }
    profiles
}

/// The selected profile, or the profile with the name of the selected consumer.
fn chosen(checks: &Checks<'_>, may_be_consumers: bool) -> Profile {
    let Context { flags, env, locations, consumers, .. } = checks.context;
    let name = checks.consumer.map(|consumer| consumer.table().name);
    let is_profile = |name: &&str| {
        let path = flags.config_file(env, locations);
        path.is_some_and(|path| profile_names(path).iter().any(|profile| profile == name))
    };
    let flags = match name.filter(|name| may_be_consumers && is_profile(name)) {
        Some(profile) => flags.clone().with(&PROFILE, profile),
        None => flags.clone(),
    };
    let target = Settings::load(&flags, env, locations, consumers, consumers)
        .ok()
        .map(|settings| Target::of(&settings, Context { flags: &flags, ..checks.context }));
    Profile { target, flags, env: env.clone(), entries: Vec::new() }
}
