//! `doctor`: what is wrong, and how to fix it.
//!
//! One file for each group of checks. A check that fails is a finding, and the others go on; what depends on it is left
//! out. All checks share the time limit: a group that needs the network gets a part of it.

mod aws;
mod cache;
mod configuration;
mod identity;
mod kubectl;
mod network;
mod programs;
mod report;
mod token;
mod vault;

#[cfg(feature = "fuzzing")]
pub(crate) use kubectl::fuzz_kubeconfig;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use crate::clock::Deadline;
use crate::consumer::{ConsumerForecast, ConsumerName, Warning};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::Http;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::runtime;
use crate::settings::schema::PROFILE;
use crate::settings::{Locations, Settings, profile_names};
use crate::spinner::Spinner;

use super::Complete;
use super::status::with_profile;
use programs::Programs;
use report::{Group, Report};

/// If there are no settings.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Check everything that a token depends on, and say how to mend what is wrong
///
/// It gets a new ID token, whatever is cached, runs `kubectl auth whoami` with kubeconfigs that use it, and changes nothing else.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token doctor
  yc-id-token doctor prod
  yc-id-token doctor kubectl --profile prod --json

Each line is ✓ (well), ! (works, and not well or not for long) or ✗ (does not work), with a fix. Exit status: 0 without ✗, else that of the \
first: 2 the command line; 3 configuration, or a file that it or a consumer has, or the clock; 4 refused by Yandex Cloud, or a token that cannot be checked; \
5 refused by the consumer's server; 6 the network; 7 the cache.")]
pub struct Args {
    /// Profile of the configuration file; or kubectl, aws or vault, to look at what belongs to one of them only, with the profile of that name if there is one and no other is named
    #[arg(value_name = "PROFILE|CONSUMER")]
    named: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Checks<'a> {
    context: Context<'a>,
    env: &'a Env,
    locations: &'a Locations,
    /// The settings. Without the configuration file, if that is broken; `None` if flags or variables are broken too.
    settings: Option<Settings>,
    /// A run with the identity, if there is one.
    run: Option<Run>,
    /// What runs of the consumers would do.
    forecasts: Vec<(ConsumerName, Result<ConsumerForecast>)>,
    /// The only consumer to check, if one is named.
    consumer: Option<ConsumerName>,
    /// The description of this program's command line.
    program: fn() -> clap::Command,
    deadline: Deadline,
    spinner: Spinner,
    /// What has ended the checks: a signal. Nothing is waited for any more.
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
        let is_profile = || {
            context.flags.get(&PROFILE).is_none()
                && context.env.get(PROFILE.var()).is_none()
                && named.is_some_and(|named| has_profile(context, named))
        };
        let profile = self.named.as_ref().filter(|_| consumer.is_none() || is_profile());
        let flags = with_profile(context, profile)?;
        let context = Context { flags: &flags, ..context };
        let mut report = Report::default();
        run_checks(context, consumer, program, &mut report)?;
        let profile: Vec<OsString> =
            profile.map(|name| format!("--profile={name}").into()).into_iter().collect();
        report.complete(|text| complete(text, &profile));
        if self.json {
            output.json(&report.json())?;
        } else {
            output.say(&report.text(context.env.is_utf8()))?;
        }
        Ok(ExitCode::from(report.exit_status()))
    }
}

/// Whether the configuration has a profile of this name.
fn has_profile(context: Context<'_>, name: &str) -> bool {
    let Context { flags, env, locations, .. } = context;
    let path = flags.config_file(env, locations);
    path.is_some_and(|path| profile_names(path).iter().any(|profile| profile == name))
}

/// Checks a consumer's own configuration.
type ClientCheck = fn(&Checks<'_>, &Programs, &mut Group<'_>);

/// The check of a consumer's own configuration; `None` if it has none that this program knows.
const fn client_check(consumer: ConsumerName) -> Option<ClientCheck> {
    match consumer {
        ConsumerName::Kubectl => Some(kubectl::check),
        ConsumerName::Aws => Some(aws::check),
        ConsumerName::Vault => Some(vault::check),
        ConsumerName::Token | ConsumerName::Gcp | ConsumerName::Exec => None,
    }
}

fn run_checks(
    context: Context<'_>,
    consumer: Option<ConsumerName>,
    program: fn() -> clap::Command,
    report: &mut Report,
) -> Result<()> {
    let env = context.env;
    let locations = context.locations;
    let (settings, is_whole) =
        configuration::check(context, locations, &mut report.group("configuration"));
    let budget = settings.as_ref().map_or(DEFAULT_TIMEOUT, |settings| settings.timeout.value);
    let deadline = Deadline::within(budget);
    let mut checks = Checks {
        context,
        env,
        locations,
        settings,
        run: None,
        forecasts: Vec::new(),
        consumer,
        program,
        deadline,
        spinner: context.for_people().spinner(),
        interrupted: OnceCell::new(),
    };
    checks.run = identity::check(&checks, &mut report.group("identity"));
    // Otherwise each would report again what is wrong in the file.
    if is_whole && checks.run.is_some() {
        let consumers = ConsumerName::ALL.iter().filter(|name| checks.is_about(**name));
        checks.forecasts = consumers
            .filter_map(|name| Some((*name, name.forecast(context).transpose()?)))
            .collect();
    }
    cache::check(&checks, &mut report.group("cache"));
    network::check(&checks, &mut report.group("network"));
    token::check(&checks, &mut report.group("token"));
    let programs = Programs::look(&checks);
    for name in ConsumerName::ALL.iter().copied().filter(|name| checks.is_about(*name)) {
        let Some(check) = client_check(name) else { continue };
        let mut group = report.group(name.table().name);
        for (_, forecast) in checks.forecasts.iter().filter(|(of, _)| *of == name) {
            match forecast {
                Ok(forecast) => {
                    for Warning { problem, hint } in &forecast.warnings {
                        group.warning(problem.clone(), hint.clone());
                    }
                }
                Err(error) => group.error(error),
            }
        }
        check(&checks, &programs, &mut group);
    }
    checks.interrupted.into_inner().map_or(Ok(()), Err)
}

impl Checks<'_> {
    /// Whether a consumer is checked.
    fn is_about(&self, name: ConsumerName) -> bool {
        self.consumer.is_none_or(|consumer| consumer == name)
    }

    /// A part of the time: of what is left, no more than a third of the whole.
    fn part(&self) -> Duration {
        self.deadline.left().min(self.deadline.budget() / 3)
    }

    /// How servers are reached, within a part of the time.
    fn http(&self, settings: &Settings) -> Http {
        Http::new(
            self.context.clock,
            Deadline::within(self.part()),
            settings.ca_file.as_ref().map(|file| file.value.clone()),
            settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
        )
    }

    /// Waits for what takes its time, and says at a terminal what for.
    fn wait<T>(&self, what: &'static str, work: impl Future<Output = T>) -> Option<T> {
        if self.interrupted.get().is_some() {
            return None;
        }
        let waited = runtime::wait_beside(&self.spinner, &what.into(), &"a diagnosis".into(), work);
        waited.inspect_err(|error| self.end(error)).ok()
    }

    /// Ends the checks.
    fn end(&self, error: &Error) {
        self.interrupted.get_or_init(|| error.clone());
    }
}
