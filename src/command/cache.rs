//! `cache`: prints the cache folder, or removes all cached credentials.

use std::time::Duration;

use clap::Subcommand;

use super::key::keyring_timeout_of;
use crate::cache::{self, Cleared, FileCache};
use crate::error::{Error, Result, shown};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::Settings;

/// Show where credentials are stored, or remove them
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token cache path
  yc-id-token cache clear")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the cache folder
    #[command(after_help = "Example:
  ls -l \"$(yc-id-token cache path)\"")]
    Path,
    /// Remove every cached credential, of all profiles, from the keyring too
    #[command(
        after_help = "Example: remove all that is stored here, before you give a machine away
  yc-id-token cache clear"
    )]
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
                let files = FileCache::new(folder.clone(), locations.runtime_folder);
                let Cleared { removed, left } = cache::clear(&files, keyring_timeout(context)?)?;
                let credentials = if removed == 1 { "credential" } else { "credentials" };
                let stay = (left > 0).then(|| message!("; {left} other files stay", left));
                message!(
                    "removed {removed} {credentials} from {}{}",
                    shown(&folder),
                    stay.unwrap_or_default(),
                    removed,
                    credentials
                )
            }
        };
        output.say(&text)
    }
}

/// How long the keyring may take. A broken configuration file is ignored, so that the cache can still be
/// cleared.
fn keyring_timeout(context: Context<'_>) -> Result<Duration> {
    let Context { flags, env, locations, consumers, .. } = context;
    let settings = Settings::load(flags, env, locations, consumers, &[])
        .or_else(|_| Settings::without_file(flags, env, locations, consumers))?;
    Ok(keyring_timeout_of(&settings))
}
