//! The exchange: one unsigned POST with the ID token in its body (AWS STS API Reference,
//! `AssumeRoleWithWebIdentity`).

use crate::broker::{Broker, Request};
use crate::cache::{EntryMetadata, KeyBuilder};
use crate::credential::{Credential, IdToken};
use crate::error::Result;
use crate::http::{Body, Client, HttpRequest, Reply};
use crate::source::IdTokenRequest;

use super::super::exchange::{Exchange, exchange};
use super::answer::{self, SessionKeys};
use super::endpoint::Sts;
use super::refusal::{Refusal, RefusedRequest};
use super::role::RoleSession;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// A request for the keys of a role.
#[derive(Debug)]
pub(in crate::consumer) struct AssumeRole<'a> {
    pub(super) sts: &'a Sts,
    pub(super) role: &'a RoleSession,
    pub(super) session_name: Option<String>,
    pub(super) id_token: IdTokenRequest<'a>,
}

impl Request for AssumeRole<'_> {
    type Secret = SessionKeys;

    const KIND: &'static str = "aws-session";

    fn identify(&self, mut key: KeyBuilder) -> KeyBuilder {
        let RoleSession { role_arn, name: _, duration, policy, policy_arns } = self.role;
        let name = &self.session_name;
        key = key
            .with("id token", self.id_token.key().name())
            .with("sts", self.sts.endpoint.as_str())
            .with("duration", &duration.as_secs().to_string());
        for (part, value) in [("role", role_arn), ("name", name), ("policy", policy)] {
            if let Some(value) = value {
                key = key.with(part, value);
            }
        }
        policy_arns.iter().fold(key, |key, arn| key.with("policy arn", arn))
    }

    fn about(&self) -> EntryMetadata {
        EntryMetadata { from: self.sts.endpoint.as_str().into(), ..self.id_token.about() }
    }

    fn what(&self) -> Message {
        match &self.role.role_arn {
            Some(arn) => message!("keys of the role `{arn}`", arn = ForeignText::new(arn)),
            None => message!("keys of {}", self.sts.endpoint.host()),
        }
    }

    async fn fetch(&self, broker: &Broker) -> Result<Credential<SessionKeys>> {
        exchange(self, broker).await
    }
}

impl Exchange for AssumeRole<'_> {
    fn id_token(&self) -> &IdTokenRequest<'_> {
        &self.id_token
    }

    fn client(&self, what: &Message) -> Result<Client> {
        self.id_token.source.http.client(&self.sts.endpoint, what)
    }

    async fn present(&self, token: &IdToken, what: &Message, client: &Client) -> Result<Reply> {
        let RoleSession { role_arn, name: _, duration, policy, policy_arns } = self.role;
        let name = &self.session_name;
        let duration = duration.as_secs().to_string();
        let numbered: Vec<(String, &str)> = policy_arns
            .iter()
            .zip(1..)
            .map(|(arn, number)| (format!("PolicyArns.member.{number}.arn"), arn.as_str()))
            .collect();
        let mut fields = vec![
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("WebIdentityToken", token.0.expose()),
            ("DurationSeconds", &duration),
        ];
        for (field, value) in [("RoleArn", role_arn), ("RoleSessionName", name), ("Policy", policy)]
        {
            if let Some(value) = value {
                fields.push((field, value));
            }
        }
        fields.extend(numbered.iter().map(|(field, arn)| (field.as_str(), *arn)));
        let passes = |reply: &Reply| Refusal::read(reply).is_some_and(|refusal| refusal.passes());
        let request = HttpRequest {
            is_temporary: passes,
            ..HttpRequest::post(what, "/", Body::Form(&fields))
        };
        client.send(&request).await
    }

    fn is_expired(reply: &Reply) -> bool {
        Refusal::read(reply).is_some_and(|refusal| refusal.is_expired_token())
    }

    fn accept(
        &self,
        what: &Message,
        reply: &Reply,
        token: &IdToken,
    ) -> Result<Credential<SessionKeys>> {
        if reply.status == 200 {
            return answer::read(what, reply);
        }
        let request = RefusedRequest { what, role: self.role, region: self.sts.region(), token };
        Err(Refusal::into_error_of(reply, &request))
    }
}
