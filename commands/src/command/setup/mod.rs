//! `setup`: writes a profile and the consumer's own configuration, and prints the configuration of the consumer's
//! server.
//!
//! One module per consumer ([`aws`], [`gcp`], [`kubectl`], [`vault`]). Each collects its settings from flags, the
//! profile, the environment or prompts, gets a test token, and builds a [`ChangeSet`](changes::ChangeSet). Showing and
//! applying that is the same for all.

mod aws;
mod changes;
mod configuration;
mod diff;
mod gcp;
mod identity;
mod kubectl;
mod mask;
mod names;
mod paths;
mod program;
mod question;
mod record;
mod server_check;
mod server_side;
mod trust;
mod undo;
mod vault;

use std::path::{Path, PathBuf};

use clap::Subcommand;
pub(super) use gcp::source_names as gcp_source_names;
pub(super) use kubectl::kubeconfig_names;

use crate::command::terminal::Terminal;
use crate::consumer::ConsumerName;
use crate::env::Env;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::settings::schema::{AUDIENCE, PROFILE};
use crate::settings::{Field, Flags, Origin, Settings, Table};

use changes::Consent;
use configuration::Configuration;
pub(super) use paths::{absolute_identity, absolute_path, config_path};
use question::{Missing, Question};

/// Write the configuration for kubectl, AWS, Vault or Google Cloud, and a profile
#[derive(clap::Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  yc-id-token setup kubectl
  yc-id-token setup vault --apply --key-file key.json --address https://vault.example --role robot
  yc-id-token setup --undo

On a terminal, `setup` asks for missing settings, shows the changes as a diff, and asks before it writes them. Without a terminal, it only shows the \
changes. With `--apply`, it writes them without prompting, and missing settings are an error. The profile is named after the cluster, the AWS profile, the \
server or the workload identity pool, and gets all settings of the run."
)]
pub struct Args {
    #[command(subcommand)]
    consumer: Option<Consumer>,
    /// Undo the last changes, or the last ones of `--profile`
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Subcommand)]
enum Consumer {
    Kubectl(kubectl::Args),
    Aws(aws::Args),
    Vault(vault::Args),
    Gcp(gcp::Args),
}

/// Flags of every consumer.
#[derive(clap::Args, Debug)]
struct Common {
    /// Profile to write [default: `--profile`, or derived from the server]
    #[arg(long, value_name = "PROFILE")]
    name: Option<String>,
    #[command(flatten)]
    consent: Consent,
    /// Do not get a test token, and do not run the client's program
    #[arg(long)]
    offline: bool,
    /// Write the configuration for the server to this file, instead of printing it
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    server_config: Option<PathBuf>,
    /// Replace an existing entry of the same name
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let has_flag = self.undo || self.consent.print || self.consent.apply;
        match &self.consumer {
            None if self.undo => undo::run(&self.consent, context, output),
            Some(Consumer::Kubectl(arguments)) if !has_flag => arguments.run(context, output),
            Some(Consumer::Aws(arguments)) if !has_flag => arguments.run(context, output),
            Some(Consumer::Vault(arguments)) if !has_flag => arguments.run(context, output),
            Some(Consumer::Gcp(arguments)) if !has_flag => arguments.run(context, output),
            Some(_) if self.undo => Err(Error::Usage {
                problem: "`--undo` takes no consumer".into(),
                hint:
                    "undo the last run of a profile with `yc-id-token setup --undo --profile NAME`"
                        .into(),
            }),
            None | Some(_) => Err(Error::Usage {
                problem: "`--print` and `--apply` follow the name of a consumer, or `--undo`"
                    .into(),
                hint: "write them at the end: `yc-id-token setup aws --print`".into(),
            }),
        }
    }
}

