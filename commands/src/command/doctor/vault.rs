//! The configuration of the `vault` and `bao` CLIs, where it names this program ("Token helpers" in the documentation
//! of both).

use std::path::Path;

use crate::command::on_path::is_program;
use crate::command::own_check::OwnCheck;
use crate::consumer::{ConsumerName, VaultHelper, Warning};
use crate::env;
use crate::error::{Exit, Result, shown};
use crate::message;
use crate::run::Context;

use super::Checks;
use super::entry::{Entries, Entry, EntryCheck};
use super::programs::Programs;
use super::report::Group;
use crate::foreign_text::Message;

/// Checks the configurations of both CLIs, and returns the token helpers that are this program.
pub(super) fn check(checks: &Checks<'_>, programs: &Programs, group: &mut Group<'_>) -> Entries {
    let mut entries = Entries::default();
    let mut helpers = Vec::new();
    let mut has_fault = false;
    for helper in VaultHelper::all(checks.context) {
        match helper {
            Ok(helper) => helpers.push(helper),
            Err(error) => {
                has_fault = true;
                group.error(&error);
            }
        }
    }
    let [vault, bao] = VaultHelper::places(checks.context);
    let mut mentioned = None;
    let mut checked = Vec::new();
    for found in &helpers {
        let VaultHelper { config, helper, is_this_program } = found;
        let place = message!("the token helper of {}, {}", shown(config), shown(helper));
        if !is_this_program && !mentions_this_program(helper) {
            group.good(message!("{place}, is another program", place));
            continue;
        }
        mentioned = Some(found);
        if let Some((problem, fix)) = problem(found) {
            group.bad(Exit::Configuration, message!("{place}: {problem}", place, problem), fix);
            entries.usable.extend(entry(checks, found, place).ok());
            continue;
        }
        let entry = match entry(checks, found, place.clone()) {
            Ok(entry) => entry,
            Err(error) => {
                group.bad(
                    Exit::Configuration,
                    message!("{place}: yc-id-token fails there: {error}", place, error),
                    error.hint().unwrap_or_else(|| "see `yc-id-token vault login`".into()),
                );
                continue;
            }
        };
        group.profile.clone_from(&entry.target.profile);
        let profile = entry.target.shown();
        group.good(message!("{place}, is yc-id-token{profile}", place, profile));
        if !checked.contains(&helper) {
            checked.push(helper);
            match found.check(checks.context) {
                Ok(warnings) => {
                    for Warning { problem, hint } in warnings {
                        group.warning(problem, hint);
                    }
                }
                Err(error) => group.error(&error),
            }
        }
        group.profile = None;
        let is_bao = Some(config) == bao.as_ref() && programs.bao.is_some();
        let cli = if is_bao { "bao" } else { "vault" };
        let check = OwnCheck::vault(cli, address(checks, &entry).as_deref());
        let profile = entry.target.profile.clone();
        entries.own_checks.push(EntryCheck { place, profile, check });
        entries.usable.push(entry);
    }
    if mentioned.is_some()
        && let Some((var, _)) = checks.env.first([env::BAO_OWN_TOKEN, env::VAULT_OWN_TOKEN])
    {
        group.warning(
            message!("{} is set: the CLI uses that token, and never runs the helper", var.name),
            message!("unset {}", var.name),
        );
    }
    // Neither CLI reads the other's file.
    for (program, name, place) in
        [(&programs.vault, "Vault", vault), (&programs.bao, "OpenBao", bao)]
    {
        let (Some(place), Some(own)) =
            (place.filter(|_| program.is_some() && !has_fault), mentioned)
        else {
            continue;
        };
        if helpers.iter().all(|helper| helper.config != place) {
            group.warning(
                message!(
                    "{} names no token helper, so the CLI of {name} does not use yc-id-token",
                    shown(&place),
                    name
                ),
                message!("run {}, which writes it into the files of both CLIs", own.installation()),
            );
        }
    }
    if helpers.is_empty() && !has_fault {
        group.good("the Vault CLI has no token helper; `yc-id-token setup vault` installs one");
    }
    for program in [&programs.vault, &programs.bao].into_iter().flatten() {
        program.report(group);
    }
    entries.is_mentioned = mentioned.is_some();
    entries
}

/// The settings of the helper. The CLI passes no options, so they come from its profile and the environment.
fn entry(checks: &Checks<'_>, found: &VaultHelper, place: Message) -> Result<Entry> {
    let (flags, env) = (found.flags(), checks.env.clone());
    Entry::resolve(checks, ConsumerName::Vault, place, flags, env)
}

/// The server of the profile, if no variable gives one to the CLI.
fn address(checks: &Checks<'_>, entry: &Entry) -> Option<String> {
    if checks.env.first([env::BAO_OWN_ADDR, env::VAULT_OWN_ADDR]).is_some() {
        return None;
    }
    let context = Context { flags: &entry.flags, env: &entry.env, ..checks.context };
    let forecast = ConsumerName::Vault.forecast(context).ok()??;
    Some(forecast.server?.endpoint.as_str().to_owned())
}

/// Whether this program is named, with or without arguments.
fn mentions_this_program(helper: &Path) -> bool {
    let text = helper.to_string_lossy();
    let program = text.split_whitespace().next().unwrap_or_default();
    [&*text, program].iter().any(|path| super::programs::is_this_program(Path::new(path)))
}

fn problem(found: &VaultHelper) -> Option<(Message, Message)> {
    let helper = &*found.helper;
    let anew = || message!("install it again with {}", found.installation());
    let text = helper.to_string_lossy();
    if text.contains(char::is_whitespace) && !is_program(helper) {
        return Some((
            "it has arguments, but the CLI reads the whole value as one path".into(),
            anew(),
        ));
    }
    if text.contains(char::is_whitespace) {
        return Some((
            "its path has spaces, but OpenBao and older versions of Vault pass it to a shell"
                .into(),
            "install it in another place with `yc-id-token vault install-helper --link PATH`"
                .into(),
        ));
    }
    if !helper.is_absolute() {
        return Some((
            "it is not a full path, so the CLI looks for it in the current folder".into(),
            anew(),
        ));
    }
    if !is_program(helper) {
        let what = if helper.exists() { "it cannot be run" } else { "there is no such file" };
        return Some((what.into(), anew()));
    }
    (!found.has_name()).then(|| {
        let what = "the program works as a token helper only under the name yc-id-token-vault or yc-id-token-vault-PROFILE";
        (what.into(), anew())
    })
}
