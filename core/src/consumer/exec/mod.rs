//! `exec`: runs a command with credentials in its environment, in files or at an endpoint, for programs that cannot
//! run a helper.
//!
//! A command with credentials only in its environment replaces this process. These are never refreshed, so at least
//! half of the lifetime must be left. With a file or an endpoint this process stays, see `kept`.

mod kept;
mod keys_endpoint;
mod token_variables;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Purpose;
use crate::error::{Error, Result};
use crate::message;
use crate::output::Output;
use crate::run::{Context, OwnedContext, Run};
use crate::settings::{Decides, Field, Kind, Settings, Table};
use crate::{child, private_file, runtime};

use super::aws::Aws;
use super::command::{Signals, of_words, own_status, replace_process};
use super::kept_document::MINIMUM_LIFETIME_IN_FILE;
use super::vault::{self, VaultRun};
use super::{ConsumerForecast, ConsumerRun, CredentialCommand, aws, forecast, gcp};
use kept::Kept;
use token_variables::{Form, TokenVariable};

static TOKEN_ENV: Field =
    Field::new(Kind::Words, "token_env", "--token-env", "YC_ID_TOKEN_EXEC_TOKEN_ENV")
        .help("NAME[=AUD]", "Set NAME to an ID token for AUD or `--audience`; repeatable")
        .essential();

static TOKEN_FILE_ENV: Field = Field::new(
    Kind::Words,
    "token_file_env",
    "--token-file-env",
    "YC_ID_TOKEN_EXEC_TOKEN_FILE_ENV",
)
.help("NAME[=AUD]", "Set NAME to the path of a fresh ID token file; repeatable")
.essential();

static AWS: Field = Field::new(Kind::Switch, "aws", "--aws", "YC_ID_TOKEN_EXEC_AWS")
    .help("", "Provide keys of an AWS role")
    .essential()
    .decides(Decides::Nothing);

static SERVE: Field = Field::new(Kind::Switch, "serve", "--serve", "YC_ID_TOKEN_EXEC_SERVE")
    .help("", "With `--aws`: serve the keys at a local endpoint")
    .essential()
    .decides(Decides::Nothing);

static VAULT: Field = Field::new(Kind::Switch, "vault", "--vault", "YC_ID_TOKEN_EXEC_VAULT")
    .help("", "Provide a token of Vault or OpenBao")
    .essential()
    .decides(Decides::Nothing);

static GCP: Field = Field::new(Kind::Switch, "gcp", "--gcp", "YC_ID_TOKEN_EXEC_GCP")
    .help("", "Provide a credential configuration of Google Cloud")
    .essential()
    .decides(Decides::Nothing);

const TABLE: Table = Table {
    name: "exec",
    heading: "",
    settings: &[&TOKEN_ENV, &TOKEN_FILE_ENV, &AWS, &SERVE, &VAULT, &GCP],
};

/// The broker limits this to half of the lifetime.
const MINIMUM_LIFETIME: Duration = Duration::MAX;

/// Run a command with credentials in its environment, in a file or at an endpoint
#[derive(clap::Args, Debug, Default)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(after_help = "Examples:
  yc-id-token exec --aws --profile prod -- terraform plan
  yc-id-token exec --token-env SNOWFLAKE_TOKEN=snowflakecomputing.com -- dbt run
  yc-id-token exec --token-file-env AZURE_FEDERATED_TOKEN_FILE=api://AzureADTokenExchange -- ./app

Example: keys that are refreshed while the command runs,
  yc-id-token exec --aws --serve --profile prod -- ./takes-days.py

