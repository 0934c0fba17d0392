//! The private files that a command reads while it runs. ID tokens are kept fresh, and all is removed at the end.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tracing::info;

use crate::clock::Moment;
use crate::credential::{Credential, IdToken};
use crate::error::{Error, Result};
use crate::private_file;
use crate::run::{Context, Run};

use super::{CredentialCommand as _, Exec, MINIMUM_LIFETIME_IN_FILE};

/// How often the files are looked at, as a share of the lifetime of the tokens, and within these limits. It is also
/// the pause between failed attempts. A machine that sleeps stops all timers, so the expiry is judged again and again.
const LOOKS_IN_A_LIFETIME: u32 = 64;
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Files in a folder of their own. Both are removed when this is dropped.
pub(super) struct TokenFiles {
    folder: TempDir,
    tokens: Vec<TokenFile>,
}

struct TokenFile {
    path: PathBuf,
    audience: String,
    token: Credential<IdToken>,
}

impl TokenFiles {
    /// Makes the folder, below `above`.
    pub(super) fn make(above: &Path) -> Result<Self> {
        let unwritten = |error| Error::unwritten(above, error);
        // The command can have another current folder.
        let above = std::path::absolute(above).map_err(unwritten)?;
        let folder = private_file::make_temporary_folder(&above).map_err(unwritten)?;
        Ok(Self { folder, tokens: Vec::new() })
    }

    /// Writes a token into a file of this name, to keep it fresh from then on, and returns the path.
    pub(super) fn add_token(
        &mut self,
        name: &str,
        audience: &str,
        token: Credential<IdToken>,
    ) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        write(&path, token.secret.0.expose())?;
        self.tokens.push(TokenFile { path: path.clone(), audience: audience.to_owned(), token });
        Ok(path)
    }

    /// Writes a file that stays as it is, and returns its path.
    pub(super) fn add(&self, name: &str, document: &Value) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        write(&path, &document.to_string())?;
        Ok(path)
    }

    /// Replaces the tokens that are past half of their lifetime, for ever. After a failure the file stays as it is.
    pub(super) async fn keep_fresh(&mut self, run: &Run, context: Context<'_>) -> Infallible {
        loop {
            let pause = self.tokens.iter().map(TokenFile::pause).min();
            tokio::time::sleep(pause.unwrap_or(LONGEST_PAUSE)).await;
            for file in &mut self.tokens {
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
            write(&self.path, token.secret.0.expose())?;
            self.token = token;
        }
        Ok(())
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    private_file::write(path, content.as_bytes()).map_err(|error| Error::unwritten(path, error))
}
