//! `setup`: writes the profile and the consumer's own configuration, and prints what its server must be
//! configured with.
//!
//! One module per consumer ([`aws`], [`kubectl`], [`vault`]). Each collects its settings from flags, the
//! profile, the environment or prompts, gets a test token, and builds a [`ChangeSet`](changes::ChangeSet).
//! Showing and applying that is the same for all.

mod aws;
mod changes;
mod configuration;
mod diff;
mod identity;
mod kubectl;
mod mask;
mod paths;
mod program;
mod question;
mod trust;
mod vault;

use std::path::Path;

use clap::Subcommand;
pub(super) use kubectl::kubeconfig_names;

use crate::command::terminal::Terminal;
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
pub(super) use paths::{absolute_identity, absolute_path, config_path};
use question::Question;

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

/// Flags of every consumer.
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

/// One run of `setup`, with the profile as collected so far.
struct Setup<'a> {
    context: Context<'a>,
    common: &'a Common,
    consumer: &'static Table,
    terminal: Option<Terminal>,
    configuration: Configuration,
    /// Whether the profile has no settings of this consumer yet.
    is_new: bool,
}

impl<'a> Setup<'a> {
    /// Reads the configuration file. `default_profile` is used if no flag names a profile.
    fn begin(
        context: Context<'a>,
        common: &'a Common,
        consumer: ConsumerName,
        default_profile: &str,
    ) -> Result<Self> {
        let named = common.name.as_deref().or(context.flags.get(&PROFILE));
        let name = named.unwrap_or(default_profile).to_owned();
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
        let configuration = Configuration::read(path, name)?;
        Ok(Self {
            context,
            common,
            consumer,
            is_new: !configuration.has_any(&[consumer.name]),
            // Also with `--print` and `--apply`: missing settings are still prompted for.
            terminal: Terminal::find(),
            configuration,
        })
    }

    fn profile(&self) -> &str {
        &self.configuration.profile
    }

    /// The name for a consumer's own entry: `usual`, or `usual-PROFILE` for another profile than the default.
    fn entry_name(&self, default_profile: &str, usual: &str) -> String {
        match self.profile() {
            profile if profile == default_profile => usual.to_owned(),
            profile => format!("{usual}-{profile}"),
        }
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

    /// Sets a key of the profile from its flag or, if the profile has no value, from its variable.
    fn set_from_flag_or_variable(&mut self, field: &Field) {
        let is_set = self.configuration.has_any(&[field.key]);
        let variable = if is_set { None } else { self.env().get(field.var()) };
        if let Some(text) = self.context.flags.get(field).map(str::to_owned).or(variable) {
            self.configuration.set(field.key, &text);
        }
    }

    /// Copies connection flags into the profile. Variables are not copied: they may apply to more than this
    /// profile.
    fn set_connection(&mut self) -> Result<()> {
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
            // Without the proxy: its URL may contain a password.
        ] {
            if let Some(text) = flags.get(&field) {
                self.configuration.set(field.key, text);
            }
        }
        for field in [CA_FILE, YC_PATH] {
            if let Some(file) = flags.get(&field) {
                self.configuration.set(field.key, &absolute_path(field.flag, file)?);
            }
        }
        Ok(())
    }

    /// Resolves a setting of the consumer as [`Self::resolve`] does, or else prompts for it, and checks it.
    fn resolve_or_ask(
        &mut self,
        field: &Field,
        flag: Option<&String>,
        question: &Question,
    ) -> Result<Option<String>> {
        if let Some(text) = self.resolve(field, flag)? {
            question.check(&text)?;
            return Ok(Some(text));
        }
        let answer = question.answer(self.terminal)?;
        if let Some(text) = &answer {
            self.configuration.set_of(self.consumer.name, field.key, text);
        }
        Ok(answer)
    }

    /// Resolves a setting of the consumer: flag, then profile, then variable. A value from a flag or variable
    /// is written to the profile; one from the rest of the configuration file is not.
    fn resolve(&mut self, field: &Field, flag: Option<&String>) -> Result<Option<String>> {
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
        self.configuration.set_of(self.consumer.name, field.key, &audience);
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

/// One word of a shell command that is shown to the user.
fn shell_word(text: &str) -> ForeignText {
    ForeignText::line(text).quoted()
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
                ConsumerName::Kubectl | ConsumerName::Aws | ConsumerName::Vault => true,
                ConsumerName::Token | ConsumerName::Gcp | ConsumerName::Exec => false,
            };
            let name = consumer.table().name;
            assert_eq!(<Consumer as Subcommand>::has_subcommand(name), has_setup, "{name}");
        }
    }
}
