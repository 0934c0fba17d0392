//! `doctor`: what is wrong, and how to fix it.
//!
//! It reads the consumers' own files (kubeconfigs, the AWS configuration, token helpers of Vault, credential
//! configurations of Google's libraries), and checks each profile that their entries use once. Without such entries, it
//! checks the selected profile.
//!
//! Each group of checks has a file. A check that fails is a finding, and the other checks run, except those that depend
//! on it. All checks share the time limit: a group that needs the network gets a part of it.

mod aws;
mod bundle;
mod cache;
mod command_line;
mod configuration;
mod entry;
mod gcp;
mod id_token_ways;
mod identity;
mod kubectl;
mod launch;
mod network;
mod profile;
mod programs;
mod report;
mod token;
mod vault;
mod which_profiles;

#[cfg(feature = "fuzzing")]
pub(crate) use kubectl::fuzz_kubeconfig;

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::clock::Deadline;
use crate::colour::Colours;
use crate::consumer::ConsumerName;
use crate::env::Env;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::http::Http;
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::runtime;
use crate::settings::schema::PROFILE;
use crate::settings::{Flags, Locations, Settings};
use crate::spinner::Spinner;

use super::Complete;
use super::own_check::{Accepted, Outcome};
use super::status::with_profile;
use bundle::Bundle;
use entry::{Entries, EntryCheck};
use kubectl::Clusters;
use network::all;
use profile::Profile;
use programs::Programs;
use report::{Group, Report};

/// The time limit if the settings cannot be read.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// How many profiles are checked in one run.
const MAX_PROFILES: usize = 8;

/// How many of a consumer's own checks are run.
const MAX_OWN_CHECKS: usize = 4;

/// Check everything that a token depends on, and suggest fixes
///
/// It checks the profiles that kubeconfigs, the AWS configuration, Vault's token helper and Google's credential configuration name, or else the chosen profile. It ignores the cache and gets a new ID token, and runs `kubectl auth whoami` with kubeconfigs that use this program. It changes nothing else.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token doctor
  yc-id-token doctor aws --end-to-end
  yc-id-token doctor --report
  yc-id-token doctor kubectl --profile prod --json

Each line begins with ✓ (works), - (not checked), ! (warning) or ✗ (problem); warnings and problems have a fix. Exit status: 0 without a problem, else that \
of the first problem.")]
pub struct Args {
    /// Profile, or kubectl, aws, vault or gcp [default: the profiles in use]
    #[arg(value_name = "PROFILE|CONSUMER")]
    named: Option<String>,
    /// Also log in to AWS and Vault, and run a command of each client
    #[arg(long)]
    end_to_end: bool,
    /// Also write a report without secrets [default: yc-id-token-report.txt]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "clap reads a flag with an optional value so")]
    report: Option<Option<PathBuf>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The state that all checks share.
struct Checks<'a> {
    context: Context<'a>,
    env: &'a Env,
    locations: &'a Locations,
    /// The only consumer to check, if one is named.
    consumer: Option<ConsumerName>,
    /// The only profile to check, if one is named.
    profile: Option<String>,
    /// Whether to try the consumers' exchanges and run their own checks.
    end_to_end: bool,
    /// Whether to try other routes to an ID token although the usual one works.
    tries_all_ways: bool,
    /// The description of this program's command line.
    program: fn() -> clap::Command,
    deadline: Deadline,
    /// How many profiles share the remaining time.
    sharing: Cell<u32>,
    has_checked_cache: Cell<bool>,
    /// Whether the clock has been compared, or could not be.
    has_time: Cell<bool>,
    /// The servers that have been checked, and how they were reached.
    servers: RefCell<Vec<(String, String)>>,
    spinner: Spinner,
    /// The signal that ended the checks. Nothing is waited for afterwards.
    interrupted: OnceCell<Error>,
}

