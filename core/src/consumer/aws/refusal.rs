//! Refusals of STS, and their hints.
//!
//! The codes are those of "Common Errors" and `AssumeRoleWithWebIdentity` in the API reference. Compatible servers
//! have others, whose text is shown.

use serde::Deserialize;

use crate::credential::IdToken;
use crate::error::{Code, Error};
use crate::foreign_text::{ForeignText, Message};
use crate::http::Reply;
use crate::message;

use super::super::claims::ShownClaims;
use super::role::RoleSession;

/// `<ErrorResponse>` of AWS and most servers; Ceph sends only the inner element.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    error: Option<Said>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<ForeignText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    code: String,
    message: String,
    request_id: Option<ForeignText>,
}

pub(super) struct RefusedRequest<'a> {
    pub(super) what: &'a Message,
    pub(super) role: &'a RoleSession,
    pub(super) region: &'a str,
    pub(super) token: &'a IdToken,
}

impl Refusal {
    /// Reads an answer, if it is a refusal in this protocol.
    pub(super) fn read(reply: &Reply) -> Option<Self> {
        if reply.status == 200 {
            return None;
        }
        let xml = std::str::from_utf8(&reply.body).ok()?;
        let document: Document = quick_xml::de::from_str(xml).ok()?;
        let element =
            document.error.unwrap_or(Said { code: document.code, message: document.message });
        Some(Self {
            code: element.code.filter(|code| !code.is_empty())?,
            message: element.message.unwrap_or_default(),
            request_id: document.request_id,
        })
    }

    /// Whether the ID token has expired by the clock of STS.
    pub(super) fn is_expired_token(&self) -> bool {
        matches!(self.code.as_str(), "ExpiredTokenException" | "ExpiredToken")
    }

    /// Whether the same request may succeed soon: throttling, or AWS cannot reach the issuer, which it reports in two
    /// ways.
    pub(super) fn passes(&self) -> bool {
        match self.code.as_str() {
            "IDPCommunicationError"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "ServiceUnavailable"
            | "InternalFailure" => true,
            "InvalidIdentityToken" => {
                self.message.to_lowercase().contains("couldn't retrieve verification key")
            }
            _ => false,
        }
    }

    /// The error for an answer with another status than 200.
    pub(super) fn into_error_of(reply: &Reply, request: &RefusedRequest<'_>) -> Error {
        let what = request.what;
        let Some(refusal) = Self::read(reply) else {
            return if reply.is_trouble() {
                reply.unavailable(what, reply.phrase(), reply.request_id.clone())
            } else {
                reply.foreign(what, "XML")
            };
        };
        let reason = refusal.reason();
        let request_id = refusal.request_id.clone().or_else(|| reply.request_id.clone());
        if reply.is_trouble() || refusal.passes() {
            return reply.unavailable(what, reason, request_id);
        }
        let (code, hint) = refusal.advice(reply, request);
        Error::Refused { what: what.into(), code, reason, request_id, hint }
    }

    fn reason(&self) -> Message {
        match ForeignText::sentence(&self.message) {
            message if message.is_empty() => ForeignText::new(&self.code).into(),
            message => message!("{message} ({})", ForeignText::new(&self.code), message),
        }
    }

