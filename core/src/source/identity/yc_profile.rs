//! The identity of a profile of `yc`: the credentials in its configuration, without running `yc`.

use super::given_token::{IamTokenIdentity, OauthTokenIdentity};
use super::metadata::Metadata;
use super::{Identity, IdentityInputs, ResolvedIdentity, YcDefaults};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::settings::IdentitySetting;
use crate::source::yc_config::YcCredentials;
pub(super) use crate::source::yc_config::YcProfile;

impl YcProfile {
    /// Reads the named profile, or the current one, from the user's configuration of yc.
    pub(super) fn read_for(inputs: IdentityInputs<'_>, name: Option<&str>) -> Result<Self> {
        let home = inputs.locations.home.as_deref().ok_or_else(|| Error::Missing {
            problem: "there is no home folder to look for the configuration of yc in".into(),
            hint: "set HOME, or give another `--identity`".into(),
        })?;
        Self::read(&Self::default_path(home), name)
    }
}

impl From<YcProfile> for YcDefaults {
    fn from(profile: YcProfile) -> Self {
        let YcProfile { folder_id, cloud_id, endpoint, .. } = profile;
        Self { folder_id, cloud_id, endpoint }
    }
}

pub(super) fn open(
    setting: &IdentitySetting,
    inputs: IdentityInputs<'_>,
) -> Result<ResolvedIdentity> {
    let mut profile = YcProfile::read_for(inputs, setting.text())?;
    let identity = match identity(&mut profile, inputs)? {
        Some(identity) => identity,
        // yc itself then uses the service account of the machine.
        None => {
            let reason = message!("{}", profile.has_no_credentials());
            Box::new(Metadata::last_resort(inputs.env, vec![reason])?)
        }
    };
    Ok(ResolvedIdentity { identity, yc_defaults: profile.into() })
}

/// The identity of a profile; `None` if it has no credentials.
pub(super) fn identity(
    profile: &mut YcProfile,
    inputs: IdentityInputs<'_>,
) -> Result<Option<Box<dyn Identity>>> {
    let origin = message!("yc's profile `{}`", ForeignText::new(&profile.name));
    Ok(Some(match std::mem::replace(&mut profile.credentials, YcCredentials::None) {
        YcCredentials::AuthorizedKey(key) => Box::new(key),
        YcCredentials::IamToken(token) => {
            Box::new(IamTokenIdentity::new(token.0.expose(), origin)?)
        }
        YcCredentials::OAuthToken(token) => {
            Box::new(OauthTokenIdentity::new(token.expose(), origin)?)
        }
        YcCredentials::InstanceServiceAccount => Box::new(Metadata::chosen(inputs.env)?),
        YcCredentials::Federation { .. } => return Err(profile.needs_yc()),
        YcCredentials::None => return Ok(None),
    }))
}
