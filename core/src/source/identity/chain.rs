//! The identity of a run that configures none: the first available one of
//!
//! 1. an IAM token in `YC_ID_TOKEN_IAM_TOKEN` or `YC_IAM_TOKEN`;
//! 2. an IAM or OAuth token in `YC_TOKEN`, an OAuth token in `YC_ID_TOKEN_OAUTH_TOKEN`;
//! 3. an authorized key in `YC_SERVICE_ACCOUNT_KEY_FILE`, its file or its content;
//! 4. a job of GitHub Actions that can request an OIDC token, if the service account is set;
//! 5. the current profile of the `yc` CLI, if it has credentials that can be read;
//! 6. the service account of this machine, which gets 300 ms to answer.
//!
//! Yandex's own variables rank below all settings on purpose: a token that is exported for another tool must not
//! change the identity of a configured profile. If no identity is available, the error lists each one and why it was
//! skipped. A Kubernetes token is never used unless it is configured, because a pod's default token is for its API
//! server only.

use tracing::info;

use super::external_token::{ExternalToken, GithubActions};
use super::federation::{Federated, is_name};
use super::given_token::{IamTokenIdentity, OauthTokenIdentity};
use super::metadata::Metadata;
use super::yc_profile::YcProfile;
use super::{Identity as _, IdentityInputs, ResolvedIdentity};
use super::{authorized_key, is_iam_token, yc_profile};
use crate::env;
use crate::error::Result;
use crate::foreign_text::Message;
use crate::message;

/// The result of a search for an identity.
enum Search {
    Found(ResolvedIdentity),
    /// It is not available, for this reason.
    Skipped(Message),
}

impl Search {
    fn of(found: Option<impl Into<ResolvedIdentity>>, otherwise: &'static str) -> Self {
        found.map_or_else(|| Self::Skipped(otherwise.into()), |found| Self::Found(found.into()))
    }
}

