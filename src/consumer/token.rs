//! `token`: the bare ID token, for everything that has no command of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::credential::{Credential, IdToken};
use crate::error::{Error, Result, plain};
use crate::jwt::{self, Claims};
use crate::output::Output;
use crate::private_file;
use crate::run::{Context, Run};
use crate::settings::{
    Decides, Field, Kind, Offer, Setting, Table, by_name, list, names_of, unfit,
};

use super::Plan;
use crate::foreign_text::ForeignText;
use crate::message;

const FORMAT: Field =
    Field::new(Kind::Text, "format", "--format", "YC_ID_TOKEN_TOKEN_FORMAT")
        .help("FORM", "Form of the output: raw, json, header, curl, env, terraform [default: raw]")
        .decides(Decides::Nothing)
        .offers(Offer::Words(|| names_of(&FORMATS)));

const OUTPUT: Field =
    Field::new(Kind::Path, "output", "--output", "YC_ID_TOKEN_TOKEN_OUTPUT")
        .help("FILE", "Write to this file instead: whole or not at all, mode 0600, without a final newline")
        .decides(Decides::Nothing);

pub(super) const TABLE: Table = Table {
    name: "token",
    heading: "",
    settings: &[FORMAT, OUTPUT],
};

/// A token that was printed is about to be used.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A token in a file is used by whoever reads it before someone writes the next.
const MINIMUM_LIFETIME_IN_FILE: Duration = Duration::from_secs(10 * 60);

/// Print the ID token, as `yc iam create-id-token` does
///
/// Without an audience, it is the service account's own ID, as for the vendor's command.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token token --key-file key.json --audience https://k8s.example
  curl --config <(yc-id-token token --format curl) https://service.example
  yc-id-token token --output /run/user/1000/aws.jwt --audience sts.amazonaws.com")]
pub struct Args {
    /// Form of the output: raw, json, header, curl, env, terraform [default: raw]
    #[arg(long, value_name = "FORM")]
    format: Option<String>,
    /// Write to this file instead: whole or not at all, mode 0600, without a final newline
    #[arg(long, value_name = "FILE")]
    output: Option<String>,
    /// Print the token's claims instead of the token
    #[arg(long, conflicts_with_all = ["format", "output"])]
    decode: bool,
}

/// In which form the token is printed.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Raw,
    Json,
    Header,
    Curl,
    Env,
    Terraform,
}

/// All forms, with their names.
pub(crate) const FORMATS: [(Format, &str); 6] = [
    (Format::Raw, "raw"),
    (Format::Json, "json"),
    (Format::Header, "header"),
    (Format::Curl, "curl"),
    (Format::Env, "env"),
    (Format::Terraform, "terraform"),
];

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let run = Run::open(context.for_people(), &[&TABLE])?;
        let format = self.format(&run)?;
        let file = self.file(&run);
        let credential = self.obtain(&run)?;
        if self.decode {
            return output.document(decoded(&credential)?.as_bytes());
        }
        let mut document = render(format, &credential)?;
        match file {
            Some(file) => write_file(&PathBuf::from(file.value), document.as_bytes()),
            None => {
                document.push('\n');
                output.document(document.as_bytes())
            }
        }
    }

    pub(super) fn refresh(&self, context: Context<'_>) -> Result<()> {
        self.obtain(&Run::open(context, &[&TABLE])?).map(drop)
    }

    fn obtain(&self, run: &Run) -> Result<Credential<IdToken>> {
        let audience = match &run.settings.audience {
            Some(audience) => &audience.value,
            None => run.service_account()?,
        };
        let in_file = self.file(run).is_some();
        run.id_token(audience, if in_file { MINIMUM_LIFETIME_IN_FILE } else { MINIMUM_LIFETIME })
    }

    fn file(&self, run: &Run) -> Option<Setting<String>> {
        let file = run.settings.consumer(&TABLE, "output", self.output.as_ref(), "--output");
        file.filter(|_| !self.decode)
    }

    fn format(&self, run: &Run) -> Result<Format> {
        let Some(setting) =
            run.settings.consumer(&TABLE, "format", self.format.as_ref(), "--format")
        else {
            return Ok(Format::Raw);
        };
        by_name(&FORMATS, &setting.value).ok_or_else(|| {
            let problem = message!(
                "there is no format `{}`: it must be {}",
                ForeignText::new(&setting.value),
                list(&FORMATS.map(|(_, name)| name))
            );
            unfit(setting.origin, problem)
        })
    }
}

/// What it would do now.
pub(super) fn plan(context: Context<'_>) -> Result<Option<Plan>> {
    let run = Run::open(context, &[&TABLE])?;
    if let Some(lookup) = run.lookup()? {
        let audience = run.settings.audience.as_ref().map(|audience| audience.value.clone());
        return Ok(Some(Plan::that_waits_for(lookup, TABLE.name, audience)));
    }
    let audience = match &run.settings.audience {
        Some(audience) => audience.value.clone(),
        None => run.service_account()?.to_owned(),
    };
    let forecasts = run.forecasts(&audience, MINIMUM_LIFETIME)?;
    Ok(Some(Plan::of(TABLE.name, audience, forecasts)))
}

fn render(format: Format, credential: &Credential<IdToken>) -> Result<Zeroizing<String>> {
    let token = credential.secret.0.expose();
    let expires_at = credential.lifetime.expires_at;
    Ok(Zeroizing::new(match format {
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
        // The form of a curl configuration file, so that the token is in no command line.
        Format::Curl => format!("header = \"Authorization: Bearer {token}\""),
        // One line without `export`, as env files and `>> $GITHUB_ENV` want it.
        Format::Env => format!("YC_ID_TOKEN={token}"),
        // Terraform's external data source takes an object of strings.
        Format::Terraform => {
            json!({ "token": token, "expires_at": expires_at.to_string() }).to_string()
        }
    }))
}

fn decoded(credential: &Credential<IdToken>) -> Result<String> {
    let claims = jwt::all_claims(credential.secret.0.expose())
        .map_err(|problem| Error::Internal(problem.into()))?;
    let mut text = serde_json::to_string_pretty(&claims).map_err(Error::internal)?;
    text.push('\n');
    Ok(text)
}

fn write_file(path: &Path, document: &[u8]) -> Result<()> {
    // A device or a pipe would be replaced by a file of that name.
    let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    if special {
        return Err(Error::OutputFile {
            path: path.into(),
            cause: "it is not a regular file".into(),
        });
    }
    private_file::write_output(path, document)
        .map_err(|error| Error::OutputFile { path: path.into(), cause: plain(&error).into() })
}
