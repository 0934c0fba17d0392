//! The checks of one profile: its settings, identity, cache and servers, a new ID token, and the forecasts of its
//! consumers.

use super::entry::{Entry, Target};
use super::report::Report;
use super::{Checks, cache, configuration, id_token_ways, identity, network, token};
use crate::consumer::{ConsumerForecast, ConsumerName, Warning};
use crate::env::Env;
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::{Context, Run};
use crate::settings::schema::{FORCE_REFRESH, TIMEOUT};
use crate::settings::{Flags, Settings};

/// A profile is not checked with less than this share of the time left: a twentieth.
const MIN_SHARE: u32 = 20;

/// A profile to check, or the settings of a run without one.
pub(super) struct Profile {
    pub(super) target: Option<Target>,
    pub(super) flags: Flags,
    pub(super) env: Env,
    /// The entries of consumers' files that use it.
    pub(super) entries: Vec<Entry>,
}

pub(super) struct ProfileCheck<'a> {
    pub(super) checks: &'a Checks<'a>,
    pub(super) context: Context<'a>,
    pub(super) entries: &'a [Entry],
    /// Its settings. A broken configuration file is left out; `None` if flags or variables are broken too.
    pub(super) settings: Option<Settings>,
    /// A run with the identity, if there is one.
    pub(super) run: Option<Run>,
    /// The forecasts of the consumers' runs.
    pub(super) forecasts: Vec<(ConsumerName, Result<ConsumerForecast>)>,
}

impl Profile {
    pub(super) fn of(entry: Entry) -> Self {
        let Entry { target, flags, env, .. } = &entry;
        let (target, flags, env) = (Some(target.clone()), flags.clone(), env.clone());
        Self { target, flags, env, entries: vec![entry] }
    }

    pub(super) fn is_where(&self, target: &Target) -> bool {
        self.target.as_ref() == Some(target)
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.target.as_ref()?.profile.as_deref()
    }

    fn shown(&self) -> Message {
        match self.name() {
            Some(name) => message!("profile `{}`", ForeignText::new(name)),
            None => "no profile".into(),
        }
    }

    /// Its heading in a report: the profile, and the entries that use it.
    fn heading(&self) -> Option<Message> {
        let places: Vec<Message> = self.entries.iter().map(|entry| entry.place.clone()).collect();
        match &places[..] {
            [] => None,
            places => Some(message!("{}, for {}", self.shown(), Message::join(places, ", "))),
        }
    }

    pub(super) fn check(&self, checks: &Checks<'_>, is_only: bool, report: &mut Report) {
        let heading = self.heading().or_else(|| (!is_only).then(|| self.shown()));
        report.begin_profile(self.name(), heading);
        if checks.deadline.left() < checks.deadline.budget() / MIN_SHARE {
            report.group("configuration").warning(
                message!("{} was not checked, as the time limit is over", self.shown()),
                "give more time with `--timeout`, or name one profile",
            );
            return;
        }
        let context = Context { flags: &self.flags, env: &self.env, ..checks.context };
        let (settings, is_whole) =
            configuration::check(context, &mut report.group("configuration"));
        let entries = &self.entries;
        let mut check =
            ProfileCheck { checks, context, entries, settings, run: None, forecasts: Vec::new() };
        report.add_settings(&check.settings.as_ref().map(Settings::explained).unwrap_or_default());
        check.run = identity::check(&check, &mut report.group("identity"));
        // Otherwise each forecast would report the mistakes in the file again.
        if is_whole && check.run.is_some() {
            check.forecasts = check.forecast();
        }
        cache::check(&check, &mut report.group("cache"));
        network::check(&check, &mut report.group("network"));
        let is_refused = token::check(&check, &mut report.group("token"));
        if is_refused || checks.tries_all_ways {
            id_token_ways::check(&check, &mut report.group("id token"));
        }
        check.report_consumers(report);
        if checks.end_to_end {
            check.try_exchanges(report);
        }
    }
}

impl ProfileCheck<'_> {
    /// The forecasts of the consumers whose entries use the profile, or else of all consumers that the settings
    /// configure.
    fn forecast(&self) -> Vec<(ConsumerName, Result<ConsumerForecast>)> {
        let of = |(name, context): (ConsumerName, Context<'_>)| {
            Some((name, name.forecast(context).transpose()?))
        };
        self.consumers().into_iter().filter_map(of).collect()
    }

    /// The consumers, and the context of each run.
    fn consumers(&self) -> Vec<(ConsumerName, Context<'_>)> {
        if self.entries.is_empty() {
            let names = ConsumerName::ALL.iter().filter(|name| self.checks.is_about(**name));
            return names.map(|name| (*name, self.context)).collect();
        }
        let mut consumers: Vec<(ConsumerName, Context<'_>)> = Vec::new();
        for Entry { consumer, flags, env, .. } in self.entries {
            if consumers.iter().all(|(name, _)| name != consumer) {
                consumers.push((*consumer, Context { flags, env, ..self.context }));
            }
        }
        consumers
    }

    fn try_exchanges(&self, report: &mut Report) {
        for (name, context) in self.consumers() {
            // With an entry, the consumer is checked even if only the variables of the official clients are set.
            let is_meant = !self.entries.is_empty() || self.checks.consumer == Some(name);
            let forecast = self.forecasts.iter().find(|(of, _)| *of == name);
            let is_usable = forecast.map_or(is_meant, |(_, forecast)| forecast.is_ok());
            if self.run.is_none() || !is_usable {
                continue;
            }
            let limit = format!("{}ms", self.checks.part().as_millis());
            let flags = context.flags.clone().with(&FORCE_REFRESH, "true").with(&TIMEOUT, limit);
            let context = Context { flags: &flags, ..context.for_people() };
            match name.try_exchange(context) {
                Ok(Some(what)) => report.group(name.table().name).good(what),
                Ok(None) => {}
                Err(error) => {
                    self.checks.end_if_interrupted(&error);
                    report.group(name.table().name).error(&error);
                }
            }
        }
    }

    /// Reports problems that the forecasts predict, and missing settings.
    fn report_consumers(&self, report: &mut Report) {
        let has_files = |name: ConsumerName| match name {
            ConsumerName::Kubectl | ConsumerName::Aws | ConsumerName::Vault | ConsumerName::Gcp => {
                true
            }
            ConsumerName::Token | ConsumerName::Exec => false,
        };
        for (name, forecast) in self.forecasts.iter().filter(|(name, _)| has_files(*name)) {
            let mut group = report.group(name.table().name);
            match forecast {
                Ok(forecast) => {
                    for Warning { problem, hint } in &forecast.warnings {
                        group.warning(problem.clone(), hint.clone());
                    }
                }
                Err(error) => group.error(error),
            }
        }
        // Entries have been checked for that.
        let Some(consumer) = self.checks.consumer.filter(|_| self.entries.is_empty()) else {
            return;
        };
        let is_forecast = self.forecasts.iter().any(|(name, _)| *name == consumer);
        if let Some(settings) =
            self.settings.as_ref().filter(|_| !is_forecast && self.run.is_some())
            && consumer != ConsumerName::Kubectl
            && let Err(error) = consumer.check(settings, self.context, true)
        {
            report.group(consumer.table().name).error(&error);
        }
    }
}
