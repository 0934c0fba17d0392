//! `profiles`: lists the profiles of the configuration file. It works offline.

use serde_json::{Value, json};

use super::table;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::{Profile, Profiles, Setting, Settings, profiles};

/// List the profiles of the configuration file
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token profiles
  yc-id-token profiles --json")]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HEADS: [&str; 6] =
    ["NAME", "IDENTITY", "SERVICE ACCOUNT", "AUDIENCE", "CONSUMERS", "DEFAULT FOR"];

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let Context { flags, env, locations, consumers, .. } = context;
        let found = profiles(flags, env, locations, consumers)?;
        let found = found.unwrap_or(Profiles { default: None, all: Vec::new() });
        if self.json {
            let all: Vec<Value> = found.all.iter().map(|profile| object(profile, &found)).collect();
            return output.json(&json!({ "profiles": all }));
        }
        if found.all.is_empty() {
            let path = flags.config_file(env, locations);
            let place = path.map(|path| message!(" in {}", shown(&path))).unwrap_or_default();
            return output.say(&message!(
                "there are no profiles{place}; `yc-id-token setup` writes one",
                place
            ));
        }
        let rows: Vec<[Message; 6]> =
            found.all.iter().map(|profile| row(profile, &found)).collect();
        let mut lines = Vec::new();
        let mut table = table::lines(HEADS, &rows).into_iter();
        lines.extend(table.next());
        for (profile, line) in found.all.iter().zip(table) {
            lines.push(line);
            lines.extend(profile.settings.as_ref().err().map(problem));
        }
        output.say(&Message::join(&lines, "\n"))
    }
}

/// The settings of a profile that the list shows.
#[derive(Default)]
struct Shown {
    identity: Option<&'static str>,
    service_account: Option<ForeignText>,
    audience: Option<ForeignText>,
}

impl Shown {
    fn of(profile: &Profile) -> Self {
        let Ok(Settings { identity, service_account, audience, .. }) = &profile.settings else {
            return Self::default();
        };
        let text = |setting: &Setting<String>| ForeignText::new(&setting.value);
        let identity = identity.as_ref().map(|identity| &identity.value);
        let of_identity = || identity?.service_account.as_deref().map(ForeignText::new);
        Self {
            identity: identity.map(|identity| identity.kind.name()),
            service_account: service_account.as_ref().map(text).or_else(of_identity),
            audience: audience.as_ref().map(text),
        }
    }
}

fn is_default(profile: &Profile, all: &Profiles) -> bool {
    all.default.as_ref() == Some(&profile.name)
}

fn row(profile: &Profile, all: &Profiles) -> [Message; 6] {
    let Shown { identity, service_account, audience } = Shown::of(profile);
    let or_dash = |text: Option<Message>| text.unwrap_or_else(|| "-".into());
    let names = |names: &[&'static str]| {
        let names: Vec<Message> = names.iter().map(|name| Message::from(*name)).collect();
        or_dash(Some(Message::join(&names, ", ")).filter(|names| !names.is_empty()))
    };
    let mut default_of = Vec::new();
    default_of.extend(is_default(profile, all).then_some("all"));
    default_of.extend(&profile.default_of);
    [
        ForeignText::new(&profile.name).into(),
        or_dash(identity.map(Message::from)),
        or_dash(service_account.map(Message::from)),
        or_dash(audience.map(Message::from)),
        names(&profile.consumers),
        names(&default_of),
    ]
}

fn problem(error: &Error) -> Message {
    message!("  {}", error.with_code())
}

/// The JSON of a profile. This format does not change; keys may be added.
fn object(profile: &Profile, all: &Profiles) -> Value {
    let Shown { identity, service_account, audience } = Shown::of(profile);
    json!({
        "name": ForeignText::new(&profile.name),
        "identity": identity,
        "service_account": service_account,
        "audience": audience,
        "consumers": profile.consumers,
        "default": is_default(profile, all),
        "default_for": profile.default_of,
        "error": profile.settings.as_ref().err().map(|error| message!("{error}", error)),
    })
}
