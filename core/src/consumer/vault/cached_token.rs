//! The cached token: whether its server still accepts it, and whether it can be revoked.

use std::time::Duration;

use tracing::info;

use crate::broker::Request as _;
use crate::cache::Key;
use crate::clock::Moment;
use crate::credential::Credential;
use crate::error::{Code, Error, Result};
use crate::message;

use super::VaultRun;
use super::answer::{State, VaultToken};

impl VaultRun {
    /// The cached token, or a new one if the server has forgotten it. A token with a use limit is not looked up,
    /// because that counts as a use.
    ///
    /// If the lookup fails, the token may be valid, so the error is returned with it.
    pub(super) fn valid_token(&self) -> Result<(Credential<VaultToken>, Option<Error>)> {
        let credential = self.obtain()?;
        let broker = self.run.broker();
        let is_new = broker.happened_during_run(credential.lifetime.obtained_at);
        if is_new || credential.secret.num_uses > 0 {
            return Ok((credential, None));
        }
        match self.look_up(&credential.secret) {
            Ok(Some(_)) => Ok((credential, None)),
            Ok(None) => {
                info!("the server no longer knows the cached token");
                let (login, refused) = (self.request()?, Some(&credential.secret));
                let new = broker.fetch_shared(&login, self.consumer.minimum_lifetime, refused);
                Ok((broker.wait(&login.what(), new)?, None))
            }
            Err(error) => Ok((credential, Some(error))),
        }
    }

    /// The server's state of a token; `None` if the server does not know it.
    pub(super) fn look_up(&self, token: &VaultToken) -> Result<Option<State>> {
        let server = &self.consumer.server;
        self.run.broker().wait(&server.state(), server.look_up(token, self.run.http()))
    }

    /// The cached token. Never requests one.
    pub(super) fn cached(&self) -> Result<Option<Credential<VaultToken>>> {
        self.run.broker().cached(&self.request()?, Duration::ZERO)
    }

    pub(super) fn forget(&self) -> Result<()> {
        self.remove_from_cache(&self.request()?.key())
    }

    pub(super) fn remove_from_cache(&self, key: &Key) -> Result<()> {
        let removed = self.run.broker().cache().remove(key);
        removed.map_err(|error| error.within_cache("the token stays in it"))
    }

    /// Fails for a batch token, because a server cannot revoke a single one.
    pub(super) fn check_revocable(
        &self,
        credential: &Credential<VaultToken>,
        instead: &'static str,
    ) -> Result<()> {
        if !credential.secret.is_batch {
            return Ok(());
        }
        Err(Error::Refused {
            what: self.consumer.server.revocation(),
            code: Code::ConsumerRefused,
            reason: message!(
                "it is a batch token, which cannot be revoked; it expires at {}",
                credential.lifetime.expires_at_here().beside(self.now().at)
            ),
            request_id: None,
            hint: instead.into(),
        })
    }

    pub(super) fn now(&self) -> Moment {
        self.run.broker().clock().now()
    }
}
