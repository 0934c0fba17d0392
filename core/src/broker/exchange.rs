//! The exchange of one credential for another at a server. A parent that the server rejects, or that is too
//! old, is replaced once.

use std::time::Duration;

use tracing::{debug, info};

use super::freshness::Freshness;
use super::{Broker, Purpose, Request};
use crate::credential::{Credential, Lifetime};
use crate::error::Result;
use crate::runtime::task;

/// Two expiry times that differ by less are the same: servers round, and clocks differ.
const EXPIRY_TOLERANCE: Duration = Duration::from_secs(30);

impl Broker {
    /// Exchanges a credential, the parent, for another one at a server. `meanwhile` runs while the parent is fetched,
    /// for example to open the connection.
    ///
    /// A cached parent is replaced once: if the server rejects it (it is revoked, or the clocks differ), or if the
    /// derived credential expires with it. A server that ends a session with its token would otherwise return keys
    /// for the last minute of an old token.
    pub async fn exchange<O: Request, R, T>(
        &self,
        parent: &O,
        minimum_lifetime: Duration,
        meanwhile: impl Future<Output = ()> + Send + 'static,
        send: impl AsyncFn(&O::Secret) -> Result<R>,
        is_refused: impl Fn(&R) -> bool,
        accept: impl Fn(&R, &O::Secret) -> Result<Credential<T>>,
    ) -> Result<Credential<T>> {
        let (used, reply) =
            self.present(parent, minimum_lifetime, meanwhile, &send, is_refused).await?;
        let derived = accept(&reply, &used.secret)?;
        if !self.is_cut_short(&derived.lifetime, &used.lifetime) {
            return Ok(derived);
        }
        debug!(
            "it expires with the token that it was exchanged for; trying again with a new token"
        );
        let longer = async {
            let new = self.fetch_shared(parent, minimum_lifetime, Some(&used.secret)).await?;
            accept(&send(&new.secret).await?, &new.secret)
        };
        Ok(match longer.await {
            Ok(longer) if longer.lifetime.expires_at > derived.lifetime.expires_at => longer,
            Ok(_) => derived,
            Err(error) => {
                info!("{error}; using the credential from the older token");
                derived
            }
        })
    }

    /// Whether a long-running process replaces a parent that is still valid. If the replacement fails, the old parent
    /// is used.
    fn is_ending(&self, parent: &Lifetime) -> bool {
        match self.options.purpose {
            Purpose::Renew(lead) => lead.is_ending(parent, self.options.clock.now()),
            Purpose::Answer(_) | Purpose::Refresh => false,
        }
    }

    /// Whether a derived credential expires early because its parent was taken from the cache.
    fn is_cut_short(&self, derived: &Lifetime, parent: &Lifetime) -> bool {
        let (end, parents_end) = (derived.expires_at_here(), parent.expires_at_here());
        let is_old = Freshness::judge(parent, Duration::ZERO, self.options.clock.now());
        !matches!(is_old, Freshness::Fresh)
            && !self.happened_during_run(parent.obtained_at)
            && end.distance(parents_end) <= EXPIRY_TOLERANCE
    }

    /// Presents a credential to a server, and returns it with the answer. `meanwhile` runs while the credential is
    /// fetched. A cached credential that the server rejects is replaced once.
    pub async fn present<O: Request, R>(
        &self,
        request: &O,
        minimum_lifetime: Duration,
        meanwhile: impl Future<Output = ()> + Send + 'static,
        send: &impl AsyncFn(&O::Secret) -> Result<R>,
        is_refused: impl Fn(&R) -> bool,
    ) -> Result<(Credential<O::Secret>, R)> {
        let credential = match self.cached(request, minimum_lifetime)? {
            Some(credential) if !self.is_ending(&credential.lifetime) => credential,
            Some(_) | None => {
                tokio::spawn(task(meanwhile));
                self.fetch_shared(request, minimum_lifetime, None).await?
            }
        };
        let reply = send(&credential.secret).await?;
        if !is_refused(&reply) || self.happened_during_run(credential.lifetime.obtained_at) {
            return Ok((credential, reply));
        }
        let credential =
            self.fetch_shared(request, minimum_lifetime, Some(&credential.secret)).await?;
        let reply = send(&credential.secret).await?;
        Ok((credential, reply))
    }
}
