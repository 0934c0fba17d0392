//! Which profiles are checked: those that entries of the consumers' files lead to, and the one that is chosen.

use super::Checks;
use super::entry::{Entry, LeadsTo, decides_identity};
use super::profile::Profile;
use crate::run::Context;
use crate::settings::schema::PROFILE;
use crate::settings::{Settings, profile_names};

/// The profiles to check, each once: the one that is named; or those that entries lead to, besides the chosen one.
/// `chosen` are the settings of this run, unless they are broken.
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
            // What is wrong is to be reported.
            None => true,
            // Without a profile, the settings are what entries name that cannot be read, if anything.
            Some(settings) if entries.is_empty() => {
                let has_identity = settings.profile.is_some() || settings.identity.is_some();
                has_identity || !is_any_mentioned
            }
            // Commands that name no profile use it.
            Some(settings) => settings.profile.is_some() && checks.consumer.is_none(),
        };
    let mut profiles = Vec::new();
    if is_chosen {
        let is_decided = is_named || chosen.is_none_or(|settings| settings.profile.is_some());
        profiles.push(self::chosen(checks, !is_decided));
    }
    for entry in entries {
        let mut known = profiles.iter_mut();
        match known.find(|profile: &&mut Profile| profile.is_where(&entry.leads_to)) {
            Some(profile) => profile.entries.push(entry),
            None if is_named => {}
            None => profiles.push(Profile::of(entry)),
        }
    }
    profiles
}

/// The profile that is chosen, or the one with the name of the consumer that is named.
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
    let leads_to = Settings::load(&flags, env, locations, consumers, consumers)
        .ok()
        .map(|settings| LeadsTo::of(&settings, Context { flags: &flags, ..checks.context }));
    Profile { leads_to, flags, env: env.clone(), entries: Vec::new() }
}
