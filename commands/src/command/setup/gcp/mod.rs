//! `setup gcp`: the credential configuration of Google's client libraries, and the commands that prepare the project in
//! Google Cloud.

mod project_side;
mod token_source;

use std::path::{Path, PathBuf};

use toml_edit::{Item, TableLike};
use zeroize::Zeroizing;

use super::changes::{ChangeSet, FileChange, FileKind};
use super::names::free_profile;
use super::paths::{absolute_path, config_path};
use super::question::{Missing, Question};
use super::server_check::ServerCheck;
use super::{Common, Setup, difference, is_simple, named_profile, shell_word};
use crate::command::config::Document;
use crate::command::own_check::OwnCheck;
use crate::consumer::gcp_settings as rows;
use crate::consumer::{
    ConsumerName, CredentialFile, GCP_OVERRIDING, GcpConfiguration, Provider, TokenSource,
    email_problem, provider_problem,
};
use crate::env::{self, Env};
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::shell::EXPORT;

use super::trust::Trust;
use project_side::project_side;
pub(in crate::command) use token_source::names as source_names;
use token_source::{Kind, SOURCES};

const WHAT: &str = "the credential configuration";

/// Connect Google's client libraries, gcloud and Terraform: write a credential configuration
#[derive(clap::Args, Debug)]
#[allow(clippy::doc_markdown, reason = "these lines are the help")]
#[command(after_help = "Examples:
  yc-id-token setup gcp
  yc-id-token setup gcp --apply --key-file ~/key.json --provider \\
    projects/123456789012/locations/global/workloadIdentityPools/yandex/providers/yandex

