//! Who we are towards Yandex Cloud.

use tracing::info;

use super::{
    AuthorizedKey, DEFAULT_ADDRESS, ExternalToken, Federated, GivenToken, Metadata, TokenKind,
    YcCli, YcCredentials, YcProfile, chain, is_iam_token,
};
use crate::cache::{Digest, KeyBuilder};
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::{IdentitySetting, KeySource, Locations, Settings};

/// Who we are towards Yandex Cloud.
#[derive(Debug)]
pub enum Identity {
    /// An authorized key of a service account.
    AuthorizedKey(AuthorizedKey),
    /// An IAM token that somebody else obtained.
    GivenToken(GivenToken),
    /// An OAuth token of a person.
    OauthToken(GivenToken),
    /// The service account of this machine.
    Metadata(Metadata),
    /// A workload of elsewhere that a service account trusts.
    Federated(Federated),
    /// Whoever the vendor's CLI is.
    YcCli {
        /// How it is run.
        yc: YcCli,
        /// Over all that makes it whom it is.
        fingerprint: Digest,
    },
}

/// An identity, and what came with it.
#[derive(Debug)]
pub struct Found {
    /// Who we are.
    pub identity: Identity,
    /// What the profile of `yc` says besides, if the identity is from there.
    pub yc_profile: Option<YcDefaults>,
}

/// Where a profile of `yc` works.
#[derive(Clone, Debug, Default)]
pub struct YcDefaults {
    /// The folder.
    pub folder_id: Option<String>,
    /// The cloud of that folder.
    pub cloud_id: Option<String>,
    /// The API endpoint.
    pub endpoint: Option<String>,
}

/// What there is to find an identity in.
#[derive(Clone, Copy, Debug)]
pub struct IdentityInputs<'a> {
    /// What this run has been told.
    pub settings: &'a Settings,
    /// The environment.
    pub env: &'a Env,
    /// Where files are.
    pub locations: &'a Locations,
}

impl From<Identity> for Found {
    fn from(identity: Identity) -> Self {
        Self { identity, yc_profile: None }
    }
}

impl Identity {
    /// Opens the identity that the settings name, or else finds one.
    pub fn open(around: IdentityInputs<'_>) -> Result<Found> {
        let IdentityInputs { settings, env, .. } = around;
        let Some(setting) = &settings.identity else {
            return chain::find(around);
        };
        let lacks = |problem: &'static str, hint: &'static str| Error::Missing {
            problem: message!("{problem} ({}), and none is set", setting.origin, problem),
            hint: hint.into(),
        };
        let found: Found = match &setting.value {
            IdentitySetting::AuthorizedKey(Some(source)) => {
                Self::AuthorizedKey(AuthorizedKey::open(source)?).into()
            }
            IdentitySetting::AuthorizedKey(None) => key_of_variable(around)?
                .map(Self::AuthorizedKey)
                .ok_or_else(|| {
                    lacks("the identity `authorized-key` needs a key file", "give `--key-file`")
                })?
                .into(),
            IdentitySetting::Keyring(name) => {
                Self::AuthorizedKey(AuthorizedKey::imported(name, around.locations)?).into()
            }
            IdentitySetting::IamToken(Some(file)) => {
                Self::GivenToken(GivenToken::read(TokenKind::Iam, file)?).into()
            }
            IdentitySetting::IamToken(None) => iam_token_of_variable(env)?
                .map(Self::GivenToken)
                .ok_or_else(|| {
                    lacks(
                        "the identity `iam-token` needs an IAM token",
                        "set YC_IAM_TOKEN, for example with `export YC_IAM_TOKEN=$(yc iam create-token)`",
                    )
                })?
                .into(),
            IdentitySetting::OauthToken(Some(file)) => {
                Self::OauthToken(GivenToken::read(TokenKind::Oauth, file)?).into()
            }
            IdentitySetting::OauthToken(None) => oauth_token_of_variable(env)?
                .map(Self::OauthToken)
                .ok_or_else(|| {
                    lacks(
                        "the identity `oauth-token` needs an OAuth token",
                        "set YC_ID_TOKEN_OAUTH_TOKEN; or better use an authorized key, as Yandex retires OAuth tokens",
                    )
                })?
                .into(),
            IdentitySetting::Metadata => Self::Metadata(Metadata::at(&metadata_address(env))?).into(),
            IdentitySetting::YcProfile(name) => of_yc_profile(name.as_deref(), around)?,
            IdentitySetting::YcCli(profile) => {
                let yc = yc(profile.clone(), around);
                let fingerprint = yc.fingerprint(env);
                // Its tokens are of the installation that its profile is of.
                let yc_profile = place_of_yc(profile.as_deref(), around);
                Found { identity: Self::YcCli { yc, fingerprint }, yc_profile }
            }
            IdentitySetting::Federated(federated) => {
                let service_account = Federated::account(federated, settings)?;
                let token = ExternalToken::open(&federated.token, env)?;
                Self::Federated(Federated { token, service_account }).into()
            }
        };
        info!("identity: {}, from {}", found.identity.describe(), setting.origin);
        Ok(found)
    }

