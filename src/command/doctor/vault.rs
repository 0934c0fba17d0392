//! What the configuration of the `vault` and `bao` CLIs says of us ("Token helpers" in either's documentation).

use std::path::Path;

use crate::command::on_path::is_program;
use crate::consumer::VaultHelper;
use crate::env;
use crate::error::Exit;

use super::Patient;
use super::programs::Programs;
use super::report::Group;

pub(super) fn check(patient: &Patient<'_>, programs: &Programs, group: &mut Group<'_>) {
    let helpers = match VaultHelper::all(patient.env) {
        Ok(helpers) => helpers,
        Err(error) => {
            group.error(&error);
            Vec::new()
        }
    };
    let mut mentioned = false;
    for VaultHelper { config, helper, is_ours } in &helpers {
        let place = format!("the token helper of {}, {}", config.display(), helper.display());
        if !is_ours && !super::programs::is_ours(helper) {
            group.good(format!("{place}, is another program's"));
            continue;
        }
        mentioned = true;
        match problem(helper) {
            Some((problem, fix)) => {
                group.bad(Exit::Configuration, format!("{place}: {problem}"), fix);
            }
            None => group.good(format!("{place}, is yc-id-token")),
        }
    }
    if mentioned
        && let Some((var, _)) = patient.env.first([env::BAO_OWN_TOKEN, env::VAULT_OWN_TOKEN])
    {
        group.doubt(
            format!("{} is set: the CLI takes that token, and does not ask the helper", var.name),
            format!("unset {}", var.name),
        );
    }
    if helpers.is_empty() {
        group.good("the Vault CLI has no token helper; `yc-id-token vault install-helper` makes this program it");
    }
    for program in [&programs.vault, &programs.bao].into_iter().flatten() {
        group.good(program.describe());
    }
}

fn problem(helper: &Path) -> Option<(String, String)> {
    let anew = || "make it anew with `yc-id-token vault install-helper`".to_owned();
    let text = helper.to_string_lossy();
    if text.contains(char::is_whitespace) && !is_program(helper) {
        return Some(("it must be a path alone, without arguments".into(), anew()));
    }
    if text.contains(char::is_whitespace) {
        return Some((
            "its path has spaces, and OpenBao and older Vaults hand it to a shell".into(),
            "name another place with `yc-id-token vault install-helper --link`".into(),
        ));
    }
    if !helper.is_absolute() {
        return Some(("it is no full path, and is looked for where the CLI is run".into(), anew()));
    }
    if !is_program(helper) {
        let what = if helper.exists() { "it cannot be run" } else { "there is no such file" };
        return Some((what.into(), anew()));
    }
    let name = helper.file_stem().and_then(|name| name.to_str());
    (name != Some("yc-id-token-vault")).then(|| {
        let what = "by this name it does not know that it is a token helper: it must be called yc-id-token-vault";
        (what.into(), anew())
    })
}
