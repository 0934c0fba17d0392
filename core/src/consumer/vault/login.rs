//! The login: one POST with the role and the ID token.

use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::{Credential, IdToken};
use crate::error::Result;
use crate::http::{Body, Client, Reply};
use crate::source::IdTokenRequest;

use super::super::exchange::{Exchange, exchange};
use super::answer::{self, VaultToken};
use super::connection::{Call, Server};
use super::refusal::{self, RefusedRequest};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

#[derive(Debug)]
pub(in crate::consumer) struct Login<'a> {
    pub(super) server: &'a Server,
    pub(super) mount: &'a str,
    /// `None` means the mount's default.
    pub(super) role: Option<&'a str>,
    pub(super) id_token: IdTokenRequest<'a>,
    pub(super) sharing: Sharing,
}

/// The users of a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sharing {
    /// Every run with the same settings.
    Shared,
    /// Only this run, which revokes it.
    Own,
    /// The program that unwraps it, within this time.
    Wrapped(Duration),
}

impl Request for Login<'_> {
    type Secret = VaultToken;

    const KIND: &'static str = "vault-token";

    fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let key = key
            .with("id token", self.id_token.key().name())
            .with("address", self.server.endpoint.as_str())
            .with("namespace", self.server.namespace.as_deref().unwrap_or_default())
            .with("mount", self.mount);
        match self.role {
            Some(role) => key.with("role", role),
            None => key,
        }
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata { from: self.server.endpoint.as_str().into(), ..self.id_token.about() }
    }

    fn what(&self) -> Message {
        let server = self.server.name();
        match self.role {
            Some(role) => message!(
                "a Vault token of the role `{role}` at {server}",
                role = ForeignText::new(role),
                server
            ),
            None => message!("a Vault token at {server}", server),
        }
    }

    fn is_cacheable(&self) -> bool {
        matches!(self.sharing, Sharing::Shared)
    }

    fn connection_fingerprint(&self) -> String {
        self.server.connection_fingerprint()
    }

    /// A token with a use limit is not shared.
    fn should_store(&self, credential: &Credential<VaultToken>) -> bool {
        credential.secret.num_uses == 0
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<VaultToken>> {
        exchange(self, broker).await
    }
}

impl Exchange for Login<'_> {
    fn id_token(&self) -> &IdTokenRequest<'_> {
        &self.id_token
    }

    fn client(&self, what: &Message) -> Result<Client> {
        self.server.client(&self.id_token.source.http, what)
    }

    async fn present(&self, token: &IdToken, what: &Message, client: &Client) -> Result<Reply> {
        let jwt = token.0.expose();
        let body = match self.role {
            Some(role) => json!({ "role": role, "jwt": jwt }),
            None => json!({ "jwt": jwt }),
        };
        let body = Body::Json(Zeroizing::new(body.to_string()));
        let path = format!("/v1/auth/{}/login", self.mount);
        let life = match self.sharing {
            Sharing::Wrapped(life) => Some(format!("{}s", life.as_secs())),
            Sharing::Shared | Sharing::Own => None,
        };
        let header = life.as_deref().map(|life| ("x-vault-wrap-ttl", life));
        self.server.send(client, what, Call { path: &path, body, header }).await
    }

    fn is_expired(reply: &Reply) -> bool {
        refusal::is_expired_token(reply)
    }

    fn accept(
        &self,
        what: &Message,
        reply: &Reply,
        token: &IdToken,
    ) -> Result<Credential<VaultToken>> {
        if reply.status == 200 {
            return answer::read(what, reply, matches!(self.sharing, Sharing::Wrapped(_)));
        }
        let Self { server, mount, role, .. } = self;
        let request = RefusedRequest {
            what,
            mount,
            role: *role,
            namespace: server.namespace.as_deref(),
            token,
        };
        Err(refusal::error_of_login(reply, &request))
    }
}
