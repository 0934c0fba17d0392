//! The identity of the `yc` CLI: the account it is logged in as, with a profile or its current one.

use std::time::Duration;

use super::yc_profile::YcProfile;
use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity, YcDefaults};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::clock::Offset;
use crate::credential::{Credential, IamToken, Lifetime};
use crate::digest::Digest;
use crate::foreign_text::Message;
use crate::settings::IdentitySetting;
use crate::source::yc_cli::{YcCli, YcOptions};
use crate::source::{Endpoints, Source, iam_token};

/// yc reports no lifetime of its token, and caches it itself.
const TOKEN_TTL: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct YcAccount {
    yc: YcCli,
    /// Of everything that decides the account.
    fingerprint: Digest,
}

pub(super) fn open(setting: &IdentitySetting, inputs: IdentityInputs<'_>) -> ResolvedIdentity {
    let yc = YcCli::of(inputs, setting.text());
    let fingerprint = yc.fingerprint(inputs.env);
    // Its tokens belong to the installation of its profile. An unreadable profile has none.
    let profile = YcProfile::read_for(inputs, setting.text()).ok();
    ResolvedIdentity {
        identity: Box::new(YcAccount { yc, fingerprint }),
        yc_defaults: profile.map_or_else(YcDefaults::default, YcDefaults::from),
    }
}

impl Identity for YcAccount {
    fn describe(&self) -> Message {
        self.yc.describe()
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        key.with("identity", "yc-cli").with("yc", &self.fingerprint.to_hex())
    }

    fn fetch<'a>(&'a self, source: &'a Source, broker: &'a Broker) -> Fetching<'a> {
        Box::pin(async move {
            let is_unattended = broker.is_unattended();
            let options = YcOptions { actor: None, is_unattended, mark: &broker.mark() };
            let deadline = source.http.deadline();
            let token = self.yc.iam_token(&iam_token::what(self), options, deadline).await?;
            let now = broker.clock().now();
            let lifetime = Lifetime::new(now, now.at.plus(TOKEN_TTL), Offset::default());
            Ok(Credential { secret: IamToken(token), lifetime })
        })
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn issuer<'a>(&'a self, _: &'a Endpoints) -> &'a str {
        "yc"
    }

    fn yc(&self) -> Option<&YcCli> {
        Some(&self.yc)
    }
}