The output has the configuration for the project too: the workload identity pool and its provider, which accepts one service account only.")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Workload identity pool provider, such as projects/NUMBER/…/providers/NAME
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// Source of the ID token: executable (this program), file or url (the agent) [default: executable]
    #[arg(long, value_name = "SOURCE", hide_short_help = true)]
    source: Option<String>,
    /// Google service account to impersonate [default: none]
    #[arg(long, value_name = "EMAIL", hide_short_help = true)]
    service_account_email: Option<String>,
    /// Credential configuration to write [default: google-PROFILE.json beside the configuration file]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Token file of the agent, for `--source=file` [default: beside `--output`, with the extension .jwt]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    token_file: Option<PathBuf>,
    /// Loopback address of the agent, for `--source=url` [default: 127.0.0.1:9911, or the next free port]
    #[arg(long, value_name = "ADDRESS", hide_short_help = true)]
    listen: Option<String>,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let named = named_profile(context, &self.common)?;
        let (provider, profile) = match named {
            Some(profile) => (self.provider.clone(), profile.to_owned()),
            None => self.choose_provider(context)?,
        };
        let consumer = ConsumerName::Gcp;
        let mut setup = Setup::begin(context, &self.common, consumer, profile, Missing::default())?;
        let path = self.output(&setup)?;
        let file = EditedFile::open(WHAT, &path)?;
        let old = CredentialFile::parse(file.text().as_bytes());
        setup.resolve_identity()?;
        let provider = provider.map(|text| full_name(&text));
        setup.resolve_or_prompt(&rows::PROVIDER, provider.as_ref(), &provider_question())?;
        let email =
            Question::new("--service-account-email", "Google service account to impersonate")
                .with_note("empty: grant roles to the Yandex Cloud service account itself")
                .optional()
                .validated_by(email_problem);
        let flag = self.service_account_email.as_ref();
        setup.resolve_or_prompt(&rows::SERVICE_ACCOUNT_EMAIL, flag, &email)?;
        let kind = self.kind(&setup, old.as_ref())?;
        setup.missing.check()?;
        let by_default = setup.settings()?.own(&rows::PROVIDER).map(|it| it.value);
        let by_default = format!("https:{}", full_name(&by_default.unwrap_or_default()));
        setup.resolve_audience(&rows::OWN_AUDIENCE, &by_default)?;
        let google = GcpConfiguration::read(&setup.settings()?)?;
        let trust = Trust::find(&setup, &google.audience)?;

        let source = self.token_source(kind, &path, old.as_ref(), &google, &mut setup)?;
        let change = credential_change(&setup, file, old.as_ref(), &google, &source)?;
        let (instructions, server_file) =
            project_side(&trust, &google, &by_default).present(&trust, &setup)?;
        let mut advice = vec![instructions];
        advice.extend(overriding_variables(setup.env()));
        let next = next_steps(&setup, kind, &path)?;
        // With another source, the agent does not run yet.
        let check = (kind == Kind::Executable).then(|| ServerCheck {
            check: OwnCheck::gcloud(&path),
            server: "The project in Google Cloud",
        });
        let files = [change].into_iter().chain(server_file).collect();
        setup.finish(ChangeSet { files, actions: Vec::new(), advice, check, next }, output)
    }

    /// The provider, and its profile: the one that has the provider already, or a new one.
    fn choose_provider(&self, context: Context<'_>) -> Result<(Option<String>, String)> {
        let document = Document::read(config_path(context)?)?;
        let profiles = document.original_table(&["profiles"]);
        let profiles = profiles.into_iter().flat_map(|profiles| profiles.iter());
        let known: Vec<(&str, &dyn TableLike)> = profiles
            .filter_map(|(name, profile)| {
                let gcp = profile.as_table_like()?.get(rows::TABLE.name)?.as_table_like()?;
                Some((name, gcp)).filter(|_| gcp.contains_key(rows::PROVIDER.key))
            })
            .collect();
        let provider =
            |gcp: &dyn TableLike| gcp.get(rows::PROVIDER.key).and_then(Item::as_str).map(full_name);
        let only = known.first().filter(|_| known.len() == 1).and_then(|(_, gcp)| provider(*gcp));
        let question =
            provider_question().with_default(context.env.get(rows::PROVIDER.var()).or(only));
        let terminal = self.common.consent.terminal();
        let answer = question.flag_or_answer(self.provider.as_ref(), terminal);
        // Without a terminal, it is reported later, together with other missing settings.
        let answer = match terminal {
            Some(_) => answer?,
            None => Missing::default().collect(answer)?.flatten(),
        };
        let name = answer.as_deref().map(full_name);
        let email = self.service_account_email.as_deref();
        let existing = known.iter().find(|(profile, gcp)| {
            let own = gcp.get(rows::SERVICE_ACCOUNT_EMAIL.key).and_then(Item::as_str);
            let is_its_email = email.is_none() || own.is_none() || own == email;
            is_simple(profile) && name.is_some() && provider(*gcp) == name && is_its_email
        });
        if let Some((profile, _)) = existing {
            return Ok((None, (*profile).to_owned()));
        }
        let parsed = name.as_deref().and_then(Provider::parse);
        let [_, pool, id] = parsed.as_ref().map(Provider::parts).unwrap_or_default();
        let both = format!("{pool}-{id}");
        let profile =
            free_profile(context, ConsumerName::Gcp.table(), &[pool, &both], |profile| {
                known.iter().any(|(name, _)| *name == profile)
            })?;
        Ok((answer, profile))
    }

    /// The path of the credential configuration.
    fn output(&self, setup: &Setup<'_>) -> Result<PathBuf> {
        let path = match &self.output {
            Some(path) => path.clone(),
            None => {
                let name = format!("google-{}.json", setup.profile());
                setup.configuration.path.with_file_name(name)
            }
        };
        Ok(absolute_path("--output", &path.to_string_lossy())?.into())
    }

    /// The source of the token; by default, that of the existing configuration.
    fn kind(&self, setup: &Setup<'_>, old: Option<&CredentialFile>) -> Result<Kind> {
        let existing = old.and_then(Kind::of).unwrap_or(Kind::Executable);
        let question = Question::new("--source", "source of the ID token")
            .with_note("executable, file or url; file and url need `yc-id-token agent`")
            .with_default(Some(existing.name().to_owned()))
            .validated_by(token_source::problem);
        let answer = question.flag_or_answer(self.source.as_ref(), setup.terminal)?;
        let answer = answer.unwrap_or_default();
        let kind = SOURCES.iter().find(|(_, name)| *name == answer).map_or(existing, |(it, _)| *it);
        for (flag, is_given, of) in [
            ("--token-file", self.token_file.is_some(), Kind::File),
            ("--listen", self.listen.is_some(), Kind::Url),
        ] {
            if is_given && kind != of {
                return Err(Error::Usage {
                    problem: message!("`{flag}` is for `--source={}`", of.name(), flag),
                    hint: "see `yc-id-token setup gcp --help`".into(),
                });
            }
        }
        Ok(kind)
    }
}

