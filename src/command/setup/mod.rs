//! `setup`: connects a consumer, in its own configuration and in ours, and says what its server must be told.
//!
//! One file a consumer. Each asks for what nobody has said, tries the settings, and makes a [`Plan`]; what
//! becomes of that is the same for all: it is shown, and carried out only when somebody says so.

mod aws;
mod aws_config;
mod aws_process;
mod change;
mod configuration;
mod diff;
mod held_signals;
mod identity;
mod kube_lock;
mod kube_user;
mod kubeconfig;
mod kubectl;
mod kubectl_check;
mod kuberc;
mod mask;
mod paths;
mod plan;
mod profile_choice;
mod program;
mod question;
mod terminal;
mod trust;
mod vault;

use clap::Subcommand;
pub(super) use kubeconfig::kubeconfig_names;

use crate::consumer::ConsumerName;
use crate::env::Env;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::settings::schema::{
    AUDIENCE, CA_FILE, CLOUD_ID, ENDPOINT, FOLDER_ID, FOLDER_NAME, IAM_ENDPOINT, ID_TOKEN_ROUTE,
    IMPERSONATE_SERVICE_ACCOUNT, INSTALLATION, OAUTH_ENDPOINT, PROFILE, YC_PATH,
};
use crate::settings::{Field, Flags, Origin, Settings, Table};

use configuration::Configuration;
use paths::{absolute, config_path};
use question::Question;
use terminal::Terminal;

/// Connect kubectl, AWS or Vault: write a profile and the consumer's own configuration
#[derive(clap::Args, Debug)]
#[command(
    after_help = "On a terminal it asks for what is not said; elsewhere everything is said by flags. What would be changed is shown as a diff first.

Examples:
  yc-id-token setup kubectl
  yc-id-token setup aws --print --key-file ~/key.json --role-arn arn:aws:iam::123456789012:role/robot
  yc-id-token setup vault --apply --key-file ~/key.json --address https://vault.example:8200 --role robot"
)]
pub struct Args {
    #[command(subcommand)]
    consumer: Consumer,
}

#[derive(Debug, Subcommand)]
enum Consumer {
    Kubectl(kubectl::Args),
    Aws(aws::Args),
    Vault(vault::Args),
}

/// What is said of every consumer.
#[derive(clap::Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
struct Common {
    /// Profile to write into the configuration of yc-id-token [default: --profile, or one named after the consumer]
    #[arg(long, value_name = "PROFILE")]
    name: Option<String>,
    /// Show what would be changed, and change nothing
    #[arg(long, conflicts_with = "apply")]
    print: bool,
    /// Make the changes without asking
    #[arg(long)]
    apply: bool,
    /// Do not try to get a token; what it would say is filled in as far as it is known
    #[arg(long)]
    offline: bool,
    /// Replace what is in the way: another user, profile or credential of the same name
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        match &self.consumer {
            Consumer::Kubectl(arguments) => arguments.run(context, output),
            Consumer::Aws(arguments) => arguments.run(context, output),
            Consumer::Vault(arguments) => arguments.run(context, output),
        }
    }
}

/// One run: the profile, as far as it is known.
struct Setup<'a> {
    context: Context<'a>,
    common: &'a Common,
    consumer: &'static Table,
    terminal: Option<Terminal>,
    configuration: Configuration,
    /// Whether the profile does not serve this consumer yet.
    is_new: bool,
}

impl<'a> Setup<'a> {
    /// Begins with what the configuration says. `profile` is how the profile is called if nobody says so.
    fn begin(
        context: Context<'a>,
        common: &'a Common,
        consumer: ConsumerName,
        profile: &str,
    ) -> Result<Self> {
        let named = common.name.as_deref().or(context.flags.get(&PROFILE));
        let name = named.unwrap_or(profile).to_owned();
        if !is_simple(&name) {
            return Err(Error::Usage {
                problem: message!(
                    "`{name}` cannot be the name of a profile here",
                    name = ForeignText::new(&name)
                ),
                hint:
                    "choose one of letters, digits, `.`, `_` and `-`: it becomes part of commands"
                        .into(),
            });
        }
        let path = config_path(context)?;
        let consumer = consumer.table();
        let mut configuration = Configuration::read(path, name)?;
        Ok(Self {
            context,
            common,
            consumer,
            is_new: !configuration.has_any(&[consumer.name]),
            // With `--print` and `--apply` too: questions are about what is missing.
            terminal: Terminal::find(),
            configuration,
        })
    }

    fn profile(&self) -> &str {
        &self.configuration.profile
    }

