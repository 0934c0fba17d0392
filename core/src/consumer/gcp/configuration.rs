//! The credential configuration of a command (AIP-4117, `external_account`): where Google's client libraries find the ID
//! token, and what they exchange it for.
//!
//! The token is in a file: every library and tool reads one, also those that run no executable (.NET, older ones) or
//! only if `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES` permits all of them. They read it again for each exchange.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{JWT, PROVIDER, SERVICE_ACCOUNT_EMAIL, audience};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::settings::{Setting, Settings, unfit};

/// What the names of providers begin with.
const HOST: &str = "//iam.googleapis.com/";

/// Variables that name the configuration. gcloud and the tools that come with it read one of their own.
const VARIABLES: [&str; 2] =
    ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"];

/// Variables that a command must not inherit: gcloud or Terraform would use them instead.
const IN_THE_WAY: [&str; 5] = [
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_CLOUD_KEYFILE_JSON",
    "GCLOUD_KEYFILE_JSON",
];

/// A credential configuration, but for the file with the ID token.
pub(in crate::consumer) struct Configuration {
    /// The audience of the ID token.
    pub(in crate::consumer) audience: String,
    provider: String,
    service_account_email: Option<String>,
}

impl Configuration {
    pub(in crate::consumer) fn read(settings: &Settings) -> Result<Self> {
        let provider = provider(settings)?.ok_or_else(|| Error::Missing {
            problem: "the provider of the workload identity pool is not set".into(),
            hint: "give `--provider` with its name, as `gcloud iam workload-identity-pools providers describe` shows it".into(),
        })?;
        let audience = audience(settings, Some(&provider))?;
        let service_account_email = settings.own(&SERVICE_ACCOUNT_EMAIL).map(checked_email);
        Ok(Self { audience, provider, service_account_email: service_account_email.transpose()? })
    }

    /// Removes from the environment of a command what would be used instead.
    pub(in crate::consumer) fn clear_environment(command: &mut Command) {
        for name in VARIABLES.iter().chain(&IN_THE_WAY) {
            command.env_remove(name);
        }
    }

    /// Puts the path of the configuration into the environment of a command.
    pub(in crate::consumer) fn put_into_environment(path: &Path, command: &mut Command) {
        command.envs(VARIABLES.map(|name| (name, path)));
    }

    /// The document, for an ID token in this file.
    pub(in crate::consumer) fn document(&self, token: &Path) -> Value {
        let mut document = json!({
            "universe_domain": "googleapis.com",
            "type": "external_account",
            "audience": self.provider,
            "subject_token_type": JWT,
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": { "file": token.to_string_lossy(), "format": { "type": "text" } },
        });
        if let Some(email) = &self.service_account_email {
            document["service_account_impersonation_url"] = format!(
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
            )
            .into();
        }
        document
    }
}

/// The provider that is set, by its full name.
pub(super) fn provider(settings: &Settings) -> Result<Option<String>> {
    let Some(Setting { value, origin }) = settings.own(&PROVIDER) else { return Ok(None) };
    let name = value.strip_prefix("https:").unwrap_or(&value);
    let name = name.strip_prefix(HOST).unwrap_or(name);
    let parts: Vec<&str> = name.split('/').collect();
    let is_provider = matches!(
        parts[..],
        ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", provider]
            if is_made_of(number, |byte| byte.is_ascii_digit()) && is_made_of(pool, is_of_id) && is_made_of(provider, is_of_id)
    );
    if is_provider {
        return Ok(Some(format!("{HOST}{name}")));
    }
    let problem = message!(
        "`{}` is not the name of a provider: it must be `{HOST}projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`, with the number of the project and not its ID",
        ForeignText::new(&value),
        HOST
    );
    Err(unfit(origin, problem))
}

fn checked_email(Setting { value, origin }: Setting<String>) -> Result<String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match value.split_once('@') {
        Some((name, domain)) if is_made_of(name, is_of_name) && is_made_of(domain, is_of_name) => {
            Ok(value)
        }
        _ => {
            let problem = message!(
                "`{}` is not the email of a service account, such as `robot@project.iam.gserviceaccount.com`",
                ForeignText::new(&value)
            );
            Err(unfit(origin, problem))
        }
    }
}

fn is_made_of(text: &str, is_member: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(is_member)
}

const fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
