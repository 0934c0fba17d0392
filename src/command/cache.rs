//! `cache`: where credentials rest, and how to be rid of them.

use clap::Subcommand;

use crate::cache::{self, Cleared, FileCache};
use crate::error::{Error, Result, shown};
use crate::message;
use crate::output::Output;
use crate::settings::Locations;

/// Show where credentials rest, or remove them
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
    #[command(after_help = "Example: all that is kept here, before a machine is given away
  yc-id-token cache clear")]
    Clear,
}

impl Args {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        let locations = Locations::of_system();
        let folder = locations
            .cache_folder
            .ok_or_else(|| Error::Cache("there is no home folder that it could be in".into()))?;
        let text = match self.action {
            Action::Path => shown(&folder).into(),
            Action::Clear => {
                let files = FileCache::new(folder.clone(), locations.runtime_folder);
                let Cleared { removed, left } = cache::clear(&files)?;
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
