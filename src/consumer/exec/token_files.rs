//! The files with ID tokens that a command reads while it runs: private, kept fresh, and removed at the end.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tracing::info;

use crate::clock::Moment;
use crate::credential::{Credential, IdToken};
use crate::error::{Error, Result};
use crate::private_file;
use crate::run::{Context, Run};

use super::token_variables::TokenVariable;
use super::{CredentialCommand as _, Exec, MINIMUM_LIFETIME_IN_FILE};

/// How often the files are looked at, as a share of the lifetime of the tokens, and within these limits. It is also
/// the pause between failed attempts. A machine that sleeps stops all timers, so the expiry is judged again and again.
const LOOKS_IN_A_LIFETIME: u32 = 64;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Files with tokens, in a folder of their own. Both are removed when this is dropped.
pub(super) struct TokenFiles {
    _folder: TempDir,
    files: Vec<TokenFile>,
}

struct TokenFile {
    variable: String,
    path: PathBuf,
    audience: String,
    token: Credential<IdToken>,
}

impl TokenFiles {
    /// Writes the tokens of these variables into a new folder below `above`.
    pub(super) fn write(
        above: &Path,
        tokens: Vec<(&TokenVariable, Credential<IdToken>)>,
    ) -> Result<Self> {
        let unwritten = |error| Error::unwritten(above, error);
        // The command can have another current folder.
        let above = std::path::absolute(above).map_err(unwritten)?;
        let folder = private_file::make_temporary_folder(&above).map_err(unwritten)?;
        let mut files = Vec::new();
        for (TokenVariable { name, audience, .. }, token) in tokens {
            let (path, variable) = (folder.path().join(name), name.clone());
            write(&path, &token)?;
            files.push(TokenFile { variable, path, audience: audience.clone(), token });
        }
        Ok(Self { _folder: folder, files })
    }

    /// The variables, with the paths of the files.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|file| (file.variable.as_str(), file.path.as_path()))
    }

    /// Replaces the tokens that are past half of their lifetime, for ever. After a failure the file stays as it is.
    pub(super) async fn keep_fresh(&mut self, run: &Run, context: Context<'_>) -> Infallible {
        loop {
            let pause = self.files.iter().map(TokenFile::pause).min();
            tokio::time::sleep(pause.unwrap_or(LONGEST_PAUSE)).await;
            for file in &mut self.files {
                if file.is_due(context.clock.now())
                    && let Err(error) = file.refresh(run, context).await
                {
                    info!("{error}; the file stays as it is");
                }
            }
        }
    }
}

impl TokenFile {
    fn pause(&self) -> Duration {
        let share = self.token.lifetime.whole() / LOOKS_IN_A_LIFETIME;
        share.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    /// Whether half of the lifetime has passed.
    fn is_due(&self, now: Moment) -> bool {
        let lifetime = &self.token.lifetime;
        lifetime.left(now) < lifetime.whole() / 2
    }

    async fn refresh(&mut self, run: &Run, context: Context<'_>) -> Result<()> {
        let run = run.again(context, Exec::TABLE.name)?;
        let request = run.id_token_request(&self.audience)?;
        let token = run.broker().fetch_shared(&request, MINIMUM_LIFETIME_IN_FILE, None).await?;
        if token.secret != self.token.secret {
            write(&self.path, &token)?;
            self.token = token;
        }
        Ok(())
    }
}

fn write(path: &Path, token: &Credential<IdToken>) -> Result<()> {
    let written = private_file::write(path, token.secret.0.expose().as_bytes());
    written.map_err(|error| Error::unwritten(path, error))
}
