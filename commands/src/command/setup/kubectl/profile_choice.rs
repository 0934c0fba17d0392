//! Chooses the profile and the user for a cluster if the command line names none.

use super::user;
use crate::command::setup::is_simple;
use crate::command::setup::names::free_profile;
use crate::consumer::ConsumerName;
use crate::error::Result;
use crate::kubeconfig::Merged;
use crate::run::Context;

/// The profile that the cluster already uses, whatever version of this program wrote it, or a new one.
pub(super) fn choose(context: Context<'_>, cluster: &str, kubeconfig: &Merged) -> Result<String> {
    let entries = entries(kubeconfig);
    let existing = entries.iter().find(|it| it.cluster == cluster && is_simple(it.profile));
    if let Some(existing) = existing {
        return Ok(existing.profile.to_owned());
    }
    free_profile(context, ConsumerName::Kubectl.table(), &[cluster], |profile| {
        entries.iter().any(|it| it.profile == profile)
    })
}

/// The user in a context of the cluster that runs this program with the profile.
pub(super) fn user_of<'a>(cluster: &str, profile: &str, kubeconfig: &'a Merged) -> Option<&'a str> {
    let mut entries = entries(kubeconfig).into_iter();
    entries.find(|it| it.cluster == cluster && it.profile == profile).map(|it| it.user)
}

/// A context whose user runs this program.
struct Entry<'a> {
    cluster: &'a str,
    user: &'a str,
    profile: &'a str,
}

fn entries(kubeconfig: &Merged) -> Vec<Entry<'_>> {
    let entry = |name: &str| {
        let context = kubeconfig.entry("contexts", "context", name)?.value;
        let (cluster, user) = (context["cluster"].as_str()?, context["user"].as_str()?);
        Some(Entry { cluster, user, profile: profile_of(user, kubeconfig)? })
    };
    kubeconfig.names("contexts").into_iter().filter_map(entry).collect()
}

/// The profile of a user that runs this program.
pub(super) fn profile_of<'a>(user: &str, kubeconfig: &'a Merged) -> Option<&'a str> {
    user::profile_of(&kubeconfig.entry("users", "user", user)?.value["exec"])
}