With `--aws`, the command gets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION, AWS_ACCOUNT_ID and the region, if one \
is set. With `--aws --serve`, it gets AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE instead of the keys. With `--vault`, it \
gets VAULT_TOKEN, VAULT_ADDR and the other variables for the server, and the same variables with BAO_. With `--gcp`, GOOGLE_APPLICATION_CREDENTIALS and \
CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE name the configuration. Variables that would override these, such as AWS_PROFILE, are removed. Files are removed \
when the command ends. The exit status is that of the command.")]
pub struct Args {
    /// Command to run, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The credentials that a command gets.
pub(super) struct Exec {
    run: Rc<Run>,
    tokens: Vec<TokenVariable>,
    aws: Option<ConsumerRun<Aws>>,
    /// Whether the AWS keys are served at an endpoint.
    serves: bool,
    vault: Option<VaultRun>,
    gcp: Option<gcp::Configuration>,
}

impl CredentialCommand for Exec {
    const TABLE: &'static Table = &TABLE;
    const TABLES: &'static [&'static Table] =
        &[&TABLE, &aws::settings::TABLE, &vault::settings::TABLE, &gcp::settings::TABLE];

    type Args = Args;

    /// Checks its own settings. `aws`, `vault` and `gcp` check theirs.
    fn check(settings: &Settings, _: Context<'_>, _: bool) -> Result<()> {
        token_variables::read(settings).map(drop)
    }

    /// The forecast of its ID tokens. `aws`, `vault` and `gcp` have their own.
    fn forecast(context: Context<'_>) -> Result<Option<ConsumerForecast>> {
        let run = Run::open(context, Self::TABLES)?;
        let tokens = token_variables::read(&run.settings)?;
        let Some(first) = tokens.first() else { return Ok(None) };
        let audience = Some(first.audience.clone());
        let mut credentials = Vec::new();
        if let Some(lookup) = run.lookup()? {
            credentials.push(lookup);
        } else {
            for token in &tokens {
                let request = run.id_token_request(&token.audience)?;
                let minimum_lifetime = minimum_lifetime(token.form);
                credentials.extend(forecast::of_request(&run, &request, minimum_lifetime));
            }
        }
        Ok(Some(ConsumerForecast { audience, server: None, credentials, warnings: Vec::new() }))
    }

    /// It never starts a background refresh.
    fn refresh(_: &Args, _: Context<'_>) -> Result<()> {
        Ok(())
    }

    fn run(args: &Args, context: Context<'_>, _: &mut Output<'_>) -> Result<ExitCode> {
        child::keep_for_command();
        let purpose = Purpose::Answer(None);
        let exec = Self::open(Context { purpose: &purpose, ..context })?;
        let mut command = of_words(&args.command);
        exec.put_into_environment(&mut command)?;
        if exec.stays() {
            exec.run_beside(command, context).map(own_status)
        } else {
            replace_process(command)
        }
    }
}

impl Exec {
    fn open(context: Context<'_>) -> Result<Self> {
        let run = Rc::new(Run::open(context, Self::TABLES)?);
        let tokens = token_variables::read(&run.settings)?;
        let aws =
            if run.settings.is_on(&AWS)?.value { Some(aws_run(&run, context)?) } else { None };
        let serve = run.settings.is_on(&SERVE)?;
        if serve.value && aws.is_none() {
            return Err(Error::Missing {
                problem: message!("the credential that `{}` serves is not selected", SERVE.flag),
                hint: message!("give `{}` too, for the keys of an AWS role", AWS.flag),
            });
        }
        let vault = if run.settings.is_on(&VAULT)?.value {
            Some(VaultRun::for_command(Rc::clone(&run), context)?)
        } else {
            None
        };
        let settings = &run.settings;
        let gcp = settings.is_on(&GCP)?.value.then(|| gcp::Configuration::read(settings));
        let gcp = gcp.transpose()?;
        if tokens.is_empty() && aws.is_none() && vault.is_none() && gcp.is_none() {
            return Err(Error::Missing {
                problem: "no credential is selected for the command".into(),
                hint: "give `--token-env NAME` or `--token-file-env NAME` for an ID token, `--aws` for the keys of an AWS role, `--vault` for a token of Vault, or `--gcp` for a credential configuration of Google Cloud".into(),
            });
        }
        Ok(Self { run, tokens, aws, serves: serve.value, vault, gcp })
    }

