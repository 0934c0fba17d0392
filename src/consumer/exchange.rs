//! The exchange of an ID token for a consumer's own credential: what STS and Vault have in common.

use std::time::Duration;

use crate::broker::Broker;
use crate::credential::{Credential, IdToken};
use crate::error::Result;
use crate::http::{Client, Reply};
use crate::source::IdTokenRequest;

/// The ID token is used at once, for one exchange.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// Exchanges an ID token for a credential of a server. The connection is opened while the token is
/// being fetched; a token from the cache is replaced once, see [`Broker::exchange`].
pub(super) async fn exchange<T>(
    broker: &Broker,
    request: &IdTokenRequest<'_>,
    client: &Client,
    send: impl AsyncFn(&IdToken) -> Result<Reply>,
    is_expired: impl Fn(&Reply) -> bool,
    accept: impl Fn(&Reply, &IdToken) -> Result<Credential<T>>,
) -> Result<Credential<T>> {
    let ahead = client.clone();
    let meanwhile = async move { ahead.connect_ahead().await };
    broker.exchange(request, MINIMUM_LIFETIME, meanwhile, send, is_expired, accept).await
}