    fn env(&self) -> &'a Env {
        self.context.env
    }

    /// The flags of a run with the profile as it will be.
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

    /// A setting that a flag gives, or, where the profile has none, a variable.
    fn take_over(&mut self, field: &Field) {
        match self.context.flags.get(field) {
            Some(text) => self.configuration.set(field.key, text),
            None if self.configuration.has_any(&[field.key]) => {}
            None => {
                if let Some(text) = self.env().get(field.var()) {
                    self.configuration.set(field.key, &text);
                }
            }
        }
    }

    /// Of the settings of how a token is got, those that this command line has: a variable may be meant for
    /// more.
    fn take_over_connection(&mut self) -> Result<()> {
        let flags = self.context.flags;
        for field in [
            ENDPOINT,
            IAM_ENDPOINT,
            OAUTH_ENDPOINT,
            INSTALLATION,
            FOLDER_ID,
            FOLDER_NAME,
            CLOUD_ID,
            IMPERSONATE_SERVICE_ACCOUNT,
            ID_TOKEN_ROUTE,
            // Not the proxy: its address may hold a password, which belongs where the user puts it.
        ] {
            if let Some(text) = flags.get(&field) {
                self.configuration.set(field.key, text);
            }
        }
        for field in [CA_FILE, YC_PATH] {
            if let Some(file) = flags.get(&field) {
                self.configuration.set(field.key, &absolute(field.flag, file)?);
            }
        }
        Ok(())
    }

    /// A setting of the consumer's own: its flag, or else what the profile or then a variable says, or else
    /// what is answered. All but what the file says already goes into the profile.
    fn own(
        &mut self,
        field: &Field,
        flag: Option<&String>,
        question: &Question,
    ) -> Result<Option<String>> {
        if let Some(text) = flag {
            question.check(text)?;
        }
        if let Some(text) = self.given(field, flag)? {
            return Ok(Some(text));
        }
        let answer = question.answer(self.terminal)?;
        if let Some(text) = &answer {
            self.configuration.set_of(self.consumer.name, field.key, text);
        }
        Ok(answer)
    }

    /// The same for one that is not asked for.
    fn given(&mut self, field: &Field, flag: Option<&String>) -> Result<Option<String>> {
        let consumer = self.consumer.name;
        if let Some(text) = flag {
            self.configuration.set_of(consumer, field.key, text);
            return Ok(Some(text.clone()));
        }
        if let Some(text) = self.configuration.text_of(consumer, field.key) {
            return Ok(Some(text));
        }
        let setting = self.settings()?.own(field);
        if let Some(setting) = &setting
            && matches!(setting.origin, Origin::Variable(_))
        {
            self.configuration.set_of(consumer, field.key, &setting.value);
        }
        Ok(setting.map(|setting| setting.value))
    }

    /// The audience of a consumer whose table has one of its own, which leaves the profile's to others. Of
    /// a profile that did not serve this consumer yet, the general one is another's.
    fn own_audience(&mut self, field: &Field, usual: &str) -> Result<String> {
        let flag = self.context.flags.get(&AUDIENCE).map(str::to_owned);
        if let Some(audience) = self.given(field, flag.as_ref())? {
            return Ok(audience);
        }
        let Some(general) = self.settings()?.audience else { return Ok(usual.to_owned()) };
        let audience = match general.origin {
            Origin::Variable(_) => general.value,
            _ if self.is_new => usual.to_owned(),
            _ => return Ok(general.value),
        };
        self.configuration.set_of(self.consumer.name, field.key, &audience);
        Ok(audience)
    }

    /// The flag by which a run finds the configuration, if it is not in its usual place.
    fn config_flag(&self) -> Result<Option<String>> {
        let asked_for = self.context.flags.config_asked_for(self.env(), self.context.locations);
        asked_for
            .is_some()
            .then(|| {
                let path = self.configuration.path.to_string_lossy();
                Ok(format!("--config={}", absolute("--config", &path)?))
            })
            .transpose()
    }

    /// Checks what is to be written: a run must be able to read it, and no value of a profile that was
    /// there may be lost without `--force`.
    fn check_profile(&self) -> Result<()> {
        self.settings()?;
        let differences = self.configuration.differences();
        if differences.is_empty() || self.common.force {
            return Ok(());
        }
        Err(Error::Conflict {
            problem: message!(
                "the profile `{}` of `{}` differs: {}",
                ForeignText::new(self.profile()),
                shown(&self.configuration.path),
                Message::join(&differences, "; ")
            ),
            hint: "write another profile with `--name NAME`, or replace these values with `--force`; nothing has been changed".into(),
        })
    }

    /// Refuses to go over what is there, unless it is asked for.
    fn in_the_way(&self, problem: Message) -> Result<()> {
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

/// Whether a name can stand in commands and files of every kind as it is.
fn is_simple(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// A word of a command that the user is told to type.
fn word(text: &str) -> ForeignText {
    ForeignText::line(text).quoted()
}

/// The end of a run that has changed nothing, because no token could be had.
fn unchanged(error: &Error) -> Error {
    let hint = error.hint().map(|hint| message!("{hint}; ", hint)).unwrap_or_default();
    Error::Remembered {
        code: error.code(),
        message: message!("{error}", error),
        hint: Some(message!(
            "{hint}nothing has been changed; `--offline` sets up without a token",
            hint
        )),
    }
}

/// An error in the course of a conversation.
fn told_error(error: &Error) -> Message {
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
                ConsumerName::Kubectl | ConsumerName::Aws | ConsumerName::Vault => true,
                ConsumerName::Token | ConsumerName::Exec => false,
            };
            let name = consumer.table().name;
            assert_eq!(<Consumer as Subcommand>::has_subcommand(name), has_setup, "{name}");
        }
    }
}
