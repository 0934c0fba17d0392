//! The identity of an authorized key: the vendor's JSON file with an RSA private key of a service account,
//! whose assertion is exchanged for an IAM token.

mod key_file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tracing::debug;
use zeroize::Zeroizing;

use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity, not_set};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::clock::Timestamp;
use crate::credential::{Credential, IamToken, Secret};
use crate::env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::{Client, Reply};
use crate::jwt::SigningKey;
use crate::message;
use crate::settings::{IdentityArgument, IdentitySetting, KeySource, Setting};
use crate::source::refusal::Refusal;
use crate::source::{Endpoints, Source, iam_token};

/// The name of a key file in messages.
pub const KEY_FILE: &str = "the authorized key file";

/// More than a 4096-bit key file, which has less than 6 kB.
pub const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// The longest lifetime of an assertion that the vendor accepts.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

/// A server with a slow clock must not see an assertion from the future.
const BACKDATED: Duration = Duration::from_secs(5);

/// The `aud` that the vendor's documentation gives for an assertion.
const ASSERTION_AUDIENCE: &str = "https://iam.api.cloud.yandex.net/iam/v1/tokens";

/// An authorized key. The private key is parsed when it has to sign.
pub struct AuthorizedKey {
    /// The key's own ID, `kid` of assertions.
    pub id: String,
    pub service_account_id: String,
    origin: PathBuf,
    content: Zeroizing<String>,
}

pub(super) fn open(
    setting: &Setting<IdentitySetting>,
    inputs: IdentityInputs<'_>,
) -> Result<ResolvedIdentity> {
    if let Some(IdentityArgument::Key(source)) = &setting.value.argument {
        return Ok(AuthorizedKey::open(source)?.into());
    }
    let key = of_variable(inputs)?.ok_or_else(|| {
        not_set(setting, "the identity `authorized-key` needs a key file", "give `--key-file`")
    })?;
    Ok(key.into())
}

/// The key in Yandex's own variable, which contains the key or names its file, as in the vendor's Terraform provider.
pub(super) fn of_variable(inputs: IdentityInputs<'_>) -> Result<Option<AuthorizedKey>> {
    let variable = env::YC_SERVICE_ACCOUNT_KEY_FILE;
    let Some(value) = inputs.env.get(variable) else { return Ok(None) };
    let home = inputs.locations.home.as_deref();
    let source = KeySource::of_variable(&value, variable.name, home)?;
    AuthorizedKey::open(&source).map(Some)
}

impl Identity for AuthorizedKey {
    fn describe(&self) -> Message {
        describe(&self.id, &self.service_account_id)
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        cache_key(key, &self.id, &self.service_account_id)
    }

    fn fetch<'a>(&'a self, source: &'a Source, broker: &'a Broker) -> Fetching<'a> {
        Box::pin(self.exchange(source, broker))
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn service_account(&self) -> Option<&str> {
        Some(&self.service_account_id)
    }
}

/// Describes a key in messages, wherever it is stored.
pub(super) fn describe(id: &str, service_account: &str) -> Message {
    message!(
        "authorized key `{}` of service account `{}`",
        ForeignText::new(id),
        ForeignText::new(service_account)
    )
}

/// Adds a key to a cache key, wherever it is stored.
pub(super) fn cache_key(key: KeyBuilder, id: &str, service_account: &str) -> KeyBuilder {
    key.with("identity", "authorized-key")
        .with("key", id)
        .with("key's service account", service_account)
}

#[derive(Deserialize)]
struct PrivateKey {
    #[serde(alias = "privateKey")]
    private_key: Secret,
}

impl AuthorizedKey {
    /// Checks that the key can sign.
    pub fn check(&self) -> Result<()> {
        self.sign(Timestamp::from_unix_seconds(0), "check").map(drop)
    }

    /// Exchanges an assertion of the key for an IAM token.
    pub(super) async fn exchange(
        &self,
        source: &Source,
        broker: &Broker,
    ) -> Result<Credential<IamToken>> {
        let what = iam_token::what(self);
        let client = iam_token::client(source, &what).await?;
        let now = broker.clock().now().at;
        let audience = source.assertion_audience.as_deref().unwrap_or(ASSERTION_AUDIENCE);
        let mut reply = self.present(now, audience, &client).await?;
        if let Some(offset) = reply.clock_offset.filter(|offset| offset.is_wrong_clock())
            && reply.status == 401
        {
            // The local clock is wrong, and the offset is now known.
            reply = self.present(now.shifted(offset), audience, &client).await?;
        }
        if reply.status != 200 {
            let refusal = Refusal::read(&what, &reply)?;
            let hint = self.hint(refusal.code);
            return Err(refusal.into_error(what, hint));
        }
        iam_token::accept(&what, &reply)
    }

    async fn present(&self, now: Timestamp, audience: &str, client: &Client) -> Result<Reply> {
        let assertion = self.sign(now, audience)?;
        debug!("signed the assertion");
        let body = json!({ "jwt": assertion.expose() });
        iam_token::post(client, &iam_token::what(self), &body).await
    }

    fn hint(&self, code: Code) -> Message {
        if code == Code::SourceAuth {
            message!(
                "the key `{}` may be revoked or its service account deleted; see `yc iam key list --service-account-id {account}`, and make a new key with `yc iam key create --service-account-id {account} --output key.json`",
                ForeignText::new(&self.id),
                account = ForeignText::new(&self.service_account_id)
            )
        } else if code == Code::SourceNotFound {
            "check `--iam-endpoint`".into()
        } else {
            "check that the key belongs to this installation of Yandex Cloud, and the endpoint"
                .into()
        }
    }

    /// The assertion: a JWT signed with PS256, as in the vendor's "Getting an IAM token for a service account".
    fn sign(&self, now: Timestamp, audience: &str) -> Result<Secret> {
        let wrong = |problem: Message| unusable(&self.origin, problem, "a new one");
        let PrivateKey { private_key } = serde_json::from_str(self.content.trim())
            .ok()
            .ok_or_else(|| wrong("has a `private_key` that is not text".into()))?;
        let key = SigningKey::from_pem(private_key.expose()).map_err(wrong)?;
        let issued_at = now.minus(BACKDATED);
        let claims = json!({
            "iss": self.service_account_id,
            "aud": audience,
            "iat": issued_at.unix_seconds(),
            "exp": issued_at.plus(ASSERTION_LIFETIME).unix_seconds(),
        });
        key.sign(&self.id, &claims).map_err(|problem| Error::Internal(problem.into()))
    }
}

/// The error for an unusable key file; `other` is the key to create.
fn unusable(origin: &Path, problem: Message, other: &'static str) -> Error {
    Error::IdentityFile {
        what: KEY_FILE,
        path: origin.into(),
        problem: problem.into(),
        hint: message!(
            "make {other} with `yc iam key create --service-account-name NAME --output key.json`",
            other
        ),
    }
}

impl std::fmt::Debug for AuthorizedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, service_account_id, origin, content: _ } = self;
        f.debug_struct("AuthorizedKey")
            .field("id", id)
            .field("service_account_id", service_account_id)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}