fn provider_question() -> Question {
    Question::new("--provider", "provider of the workload identity pool")
        .with_note("projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER")
        .validated_by(provider_problem)
}

/// The full name of a provider. Text that is not a name stays as it is, for the error.
fn full_name(text: &str) -> String {
    Provider::parse(text).map_or_else(|| text.to_owned(), |provider| provider.name().to_owned())
}

/// The change of the credential configuration. Fails if the file is not one that may be replaced.
fn credential_change(
    setup: &Setup<'_>,
    file: EditedFile,
    old: Option<&CredentialFile>,
    google: &GcpConfiguration,
    source: &TokenSource,
) -> Result<FileChange> {
    let document = google.document(source);
    let text = match old {
        Some(old) if old.is_same(&document) => Zeroizing::new(file.text().to_owned()),
        Some(_) | None => {
            let mut text = serde_json::to_string_pretty(&document).map_err(Error::internal)?;
            text.push('\n');
            Zeroizing::new(text)
        }
    };
    match old {
        Some(old) if old.audience() != google.provider.name() => {
            let difference = difference("audience", old.audience(), google.provider.name());
            setup.overwrite_conflict(message!(
                "`{}` is for another provider: {difference}",
                shown(file.path()),
                difference
            ))?;
        }
        None if !file.text().trim().is_empty() => {
            setup.overwrite_conflict(message!(
                "`{}` exists and is not a credential configuration of a workload identity pool",
                shown(file.path())
            ))?;
        }
        Some(_) | None => {}
    }
    let verify = |text: &str| match CredentialFile::parse(text.as_bytes()) {
        Some(_) => Ok(()),
        None => Err(Error::Internal("the credential configuration cannot be read".into())),
    };
    Ok(FileChange::new(FileKind::Google, file, text.to_string(), verify))
}

/// Notes on the environment variables that some Google tools use instead.
fn overriding_variables(env: &Env) -> Option<Message> {
    let set = GCP_OVERRIDING.into_iter().filter(|variable| env.get_os(*variable).is_some());
    let names: Vec<Message> = set.map(|variable| variable.name.into()).collect();
    (!names.is_empty()).then(|| {
        message!(
            "Unset {}: as long as it is set, gcloud or Terraform uses it instead.\n",
            Message::join(&names, " and ")
        )
    })
}

fn next_steps(setup: &Setup<'_>, kind: Kind, path: &Path) -> Result<Message> {
    let path = path.to_string_lossy();
    let export = |name: &str, value: &str| {
        message!("  {EXPORT}{}\n", ForeignText::line(value).assigned_to(name), EXPORT)
    };
    let config = setup.config_flag()?;
    let config = &config.map(|flag| message!(" {}", shell_word(&flag))).unwrap_or_default();
    let variable = env::GOOGLE_APPLICATION_CREDENTIALS.name;
    let mut lines = vec![export(variable, &path)];
    match kind {
        Kind::Executable => lines.push(export(env::GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES.name, "1")),
        Kind::File | Kind::Url => lines.insert(
            0,
            message!("  yc-id-token agent{config}   # as a service: it must run while programs need the token\n", config),
        ),
    }
    Ok(message!(
        "Try it:\n{}  yc-id-token doctor gcp{config}\ngcloud does not read {variable}: run `gcloud auth login {}` once.\n",
        Message::join(&lines, ""),
        shell_word(&format!("--cred-file={path}")),
        config,
        variable
    ))
}