impl Args {
    pub(super) fn run(
        &self,
        context: Context<'_>,
        program: fn() -> clap::Command,
        complete: Complete<'_>,
        output: &mut Output<'_>,
    ) -> Result<ExitCode> {
        let named = self.named.as_deref();
        let consumer =
            ConsumerName::ALL.iter().find(|name| Some(name.table().name) == named).copied();
        let profile = self.named.as_ref().filter(|_| consumer.is_none());
        let flags = with_profile(context, profile)?;
        let context = Context { flags: &flags, ..context };
        let named = self.report.as_ref().map(Option::as_deref);
        let bundle = named.map(Bundle::begin).transpose()?;
        let mut report = Report::default();
        self.run_checks(context, consumer, program, &mut report)?;
        // `--profile` also selects the profile to check.
        let is_by_flag = profile.is_none() && flags.get(&PROFILE).is_some();
        report.complete(|text, of_finding| {
            let name = of_finding.or(profile.map(String::as_str)).filter(|_| !is_by_flag);
            let words: Vec<OsString> =
                name.map(|name| format!("--profile={name}").into()).into_iter().collect();
            complete(text, &words)
        });
        let written = bundle.map(|bundle| bundle.write(&report, context.env)).transpose()?;
        if self.json {
            let mut json = report.json();
            json["report"] = json!(written);
            output.json(&json)?;
        } else {
            let mut text = report.text(context.env.is_utf8(), Colours::of_stdout(context.env));
            if let Some(path) = written {
                text = message!(
                    "{text}\nwritten to {path}: versions, settings, findings, and the shapes of requests and answers; no secrets, but names of hosts, files, roles and accounts. Read it before you send it.",
                    text,
                    path
                );
            }
            output.say(&text)?;
        }
        Ok(ExitCode::from(report.exit_status()))
    }

    fn run_checks(
        &self,
        context: Context<'_>,
        consumer: Option<ConsumerName>,
        program: fn() -> clap::Command,
        report: &mut Report,
    ) -> Result<()> {
        let Context { flags, env, locations, consumers, .. } = context;
        configuration::report_version(&mut report.group("configuration"));
        let settings = Settings::load(flags, env, locations, consumers, consumers).ok();
        let budget = settings.as_ref().map_or(DEFAULT_TIMEOUT, |settings| settings.timeout.value);
        let checks = Checks {
            context,
            env,
            locations,
            consumer,
            profile: flags.get(&PROFILE).map(str::to_owned),
            end_to_end: self.end_to_end,
            tries_all_ways: self.report.is_some(),
            program,
            deadline: Deadline::within(budget),
            sharing: Cell::new(1),
            has_checked_cache: Cell::new(false),
            has_time: Cell::new(false),
            servers: RefCell::default(),
            spinner: context.for_people().spinner(),
            interrupted: OnceCell::new(),
        };
        let programs = Programs::look(&checks);
        let names = ConsumerName::ALL.iter().copied().filter(|name| checks.is_about(*name));
        let mut looked: Vec<ConsumerFindings> =
            names.filter_map(|name| check_files(&checks, &programs, name)).collect();
        let is_any_mentioned = looked.iter().any(|looked| looked.entries.is_mentioned);
        let entries =
            looked.iter_mut().flat_map(|looked| std::mem::take(&mut looked.entries.usable));
        let mut profiles =
            which_profiles::choose(&checks, settings.as_ref(), entries.collect(), is_any_mentioned);
        let left_out = profiles.split_off(MAX_PROFILES.min(profiles.len()));
        let is_only = profiles.len() == 1;
        for (done, profile) in profiles.iter().enumerate() {
            checks.sharing.set(u32::try_from(profiles.len() - done).unwrap_or(u32::MAX));
            profile.check(&checks, is_only, report);
        }
        checks.sharing.set(1);
        report.end_profiles();
        report_left_out(&left_out, report);
        for ConsumerFindings { consumer, report: mut found, entries, clusters } in looked {
            let name = consumer.table().name;
            if let Some(clusters) = clusters {
                clusters.call(&checks, &programs, &mut found.group(name));
            }
            if checks.end_to_end {
                run_own_checks(&checks, &entries.own_checks, &mut found.group(name));
            }
            let is_checked = entries.is_mentioned || checks.consumer.is_some();
            report.append(name, is_checked, found);
        }
        checks.interrupted.into_inner().map_or(Ok(()), Err)
    }
}

/// The findings about one consumer's own files, and the entries in them.
struct ConsumerFindings {
    consumer: ConsumerName,
    report: Report,
    entries: Entries,
    /// The clusters that kubectl can call.
    clusters: Option<Clusters>,
}

