//! The exchange of an ID token for a consumer's own credential: what STS and Vault have in common.

use std::time::Duration;

use crate::broker::Broker;
use crate::credential::{Credential, IdToken};
use crate::error::Result;
use crate::http::{Client, Reply};
use crate::source::IdTokenWish;

/// The ID token is used at once, for one exchange.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// Presents an ID token to a server, and returns the token and the answer. The connection is opened
/// while the token is being fetched; and a token from the cache that the server calls expired, as it
/// has another idea of the time, is replaced once.
pub(super) async fn present(
    broker: &Broker,
    wish: &IdTokenWish<'_>,
    client: &Client,
    send: impl AsyncFn(&IdToken) -> Result<Reply>,
    is_expired: impl FnOnce(&Reply) -> bool,
) -> Result<(Credential<IdToken>, Reply)> {
    let token = match broker.cached(wish, LEAST_LIFE)? {
        Some(token) => token,
        None => {
            let ahead = client.clone();
            tokio::spawn(async move { ahead.connect_ahead().await });
            broker.miss(wish, LEAST_LIFE, None).await?
        }
    };
    let reply = send(&token.secret).await?;
    if !is_expired(&reply) || broker.is_news(token.lifetime.obtained_at) {
        return Ok((token, reply));
    }
    let token = broker.miss(wish, LEAST_LIFE, Some(&token.secret)).await?;
    let reply = send(&token.secret).await?;
    Ok((token, reply))
}
