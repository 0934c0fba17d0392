//! A profile explained: each setting and its origin, the identity, the cache keys, and the forecast of each run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::broker::{Forecast, Prediction};
use crate::cache::Key;
use crate::clock::Timestamp;
use crate::consumer::{ConsumerForecast, ConsumerName, Warning};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::{Context, Run};
use crate::settings::{Explained, Settings};

pub(super) struct Explanation {
    settings: Vec<Explained>,
    background_refresh: bool,
    /// The identity, or why there is none.
    identity: Result<Message>,
    consumers: Vec<(&'static str, Result<ConsumerForecast>)>,
    now: Timestamp,
}

pub(super) fn explain(context: Context<'_>) -> Result<Explanation> {
    let Context { flags, env, locations, consumers, .. } = context;
    let settings = Settings::load(flags, env, locations, consumers, consumers)?;
    if settings.force_refresh {
        return Err(Error::Usage {
            problem: "an explanation only forecasts runs, and refreshes nothing".into(),
            hint: "leave out `--force-refresh`, or unset YC_ID_TOKEN_FORCE_REFRESH".into(),
        });
    }
    let explained = settings.explained();
    let background_refresh = settings.background_refresh.value;
    let run = Run::of(settings, context, None);
    let identity = run.map(|run| run.source().identity.describe());
    let forecast =
        |name: &ConsumerName| Some((name.table().name, name.forecast(context).transpose()?));
    let consumers = if identity.is_ok() {
        ConsumerName::ALL.iter().filter_map(forecast).collect()
    } else {
        Vec::new()
    };
    let now = context.clock.now().at;
    Ok(Explanation { settings: explained, background_refresh, identity, consumers, now })
}

impl Explanation {
    pub(super) fn text(&self) -> Message {
        let mut lines = vec!["settings".into()];
        let width = |of: fn(&Explained) -> &Message| {
            let widths = self.settings.iter().map(|setting| of(setting).chars().count());
            widths.max().unwrap_or(0).min(60)
        };
        let (names, values) = (width(|setting| &setting.name), width(|setting| &setting.value));
        for Explained { name, value, origin } in &self.settings {
            let (name, value) = (name.padded(names), value.padded(values));
            lines.push(message!("  {name}  {value}  {origin}", name, value, origin));
        }
        lines.push("\nidentity".into());
        match &self.identity {
            Ok(identity) => lines.push(message!("  {identity}", identity)),
            Err(error) => lines.extend(error_lines(error)),
        }
        let mut keys = Vec::new();
        for (consumer, forecast) in &self.consumers {
            lines.push(message!("\n{consumer}", consumer));
            match forecast {
                Ok(forecast) => {
                    for credential in &forecast.credentials {
                        lines.extend(self.lines(credential, &mut keys));
                    }
                    let warning = |Warning { problem, hint }: &Warning| {
                        message!("  but {problem}: {hint}", problem, hint)
                    };
                    lines.extend(forecast.warnings.iter().map(warning));
                }
                Err(error) => lines.extend(error_lines(error)),
            }
        }
        Message::join(&lines, "\n")
    }

    fn lines<'a>(&self, forecast: &'a Forecast, keys: &mut Vec<&'a Key>) -> Vec<Message> {
        let now = message!("  {}\n    now   {}", forecast.what, self.verdict(forecast));
        if matches!(forecast.prediction, Prediction::NotCached) {
            return vec![now];
        }
        if keys.contains(&&forecast.key) {
            return vec![now, "    key   as above".into()];
        }
        keys.push(&forecast.key);
        let key = message!("    key   {}", forecast.key);
        let part = |(name, value): &(String, String)| {
            message!("          {} = {}", ForeignText::new(name), ForeignText::new(value))
        };
        [now, key].into_iter().chain(forecast.inputs.iter().map(part)).collect()
    }

