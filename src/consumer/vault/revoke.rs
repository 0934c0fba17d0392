//! `vault revoke`: the end of the token that is kept.

use crate::broker::{self, Request};
use crate::credential::Credential;
use crate::error::{Code, Error, Result, shown};
use crate::message;
use crate::output::Output;
use crate::run::Context;

use super::answer::VaultToken;
use super::{Args, VaultRun, store, token_helper};

pub(super) fn run(args: &Args, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let vault = VaultRun::open(args, context)?;
    let Some(credential) = vault.cached()? else {
        return output.say(&"there is no token to revoke".into());
    };
    let instead = "forget it with `yc-id-token vault token-helper erase`; or let the role have `token_type=service`";
    check_revocable(&vault, &credential, instead)?;
    let token = &credential.secret.token;
    let http = vault.run.http();
    // Half a revocation would leave nobody to tell whether it was one.
    let was_known = broker::finish(vault.consumer.server.revoke(token, http))?;
    forget(&vault)?;
    // The CLI would go on using it.
    if token_helper::stored(&vault, context.env)?.is_some_and(|stored| stored == *token) {
        token_helper::remove_override(&vault)?;
    }
    let stored = store::remove_if_stored(token, context.env)?;
    let done = if was_known { "revoked" } else { "it had been revoked before" };
    let stored = stored.map(|path| message!(", and removed from {}", shown(&path)));
    output.say(&message!("{done}{}", stored.unwrap_or_default(), done))
}

/// Removes the token from the cache.
pub(super) fn forget(vault: &VaultRun) -> Result<()> {
    let key = vault.request()?.key();
    let removed = vault.run.broker().cache().remove(&key);
    removed.map_err(|error| error.within_cache("the token stays in it"))
}

/// Batch tokens are not known to the server one by one.
pub(super) fn check_revocable(
    vault: &VaultRun,
    credential: &Credential<VaultToken>,
    instead: &'static str,
) -> Result<()> {
    if !credential.secret.is_batch {
        return Ok(());
    }
    Err(Error::Refused {
        what: message!("rid of the Vault token at {}", vault.consumer.server.name()),
        code: Code::ConsumerRefused,
        reason: message!(
            "it is a batch token, which cannot be revoked; it expires at {}",
            credential.lifetime.expires_at_here()
        ),
        request_id: None,
        hint: instead.into(),
    })
}
