//! `token`: prints the ID token itself, for programs without a command of their own.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::credential::{Credential, IdToken};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::jwt::{self, Claims};
use crate::message;
use crate::run::Context;
use crate::settings::{
    Decides, Field, Kind, Offer, Settings, Table, by_name, invalid_value, list, names_of,
};
use crate::source::IdTokenRequest;

use super::kept_document::MINIMUM_LIFETIME_IN_FILE;
use super::{Consumer, Delivery};

static FORMAT: Field = Field::new(Kind::Text, "format", "--format", "YC_ID_TOKEN_TOKEN_FORMAT")
    .help("FORMAT", "Output format: raw, json, header, curl, env, terraform [default: raw]")
    .essential()
    .conflicts_with(DECODE)
    .decides(Decides::Nothing)
    .offers(Offer::Words(|| names_of(&FORMATS)));

static OUTPUT: Field = Field::new(Kind::Path, "output", "--output", "YC_ID_TOKEN_TOKEN_OUTPUT")
    .help("FILE", "Write the token to this file, atomically, with mode 0600 (not on Windows) and no final newline")
    .essential()
    .conflicts_with(DECODE)
    .decides(Decides::Nothing);

/// The ID of the argument `--decode`.
const DECODE: &str = "decode";

pub(super) const TABLE: Table = Table { name: "token", heading: "", settings: &[&FORMAT, &OUTPUT] };

/// A printed token is used soon.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Print an ID token
///
/// The default audience is the ID of the service account, as for `yc iam create-id-token`.
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "Examples:
  yc-id-token token --key-file key.json --audience https://k8s.example
  curl --config <(yc-id-token token --format curl) https://service.example
  yc-id-token token --output /run/user/1000/aws.jwt --audience sts.amazonaws.com")]
pub struct Args {
    // Shown after the settings in the help.
    /// Print the claims of the token instead of the token
    #[arg(long, id = DECODE, display_order = 3)]
    decode: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    Raw,
    Json,
    Header,
    Curl,
    Env,
    Terraform,
}

/// All formats, with their names.
pub(super) const FORMATS: [(Format, &str); 6] = [
    (Format::Raw, "raw"),
    (Format::Json, "json"),
    (Format::Header, "header"),
    (Format::Curl, "curl"),
    (Format::Env, "env"),
    (Format::Terraform, "terraform"),
];

/// The ID token, in one of the formats.
pub(super) struct Token {
    audience: Option<String>,
    rendering: Rendering,
}

enum Rendering {
    /// Only the claims.
    Claims,
    Print(Format),
    Write(Format, PathBuf),
}

impl Token {
    /// A token in a file that is kept fresh.
    pub(super) fn in_file(format: Format, settings: &Settings) -> Self {
        let audience = settings.audience.as_ref().map(|audience| audience.value.clone());
        Self { audience, rendering: Rendering::Write(format, PathBuf::new()) }
    }
}

impl Consumer for Token {
    const TABLE: &'static Table = &TABLE;
    const FOR_PEOPLE: bool = true;

    type Args = Args;
    type Secret = IdToken;
    type Request<'a> = IdTokenRequest<'a>;

    fn is_configured(_: &Settings) -> bool {
        true
    }

    fn open(args: &Args, settings: &Settings, _: Context<'_>) -> Result<Self> {
        let format = format(settings)?;
        let file = settings.own(&OUTPUT);
        let rendering = match file {
            _ if args.decode => Rendering::Claims,
            Some(file) => Rendering::Write(format, file.value.into()),
            None => Rendering::Print(format),
        };
        Ok(Self { rendering, ..Self::in_file(format, settings) })
    }

    fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> IdTokenRequest<'a> {
        id_token
    }

    fn minimum_lifetime(&self) -> Duration {
        match self.rendering {
            Rendering::Claims | Rendering::Print(_) => MINIMUM_LIFETIME,
            Rendering::Write(..) => MINIMUM_LIFETIME_IN_FILE,
        }
    }

    fn render(&self, credential: &Credential<IdToken>) -> Result<Delivery> {
        Ok(match &self.rendering {
            Rendering::Claims => Delivery::line(claims(credential)?),
            Rendering::Print(format) => Delivery::line(render(*format, credential)?),
            Rendering::Write(format, file) => {
                let document = Zeroizing::new(render(*format, credential)?.into_bytes());
                Delivery::Write(file.clone(), document)
            }
        })
    }
}

fn format(settings: &Settings) -> Result<Format> {
    let Some(setting) = settings.own(&FORMAT) else {
        return Ok(Format::Raw);
    };
    by_name(&FORMATS, &setting.value).ok_or_else(|| {
        let problem = message!(
            "there is no format `{}`: it must be {}",
            ForeignText::new(&setting.value),
            list(&FORMATS.map(|(_, name)| name))
        );
        invalid_value(setting.origin, problem)
    })
}

fn render(format: Format, credential: &Credential<IdToken>) -> Result<String> {
    let token = credential.secret.0.expose();
    let expires_at = credential.lifetime.expires_at;
    Ok(match format {
        Format::Raw => token.to_owned(),
        Format::Json => {
            let claims = Claims::read(token).map_err(|problem| Error::Internal(problem.into()))?;
            json!({
                "token": token,
                "expires_at": expires_at.to_string(),
                "issued_at": claims.issued_at().map(|at: Timestamp| at.to_string()),
                "issuer": claims.iss,
                "subject": claims.sub,
                "audience": claims.aud.first(),
            })
            .to_string()
        }
        Format::Header => format!("Authorization: Bearer {token}"),
        // The format of a curl configuration file, so that the token is in no command line.
        Format::Curl => format!("header = \"Authorization: Bearer {token}\""),
        // One line without `export`, for env files and `>> $GITHUB_ENV`.
        Format::Env => format!("YC_ID_TOKEN={token}"),
        // Terraform's external data source requires an object of strings.
        Format::Terraform => {
            json!({ "token": token, "expires_at": expires_at.to_string() }).to_string()
        }
    })
}

fn claims(credential: &Credential<IdToken>) -> Result<String> {
    let claims = jwt::all_claims(credential.secret.0.expose())
        .map_err(|problem| Error::Internal(problem.into()))?;
    serde_json::to_string_pretty(&claims).map_err(Error::internal)
}
