//! Exchanges an ID token for a consumer's own credential at its server: STS, Vault.

use std::time::Duration;

use crate::broker::{Broker, Request};
use crate::credential::{Credential, IdToken};
use crate::error::Result;
use crate::foreign_text::Message;
use crate::http::{Client, Reply};
use crate::message;
use crate::source::IdTokenRequest;

use super::{Consumer, ConsumerRequest, ConsumerRun};

/// The ID token is used immediately, for one exchange.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(60);

/// Tests an exchange with a new credential, and describes the result.
pub(super) fn try_out<C: Consumer>(
    opened: &ConsumerRun<C>,
) -> Result<(Message, Credential<C::Secret>)> {
    let credential = opened.obtain()?;
    let (what, end) = (opened.request()?.what(), credential.lifetime.expires_at_here());
    Ok((message!("an exchange returns {what}, until {end}", what, end), credential))
}

/// A request for the credential that a server returns for an ID token.
pub(super) trait Exchange: Request {
    fn id_token(&self) -> &IdTokenRequest<'_>;

    /// The client for the server. `what` is requested with it.
    fn client(&self, what: &Message) -> Result<Client>;

    /// Sends an ID token to the server.
    async fn present(&self, token: &IdToken, what: &Message, client: &Client) -> Result<Reply>;

    /// Whether the server reports that the ID token has expired.
    fn is_expired(reply: &Reply) -> bool;

    /// Reads the credential from the answer.
    fn accept(
        &self,
        what: &Message,
        reply: &Reply,
        token: &IdToken,
    ) -> Result<Credential<Self::Secret>>;
}

impl<E: Exchange> ConsumerRequest for E {
    fn exchanged(&self) -> Option<(&IdTokenRequest<'_>, Duration)> {
        Some((self.id_token(), MINIMUM_LIFETIME))
    }
}

/// Exchanges an ID token for a credential of a server. The connection is opened while the token is fetched. A cached
/// token is replaced once, see [`Broker::exchange`].
pub(super) async fn exchange<E: Exchange>(
    request: &E,
    broker: &Broker,
) -> Result<Credential<E::Secret>> {
    let what = request.what();
    let client = request.client(&what)?;
    let ahead = client.clone();
    let meanwhile = async move { ahead.connect_ahead().await };
    let send = async |token: &IdToken| request.present(token, &what, &client).await;
    let accept = |reply: &Reply, token: &IdToken| request.accept(&what, reply, token);
    let id_token = request.id_token();
    broker.exchange(id_token, MINIMUM_LIFETIME, meanwhile, send, E::is_expired, accept).await
}
