//! The identity of a given token, in a variable or a file: an IAM token, or an OAuth token of a user (vendor's
//! "Getting an OAuth token"), which is exchanged for an IAM token.
//!
//! Yandex is retiring OAuth tokens by the end of 2026.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity, not_set};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::clock::Offset;
use crate::credential::{Credential, IamToken, Lifetime, Secret};
use crate::digest::Digest;
use crate::encoding;
use crate::env::{self, Env, Var};
use crate::error::{Error, Result, shown};
use crate::foreign_text::Message;
use crate::message;
use crate::secret_file;
use crate::settings::{IdentitySetting, Setting};
use crate::source::refusal::Refusal;
use crate::source::{Endpoints, Source, iam_token};

/// Four times the vendor's maximum, 4096 bytes.
const MAX_SIZE: u64 = 16 * 1024;

/// A given token has no known lifetime. It is used immediately and never cached, so this must only be longer than a
/// run.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

/// A given IAM token. It is not cached: its user decides where it is stored.
#[derive(Debug)]
pub(super) struct IamTokenIdentity(GivenToken);

#[derive(Debug)]
pub(super) struct OauthTokenIdentity(GivenToken);

pub(super) fn open_iam_token(
    setting: &Setting<IdentitySetting>,
    inputs: IdentityInputs<'_>,
) -> Result<ResolvedIdentity> {
    if let Some(file) = setting.value.file() {
        return Ok(IamTokenIdentity(GivenToken::read(TokenKind::Iam, file)?).into());
    }
    let variables = [env::IAM_TOKEN, env::YC_IAM_TOKEN, env::YC_TOKEN];
    let token = IamTokenIdentity::of_variables(&variables, inputs.env)?.ok_or_else(|| {
        not_set(
            setting,
            "the identity `iam-token` needs an IAM token",
            if cfg!(windows) {
                "set YC_IAM_TOKEN, for example with `$env:YC_IAM_TOKEN = yc iam create-token`"
            } else {
                "set YC_IAM_TOKEN, for example with `export YC_IAM_TOKEN=$(yc iam create-token)`"
            },
        )
    })?;
    Ok(token.into())
}

pub(super) fn open_oauth_token(
    setting: &Setting<IdentitySetting>,
    inputs: IdentityInputs<'_>,
) -> Result<ResolvedIdentity> {
    if let Some(file) = setting.value.file() {
        return Ok(OauthTokenIdentity(GivenToken::read(TokenKind::Oauth, file)?).into());
    }
    let token = OauthTokenIdentity::of_variables(inputs.env)?.ok_or_else(|| {
        not_set(
            setting,
            "the identity `oauth-token` needs an OAuth token",
            "set YC_ID_TOKEN_OAUTH_TOKEN; or better use an authorized key, as Yandex retires OAuth tokens",
        )
    })?;
    Ok(token.into())
}

impl IamTokenIdentity {
    pub(super) fn new(text: &str, origin: impl Into<Message>) -> Result<Self> {
        GivenToken::new(TokenKind::Iam, text, origin).map(Self)
    }

    /// The token in the first of these variables that is set.
    pub(super) fn of_variables(variables: &[Var], env: &Env) -> Result<Option<Self>> {
        let set = variables.iter().find_map(|var| Some((env.get(*var)?, var.name)));
        set.map(|(token, name)| Self::new(&token, name)).transpose()
    }
}

impl Identity for IamTokenIdentity {
    fn describe(&self) -> Message {
        message!("the IAM token of {}", self.0.origin)
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        key.with("identity", "iam-token").with("token", &self.0.digest().to_hex())
    }

    fn fetch<'a>(&'a self, _: &'a Source, broker: &'a Broker) -> Fetching<'a> {
        let now = broker.clock().now();
        let lifetime = Lifetime::new(now, now.at.plus(ASSUMED_LIFETIME), Offset::default());
        let credential = Credential { secret: IamToken(self.0.secret.clone()), lifetime };
        Box::pin(std::future::ready(Ok(credential)))
    }

    fn is_slow(&self) -> bool {
        false
    }

    fn is_cacheable(&self) -> bool {
        false
    }

    fn rejected_hint(&self, _: Message) -> Message {
        message!("{} has expired or is revoked; set a new one", self.describe())
    }
}

impl OauthTokenIdentity {
    pub(super) fn new(text: &str, origin: impl Into<Message>) -> Result<Self> {
        GivenToken::new(TokenKind::Oauth, text, origin).map(Self)
    }

    /// The token in the environment. Yandex's own variable may contain an IAM token instead.
    pub(super) fn of_variables(env: &Env) -> Result<Option<Self>> {
        let own = env.get(env::OAUTH_TOKEN).map(|token| (token, env::OAUTH_TOKEN));
        let shared = || {
            let token = env.get(env::YC_TOKEN).filter(|token| !is_iam_token(token))?;
            Some((token, env::YC_TOKEN))
        };
        own.or_else(shared).map(|(token, var)| Self::new(&token, var.name)).transpose()
    }
}