/// One run of `setup`, with the profile as collected so far.
struct Setup<'a> {
    context: Context<'a>,
    common: &'a Common,
    consumer: &'static Table,
    terminal: Option<Terminal>,
    configuration: Configuration,
    /// Whether the profile has no settings of this consumer yet.
    is_new: bool,
    /// The profile that the new one extends because of this run.
    extended: Option<String>,
    missing: Missing,
    /// Notes for the user on the changes.
    notes: Vec<Message>,
}

/// The profile that a flag names. Its name becomes part of commands, so it must need no quoting.
fn named_profile<'a>(context: Context<'a>, common: &'a Common) -> Result<Option<&'a str>> {
    let name = common.name.as_deref().or(context.flags.get(&PROFILE));
    match name.filter(|name| !is_simple(name)) {
        None => Ok(name),
        Some(name) => Err(Error::Usage {
            problem: message!(
                "`{name}` cannot be the name of a profile here",
                name = ForeignText::new(name)
            ),
            hint: "choose a name of letters, digits, `.`, `_` and `-`, because it becomes part of commands"
                .into(),
        }),
    }
}

impl<'a> Setup<'a> {
    /// Reads the configuration file. `missing` contains settings that are known to be missing already.
    fn begin(
        context: Context<'a>,
        common: &'a Common,
        consumer: ConsumerName,
        profile: String,
        missing: Missing,
    ) -> Result<Self> {
        let consumer = consumer.table();
        let configuration = Configuration::read(config_path(context)?, profile)?;
        Ok(Self {
            context,
            common,
            consumer,
            is_new: !configuration.has_any(&[consumer.name]),
            terminal: common.consent.terminal(),
            configuration,
            extended: None,
            missing,
            notes: Vec::new(),
        })
    }

    fn profile(&self) -> &str {
        &self.configuration.profile
    }

    fn env(&self) -> &'a Env {
        self.context.env
    }

    /// The flags of a run that uses the profile as collected so far.
    fn flags(&self) -> Flags {
        let Configuration { path, profile, .. } = &self.configuration;
        let mut flags = self.context.flags.clone().with(&PROFILE, profile);
        flags.unwritten = Some((path.clone(), self.configuration.text()));
        flags
    }

    fn settings(&self) -> Result<Settings> {
        let Context { env, locations, consumers, .. } = self.context;
        Settings::load(&self.flags(), env, locations, consumers, &[self.consumer])
    }

    fn run(&self) -> Result<Run> {
        let context = Context { flags: &self.flags(), ..self.context };
        Run::open(context.for_people(), &[self.consumer])
    }

    /// Resolves a setting of the consumer as [`Self::resolve`] does, or else prompts for it, and checks it.
    fn resolve_or_prompt(
        &mut self,
        field: &Field,
        flag: Option<&String>,
        question: &Question,
    ) -> Result<Option<String>> {
        let found = self.resolve(field, flag)?;
        // A value of the extended profile belongs to another entry.
        if let Some(text) = found.filter(|_| !question.is_required() || !self.inherits(field)) {
            question.check(&text)?;
            return Ok(Some(text));
        }
        let answer = self.missing.collect(question.answer(self.terminal))?.flatten();
        if let Some(text) = &answer {
            self.configuration.set_of(self.consumer.name, field.key, text.as_str());
        }
        Ok(answer)
    }

    /// Whether a setting of the consumer is only set in the profile that the new one extends.
    fn inherits(&self, field: &Field) -> bool {
        let setting = self.settings().ok().and_then(|settings| settings.own(field));
        setting.is_some_and(|setting| self.is_inherited(&setting.origin))
    }

    fn is_inherited(&self, origin: &Origin) -> bool {
        let Some(parent) = &self.extended else { return false };
        matches!(origin, Origin::Profile { profile, .. } if **profile == **parent)
    }

    /// Resolves a setting of the consumer: flag of `setup`, then profile, then the rest of the configuration file. A
    /// flag is written to the profile.
    fn resolve(&mut self, field: &Field, flag: Option<&String>) -> Result<Option<String>> {
        let consumer = self.consumer.name;
        if let Some(text) = flag {
            self.configuration.set_of(consumer, field.key, text.as_str());
            return Ok(Some(text.clone()));
        }
        if let Some(text) = self.configuration.text_of(consumer, field.key) {
            return Ok(Some(text));
        }
        Ok(self.settings()?.own(field).map(|setting| setting.value))
    }

    /// Resolves the audience for a consumer that has its own `audience` key. The profile's general audience
    /// is used only if the profile served this consumer before; otherwise it belongs to another one.
    fn resolve_audience(&mut self, field: &Field, default: &str) -> Result<String> {
        let flag = self.context.flags.get(&AUDIENCE).map(str::to_owned);
        if let Some(audience) = self.resolve(field, flag.as_ref())? {
            return Ok(audience);
        }
        let Some(general) = self.settings()?.audience else { return Ok(default.to_owned()) };
        let audience = match general.origin {
            Origin::Variable(_) => general.value,
            _ if self.is_new => default.to_owned(),
            _ => return Ok(general.value),
        };
        self.configuration.set_of(self.consumer.name, field.key, audience.as_str());
        Ok(audience)
    }

    /// The `--config` flag that a later run needs, if the configuration file is not the default one.
    fn config_flag(&self) -> Result<Option<String>> {
        let requested = self.context.flags.config_asked_for(self.env(), self.context.locations);
        if requested.is_none() {
            return Ok(None);
        }
        let path = self.configuration.path.to_string_lossy();
        Ok(Some(format!("--config={}", absolute_path("--config", &path)?)))
    }

    /// Fails if the new profile cannot be read, or would lose values without `--force`.
    fn check_profile(&self) -> Result<()> {
        self.settings()?;
        let differences = self.configuration.differences();
        if differences.is_empty() || self.common.force {
            return Ok(());
        }
        Err(Error::Conflict {
            problem: profile_differs(self.profile(), &self.configuration.path, &differences),
            hint: "write another profile with `--name NAME`, or replace these values with `--force`; nothing has been changed".into(),
        })
    }

    /// Fails with this problem unless `--force` is given.
    fn overwrite_conflict(&self, problem: Message) -> Result<()> {
        if self.common.force {
            return Ok(());
        }
        Err(Error::Conflict {
            problem,
            hint: "choose another name, or replace it with `--force`; nothing has been changed"
                .into(),
        })
    }
}