/// The searches in this order. None of them sends a request.
const SEARCHES: &[fn(IdentityInputs<'_>) -> Result<Search>] =
    &[iam_token, yc_token, authorized_key, github_actions, yc_profile];

pub(super) fn find(inputs: IdentityInputs<'_>) -> Result<ResolvedIdentity> {
    let mut reasons = Vec::new();
    for look in SEARCHES {
        match look(inputs)? {
            Search::Found(found) => {
                info!("identity: {}, the first that was found", found.identity.describe());
                return Ok(found);
            }
            Search::Skipped(reason) => reasons.push(reason),
        }
    }
    let metadata = Metadata::last_resort(inputs.env, reasons)?;
    info!("identity: {}, because no other is available", metadata.describe());
    Ok(metadata.into())
}

fn iam_token(inputs: IdentityInputs<'_>) -> Result<Search> {
    let token = IamTokenIdentity::of_variables(&[env::IAM_TOKEN, env::YC_IAM_TOKEN], inputs.env)?;
    Ok(Search::of(token, "YC_IAM_TOKEN is not set"))
}

fn yc_token(inputs: IdentityInputs<'_>) -> Result<Search> {
    if inputs.env.get(env::YC_TOKEN).is_some_and(|token| is_iam_token(&token)) {
        let token = IamTokenIdentity::of_variables(&[env::YC_TOKEN], inputs.env)?;
        return Ok(Search::of(token, "YC_TOKEN is not set"));
    }
    let token = OauthTokenIdentity::of_variables(inputs.env)?;
    Ok(Search::of(token, "YC_TOKEN is not set"))
}

fn authorized_key(inputs: IdentityInputs<'_>) -> Result<Search> {
    Ok(Search::of(authorized_key::of_variable(inputs)?, "no key file is set"))
}

fn github_actions(inputs: IdentityInputs<'_>) -> Result<Search> {
    let is_job = inputs.env.get(env::ACTIONS_ID_TOKEN_REQUEST_URL).is_some();
    let skipped = |reason: &'static str| Ok(Search::Skipped(reason.into()));
    if !is_job {
        return skipped("this is not a job of GitHub Actions that may request a token");
    }
    let Some(account) = &inputs.settings.service_account else {
        return skipped("a job of GitHub Actions needs `--service-account`");
    };
    if is_name(account, inputs.settings) {
        return skipped("a job of GitHub Actions needs the ID of the service account");
    }
    let job = GithubActions::of_job(None, inputs.env)?.map(|job| Federated {
        token: ExternalToken::GithubActions(job),
        service_account: account.value.clone(),
    });
    Ok(Search::of(job, "ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set"))
}

/// An unusable configuration of yc is not an error, because a later identity may be available.
#[expect(clippy::unnecessary_wraps, reason = "all looks have one type")]
fn yc_profile(inputs: IdentityInputs<'_>) -> Result<Search> {
    let home = inputs.locations.home.as_deref();
    if !home.map(YcProfile::default_path).is_some_and(|path| path.exists()) {
        return Ok(Search::Skipped("`yc` is not set up".into()));
    }
    let look = || {
        let mut profile = YcProfile::read_for(inputs, None)?;
        Ok(match yc_profile::identity(&mut profile, inputs)? {
            Some(identity) => {
                Search::Found(ResolvedIdentity { identity, yc_defaults: profile.into() })
            }
            None => Search::Skipped(message!("{}", profile.has_no_credentials())),
        })
    };
    let unusable = |error: crate::error::Error| Search::Skipped(message!("{error}", error));
    Ok(look().unwrap_or_else(unusable))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::env::Env;
    use crate::private_file;
    use crate::settings::{Flags, Locations, Settings, schema};

    const KEY: &str = r#"{"id":"ajek","service_account_id":"ajes","private_key":"k"}"#;

    fn found(variables: &[(&'static str, &str)], yc: Option<&str>) -> String {
        let variables: HashMap<_, _> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let env = Env::Fake(variables);
        let home = tempfile::tempdir().unwrap();
        if let Some(text) = yc {
            let path = YcProfile::default_path(home.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            private_file::write(&path, text.as_bytes()).unwrap();
        }
        let locations = Locations { home: Some(home.path().into()), ..Locations::default() };
        let flags = Flags::default().with(&schema::SERVICE_ACCOUNT, "ajewanted");
        let settings = Settings::load(&flags, &env, &locations, &[], &[]).unwrap();
        let inputs = IdentityInputs { settings: &settings, env: &env, locations: &locations };
        find(inputs).unwrap().identity.describe().to_string()
    }

    #[test]
    fn without_a_setting_the_first_available_identity_is_used() {
        let yc = "current: default\nprofiles:\n  default:\n    token: y0_AgAAAA\n";
        let table = [
            ("YC_ID_TOKEN_IAM_TOKEN", "t1.a.b", "the IAM token of YC_ID_TOKEN_IAM_TOKEN"),
            ("YC_IAM_TOKEN", "t1.a.b", "the IAM token of YC_IAM_TOKEN"),
            ("YC_TOKEN", "t1.a.b", "the IAM token of YC_TOKEN"),
            ("YC_SERVICE_ACCOUNT_KEY_FILE", KEY, "authorized key `ajek` of service account `ajes`"),
            (
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
                "x",
                "the external token of this job of GitHub Actions, acting as service account `ajewanted`",
            ),
        ];
        let job = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://github.example/token?api-version=2.0"),
            ("GITHUB_REPOSITORY_OWNER", "me"),
        ];
        for first in 0..table.len() {
            let there = table[first..].iter().map(|(name, value, _)| (*name, *value));
            let there: Vec<_> = there.chain(job).collect();
            assert_eq!(found(&there, Some(yc)), table[first].2);
        }
        assert_eq!(found(&job, Some(yc)), "the OAuth token of yc's profile `default`");
        let oauth = [("YC_TOKEN", "y0_AgAAAA"), ("YC_SERVICE_ACCOUNT_KEY_FILE", KEY)];
        assert_eq!(found(&oauth, None), "the OAuth token of YC_TOKEN");
        let own_variable = [("YC_ID_TOKEN_OAUTH_TOKEN", "y0_AgAAAA"), oauth[1]];
        assert_eq!(found(&own_variable, None), "the OAuth token of YC_ID_TOKEN_OAUTH_TOKEN");
        for useless in [
            None,
            Some("current: a\nprofiles:\n  a: {}\n"),
            Some("current: a\nprofiles:\n  a:\n    federation-id: bpf\n"),
            Some("\t"),
        ] {
            let machine = found(&[("YC_METADATA_ADDR", "127.0.0.1:81")], useless);
            assert_eq!(machine, "the metadata service at http://127.0.0.1:81");
        }
    }
}
