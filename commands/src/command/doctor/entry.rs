//! An entry of a consumer's file that runs this program, such as a user of a kubeconfig: its settings, and so the
//! profile that it uses.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::Checks;
use super::launch::Launch;
use crate::command::own_check::OwnCheck;
use crate::consumer::ConsumerName;
use crate::env::{Env, GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE};
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, COMMON, CONFIG, PROFILE, TIMEOUT};
use crate::settings::{Decides, Field, Flags, Settings};

#[derive(Default)]
pub(super) struct Entries {
    /// The entries whose settings can be read.
    pub(super) usable: Vec<Entry>,
    /// Whether any entry names this program.
    pub(super) is_mentioned: bool,
    /// The consumer's own checks of the entries.
    pub(super) own_checks: Vec<EntryCheck>,
}

/// The check of an entry by its consumer.
pub(super) struct EntryCheck {
    pub(super) place: Message,
    pub(super) profile: Option<String>,
    pub(super) check: OwnCheck,
}

/// An entry whose settings can be read.
pub(super) struct Entry {
    pub(super) consumer: ConsumerName,
    /// Where it is: "user `sa` of ~/.kube/config".
    pub(super) place: Message,
    /// Its settings. The consumer's default profile is among the flags.
    pub(super) flags: Flags,
    pub(super) env: Env,
    pub(super) target: Target,
}

/// What entries of the same profile have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) profile: Option<String>,
    config: Option<PathBuf>,
    /// The flags and variables that replace settings of the profile.
    flags: Vec<(&'static str, OsString)>,
    variables: HashMap<String, String>,
}

impl Entry {
    /// Resolves the settings of an entry, and checks those that its consumer requires.
    pub(super) fn resolve(
        checks: &Checks<'_>,
        consumer: ConsumerName,
        place: Message,
        flags: Flags,
        env: Env,
    ) -> Result<Self> {
        let context = Context { flags: &flags, env: &env, ..checks.context };
        let settings = Settings::load(
            &flags,
            &env,
            context.locations,
            context.consumers,
            &[consumer.table()],
        )?;
        // The audience of a kubeconfig can also be in the cluster's entry.
        consumer.check(&settings, context, !matches!(consumer, ConsumerName::Kubectl))?;
        let target = Target::of(&settings, context);
        // The consumer can have a default profile.
        let Context { locations, consumers, .. } = context;
        let of_all = Settings::load(&flags, &env, locations, consumers, consumers);
        let of_all = of_all.ok().and_then(|settings| Some(settings.profile?.value));
        let flags = match &target.profile {
            Some(profile) if of_all.as_ref() != Some(profile) => flags.with(&PROFILE, profile),
            Some(_) | None => flags,
        };
        Ok(Self { consumer, place, flags, env, target })
    }
}

impl Target {
    /// The end of a sentence about an entry.
    pub(super) fn shown(&self) -> Message {
        let name = self.profile.as_deref();
        name.map(|name| message!(", with profile `{}`", ForeignText::new(name))).unwrap_or_default()
    }

    pub(super) fn of(settings: &Settings, context: Context<'_>) -> Self {
        let Context { flags, env, locations, .. } = context;
        let flags_that_decide = flags.given().filter(|(field, _)| decides_identity(field));
        let variables = match env {
            Env::Changed { changes, .. } => {
                // The last one is for one provider of Google Cloud.
                let others = [
                    PROFILE.variable,
                    CONFIG.variable,
                    AUDIENCE.variable,
                    GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE.name,
                ];
                let changes = changes.iter().filter(|(name, _)| !others.contains(&name.as_str()));
                changes.map(|(name, value)| (name.clone(), value.clone())).collect()
            }
            Env::Real | Env::Fake(_) => HashMap::new(),
        };
        Self {
            profile: settings.profile.as_ref().map(|profile| profile.value.clone()),
            config: flags.config_file(env, locations),
            flags: flags_that_decide.map(|(field, value)| (field.key, value.to_owned())).collect(),
            variables,
        }
    }
}

/// Whether a flag sets something that all consumers of a profile share.
pub(super) fn decides_identity(field: &Field) -> bool {
    let is_common = COMMON.settings.iter().any(|common| common.flag == field.flag);
    let others = [AUDIENCE.flag, TIMEOUT.flag];
    is_common && field.decides != Decides::Nothing && !others.contains(&field.flag)
}

/// The words for problems of an entry's arguments.
#[derive(Clone, Copy)]
pub(super) struct Wording {
    /// The name of the arguments: "`args`".
    pub(super) arguments: &'static str,
    /// The program that reads the output.
    pub(super) reader: &'static str,
    /// The fix.
    pub(super) fix: &'static str,
}

/// The flags that the arguments of an entry set, or their problem and its fix.
pub(super) fn flags(
    checks: &Checks<'_>,
    consumer: ConsumerName,
    program: &str,
    arguments: &[String],
    wording: Wording,
) -> std::result::Result<Flags, (Message, Message)> {
    let Wording { arguments: what, reader, fix } = wording;
    let problem = |problem: Message| Err((problem, fix.into()));
    let mut words: Vec<OsString> = vec!["yc-id-token".into()];
    // A link can carry the command in its name.
    let link = Path::new(program).file_stem().and_then(|name| name.to_str());
    let command = link.and_then(|name| name.strip_prefix("yc-id-token-"));
    words.extend(command.map(OsString::from));
    words.extend(arguments.iter().map(OsString::from));
    let matches = match (checks.program)().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    problem(message!("{what} contain no command", what))
                }
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => problem(message!(
                    "{what} print the help or the version, not a credential",
                    what
                )),
                _ => {
                    let text = error.to_string();
                    let first = text.lines().next().unwrap_or_default();
                    let first = ForeignText::new(first.trim_start_matches("error: "));
                    problem(message!("{what}: {first}", what, first))
                }
            };
        }
    };
    match matches.subcommand_name() {
        Some(name) if name == consumer.table().name => {
            Ok(Flags::read(&matches, &[consumer.table()]))
        }
        Some(other) => problem(message!(
            "{what} run `{}`, whose output {reader} cannot read",
            ForeignText::new(other),
            what,
            reader
        )),
        None => problem(message!("{what} contain no command", what)),
    }
}

/// The environment with the variables that an entry sets.
pub(super) fn environment(
    checks: &Checks<'_>,
    launch: &Launch,
    listed: impl Iterator<Item = (String, String)>,
) -> Env {
    let mut changes: HashMap<String, String> = listed.collect();
    changes.extend(launch.variables.iter().cloned());
    if changes.is_empty() {
        return checks.env.clone();
    }
    Env::Changed { changes, rest: Box::new(checks.env.clone()) }
}
