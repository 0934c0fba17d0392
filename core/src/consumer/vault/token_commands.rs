//! `vault login`, `vault status` and `vault revoke`: commands for people, about the token of the `vault` and `bao`
//! CLIs.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::credential::{Credential, Secret};
use crate::env::{self, Var};
use crate::error::{Code, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::runtime;

use super::answer::VaultToken;
use super::install::kept_options;
use super::{Args, VaultRun, token_store};

const TOKEN: [Var; 2] = [env::BAO_OWN_TOKEN, env::VAULT_OWN_TOKEN];

pub(super) fn login(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let vault = VaultRun::open(args, context.for_people())?;
    let (credential, unchecked) = vault.valid_token()?;
    if let Some(error) = unchecked {
        return Err(error);
    }
    let stored = token_store::store(&vault, &credential, context)?;
    let left = credential.lifetime.left(vault.now());
    let mut lines = describe(&vault, &credential, Some(left));
    lines.extend(stored.into_iter().map(|place| ("stored", place)));
    if let Some((var, _)) = context.env.first(TOKEN) {
        lines.push(("but", message!("{} is set, and the CLI uses that token instead", var.name)));
    }
    output.say(&self::lines(&lines))
}

pub(super) fn status(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let vault = VaultRun::open(args, context)?;
    let resting = vault.cached()?;
    let is_cached_here = |token: &Secret| {
        resting.as_ref().is_some_and(|credential| credential.secret.token == *token)
    };
    if token_store::stored_override(&vault, &vault.consumer.server.target())?
        .is_some_and(|token| !is_cached_here(&token))
    {
        // The user stored it, and it may have a use limit, so it is not looked up.
        let text = lines(&[
            ("address", ForeignText::new(vault.consumer.server.endpoint.as_str()).into()),
            (
                "token",
                message!(
                    "one that was stored, which the token helper returns until `yc-id-token vault token-helper erase{}`",
                    kept_options(context.flags)
                ),
            ),
        ]);
        return output.say(&text);
    }
    let Some(credential) = resting else { return Err(no_token(&vault)) };
    let Some(state) = vault.look_up(&credential.secret)? else {
        return Err(Error::Refused {
            what: vault.consumer.server.state(),
            code: Code::ConsumerDenied,
            reason:
                "the server knows no such token: it has been revoked, or the server was set up again"
                    .into(),
            request_id: None,
            hint: "get another with `yc-id-token vault login`".into(),
        });
    };
    output.say(&lines(&describe(&vault, &credential, state.ttl)))
}

fn no_token(vault: &VaultRun) -> Error {
    let role = vault
        .consumer
        .role
        .as_ref()
        .map(|role| message!(" of the role `{}`", ForeignText::new(role)));
    let role = role.unwrap_or_default();
    Error::Missing {
        problem: message!(
            "no Vault token{role} at {} is cached here",
            vault.consumer.server.name(),
            role
        ),
        hint: "get one with `yc-id-token vault login`".into(),
    }
}

pub(super) fn revoke(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let vault = VaultRun::open(args, context)?;
    let Some(credential) = vault.cached()? else {
        return output.say(&"there is no token to revoke".into());
    };
    let instead = "remove it with `yc-id-token vault token-helper erase`; or set `token_type=service` on the role";
    vault.check_revocable(&credential, instead)?;
    let (server, token) = (&vault.consumer.server, &credential.secret.token);
    // Not interrupted, because the user would not know whether the token is revoked.
    let was_known = runtime::finish(server.revoke(token, vault.run.http()))?;
    vault.forget()?;
    // The CLI would still use it.
    let target = server.target();
    let stored = token_store::stored_override(&vault, &target)?;
    if stored.is_some_and(|stored| stored == *token) {
        token_store::remove_override(&vault, &target)?;
    }
    let file = token_store::remove_file_of(token, context)?;
    let done = if was_known { "revoked" } else { "it had been revoked before" };
    let file = file.map(|path| message!(", and removed from {}", shown(&path)));
    output.say(&message!("{done}{}", file.unwrap_or_default(), done))
}

/// Describes a token, one property per line. `ttl` is the remaining lifetime; `None` means that it does not expire.
fn describe(
    vault: &VaultRun,
    credential: &Credential<VaultToken>,
    ttl: Option<Duration>,
) -> Vec<(&'static str, Message)> {
    let token = &credential.secret;
    let mut shown =
        vec![("address", ForeignText::new(vault.consumer.server.endpoint.as_str()).into())];
    shown.extend(
        vault
            .consumer
            .server
            .namespace
            .as_ref()
            .map(|name| ("namespace", ForeignText::new(name).into())),
    );
    shown.push(("mount", ForeignText::new(&vault.consumer.mount).into()));
    let role = token.role.clone().or_else(|| vault.consumer.role.clone());
    shown.extend(role.map(|role| ("role", ForeignText::new(&role).into())));
    shown.push(("policies", ForeignText::new(&token.policies.join(", ")).into()));
    shown.push(("ttl", life(ttl, vault.now().at)));
    if token.num_uses > 0 {
        shown.push(("uses", message!("{}, so it is not cached", token.num_uses)));
    }
    match &token.accessor {
        Some(accessor) => shown.push(("accessor", ForeignText::new(accessor).into())),
        None if token.is_batch => {
            shown.push((
                "type",
                "batch: it has no accessor, and cannot be renewed or revoked".into(),
            ));
        }
        None => {}
    }
    shown
}

fn lines(shown: &[(&'static str, Message)]) -> Message {
    let line =
        |(name, value): &(&'static str, Message)| message!("{name:<10} {value}", name, value);
    Message::join(&shown.iter().map(line).collect::<Vec<_>>(), "\n")
}

/// `59m 12s, until 2026-11-23T20:00:00Z`.
fn life(ttl: Option<Duration>, now: Timestamp) -> Message {
    let Some(ttl) = ttl else { return "without end".into() };
    let seconds = ttl.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")];
    let shown: Vec<Message> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .map(|(count, unit)| message!("{count}{unit}", count, unit))
        .collect();
    let shown = if shown.is_empty() { "0s".into() } else { Message::join(&shown, " ") };
    message!("{shown}, until {}", now.plus(ttl), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_shown_in_two_units() {
        let printed =
            |seconds| life(Some(Duration::from_secs(seconds)), Timestamp::from_unix_seconds(0));
        assert_eq!(printed(0), "0s, until 1970-01-01T00:00:00Z");
        assert_eq!(printed(59), "59s, until 1970-01-01T00:00:59Z");
        assert!(printed(3600).starts_with("1h 0m, "));
        assert!(printed(2_764_800).starts_with("32d 0h, "));
        assert_eq!(life(None, Timestamp::from_unix_seconds(0)), "without end");
    }
}