    /// The service account that this is, if that is known here.
    #[must_use]
    pub fn service_account(&self) -> Option<&str> {
        match self {
            Self::AuthorizedKey(key) => Some(&key.service_account_id),
            Self::Federated(workload) => Some(&workload.service_account),
            Self::GivenToken(_) | Self::OauthToken(_) | Self::Metadata(_) | Self::YcCli { .. } => {
                None
            }
        }
    }

    /// The error for a run that does not say whose ID token it wants, and whose identity does not tell.
    #[must_use]
    pub fn tells_no_account(&self) -> Error {
        match self {
            Self::Metadata(metadata) if !metadata.is_chosen() => metadata.not_tried(
                "this machine's own service account is only tried with `--service-account`",
            ),
            _ => Error::Missing {
                problem: message!(
                    "the service account to get the ID token for is not set, and {} does not name one",
                    self.describe()
                ),
                hint:
                    "give `--service-account` with its ID (`aje…`), or its name with `--folder-id`"
                        .into(),
            },
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn describe(&self) -> Message {
        match self {
            Self::AuthorizedKey(key) => message!(
                "authorized key `{}` of service account `{}`",
                ForeignText::new(&key.id),
                ForeignText::new(&key.service_account_id)
            ),
            Self::GivenToken(given) => message!("the IAM token of {}", given.origin()),
            Self::OauthToken(token) => message!("the OAuth token of {}", token.origin()),
            Self::Metadata(metadata) => {
                message!("the metadata service at {}", ForeignText::new(metadata.address()))
            }
            Self::Federated(workload) => message!(
                "{}, acting as service account `{}`",
                workload.token.describe(),
                ForeignText::new(&workload.service_account)
            ),
            Self::YcCli { yc, .. } => yc.describe(),
        }
    }

    /// Its part in cache keys: two identities never share an entry.
    pub(super) fn contribute(&self, key: KeyBuilder) -> KeyBuilder {
        match self {
            Self::AuthorizedKey(authorized) => key
                .with("identity", "authorized-key")
                .with("key", &authorized.id)
                .with("key's service account", &authorized.service_account_id),
            Self::GivenToken(given) => {
                key.with("identity", "iam-token").with("token", &given.digest().to_hex())
            }
            Self::OauthToken(token) => {
                key.with("identity", "oauth-token").with("token", &token.digest().to_hex())
            }
            Self::Metadata(metadata) => {
                key.with("identity", "metadata").with("address", metadata.address())
            }
            Self::Federated(workload) => workload
                .token
                .contribute(key.with("identity", "federation"))
                .with("service account", &workload.service_account),
            Self::YcCli { fingerprint, .. } => {
                key.with("identity", "yc-cli").with("yc", &fingerprint.to_hex())
            }
        }
    }
}

/// The identity that a profile of `yc` has, and what else it says.
pub(super) fn of_yc_profile(name: Option<&str>, around: IdentityInputs<'_>) -> Result<Found> {
    let Some(path) = around.locations.home.as_deref().map(YcProfile::default_path) else {
        return Err(Error::Missing {
            problem: "there is no home folder to look for the configuration of yc in".into(),
            hint: "set HOME, or give another `--identity`".into(),
        });
    };
    let profile = YcProfile::read(&path, name)?;
    let origin = message!("yc's profile `{}`", ForeignText::new(&profile.name));
    let place = YcDefaults {
        folder_id: profile.folder_id.clone(),
        cloud_id: profile.cloud_id.clone(),
        endpoint: profile.endpoint.clone(),
    };
    let metadata = metadata_address(around.env);
    let identity = match profile.credentials {
        YcCredentials::Federation { .. } => return Err(profile.needs_yc()),
        YcCredentials::AuthorizedKey(key) => Identity::AuthorizedKey(key),
        YcCredentials::IamToken(token) => {
            Identity::GivenToken(GivenToken::new(TokenKind::Iam, token.0.expose(), origin)?)
        }
        YcCredentials::OAuthToken(token) => {
            Identity::OauthToken(GivenToken::new(TokenKind::Oauth, token.expose(), origin)?)
        }
        YcCredentials::InstanceServiceAccount => Identity::Metadata(Metadata::at(&metadata)?),
        // In a virtual machine, yc takes the machine's own account then.
        YcCredentials::None => {
            let reason = message!("{}", profile.has_no_credentials());
            Identity::Metadata(Metadata::tried(&metadata, vec![reason])?)
        }
    };
    Ok(Found { identity, yc_profile: Some(place) })
}

/// Where a profile of `yc` works, as far as it can be read.
fn place_of_yc(name: Option<&str>, around: IdentityInputs<'_>) -> Option<YcDefaults> {
    let path = around.locations.home.as_deref().map(YcProfile::default_path)?;
    let profile = YcProfile::read(&path, name).ok()?;
    let YcProfile { folder_id, cloud_id, endpoint, .. } = profile;
    Some(YcDefaults { folder_id, cloud_id, endpoint })
}

/// The vendor's CLI, as this run is to start it.
pub(super) fn yc(profile: Option<String>, around: IdentityInputs<'_>) -> YcCli {
    let path = around.settings.yc_path.as_ref().map(|path| path.value.clone());
    YcCli::new(path, profile, around.locations.home.as_deref())
}

/// The key in Yandex's own variable, which holds it or names its file, as for the vendor's Terraform
/// provider.
pub(super) fn key_of_variable(around: IdentityInputs<'_>) -> Result<Option<AuthorizedKey>> {
    let variable = env::YC_SERVICE_ACCOUNT_KEY_FILE;
    let Some(value) = around.env.get(variable) else { return Ok(None) };
    let home = around.locations.home.as_deref();
    let source = KeySource::of_variable(&value, variable.name, home)?;
    AuthorizedKey::open(&source).map(Some)
}

/// The IAM token in the environment.
pub(super) fn iam_token_of_variable(env: &Env) -> Result<Option<GivenToken>> {
    for variable in [env::IAM_TOKEN, env::YC_IAM_TOKEN, env::YC_TOKEN] {
        if let Some(token) = env.get(variable) {
            return GivenToken::new(TokenKind::Iam, &token, variable.name).map(Some);
        }
    }
    Ok(None)
}

/// The OAuth token in the environment. Yandex's own variable may hold an IAM token as well.
pub(super) fn oauth_token_of_variable(env: &Env) -> Result<Option<GivenToken>> {
    if let Some(token) = env.get(env::OAUTH_TOKEN) {
        return GivenToken::new(TokenKind::Oauth, &token, env::OAUTH_TOKEN.name).map(Some);
    }
    match env.get(env::YC_TOKEN) {
        Some(token) if !is_iam_token(&token) => {
            GivenToken::new(TokenKind::Oauth, &token, env::YC_TOKEN.name).map(Some)
        }
        _ => Ok(None),
    }
}

pub(super) fn metadata_address(env: &Env) -> String {
    env.get(env::YC_METADATA_ADDR).unwrap_or_else(|| DEFAULT_ADDRESS.into())
}