impl Identity for OauthTokenIdentity {
    fn describe(&self) -> Message {
        message!("the OAuth token of {}", self.0.origin)
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        key.with("identity", "oauth-token").with("token", &self.0.digest().to_hex())
    }

    fn fetch<'a>(&'a self, source: &'a Source, _: &'a Broker) -> Fetching<'a> {
        Box::pin(async move {
            let what = iam_token::what(self);
            let client = iam_token::client(source, &what).await?;
            let body = json!({ "yandexPassportOauthToken": self.0.secret.expose() });
            let reply = iam_token::post(&client, &what, &body).await?;
            if reply.status != 200 {
                let hint = message!(
                    "{} may be revoked, or have expired after a year; get another, or better an authorized key, as Yandex retires OAuth tokens",
                    self.describe()
                );
                return Err(Refusal::read(&what, &reply)?.into_error(what, hint));
            }
            iam_token::accept(&what, &reply)
        })
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn warning(&self) -> Option<(Message, &'static str)> {
        Some((
            "it is an OAuth token, and Yandex retires OAuth tokens at the end of 2026".into(),
            "use an authorized key of a service account, or workload identity federation",
        ))
    }
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TokenKind {
    /// `t1.…`, opaque.
    Iam,
    /// `y0_…`, of a user.
    Oauth,
}

#[derive(Debug)]
struct GivenToken {
    secret: Secret,
    /// Its source, for messages.
    origin: Message,
}

impl GivenToken {
    /// Accepts a token from `origin`, if it can be of this kind.
    fn new(kind: TokenKind, text: &str, origin: impl Into<Message>) -> Result<Self> {
        let origin = origin.into();
        let text = text.trim();
        let is_text = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let problem = match kind {
            TokenKind::Iam if !is_text => "does not hold an IAM token",
            TokenKind::Oauth if !is_text => "does not hold an OAuth token",
            TokenKind::Iam if is_oauth_token(text) => {
                "holds an OAuth token; an IAM token (`t1.…`) is needed"
            }
            TokenKind::Oauth if is_iam_token(text) => {
                "holds an IAM token; an OAuth token (`y0_…`) is needed"
            }
            _ if text.starts_with("YCAJ") => {
                "holds the ID of a static access key (for S3), not a token of IAM"
            }
            _ if text.starts_with("AQVN") => "holds an API key, not a token of IAM",
            _ if text.starts_with("eyJ") => "holds a JWT, not a token of IAM",
            _ if text.starts_with('{') => "holds JSON, not the token alone",
            _ => return Ok(Self { secret: Secret::new(text.to_owned()), origin }),
        };
        Err(Error::Value { origin, problem: problem.into() })
    }

    /// Reads the current token from a file.
    fn read(kind: TokenKind, path: &Path) -> Result<Self> {
        let what = match kind {
            TokenKind::Iam => "the IAM token file",
            TokenKind::Oauth => "the OAuth token file",
        };
        let content = secret_file::read(what, path, MAX_SIZE)?;
        let origin = message!("{what} `{}`", shown(path), what);
        match encoding::decode_secret(content) {
            Ok(text) => Self::new(kind, &text, origin),
            Err(problem) => Err(Error::Value { origin, problem: message!("{problem}", problem) }),
        }
    }

    /// A digest for cache keys: another token may be another identity.
    fn digest(&self) -> Digest {
        Digest::of(self.secret.expose().as_bytes())
    }
}

/// OAuth tokens begin with `y0_` to `y3_` (vendor's documentation of OAuth tokens).
fn is_oauth_token(text: &str) -> bool {
    matches!(text.as_bytes(), [b'y', b'0'..=b'3', b'_', ..])
}

/// Whether an IAM or OAuth token is an IAM token, by the rule of the vendor's Terraform provider.
pub fn is_iam_token(text: &str) -> bool {
    text.starts_with("t1.") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_another_kind_is_refused_before_it_is_sent() {
        let given = |kind, text| GivenToken::new(kind, text, "YC_TOKEN");
        for (kind, wrong) in [
            (TokenKind::Iam, &["", " \n", "t1.a b.c", "t1.ключ", "y0_AgAAAA"][..]),
            (TokenKind::Oauth, &["", " \n", "y0_a b", "t1.9euelZ.c2ln"]),
        ] {
            for text in wrong {
                let error = given(kind, text).unwrap_err().to_string();
                assert!(text.trim().is_empty() || !error.contains(text.trim()), "{error}");
            }
        }
        assert!(given(TokenKind::Iam, "t1.abc.def\n").is_ok());
        assert!(given(TokenKind::Oauth, "y0_AgAAAA\n").is_ok());
    }
}
