//! A profile explained: each setting and where it came from, who we are, the cache keys, and what would
//! happen now.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::broker::{Outlook, Prospect};
use crate::consumer::{self, Plan};
use crate::error::{Error, Result};
use crate::foreign_text::{Message, visible};
use crate::session::{Context, Session};
use crate::settings::{Explained, Locations, Settings};

/// A profile explained.
pub(super) struct Explanation {
    settings: Vec<Explained>,
    background_refresh: bool,
    /// Who we are, or why that is not known.
    identity: Result<Message>,
    plans: Vec<(&'static str, Result<Plan>)>,
}

pub(super) fn explain(context: Context<'_>) -> Result<Explanation> {
    let locations = Locations::of_system();
    let Context { flags, env, consumers, .. } = context;
    let settings = Settings::load(flags, env, &locations, consumers, consumers)?;
    if settings.force_refresh {
        return Err(Error::Usage {
            problem: "what would happen is looked at, and nothing is made to happen".into(),
            hint: "leave out `--force-refresh`, or unset YC_ID_TOKEN_FORCE_REFRESH".into(),
        });
    }
    let explained = settings.explained();
    let background_refresh = settings.background_refresh.value;
    let session = Session::of(settings, context, locations, None);
    let identity = session.map(|session| session.source().identity.describe());
    let plans = if identity.is_ok() { consumer::plans(context) } else { Vec::new() };
    Ok(Explanation { settings: explained, background_refresh, identity, plans })
}

impl Explanation {
    pub(super) fn text(&self) -> String {
        let mut text = String::from("settings\n");
        let width = |of: fn(&Explained) -> &str| {
            let widths = self.settings.iter().map(|setting| of(setting).chars().count());
            widths.max().unwrap_or(0).min(60)
        };
        let (names, values) = (width(|setting| &setting.name), width(|setting| &setting.value));
        for Explained { name, value, origin } in &self.settings {
            let (value, origin) = (visible(value), visible(&origin.to_string()));
            let _ = writeln!(text, "  {name:<names$}  {value:<values$}  {origin}");
        }
        text += "\nidentity\n";
        match &self.identity {
            Ok(identity) => {
                let _ = writeln!(text, "  {}", visible(identity));
            }
            Err(error) => tell_error(&mut text, error),
        }
        let mut keys = Vec::new();
        for (consumer, plan) in &self.plans {
            let _ = writeln!(text, "\n{consumer}");
            match plan {
                Ok(plan) => {
                    for prospect in &plan.prospects {
                        self.tell(&mut text, prospect, &mut keys);
                    }
                    for (doubt, fix) in &plan.doubts {
                        let _ = writeln!(text, "  but {doubt}: {fix}");
                    }
                }
                Err(error) => tell_error(&mut text, error),
            }
        }
        text
    }

    fn tell<'a>(&self, text: &mut String, prospect: &'a Prospect, keys: &mut Vec<&'a str>) {
        let _ = writeln!(text, "  {}", visible(&prospect.what));
        let _ = writeln!(text, "    now   {}", self.verdict(prospect));
        if matches!(prospect.outlook, Outlook::NotKept) {
            return;
        }
        if keys.contains(&prospect.key.as_str()) {
            let _ = writeln!(text, "    key   as above");
            return;
        }
        keys.push(&prospect.key);
        let _ = writeln!(text, "    key   {}", prospect.key);
        for (name, value) in &prospect.parts {
            let _ = writeln!(text, "          {name} = {}", visible(value));
        }
    }

    /// What would happen now, and why.
    fn verdict(&self, prospect: &Prospect) -> String {
        let from = visible(&prospect.about.from);
        match &prospect.outlook {
            Outlook::Hit { soft_at, expires_at } => {
                format!(
                    "the cache has it: it expires at {expires_at}, and is refreshed from {soft_at}"
                )
            }
            Outlook::Ageing { soft_at, expires_at } if self.background_refresh => format!(
                "the cache has it until {expires_at}; a run gets another from {from} in the background, as half of its lifetime was over at {soft_at}"
            ),
            Outlook::Ageing { expires_at, .. } => format!(
                "the cache has it until {expires_at}; `background_refresh` turns the refresh in the background off"
            ),
            Outlook::Short { expires_at, least_life } => format!(
                "a run gets it from {from}, as the one in the cache expires at {expires_at}, and must be valid for {} more",
                seconds(*least_life)
            ),
            Outlook::Absent => format!("a run gets it from {from}, as none is cached"),
            Outlook::Fails(failure, until) => format!(
                "it fails at once until {until}, as it failed at {}: {} [{}]",
                failure.at, failure.message, failure.code
            ),
            Outlook::NotKept => "it is used as it is given, and not cached".into(),
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let setting = |setting: &Explained| {
            let Explained { name, value, origin } = setting;
            json!({ "name": name, "value": value, "origin": origin.to_string() })
        };
        let consumers: Vec<Value> = self
            .plans
            .iter()
            .map(|(name, plan)| match plan {
                Ok(plan) => json!({
                    "consumer": name,
                    "audience": plan.audience,
                    "server": plan.server.as_ref().map(|server| server.endpoint.as_str()),
                    "credentials": plan.prospects.iter().map(|it| self.object(it)).collect::<Vec<_>>(),
                    "doubts": plan.doubts.iter().map(|(doubt, _)| doubt).collect::<Vec<_>>(),
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

    fn object(&self, prospect: &Prospect) -> Value {
        let outlook = match prospect.outlook {
            Outlook::Hit { .. } => "hit",
            Outlook::Ageing { .. } => "ageing",
            Outlook::Short { .. } => "short",
            Outlook::Absent => "absent",
            Outlook::Fails(..) => "fails",
            Outlook::NotKept => "not-kept",
        };
        let parts = prospect.parts.iter();
        let parts = parts.map(|(name, value)| json!({ "name": name, "value": value }));
        json!({
            "what": prospect.what,
            "from": prospect.about.from,
            "key": prospect.key,
            "parts": parts.collect::<Vec<_>>(),
            "outlook": outlook,
            "why": self.verdict(prospect),
        })
    }
}

fn tell_error(text: &mut String, error: &Error) {
    let _ = writeln!(text, "  {error} [{}]", error.code());
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "  hint: {hint}");
    }
}

fn error_object(error: &Error) -> Value {
    json!({ "code": error.code().name(), "message": error.to_string(), "hint": error.hint() })
}

fn seconds(life: Duration) -> String {
    match life.as_secs() {
        minutes if minutes % 60 == 0 => format!("{} min", minutes / 60),
        seconds => format!("{seconds} s"),
    }
}