/// Checks a consumer's own configuration, if this program knows its format.
fn check_files(
    checks: &Checks<'_>,
    programs: &Programs,
    consumer: ConsumerName,
) -> Option<ConsumerFindings> {
    let (mut report, mut clusters) = (Report::default(), None);
    let mut group = report.group(consumer.table().name);
    let entries = match consumer {
        ConsumerName::Kubectl => {
            let (entries, found) = kubectl::check(checks, programs, &mut group);
            clusters = found;
            entries
        }
        ConsumerName::Aws => aws::check(checks, programs, &mut group),
        ConsumerName::Vault => vault::check(checks, programs, &mut group),
        ConsumerName::Gcp => gcp::check(checks, &mut group),
        ConsumerName::Token | ConsumerName::Exec => return None,
    };
    Some(ConsumerFindings { consumer, report, entries, clusters })
}

fn run_own_checks(checks: &Checks<'_>, own: &[EntryCheck], group: &mut Group<'_>) {
    let limit = checks.part();
    let first = &own[..MAX_OWN_CHECKS.min(own.len())];
    let runs = first.iter().map(|own| own.check.run(checks.env, limit)).collect();
    let Some(outcomes) = checks.wait("running the consumer's own check", all(runs)) else { return };
    for (EntryCheck { place, profile, check }, outcome) in first.iter().zip(outcomes) {
        group.profile.clone_from(profile);
        match outcome {
            Outcome::Accepted(Accepted { text, .. }) => {
                group.good(message!("{place}: {text}", place, text));
            }
            Outcome::Refused(refusal) => group.refusal(place, refusal),
            Outcome::NotInstalled => group.note(message!(
                "{place}: not checked, as the program is not on the PATH; run `{}`",
                check.command(),
                place
            )),
        }
    }
    group.profile = None;
    if first.len() < own.len() {
        group.note(message!("{} more were not checked", own.len() - first.len()));
    }
}

fn report_left_out(profiles: &[Profile], report: &mut Report) {
    if profiles.is_empty() {
        return;
    }
    let names: Vec<Message> = profiles
        .iter()
        .filter_map(Profile::name)
        .map(|name| message!("`{}`", ForeignText::new(name)))
        .collect();
    report.group("configuration").warning(
        message!(
            "{} more profiles were not checked: {}",
            profiles.len(),
            Message::join(&names, ", ")
        ),
        "check one at a time, with `yc-id-token doctor NAME`",
    );
}

impl Checks<'_> {
    /// Whether a consumer is to be checked.
    fn is_about(&self, name: ConsumerName) -> bool {
        self.consumer.is_none_or(|consumer| consumer == name)
    }

    /// Whether the only profile to check is another one than that of these flags.
    fn is_about_another_profile(&self, flags: &Flags) -> bool {
        let other = flags.get(&PROFILE).filter(|_| self.profile.is_some());
        other.is_some_and(|profile| self.profile.as_deref() != Some(profile))
    }

    /// A part of the time limit: of the remaining time of a profile, at most a third of the whole.
    fn part(&self) -> Duration {
        (self.deadline.left() / self.sharing.get()).min(self.deadline.budget() / 3)
    }

    /// The HTTP layer for these settings, limited to a part of the time.
    fn http(&self, settings: &Settings) -> Http {
        Http::new(
            self.context.clock,
            Deadline::within(self.part()),
            settings.ca_file.as_ref().map(|file| file.value.clone()),
            settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        )
    }

    /// Waits for something slow. At a terminal, a spinner shows `what` it is.
    fn wait<T>(&self, what: &'static str, work: impl Future<Output = T>) -> Option<T> {
        if self.interrupted.get().is_some() {
            return None;
        }
        let waited = runtime::wait_beside(&self.spinner, &what.into(), &"a diagnosis".into(), work);
        waited.inspect_err(|error| self.end(error)).ok()
    }

    /// Ends the checks if the error is an interruption.
    fn end_if_interrupted(&self, error: &Error) {
        if error.code() == Code::Interrupted {
            self.end(error);
        }
    }

    fn end(&self, error: &Error) {
        self.interrupted.get_or_init(|| error.clone());
    }
}
