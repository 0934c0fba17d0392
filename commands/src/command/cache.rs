//! `cache`: prints the cache folder, or removes cached credentials: all of them, or those of one profile.

use std::time::Duration;

use clap::Subcommand;

use super::key::keyring_timeout_of;
use crate::broker::{Forecast, Row, overview};
use crate::cache::{self, Cleared, FileCache, Key};
use crate::clock::Clock;
use crate::consumer::ConsumerName;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::{Context, Run};
use crate::settings::Settings;
use crate::settings::schema::{CACHE, PROFILE, SERVICE_ACCOUNT};

/// Show the cache folder, or remove cached credentials
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token cache path
  yc-id-token cache clear --profile prod")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the path of the cache folder
    #[command(after_help = "Example:
  ls -l \"$(yc-id-token cache path)\"")]
    Path,
    /// Remove all cached credentials, or those of `--profile`
    #[command(after_help = "Examples:
  yc-id-token cache clear
  yc-id-token cache clear --profile prod

Credentials in the keyring are removed too. With `--profile`, the IAM token of its identity is removed even if another profile uses it.")]
    Clear,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let locations = context.locations.clone();
        let folder = locations
            .cache_folder
            .ok_or_else(|| Error::Cache("there is no home folder for it".into()))?;
        let text = match self.action {
            Action::Path => shown(&folder).into(),
            Action::Clear => {
                let files = FileCache::new(folder, locations.runtime_folder);
                // A variable that sets the default profile must not change what `cache clear` does.
                match context.flags.get(&PROFILE) {
                    Some(profile) => clear_profile(profile, &files, context)?,
                    None => clear_all(&files, context)?,
                }
            }
        };
        output.say(&text)
    }
}

fn clear_all(files: &FileCache, context: Context<'_>) -> Result<Message> {
    let Cleared { removed, left } = cache::clear(files, None, keyring_timeout(context)?)?;
    let stay = (left > 0).then(|| message!("; {left} other files stay", left));
    Ok(message!(
        "removed {} from {}{}",
        counted(removed),
        shown(files.folder()),
        stay.unwrap_or_default()
    ))
}

/// Removes what the runs of a profile would read, and what they obtained with options or settings that they no longer
/// have.
fn clear_profile(profile: &str, files: &FileCache, context: Context<'_>) -> Result<Message> {
    let keys = keys(context)?;
    let profile = ForeignText::new(profile);
    let is_of_profile =
        |row: &Row| keys.contains(&row.key) || row.about.profile.as_ref() == Some(&profile);
    let rows = overview(files, Clock::now(context.clock)).into_iter().filter(is_of_profile);
    let rows: Vec<Row> = rows.collect();
    let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
    let cleared = cache::clear(files, Some(&keys), keyring_timeout(context)?)?;
    let mut lines = vec![message!(
        "removed {} of profile `{profile}` from {}",
        counted(cleared.removed),
        shown(files.folder()),
        profile
    )];
    lines.extend(rows.iter().filter(|row| row.cached.is_some()).map(describe));
    Ok(Message::join(&lines, "\n"))
}

/// The keys of all credentials that the runs of a profile read, including the credentials they are derived from. It
/// works offline. A setting that cannot be read is skipped.
fn keys(context: Context<'_>) -> Result<Vec<Key>> {
    let Context { flags, env, locations, consumers, .. } = context;
    let settings = Settings::load(flags, env, locations, consumers, consumers)?;
    let Ok(run) = Run::of(settings, context, None) else { return Ok(Vec::new()) };
    let mut forecasts = run.directory().lookups().unwrap_or_default();
    // Without a cache, a forecast lists the whole chain from the consumer's credential to the IAM token.
    let mut flags = flags.clone().with(&CACHE, "none");
    if forecasts.iter().all(|lookup| lookup.prediction.is_hit())
        && let Ok(account) = run.service_account()
    {
        flags = flags.with(&SERVICE_ACCOUNT, account);
    }
    let context = Context { flags: &flags, ..context };
    forecasts.extend(run.source().forecasts(Run::open(context, &[])?.broker()));
    for name in ConsumerName::ALL {
        if let Ok(Some(forecast)) = name.forecast(context) {
            forecasts.extend(forecast.credentials);
        }
    }
    Ok(forecasts.into_iter().map(|Forecast { key, .. }| key).collect())
}

fn describe(row: &Row) -> Message {
    let about = &row.about;
    let audience = about.audience.as_ref();
    let audience = audience.map(|audience| message!(" for audience `{audience}`", audience));
    let consumer =
        about.consumer.as_ref().map(|consumer| message!(", obtained by {consumer}", consumer));
    let profile = about.profile.as_ref().map(|profile| message!(" ({profile})", profile));
    message!(
        "  {}{}{}{}",
        ForeignText::new(row.kind()),
        audience.unwrap_or_default(),
        consumer.unwrap_or_default(),
        profile.unwrap_or_default()
    )
}

fn counted(removed: usize) -> Message {
    let credentials = if removed == 1 { "credential" } else { "credentials" };
    message!("{removed} {credentials}", removed, credentials)
}

/// How long the keyring may take. A broken configuration file is ignored, so that the cache can still be cleared.
fn keyring_timeout(context: Context<'_>) -> Result<Duration> {
    let Context { flags, env, locations, consumers, .. } = context;
    let settings = Settings::load(flags, env, locations, consumers, &[])
        .or_else(|_| Settings::without_file(flags, env, locations, consumers))?;
    Ok(keyring_timeout_of(&settings))
}