    /// The forecast of a credential in words.
    fn verdict(&self, forecast: &Forecast) -> Message {
        let from = &forecast.about.from;
        let relative = |at: &Timestamp| at.beside(self.now);
        match &forecast.prediction {
            Prediction::Hit { soft_at, expires_at } => {
                message!(
                    "the cache has it: it expires at {}, and is refreshed after {}",
                    relative(expires_at),
                    relative(soft_at)
                )
            }
            Prediction::Ageing { soft_at, expires_at } if self.background_refresh => message!(
                "the cache has it until {}; a run gets another from {from} in the background, as half of its lifetime was over at {}",
                relative(expires_at),
                relative(soft_at),
                from
            ),
            Prediction::Ageing { expires_at, .. } => message!(
                "the cache has it until {}; `background_refresh` turns the refresh in the background off",
                relative(expires_at)
            ),
            Prediction::Short { expires_at, minimum_lifetime } => message!(
                "a run gets it from {from}, as the one in the cache expires at {}, and must be valid for {} more",
                relative(expires_at),
                seconds(*minimum_lifetime),
                from
            ),
            Prediction::Absent => message!("a run gets it from {from}, as none is cached", from),
            Prediction::Fails(failure, until) => message!(
                "it fails at once until {}, as it failed at {}: {} [{}]",
                relative(until),
                relative(&failure.at),
                failure.message,
                failure.code
            ),
            Prediction::NotCached => "it is used as it is given, and not cached".into(),
        }
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> Value {
        let setting = |setting: &Explained| {
            let Explained { name, value, origin } = setting;
            json!({ "name": name, "value": value, "origin": message!("{origin}", origin) })
        };
        let consumers: Vec<Value> = self
            .consumers
            .iter()
            .map(|(name, forecast)| match forecast {
                Ok(forecast) => json!({
                    "consumer": name,
                    "audience": forecast.audience.as_deref().map(ForeignText::new),
                    "server": forecast.server.as_ref().map(|server| ForeignText::new(server.endpoint.as_str())),
                    "credentials": forecast.credentials.iter().map(|it| self.object(it)).collect::<Vec<_>>(),
                    "doubts": forecast.warnings.iter().map(|warning| &warning.problem).collect::<Vec<_>>(),
                    "error": null,
                }),
                Err(error) => json!({ "consumer": name, "error": error_object(error) }),
            })
            .collect();
        json!({
            "settings": self.settings.iter().map(setting).collect::<Vec<_>>(),
            "identity": self.identity.as_ref().ok(),
            "error": self.identity.as_ref().err().map(error_object),
            "consumers": consumers,
        })
    }

    fn object(&self, forecast: &Forecast) -> Value {
        let prediction = match forecast.prediction {
            Prediction::Hit { .. } => "hit",
            Prediction::Ageing { .. } => "ageing",
            Prediction::Short { .. } => "short",
            Prediction::Absent => "absent",
            Prediction::Fails(..) => "fails",
            Prediction::NotCached => "not-kept",
        };
        let parts = forecast.inputs.iter();
        let parts = parts.map(|(name, value)| {
            json!({ "name": ForeignText::new(name), "value": ForeignText::new(value) })
        });
        json!({
            "what": forecast.what,
            "from": forecast.about.from,
            "key": forecast.key.name(),
            "parts": parts.collect::<Vec<_>>(),
            "outlook": prediction,
            "why": self.verdict(forecast),
        })
    }
}

fn error_lines(error: &Error) -> Vec<Message> {
    let hint = error.hint().map(|hint| message!("  hint: {hint}", hint));
    std::iter::once(message!("  {}", error.with_code())).chain(hint).collect()
}

fn error_object(error: &Error) -> Value {
    json!({ "code": error.code().name(), "message": message!("{error}", error), "hint": error.hint() })
}

fn seconds(life: Duration) -> Message {
    match life.as_secs() {
        minutes if minutes % 60 == 0 => message!("{} min", minutes / 60),
        seconds => message!("{seconds} s", seconds),
    }
}
