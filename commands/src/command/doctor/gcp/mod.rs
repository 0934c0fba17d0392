//! The credential configurations of Google's client libraries (AIP-4117) that get their ID token from this program or
//! its agent.

mod kept_token;

use std::path::{Path, PathBuf};

use crate::command::on_path::on_path;
use crate::command::own_check::OwnCheck;
use crate::consumer::{
    ConsumerName, CredentialFile, GCP_OVERRIDING, GCP_VARIABLES, Provider, gcp_settings,
};
use crate::env::{self, Var};
use crate::error::{Error, Exit, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::settings::schema::PROFILE;
use crate::settings::{
    AgentEndpoint, AgentFile, AgentTables, Profile, Setting, Settings, agent_tables, profiles,
};

use super::Checks;
use super::command_line::{CommandLine, Problem, mentions_this_program};
use super::entry::{Entries, Entry, EntryCheck, Wording};
use super::report::Group;
use kept_token::{check_endpoint, check_file};

const WORDING: Wording = Wording {
    arguments: "its arguments",
    reader: "Google's libraries",
    fix: "write it as `/usr/local/bin/yc-id-token gcp --profile=NAME`",
};

/// More files of `setup` are not checked.
const MAX_FILES: usize = 1_000;

struct Found {
    path: PathBuf,
    place: Message,
    file: CredentialFile,
    /// The variable that names it. Without one, it is in the folder where `setup` writes.
    variable: Option<Var>,
}

/// How it gets the token from this program, if it does.
enum Origin<'a> {
    Command(&'a str),
    File(&'a Path, Option<&'a AgentFile>),
    Endpoint(&'a str, Option<&'a AgentEndpoint>),
}

/// Checks the configurations that the variables name and those that `setup` wrote. Returns the entries for the
/// profiles.
pub(super) fn check(checks: &Checks<'_>, group: &mut Group<'_>) -> Entries {
    let context = checks.context;
    let (flags, env, locations) = (context.flags, checks.env, checks.locations);
    // A broken configuration file is reported with the profile.
    let agent = agent_tables(flags, env, locations, context.consumers, &mut Err);
    let agent = agent.unwrap_or_default();
    let known = profiles(flags, env, locations, context.consumers).ok().flatten();
    let known = known.map(|profiles| profiles.all).unwrap_or_default();
    let mut entries = Entries::default();
    let mut paths = Vec::new();
    for found in files(checks, group) {
        let Some((origin, profile)) = found.origin(&agent, &known) else {
            if let Some(variable) = found.variable {
                group.good(message!(
                    "{}, by {}, gets no token from yc-id-token",
                    found.place,
                    variable.name
                ));
            }
            continue;
        };
        entries.is_mentioned = true;
        found.check(checks, &origin, profile, &mut entries, group);
        group.profile = None;
        paths.push(found.path);
    }
    if entries.is_mentioned {
        let [libraries, gcloud] = GCP_VARIABLES;
        let named = [libraries, gcloud].map(|variable| env.get_os(variable));
        if let [Some(one), Some(other)] = named
            && one != other
        {
            group.warning(
                message!(
                    "{} and {} name two files: gcloud uses the second",
                    libraries.name,
                    gcloud.name
                ),
                message!("unset {}, or let both name the same file", gcloud.name),
            );
        }
        // Terraform reads the same configuration from another variable.
        let is_another = |variable: &Var| {
            let value = env.get_os(*variable);
            value.is_some_and(|value| paths.iter().all(|path| path.as_os_str() != value))
        };
        for variable in GCP_OVERRIDING.into_iter().filter(is_another) {
            group.warning(
                message!("{} is set: gcloud or Terraform uses it instead", variable.name),
                message!("unset {}", variable.name),
            );
        }
    } else if checks.consumer.is_some() {
        group.good("no credential configuration here gets its token from yc-id-token; `yc-id-token setup gcp` writes one");
    }
    entries
}

/// The credential configurations that use workload identity pools.
fn files(checks: &Checks<'_>, group: &mut Group<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for variable in GCP_VARIABLES {
        let Some(path) = checks.env.get_os(variable).map(PathBuf::from) else { continue };
        if found.iter().any(|other| other.path == path) {
            continue;
        }
        match private_file::read_plain(&path, CredentialFile::LIMIT) {
            Ok(text) => found.extend(Found::parse(path, &text, Some(variable))),
            Err(cause) => group.error(&Error::unreadable(variable.name, &path, cause)),
        }
    }
    let folder = checks.context.flags.config_file(checks.env, checks.locations);
    let folder = folder.as_deref().and_then(Path::parent);
    let paths = folder.map(|folder| private_file::list(folder, MAX_FILES)).unwrap_or_default();
    for path in paths.into_iter().filter(|path| is_of_setup(path)) {
        if found.iter().all(|other| other.path != path)
            && let Ok(text) = private_file::read_plain(&path, CredentialFile::LIMIT)
        {
            found.extend(Found::parse(path, &text, None));
        }
    }
    found
}

