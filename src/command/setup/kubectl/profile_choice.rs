//! Chooses the profile of a cluster if the user names none. Connecting a second cluster must not change the
//! profile of the first one.

use super::user;
use crate::command::setup::configuration::Configuration;
use crate::command::setup::identity::identity_flags;
use crate::command::setup::is_simple;
use crate::command::setup::paths::config_path;
use crate::error::Result;
use crate::kubeconfig::Merged;
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, SERVICE_ACCOUNT};

/// The profile that the cluster uses already; or the default one, if it has the same settings; or one named
/// after the cluster.
pub(super) fn choose(
    context: Context<'_>,
    cluster: &str,
    kubeconfig: &Merged,
    default: &str,
) -> Result<String> {
    if let Some(profile) = profile_of_cluster(cluster, kubeconfig) {
        return Ok(profile);
    }
    let requested = requested_settings(context)?;
    let cluster_audience = kubeconfig.audience_of(cluster);
    let path = config_path(context)?;
    let read = |name: &str| Configuration::read(path.clone(), name.to_owned());
    let has_requested = |profile: &Configuration| {
        requested.iter().all(|(key, value)| profile.original_value(key) == Some(value))
    };
    let existing = read(default)?;
    let differs = requested
        .iter()
        .any(|(key, value)| existing.original_value(key).is_some_and(|existing| existing != value));
    let has_other_audience = context.flags.get(&AUDIENCE).is_none()
        && cluster_audience.is_some()
        && existing
            .original_value("audience")
            .is_some_and(|audience| Some(audience) != cluster_audience);
    let fits = if is_in_use(default, kubeconfig) { has_requested(&existing) } else { !differs };
    if fits && !has_other_audience {
        return Ok(default.to_owned());
    }
    let simple = |letter: char| if is_simple(&letter.to_string()) { letter } else { '-' };
    let cluster: String = cluster.chars().map(simple).collect();
    for name in [cluster.clone(), format!("{default}-{cluster}")] {
        let existing = read(&name)?;
        if !existing.profile_exists() || (has_requested(&existing) && !requested.is_empty()) {
            return Ok(name);
        }
    }
    // The differences are reported as a conflict later.
    Ok(default.to_owned())
}

/// The profile of a user in a context of the cluster.
fn profile_of_cluster(cluster: &str, kubeconfig: &Merged) -> Option<String> {
    kubeconfig.names("contexts").into_iter().find_map(|name| {
        let context = kubeconfig.entry("contexts", "context", name)?.value;
        let name = context["user"].as_str().filter(|_| context["cluster"] == *cluster)?;
        let entry = kubeconfig.entry("users", "user", name)?.value;
        let profile = user::profile_of(&entry["exec"]).filter(|name| is_simple(name));
        profile.map(str::to_owned)
    })
}

/// Whether a user of the kubeconfig uses the profile.
fn is_in_use(profile: &str, kubeconfig: &Merged) -> bool {
    let users = kubeconfig.names("users").into_iter();
    users
        .filter_map(|name| kubeconfig.entry("users", "user", name))
        .any(|user| user::profile_of(&user.value["exec"]) == Some(profile))
}

/// The settings from flags that decide about identity and audience.
fn requested_settings(context: Context<'_>) -> Result<Vec<(&'static str, String)>> {
    let flags = context.flags;
    let mut requested = identity_flags(flags)?;
    for field in [AUDIENCE, SERVICE_ACCOUNT] {
        requested.extend(flags.get(&field).map(|text| (field.key, text.to_owned())));
    }
    Ok(requested)
}