/// Whether a name needs no quoting in any command or file format.
fn is_simple(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// One word of a command that is shown to the user.
fn shell_word(text: &str) -> ForeignText {
    ForeignText::line(text).quoted()
}

/// One word of a script for `sh`, which is for an administrator of the server.
fn script_word(text: &str) -> ForeignText {
    ForeignText::line(text).quoted_for_sh()
}

/// How one value of an existing entry differs from the new one.
fn difference(key: &str, old: &str, new: &str) -> Message {
    let [key, old, new] = [key, old, new].map(ForeignText::new);
    message!("`{key}` is `{old}`, not `{new}`", key, old, new)
}

fn profile_differs(profile: &str, file: &Path, differences: &[Message]) -> Message {
    message!(
        "the profile `{}` of `{}` differs: {}",
        ForeignText::new(profile),
        shown(file),
        Message::join(differences, "; ")
    )
}

/// An error and its hint, as shown in a dialog.
fn error_lines(error: &Error) -> Message {
    let hint = error.hint().map(|hint| message!("\n  {hint}", hint)).unwrap_or_default();
    message!("! {error}{hint}", error, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_consumer_with_a_configuration_of_its_own_has_a_setup() {
        for consumer in ConsumerName::ALL {
            let has_setup = match consumer {
                ConsumerName::Kubectl
                | ConsumerName::Aws
                | ConsumerName::Vault
                | ConsumerName::Gcp => true,
                ConsumerName::Token | ConsumerName::Exec => false,
            };
            let name = consumer.table().name;
            assert_eq!(<Consumer as Subcommand>::has_subcommand(name), has_setup, "{name}");
        }
    }
}
