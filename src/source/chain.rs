//! Who we are when nothing says it: the first that there is of
//!
//! 1. an IAM token in `YC_ID_TOKEN_IAM_TOKEN` or `YC_IAM_TOKEN`;
//! 2. an IAM or OAuth token in `YC_TOKEN`, an OAuth token in `YC_ID_TOKEN_OAUTH_TOKEN`;
//! 3. an authorized key in `YC_SERVICE_ACCOUNT_KEY_FILE`, its file or its content;
//! 4. a job of GitHub Actions that may ask for an OIDC token, if the service account is set;
//! 5. the current profile of the `yc` CLI, if it has credentials that can be read;
//! 6. the service account of this machine, given 300 ms to answer.
//!
//! Yandex's own variables come last of what is said on purpose (see the settings): a token that is exported
//! for another tool does not change who a configured profile is. What has been tried, and why it was not
//! there, is told if nothing is. A token of Kubernetes is never taken without being named: the one that
//! every pod has is for its API server, and no one else's to see.

use tracing::info;

use super::external_token::{ExternalToken, GithubActions};
use super::federation::{Federated, is_name};
use super::identity::{self, Found, Identity, IdentityInputs};
use super::{GivenToken, Metadata, TokenKind, YcProfile, is_iam_token};
use crate::env;
use crate::error::Result;
use crate::foreign_text::Message;
use crate::message;

/// What a source has to offer, or why it has nothing.
type Look = std::result::Result<Found, Message>;

/// The sources that cost nothing to look at, in their order.
const SOURCES: &[fn(IdentityInputs<'_>) -> Result<Look>] =
    &[iam_token, yc_token, authorized_key, github_actions, yc_profile];

/// Finds an identity.
pub(super) fn find(around: IdentityInputs<'_>) -> Result<Found> {
    let mut reasons = Vec::new();
    for source in SOURCES {
        match source(around)? {
            Ok(found) => {
                info!("identity: {}, the first that was found", found.identity.describe());
                return Ok(found);
            }
            Err(reason) => reasons.push(reason),
        }
    }
    let metadata = Metadata::tried(&identity::metadata_address(around.env), reasons)?;
    info!("identity: the metadata service at {}, as nothing else is there", metadata.address());
    Ok(Identity::Metadata(metadata).into())
}

fn iam_token(around: IdentityInputs<'_>) -> Result<Look> {
    for variable in [env::IAM_TOKEN, env::YC_IAM_TOKEN] {
        if let Some(token) = around.env.get(variable) {
            let given = GivenToken::new(TokenKind::Iam, &token, variable.name)?;
            return Ok(Ok(Identity::GivenToken(given).into()));
        }
    }
    Ok(Err("YC_IAM_TOKEN is not set".into()))
}

fn yc_token(around: IdentityInputs<'_>) -> Result<Look> {
    if let Some(token) = around.env.get(env::YC_TOKEN).filter(|token| is_iam_token(token)) {
        let given = GivenToken::new(TokenKind::Iam, &token, env::YC_TOKEN.name)?;
        return Ok(Ok(Identity::GivenToken(given).into()));
    }
    let oauth = identity::oauth_token_of_variable(around.env)?;
    Ok(oauth
        .map(|token| Identity::OauthToken(token).into())
        .ok_or_else(|| "YC_TOKEN is not set".into()))
}

fn authorized_key(around: IdentityInputs<'_>) -> Result<Look> {
    let key = identity::key_of_variable(around)?;
    Ok(key
        .map(|key| Identity::AuthorizedKey(key).into())
        .ok_or_else(|| "no key file is set".into()))
}

fn github_actions(around: IdentityInputs<'_>) -> Result<Look> {
    let is_job = around.env.get(env::ACTIONS_ID_TOKEN_REQUEST_URL).is_some();
    let (true, Some(account)) = (is_job, &around.settings.service_account) else {
        let reason = if is_job {
            "a job of GitHub Actions needs `--service-account`"
        } else {
            "this is no job of GitHub Actions that may request a token"
        };
        return Ok(Err(reason.into()));
    };
    if is_name(account, around.settings) {
        return Ok(Err("a job of GitHub Actions needs the ID of the service account".into()));
    }
    let Some(job) = GithubActions::of_job(None, around.env)? else {
        return Ok(Err("ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set".into()));
    };
    let token = ExternalToken::GithubActions(job);
    let workload = Federated { token, service_account: account.value.clone() };
    Ok(Ok(Identity::Federated(workload).into()))
}

/// A configuration that cannot be used is no reason to fail where something else may be there.
#[expect(clippy::unnecessary_wraps, reason = "every source is asked alike")]
fn yc_profile(around: IdentityInputs<'_>) -> Result<Look> {
    let home = around.locations.home.as_deref();
    if !home.map(YcProfile::default_path).is_some_and(|path| path.exists()) {
        return Ok(Err("`yc` is not set up".into()));
    }
    Ok(match identity::of_yc_profile(None, around) {
        Ok(Found { identity: Identity::Metadata(metadata), .. }) if !metadata.is_chosen() => {
            Err(Message::join(metadata.reasons(), "; "))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(message!("{error}", error)),
    })
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
        let around = IdentityInputs { settings: &settings, env: &env, locations: &locations };
        Identity::open(around).unwrap().identity.describe().to_string()
    }

    #[test]
    fn without_a_setting_the_first_there_is_wins() {
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
        let ours = [("YC_ID_TOKEN_OAUTH_TOKEN", "y0_AgAAAA"), oauth[1]];
        assert_eq!(found(&ours, None), "the OAuth token of YC_ID_TOKEN_OAUTH_TOKEN");
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
