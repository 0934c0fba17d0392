//! `status`: lists cached credentials; for a profile, shows its settings and forecasts its runs.
//!
//! It works offline and shows no secrets.

mod explain;
mod table;

use crate::colour::Colours;
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::schema::PROFILE;

/// Show cached credentials, or the settings of a profile and the effect of a run
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token status
  yc-id-token status prod
  yc-id-token status prod --json")]
pub struct Args {
    /// Profile to explain
    #[arg(value_name = "PROFILE")]
    named: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let flags = with_profile(context, self.named.as_ref())?;
        // `--profile` and its variable set the default profile; only the argument requests an explanation.
        if self.named.is_none() {
            let cached = table::rows(context)?;
            return if self.json {
                output.json(&table::json(&cached))
            } else {
                output.say(&table::text(&cached, Colours::of_stdout(context.env)))
            };
        }
        let explained = explain::explain(Context { flags: &flags, ..context })?;
        if self.json { output.json(&explained.json()) } else { output.say(&explained.text()) }
    }
}

/// The flags of a run for a profile that an argument names.
pub(super) fn with_profile(
    context: Context<'_>,
    named: Option<&String>,
) -> Result<crate::settings::Flags> {
    let flags = context.flags.clone();
    match (flags.get(&PROFILE), named) {
        (Some(by_flag), Some(named)) if by_flag != named => Err(Error::Usage {
            problem: message!(
                "two profiles are named, `{named}` and `{by_flag}`",
                named = ForeignText::new(named),
                by_flag = ForeignText::new(by_flag)
            ),
            hint: "name one".into(),
        }),
        (_, Some(named)) => Ok(flags.with(&PROFILE, named)),
        (_, None) => Ok(flags),
    }
}