    /// Whether this process stays, to keep a credential of the command fresh.
    fn stays(&self) -> bool {
        self.serves || self.gcp.is_some() || self.of_form(Form::File).next().is_some()
    }

    /// Obtains all credentials that are only in the environment.
    fn put_into_environment(&self, command: &mut Command) -> Result<()> {
        if let Some(aws) = &self.aws {
            if self.serves {
                aws.consumer.clear_environment(command);
            } else {
                let keys = aws.obtain_for(MINIMUM_LIFETIME)?;
                aws.consumer.put_into_environment(&keys, command);
            }
        }
        if let Some(vault) = &self.vault {
            vault.put_into_environment(command)?;
        }
        if self.gcp.is_some() {
            gcp::Configuration::clear_environment(command);
        }
        for token in &self.tokens {
            token.check_free(command)?;
        }
        for TokenVariable { name, audience, .. } in self.of_form(Form::Value) {
            let token = self.run.id_token(audience, MINIMUM_LIFETIME)?;
            command.env(name, token.secret.0.expose());
        }
        Ok(())
    }

    /// Runs the command, keeps its credentials fresh meanwhile, and returns its exit status.
    fn run_beside(&self, mut command: Command, context: Context<'_>) -> Result<i32> {
        let obtain = |audience: &str| self.run.id_token(audience, MINIMUM_LIFETIME_IN_FILE);
        let mut tokens = Vec::new();
        for variable in self.of_form(Form::File) {
            tokens.push((variable, obtain(&variable.audience)?));
        }
        let gcp = match &self.gcp {
            Some(gcp) => Some((gcp, obtain(&gcp.audience)?)),
            None => None,
        };
        let served = self.aws.as_ref().filter(|_| self.serves);
        let keys = served.map(|aws| Ok((&aws.consumer, aws.obtain()?))).transpose()?;
        let kept_by = Arc::new(OwnedContext::of(context));
        runtime::finish(async {
            // From here on, no signal ends this process before the files are removed.
            let signals = Signals::catch()?;
            let mut kept = Kept::make(&folder_for_files(context), &self.run.settings)?;
            for (TokenVariable { name, audience, .. }, token) in tokens {
                command.env(name, kept.add_token(name, audience, &token)?);
            }
            if let Some((gcp, token)) = gcp {
                let token = kept.add_token("google-cloud.jwt", &gcp.audience, &token)?;
                let document = gcp.document(&gcp::TokenSource::File(token));
                let configuration = kept.add("google-cloud.json", &document)?;
                gcp::Configuration::put_into_environment(&configuration, &mut command);
            }
            if let Some((aws, keys)) = keys {
                kept.serve_keys(aws, &keys, context, &mut command)?;
            }
            let mut running = signals.start(command)?;
            tokio::select! {
                ended = running.wait() => ended,
                never = kept.keep_fresh(&kept_by) => match never {},
            }
        })
    }

    fn of_form(&self, form: Form) -> impl Iterator<Item = &TokenVariable> {
        self.tokens.iter().filter(move |token| token.form == form)
    }
}

fn aws_run(run: &Rc<Run>, context: Context<'_>) -> Result<ConsumerRun<Aws>> {
    ConsumerRun::within(Rc::clone(run), &aws::Args::default(), context)
}

const fn minimum_lifetime(form: Form) -> Duration {
    match form {
        Form::Value => MINIMUM_LIFETIME,
        Form::File => MINIMUM_LIFETIME_IN_FILE,
    }
}

/// The folder of this login, which is in memory on most systems, or the folder for temporary files.
fn folder_for_files(context: Context<'_>) -> PathBuf {
    let folder = context.locations.runtime_folder.clone();
    let folder = folder.filter(|folder| private_file::make_own_folder(folder).is_ok());
    folder.unwrap_or_else(std::env::temp_dir)
}
