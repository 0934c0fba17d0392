//! `gcp`: prints the ID token in the format that Google's client libraries read from an executable (AIP-4117,
//! "executable-sourced credentials"), and builds the credential configuration for `exec --gcp`.
//!
//! A failure is a document on standard output too, with exit status 0: the libraries show its code and message.
//! Otherwise they show only the status, or also the raw output.

mod configuration;
mod credential_file;
pub mod settings;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::credential::{Credential, IdToken};
use crate::env::{self, Env, Var};
use crate::error::{Code, Error, Report, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::run::Context;
use crate::settings::{Origin, Setting, Settings, Table};
use crate::source::IdTokenRequest;

use super::{Consumer, Delivery, OutputReader};
pub use configuration::{
    Configuration, OVERRIDING, Provider, TokenSource, VARIABLES, email_problem, provider_problem,
};
pub use credential_file::CredentialFile;
#[cfg(feature = "fuzzing")]
pub use credential_file::gcp_credential_file;
pub(super) use settings::TABLE;
use settings::{OWN_AUDIENCE, PROVIDER};

/// The token is exchanged immediately.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A client that caches the answer in a file uses it until the last second, and the exchange takes time. So the
/// reported expiry is earlier by this much.
const SKEW: Duration = Duration::from_secs(60);

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Print an ID token for Google's client libraries (executable-sourced)
///
/// A failure is printed as a JSON document too, with exit status 0, as the libraries require.
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "Example: in the file that GOOGLE_APPLICATION_CREDENTIALS names,
  \"credential_source\": {
    \"executable\": {
      \"command\": \"/usr/local/bin/yc-id-token gcp --profile prod\",
      \"timeout_millis\": 30000
    }
  }

Set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 in the environment. `yc-id-token setup gcp` writes the file.

The default audience is `https:` and the name of the provider. Set `--audience` if the provider has a list of allowed audiences.")]
pub struct Args {}

#[derive(Serialize)]
struct Answer<'a> {
    version: u8,
    success: bool,
    token_type: &'static str,
    id_token: &'a str,
    expiration_time: i64,
}

/// The ID token, as the answer of an executable.
pub(super) struct Gcp {
    audience: String,
    client: Client,
}

/// The variables that a client sets for the executable. Some clients set none.
struct Client {
    provider: Option<String>,
    token_type: &'static str,
    output_file: Option<PathBuf>,
    is_interactive: bool,
}

impl Consumer for Gcp {
    const TABLE: &'static Table = &TABLE;
    const READER: Option<&'static OutputReader> =
        Some(&OutputReader { merges_stderr, reads_failure, failure_document });

    type Args = Args;
    type Secret = IdToken;
    type Request<'a> = IdTokenRequest<'a>;

    /// A provider that the client names is known only in a run by the client.
    fn is_configured(settings: &Settings) -> bool {
        [&OWN_AUDIENCE, &PROVIDER].into_iter().any(|field| settings.own(field).is_some())
    }

    fn open(_: &Args, settings: &Settings, context: Context<'_>) -> Result<Self> {
        let client = Client::read(context.env)?;
        let provider = match &client.provider {
            Some(provider) => Some(provider.clone()),
            None => configuration::provider(settings)?.map(Provider::into_name),
        };
        Ok(Self { audience: audience(settings, provider.as_deref())?, client })
    }

    fn audience(&self) -> Option<&str> {
        Some(&self.audience)
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> IdTokenRequest<'a> {
        id_token
    }

    fn minimum_lifetime(&self) -> Duration {
        MINIMUM_LIFETIME + SKEW
    }

    fn render(&self, credential: &Credential<IdToken>) -> Result<Delivery> {
        let Client { token_type, output_file, is_interactive, .. } = &self.client;
        let answer = Answer {
            version: 1,
            success: true,
            token_type,
            id_token: credential.secret.0.expose(),
            expiration_time: credential.lifetime.expires_early_here(SKEW).unix_seconds(),
        };
        let mut document = Zeroizing::new(serde_json::to_vec(&answer).map_err(Error::internal)?);
        document.push(b'\n');
        Ok(match output_file {
            // Standard output is the user's terminal then.
            Some(file) if *is_interactive => Delivery::Write(file.clone(), document),
            Some(file) => Delivery::PrintAndKeep(file.clone(), document),
            None => Delivery::Print(document),
        })
    }
}

/// In the interactive mode the client reads only the output file, and the user standard output and error.
fn reads_failure(error: &Error, env: &Env) -> bool {
    !matches!(error.code(), Code::Interrupted | Code::Output)
        && !is_one(env, env::GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE)
}

fn merges_stderr(env: &Env) -> bool {
    env.get(env::GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE).is_some()
        && !is_one(env, env::GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE)
}

