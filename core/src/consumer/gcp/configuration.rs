//! The credential configuration (AIP-4117, `external_account`): the source of the ID token for Google's client
//! libraries, and its exchange. `exec --gcp` writes one for its command, `setup gcp` a permanent one.
//!
//! Every library and tool can read a token from a file. Some run no executable (.NET, older ones), others only if
//! `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES` permits all of them. The file is read for each exchange.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::settings::{PROVIDER, SERVICE_ACCOUNT_EMAIL};
use super::{ID_TOKEN, JWT, audience};
use crate::env::{self, Var};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::{Setting, Settings, invalid_value};

/// The prefix of providers' names.
const HOST: &str = "//iam.googleapis.com/";

/// Variables that name the configuration. gcloud and its tools read one of their own.
pub const VARIABLES: [Var; 2] =
    [env::GOOGLE_APPLICATION_CREDENTIALS, env::CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE];

/// Variables that a command must not inherit: gcloud or Terraform would prefer them.
pub const OVERRIDING: [Var; 5] = [
    env::CLOUDSDK_AUTH_ACCESS_TOKEN_FILE,
    env::GOOGLE_OAUTH_ACCESS_TOKEN,
    env::GOOGLE_CREDENTIALS,
    env::GOOGLE_CLOUD_KEYFILE_JSON,
    env::GCLOUD_KEYFILE_JSON,
];

/// How long a library waits for the executable: longer than the default time limit of a run.
const TIMEOUT_MILLIS: u32 = 30_000;

/// The field with the token in the agent's answer.
const TOKEN_FIELD: &str = "id_token";

/// A credential configuration, without the source of the ID token.
pub struct Configuration {
    /// The audience of the ID token.
    pub audience: String,
    pub provider: Provider,
    pub service_account_email: Option<String>,
}

/// The source of the ID token.
pub enum TokenSource {
    /// This program, with a command line.
    Executable(String),
    File(PathBuf),
    /// An agent.
    Url {
        url: String,
        secret: Zeroizing<String>,
    },
}

impl Configuration {
    pub fn read(settings: &Settings) -> Result<Self> {
        let provider = provider(settings)?.ok_or_else(|| Error::Missing {
            problem: "the provider of the workload identity pool is not set".into(),
            hint: "give `--provider` with its name, as `gcloud iam workload-identity-pools providers describe` shows it".into(),
        })?;
        let audience = audience(settings, Some(provider.name()))?;
        let service_account_email = settings.own(&SERVICE_ACCOUNT_EMAIL).map(checked_email);
        Ok(Self { audience, provider, service_account_email: service_account_email.transpose()? })
    }

    /// Removes variables with precedence from the environment of a command.
    pub(in crate::consumer) fn clear_environment(command: &mut Command) {
        for variable in VARIABLES.iter().chain(&OVERRIDING) {
            command.env_remove(variable.name);
        }
    }

    /// Sets the path of the configuration in the environment of a command.
    pub(in crate::consumer) fn put_into_environment(path: &Path, command: &mut Command) {
        command.envs(VARIABLES.map(|variable| (variable.name, path)));
    }

    /// The document, with this source of the ID token.
    pub fn document(&self, source: &TokenSource) -> Value {
        let (token_type, source) = match source {
            TokenSource::Executable(command) => {
                let executable = json!({ "command": command, "timeout_millis": TIMEOUT_MILLIS });
                (ID_TOKEN, json!({ "executable": executable }))
            }
            TokenSource::File(path) => {
                (JWT, json!({ "file": path.to_string_lossy(), "format": { "type": "text" } }))
            }
            TokenSource::Url { url, secret } => {
                let headers = json!({ "Authorization": format!("Bearer {}", **secret) });
                let format = json!({ "type": "json", "subject_token_field_name": TOKEN_FIELD });
                (JWT, json!({ "url": url, "headers": headers, "format": format }))
            }
        };
        let mut document = json!({
            "universe_domain": "googleapis.com",
            "type": "external_account",
            "audience": self.provider.name(),
            "subject_token_type": token_type,
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
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

/// The provider of a workload identity pool, by its full name.
#[derive(Debug)]
pub struct Provider(String);

impl Provider {
    /// Parses a name in Google's notations: in full, with `https:` before it, or from `projects` on.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("https:").unwrap_or(text);
        let name = name.strip_prefix(HOST).unwrap_or(name);
        let parts: Vec<&str> = name.split('/').collect();
        let is_provider = matches!(
            parts[..],
            ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", provider]
                if is_made_of(number, |byte| byte.is_ascii_digit()) && is_made_of(pool, is_of_id) && is_made_of(provider, is_of_id)
        );
        is_provider.then(|| Self(format!("{HOST}{name}")))
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub(super) fn into_name(self) -> String {
        self.0
    }

    /// The number of its project, its pool, and its own ID.
    pub fn parts(&self) -> [&str; 3] {
        let parts: Vec<&str> = self.0.split('/').collect();
        [4, 8, 10].map(|at| parts.get(at).copied().unwrap_or_default())
    }
}

/// The configured provider.
pub(super) fn provider(settings: &Settings) -> Result<Option<Provider>> {
    let Some(Setting { value, origin }) = settings.own(&PROVIDER) else { return Ok(None) };
    match Provider::parse(&value) {
        Some(provider) => Ok(Some(provider)),
        None => Err(invalid_value(origin, not_a_provider(&value))),
    }
}

/// The problem of a provider's name, if it has one.
pub fn provider_problem(text: &str) -> Option<Message> {
    Provider::parse(text).is_none().then(|| not_a_provider(text))
}

fn not_a_provider(text: &str) -> Message {
    message!(
        "`{}` is not the name of a provider: it must be `{HOST}projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`, with the number of the project and not its ID",
        ForeignText::new(text),
        HOST
    )
}

fn checked_email(Setting { value, origin }: Setting<String>) -> Result<String> {
    match email_problem(&value) {
        None => Ok(value),
        Some(problem) => Err(invalid_value(origin, problem)),
    }
}

/// The problem of a service account's email, if it has one.
pub fn email_problem(email: &str) -> Option<Message> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_email = email.split_once('@').is_some_and(|(name, domain)| {
        is_made_of(name, is_of_name) && is_made_of(domain, is_of_name)
    });
    (!is_email).then(|| {
        message!(
            "`{}` is not the email of a service account, such as `robot@project.iam.gserviceaccount.com`",
            ForeignText::new(email)
        )
    })
}

fn is_made_of(text: &str, is_member: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(is_member)
}

const fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
