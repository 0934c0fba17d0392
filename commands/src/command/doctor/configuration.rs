//! The configuration: whether it can be read, and which of its values are overridden.

use std::collections::HashMap;

use crate::env::{self, Env};
use crate::message;
use crate::run::Context;
use crate::settings::schema::{CONFIG, PROFILE};
use crate::settings::{Explained, Origin, Settings};

use super::report::Group;
use crate::error::shown;
use crate::foreign_text::ForeignText;

pub(super) fn report_version(group: &mut Group<'_>) {
    let version = env!("CARGO_PKG_VERSION");
    match std::env::current_exe() {
        Ok(path) => group.good(message!("yc-id-token {version} ({})", shown(&path), version)),
        Err(_) => group.good(message!("yc-id-token {version}", version)),
    }
}

/// Checks the configuration of a profile, and returns the settings and whether they are complete: broken parts of the
/// file are left out.
pub(super) fn check(context: Context<'_>, group: &mut Group<'_>) -> (Option<Settings>, bool) {
    let Context { flags, env, locations, consumers, .. } = context;
    let load = |env: &Env| Settings::load(flags, env, locations, consumers, consumers);
    let settings = match load(env) {
        Ok(settings) => settings,
        Err(error) => {
            group.error(&error);
            return (Settings::without_file(flags, env, locations, consumers).ok(), false);
        }
    };
    match flags.config_file(env, locations) {
        Some(path) if path.exists() => group.good(message!("{} can be read", shown(&path))),
        Some(path) => group
            .good(message!("there is no configuration file ({}); it is optional", shown(&path))),
        None => group.warning(
            "there is no home folder to look for the configuration in",
            "set HOME, or give `--config`",
        ),
    }
    match &settings.profile {
        Some(profile) => group.good(message!(
            "profile `{}` ({})",
            ForeignText::new(&profile.value),
            profile.origin
        )),
        None => group.good("no profile is named"),
    }
    if let Ok(without) = load(&without_own_variables(env)) {
        report_overridden(&settings, &without, group);
    }
    (Some(settings), true)
}

/// Variables take precedence over the profile, and are easily forgotten in a shell's startup file.
fn report_overridden(settings: &Settings, without: &Settings, group: &mut Group<'_>) {
    let without = without.explained();
    for Explained { name, value, origin } in settings.explained() {
        let Origin::Variable(variable) = origin else { continue };
        let beaten = without.iter().find(|other| {
            let is_in_file =
                matches!(other.origin, Origin::Profile { .. } | Origin::Defaults { .. });
            other.name == name && other.value != value && is_in_file
        });
        if let Some(beaten) = beaten {
            group.warning(
                message!(
                    "`{name}` is `{value}` because of {variable}, not `{}` ({})",
                    beaten.value,
                    beaten.origin,
                    name,
                    value,
                    variable
                ),
                message!("unset {variable} to use the value of the file", variable),
            );
        }
    }
}

/// The environment without the settings of this program.
fn without_own_variables(env: &Env) -> Env {
    let others = env::all().filter(|var| !var.name.starts_with(env::OWN));
    let values: HashMap<&'static str, String> = others
        .chain([CONFIG.var(), PROFILE.var()])
        .filter_map(|var| Some((var.name, env.get(var)?)))
        .collect();
    Env::Fake(values)
}