fn failure_document(Report { code, message, hint, .. }: &Report) -> String {
    let hint = hint.as_ref().map(|hint| message!(". Hint: {hint}", hint)).unwrap_or_default();
    let document = json!({
        "version": 1,
        "success": false,
        // Google's library for Rust rejects an answer without it.
        "token_type": ID_TOKEN,
        "code": code.name(),
        "message": message!("{message}{hint}", message, hint),
    });
    format!("{document}\n")
}

/// The audience of this run or profile, otherwise the provider's, otherwise that of `[defaults]`, which is for all
/// consumers.
fn audience(settings: &Settings, provider: Option<&str>) -> Result<String> {
    let is_default = |setting: &Setting<String>| matches!(setting.origin, Origin::Defaults { .. });
    let is_for_all =
        settings.own(&OWN_AUDIENCE).is_none() && settings.audience.as_ref().is_some_and(is_default);
    let set = super::audience(settings, &OWN_AUDIENCE);
    // A provider without a list of audiences accepts its own name.
    let of_provider = provider.map(|provider| format!("https:{provider}"));
    let (first, second) = if is_for_all { (of_provider, set) } else { (set, of_provider) };
    first.or(second).ok_or_else(|| Error::Missing {
        problem: "the audience is not set".into(),
        hint: "give `--provider` with the name of the provider of the workload identity pool, or `--audience` with what it accepts; Google's client libraries name the provider in GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE".into(),
    })
}

impl Client {
    fn read(env: &Env) -> Result<Self> {
        if is_one(env, env::GOOGLE_EXTERNAL_ACCOUNT_REVOKE) {
            return Err(Error::Invalid {
                problem: "an ID token cannot be revoked".into(),
                hint: "it is valid until it expires; `yc-id-token cache clear` removes it from this computer".into(),
            });
        }
        let provider = env.get(env::GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE);
        Ok(Self {
            provider: provider.filter(|provider| provider.starts_with("//")),
            token_type: token_type(env)?,
            output_file: env.get_os(env::GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE).map(PathBuf::from),
            is_interactive: is_one(env, env::GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE),
        })
    }
}

fn token_type(env: &Env) -> Result<&'static str> {
    let Some(wanted) = env.get(env::GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE) else {
        return Ok(ID_TOKEN);
    };
    [ID_TOKEN, JWT].into_iter().find(|known| *known == wanted).ok_or_else(|| Error::Invalid {
        problem: message!(
            "the client expects a subject token of type `{}`",
            ForeignText::new(&wanted)
        ),
        hint: message!(
            "set `subject_token_type` of the credential configuration to `{ID_TOKEN}`",
            ID_TOKEN
        ),
    })
}

fn is_one(env: &Env, var: Var) -> bool {
    env.get(var).is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::schema::AUDIENCE;
    use crate::settings::{Flags, Locations};

    const NAME: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/yandex";

    fn with(flags: &Flags, provider: &str) -> Result<Option<String>> {
        let env = Env::Fake([(PROVIDER.variable, provider.to_owned())].into());
        let settings = Settings::without_file(flags, &env, &Locations::default(), &[&TABLE]);
        let settings = settings.unwrap();
        let provider = configuration::provider(&settings)?;
        assert_eq!(provider.as_ref().map_or(NAME, Provider::name), NAME);
        audience(&settings, provider.as_ref().map(Provider::name)).map(Some)
    }

    #[test]
    fn a_provider_is_accepted_in_googles_notations() {
        let relative = NAME.strip_prefix("//iam.googleapis.com/").unwrap();
        let audience = format!("https:{NAME}");
        for provider in [NAME, relative, &audience] {
            assert_eq!(with(&Flags::default(), provider).unwrap().as_ref(), Some(&audience));
        }
        let flags = Flags::default().with(&AUDIENCE, "own".to_owned());
        assert_eq!(with(&flags, NAME).unwrap().as_deref(), Some("own"));
        for (part, wrong) in [
            ("projects/1/", "projects/my-project/"),
            ("/providers/yandex", ""),
            ("pool/", "pool/more/"),
            ("/global/", "/eu/"),
            ("yandex", "yan dex"),
            ("iam.googleapis.com", "iam.example"),
        ] {
            let provider = NAME.replace(part, wrong);
            let error = with(&Flags::default(), &provider).unwrap_err();
            assert_eq!(error.code(), Code::Value, "{provider}");
        }
    }

    #[test]
    fn a_client_must_expect_an_id_token() {
        let wanted = |kind: &str| {
            let name = env::GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE.name;
            token_type(&Env::Fake([(name, kind.to_owned())].into()))
        };
        for (kind, answered) in [("", ID_TOKEN), (ID_TOKEN, ID_TOKEN), (JWT, JWT)] {
            assert_eq!(wanted(kind).unwrap(), answered);
        }
        assert!(wanted("urn:ietf:params:oauth:token-type:saml2").is_err());
    }
}
