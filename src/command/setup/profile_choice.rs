//! Which profile a cluster gets, if the user names none. A second cluster does not change the first one's.

use super::configuration::Configuration;
use super::paths::{absolute, config_path, identity_from_everywhere};
use super::{is_simple, kube_user};
use crate::error::Result;
use crate::kubeconfig::Merged;
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, IAM_TOKEN_FILE, IDENTITY, KEY_FILE, SERVICE_ACCOUNT};

/// The profile that the cluster has already; or the usual one, if that fits; or one named after the cluster.
pub(super) fn choose(
    context: Context<'_>,
    cluster: &str,
    kubeconfig: &Merged,
    usual: &str,
) -> Result<String> {
    if let Some(profile) = profile_of_cluster(cluster, kubeconfig) {
        return Ok(profile);
    }
    let wanted = wanted(context)?;
    let of_cluster = kubeconfig.audience_of(cluster);
    let path = config_path(context)?;
    let read = |name: &str| Configuration::read(path.clone(), name.to_owned());
    let has = |configuration: &Configuration| {
        wanted.iter().all(|(key, value)| configuration.text_before(key).as_deref() == Some(value))
    };
    let present = read(usual)?;
    let differs = wanted
        .iter()
        .any(|(key, value)| present.text_before(key).is_some_and(|present| present != *value));
    let has_other_audience = context.flags.get(&AUDIENCE).is_none()
        && of_cluster.is_some()
        && present.text_before("audience").is_some_and(|audience| Some(&*audience) != of_cluster);
    let fits = if is_in_use(usual, kubeconfig) { has(&present) } else { !differs };
    if fits && !has_other_audience {
        return Ok(usual.to_owned());
    }
    let simple = |letter: char| if is_simple(&letter.to_string()) { letter } else { '-' };
    let of_cluster: String = cluster.chars().map(simple).collect();
    for name in [of_cluster.clone(), format!("{usual}-{of_cluster}")] {
        let present = read(&name)?;
        if !present.was_there() || (has(&present) && !wanted.is_empty()) {
            return Ok(name);
        }
    }
    // What is in the way there is an error later.
    Ok(usual.to_owned())
}

/// The profile of a user that some context of the cluster has.
fn profile_of_cluster(cluster: &str, kubeconfig: &Merged) -> Option<String> {
    kubeconfig.names("contexts").into_iter().find_map(|name| {
        let context = kubeconfig.entry("contexts", "context", name)?.value;
        let user = context["user"].as_str().filter(|_| context["cluster"] == *cluster)?;
        let user = kubeconfig.entry("users", "user", user)?.value;
        let profile = kube_user::profile_of(&user["exec"]).filter(|name| is_simple(name));
        profile.map(str::to_owned)
    })
}

/// Whether some user runs this program with the profile.
fn is_in_use(profile: &str, kubeconfig: &Merged) -> bool {
    let users = kubeconfig.names("users").into_iter();
    users
        .filter_map(|name| kubeconfig.entry("users", "user", name))
        .any(|user| kube_user::profile_of(&user.value["exec"]) == Some(profile))
}

/// The keys that the command line sets in a profile and that make one account or audience another.
fn wanted(context: Context<'_>) -> Result<Vec<(&'static str, String)>> {
    let flags = context.flags;
    let mut wanted = Vec::new();
    for field in [AUDIENCE, SERVICE_ACCOUNT] {
        wanted.extend(flags.get(&field).map(|text| (field.key, text.to_owned())));
    }
    if let Some(identity) = flags.get(&IDENTITY) {
        wanted.push((IDENTITY.key, identity_from_everywhere(IDENTITY.flag, identity)?));
    }
    for field in [KEY_FILE, IAM_TOKEN_FILE] {
        if let Some(file) = flags.get(&field) {
            wanted.push((field.key, absolute(field.flag, file)?));
        }
    }
    Ok(wanted)
}