    fn advice(&self, reply: &Reply, request: &RefusedRequest<'_>) -> (Code, Message) {
        let RefusedRequest { role, region, .. } = request;
        let token = ShownClaims::read(request.token);
        let says = |what: &str| self.message.to_lowercase().contains(what);
        match self.code.as_str() {
            "AccessDenied" | "AccessDeniedException" => (Code::ConsumerDenied, trust_policy(&token, role)),
            "InvalidIdentityToken" if says("no openidconnect provider") => (
                Code::ConsumerAuth,
                message!(
                    "create the provider in the role's account: `aws iam create-open-id-connect-provider --url {} --client-id-list {}`",
                    token.issuer, token.audience),
            ),
            "InvalidIdentityToken" if says("audience") => (
                Code::ConsumerAuth,
                message!(
                    "add `{}` to the audiences of the provider `{}` (`aws iam add-client-id-to-open-id-connect-provider`), or give the audience that it has with `--audience`",
                    token.audience,
                    token.provider()),
            ),
            "InvalidIdentityToken" | "IDPRejectedClaim" => (
                Code::ConsumerAuth,
                message!(
                    "compare the token with the OIDC provider in the role's account (`aws iam get-open-id-connect-provider`): {}",
                    token.all()),
            ),
            _ if self.is_expired_token() => (
                Code::ConsumerAuth,
                message!("the ID token is new, so check the clock of {}", reply.host),
            ),
            "RegionDisabledException" => (
                Code::ConsumerRefused,
                message!(
                    "activate STS for the region `{region}` in the account's settings (IAM), or give another one with `--region`", region = ForeignText::new(region)),
            ),
            "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => (
                Code::ConsumerRefused,
                message!(
                    "make it smaller: `policy` has {} characters and there are {} of `policy_arn`, which count together with the session's tags",
                    role.policy.as_ref().map_or(0, |policy| policy.chars().count()),
                    role.policy_arns.len()),
            ),
            "MalformedPolicyDocument" | "MalformedPolicyDocumentException" => (
                Code::ConsumerRefused,
                "correct `policy` (`--policy`): it is JSON, but not a policy; `aws accessanalyzer validate-policy` reports what is wrong with it".into(),
            ),
            "ValidationError" if says("durationseconds") || says("maxsessionduration") => (
                Code::ConsumerRefused,
                message!(
                    "request less than {} s with `--duration`, or let the role allow more: `aws iam update-role --role-name {} --max-session-duration …`",
                    role.duration.as_secs(),
                    ForeignText::new(role.role_name())),
            ),
            _ => (
                Code::ConsumerRefused,
                message!("check the role and the endpoint {}; {}", reply.host, token.all()),
            ),
        }
    }
}

fn trust_policy(claims: &ShownClaims, role: &RoleSession) -> Message {
    let ShownClaims { audience, subject, .. } = claims;
    message!(
        "the role's trust policy (`aws iam get-role --role-name {}`) must allow sts:AssumeRoleWithWebIdentity to the provider `{provider}`, and its conditions match `{provider}:aud` = `{audience}` and `{provider}:sub` = `{subject}`",
        ForeignText::new(role.role_name()),
        provider = claims.provider(),
        audience,
        subject
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Option<Refusal> {
        Refusal::read(&Reply::made_up(status, body))
    }

    fn refusal(code: &str, message: &str) -> Refusal {
        Refusal { code: code.into(), message: message.into(), request_id: None }
    }

    #[test]
    fn a_refusal_is_read_in_both_formats() {
        let aws = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
            <Error><Type>Sender</Type><Code>AccessDenied</Code><Message>No</Message></Error>
            <RequestId>r-1</RequestId></ErrorResponse>"#;
        let read_aws = read(403, aws).unwrap();
        assert_eq!(
            read_aws,
            Refusal { request_id: Some("r-1".into()), ..refusal("AccessDenied", "No") }
        );
        let bare = "<Error><Code>MalformedInput</Code><RequestId>r-2</RequestId></Error>";
        assert_eq!(read(400, bare).unwrap().code, "MalformedInput");
        for none in ["", "{}", "<html><body>no</body></html>", "<ErrorResponse><Error>"] {
            assert_eq!(read(400, none), None, "{none}");
        }
        assert_eq!(read(200, aws), None);
    }

    #[test]
    fn only_temporary_refusals_are_retried() {
        for (code, message) in [
            ("IDPCommunicationError", ""),
            ("Throttling", "Rate exceeded"),
            (
                "InvalidIdentityToken",
                "Couldn't retrieve verification key from your identity provider",
            ),
        ] {
            assert!(refusal(code, message).passes(), "{code}");
        }
        for (code, message) in [
            ("InvalidIdentityToken", "Incorrect token audience"),
            ("AccessDenied", ""),
            ("IDPRejectedClaim", ""),
            ("ExpiredTokenException", ""),
        ] {
            assert!(!refusal(code, message).passes(), "{code}");
        }
    }
}