fn is_of_setup(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("google-") && name.ends_with(".json")
}

impl Found {
    fn parse(path: PathBuf, text: &[u8], variable: Option<Var>) -> Option<Self> {
        let place = message!("the credential configuration {}", shown(&path));
        CredentialFile::parse(text).map(|file| Self { path, place, file, variable })
    }

    /// The source of the token, and the profile that it uses; `None` if another program supplies the token.
    fn origin<'a>(
        &'a self,
        agent: &'a AgentTables,
        known: &[Profile],
    ) -> Option<(Origin<'a>, Option<String>)> {
        if let Some(command) = self.file.command() {
            return mentions_this_program(command).then_some((Origin::Command(command), None));
        }
        let (origin, of_table) = if let Some(path) = self.file.file().map(Path::new) {
            let is_it = |table: &&AgentFile| table.path.as_ref().is_some_and(|it| it.value == path);
            let table = agent.files.iter().find(is_it);
            (Origin::File(path, table), table.map(|table| &table.profile))
        } else {
            let url = self.file.url()?;
            let is_it = |table: &&AgentEndpoint| {
                table.listen.as_ref().is_some_and(|it| kept_token::address(url) == Some(&*it.value))
            };
            let table = agent.endpoints.iter().find(is_it);
            (Origin::Endpoint(url, table), table.map(|table| &table.profile))
        };
        if let Some(profile) = of_table {
            return Some((origin, profile.as_ref().map(|profile| profile.value.clone())));
        }
        let has_provider = |profile: &&Profile| {
            let settings = profile.settings.as_ref().ok();
            settings.and_then(provider_of).is_some_and(|it| it == self.file.audience())
        };
        let profile = known.iter().find(has_provider).map(|profile| profile.name.clone());
        (profile.is_some() || is_of_setup(&self.path)).then_some((origin, profile))
    }

    fn check(
        &self,
        checks: &Checks<'_>,
        origin: &Origin<'_>,
        profile: Option<String>,
        entries: &mut Entries,
        group: &mut Group<'_>,
    ) {
        let Self { place, file, .. } = self;
        let entry = match origin {
            Origin::Command(command) => self.check_command(command, checks, group),
            Origin::File(..) | Origin::Endpoint(..) => {
                let flags = checks.context.flags.clone();
                let flags = match profile {
                    Some(profile) => flags.with(&PROFILE, profile),
                    None => flags,
                };
                let env = checks.env.clone();
                Entry::resolve(checks, ConsumerName::Gcp, place.clone(), flags, env)
                    .inspect_err(|error| group.error(error))
                    .ok()
            }
        };
        let Some(entry) = entry.filter(|entry| !checks.is_about_another_profile(&entry.flags))
        else {
            return;
        };
        group.profile.clone_from(&entry.target.profile);
        let context = checks.context;
        let settings = Settings::load(
            &entry.flags,
            &entry.env,
            context.locations,
            context.consumers,
            &[&gcp_settings::TABLE],
        );
        let settings = settings.ok();
        self.check_document(&entry, settings.as_ref(), group);
        let own = settings.as_ref().and_then(|it| it.own(&gcp_settings::OWN_AUDIENCE));
        let own = own.map(|audience| audience.value);
        let accepts = |audience: &str| {
            let provider = file.audience();
            audience.strip_prefix("https:").unwrap_or(audience) == provider
                || own.as_deref() == Some(audience)
        };
        match origin {
            Origin::Command(_) => self.check_timeout(settings.as_ref(), group),
            Origin::File(path, table) => {
                check_file(self, path, table.is_some(), accepts, checks, group);
            }
            Origin::Endpoint(url, table) => check_endpoint(self, url, *table, accepts, group),
        }
        entries.own_checks.push(EntryCheck {
            place: place.clone(),
            profile: entry.target.profile.clone(),
            check: OwnCheck::gcloud(&self.path),
        });
        entries.usable.push(entry);
    }

    /// Checks the command line, and that the libraries may run it.
    fn check_command(
        &self,
        command: &str,
        checks: &Checks<'_>,
        group: &mut Group<'_>,
    ) -> Option<Entry> {
        let place = &self.place;
        let line = CommandLine {
            consumer: ConsumerName::Gcp,
            key: "command",
            line: command,
            takes_quotes: false,
            wording: WORDING,
        };
        let provider = env::GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE.name.to_owned();
        let entry = line.entry(checks, place, Some((provider, self.file.audience().to_owned())));
        if checks.profile.is_some() && matches!(entry, Ok(None)) {
            return None;
        }
        let problem = line.problem(|name| on_path(checks.env, name).is_some());
        if let Some(Problem { is_bad, text, fix }) = problem {
            let text = message!("{place}: {text}", place, text);
            if is_bad {
                group.bad(Exit::Configuration, text, fix);
            } else {
                group.warning(text, fix);
            }
        }
        let allows = env::GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES;
        if self.variable.is_some() && checks.env.get(allows).as_deref() != Some("1") {
            group.bad(
                Exit::Configuration,
                message!(
                    "{place}: {} is not 1, so Google's libraries run no executable",
                    allows.name,
                    place
                ),
                message!("set {}=1", allows.name),
            );
        }
        match entry {
            Ok(entry) => entry,
            Err((problem, fix)) => {
                let text = message!("{place}: {problem}", place, problem);
                group.bad(Exit::Configuration, text, fix);
                None
            }
        }
    }

    /// Checks the fields that all configurations have.
    fn check_document(&self, entry: &Entry, settings: Option<&Settings>, group: &mut Group<'_>) {
        let Self { place, file, variable, .. } = self;
        let profile = entry.target.shown();
        let by = match variable {
            Some(variable) => message!(", by {},", variable.name),
            None => Message::default(),
        };
        group.good(message!(
            "{place}{by} gets its token from yc-id-token{profile}",
            place,
            by,
            profile
        ));
        // A workforce pool is for people, and has no project.
        let is_provider = Provider::parse(file.audience())
            .is_some_and(|it| it.name() == file.audience())
            || file.audience().starts_with("//iam.googleapis.com/locations/global/workforcePools/");
        if !is_provider {
            group.bad(
                Exit::Configuration,
                message!(
                    "{place}: its audience, `{}`, is not the full name of a provider",
                    ForeignText::new(file.audience()),
                    place
                ),
                "write it with `yc-id-token setup gcp`",
            );
        }
        if !file.has_type_of_id_token() {
            group.bad(
                Exit::Configuration,
                message!("{place}: its `subject_token_type` is not that of an ID token", place),
                "set it to `urn:ietf:params:oauth:token-type:id_token`",
            );
        }
        let of_profile = settings.and_then(provider_of);
        if let Some(provider) = of_profile.filter(|it| is_provider && it != file.audience()) {
            group.warning(
                message!(
                    "{place}: its provider is `{}`, but the settings have `{}`",
                    ForeignText::new(file.audience()),
                    ForeignText::new(&provider),
                    place
                ),
                "correct `gcp.provider` of the profile, or rewrite the configuration with `yc-id-token setup gcp`",
            );
        }
    }

    /// Checks that the library waits for as long as a run may take.
    fn check_timeout(&self, settings: Option<&Settings>, group: &mut Group<'_>) {
        let place = &self.place;
        let Some(timeout) = self.file.timeout() else {
            group.bad(
                Exit::Configuration,
                message!("{place}: Google's libraries reject its `timeout_millis`", place),
                "set it to a number from 5000 to 120000",
            );
            return;
        };
        if let Some(Setting { value, .. }) =
            settings.map(|it| &it.timeout).filter(|it| it.value >= timeout)
        {
            group.warning(
                message!(
                    "{place}: Google's libraries wait for {} s, but a run may take {} s",
                    timeout.as_secs(),
                    value.as_secs(),
                    place
                ),
                "set `timeout_millis` to 30000, or a shorter `timeout` in the profile",
            );
        }
    }
}

/// The full name of the provider in the settings.
fn provider_of(settings: &Settings) -> Option<String> {
    let provider = settings.own(&gcp_settings::PROVIDER)?.value;
    Provider::parse(&provider).map(|provider| provider.name().to_owned())
}
