//! The private files that a command reads while it runs. ID tokens are kept fresh, and all is removed at the end.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tracing::info;

use crate::consumer::delivery;
use crate::consumer::document::{Document, DocumentFormat, DocumentSource};
use crate::consumer::kept_document::{KeptDocument, Place};
use crate::credential::{Credential, IdToken};
use crate::error::{Error, Result};
use crate::private_file::{self, Access};
use crate::run::OwnedContext;
use crate::settings::Settings;

use super::{CredentialCommand as _, Exec};

/// Files in a folder of their own. Both are removed when this is dropped.
pub(super) struct TokenFiles<'a> {
    folder: TempDir,
    settings: &'a Settings,
    tokens: Vec<KeptDocument>,
}

impl<'a> TokenFiles<'a> {
    /// Makes the folder, below `above`.
    pub(super) fn make(above: &Path, settings: &'a Settings) -> Result<Self> {
        let unwritten = |error| Error::unwritten(above, error);
        // The command can have another current folder.
        let above = std::path::absolute(above).map_err(unwritten)?;
        let folder = private_file::make_temporary_folder(&above).map_err(unwritten)?;
        Ok(Self { folder, settings, tokens: Vec::new() })
    }

    /// Writes a token into a file of this name, to keep it fresh from then on, and returns the path.
    pub(super) fn add_token(
        &mut self,
        name: &str,
        audience: &str,
        token: &Credential<IdToken>,
    ) -> Result<PathBuf> {
        let settings = self.settings.clone().for_audience(audience);
        let (format, command) = (DocumentFormat::RAW, Exec::TABLE.name);
        let source = DocumentSource { settings, format, command };
        let path = self.folder.path().join(name);
        let place = Place::File(path.clone(), Access::PRIVATE);
        let mut file = KeptDocument::new(place, source);
        let content = token.secret.0.expose().as_bytes().to_vec().into();
        file.write(Document { content, lifetime: token.lifetime })?;
        self.tokens.push(file);
        Ok(path)
    }

    /// Writes a file that stays as it is, and returns its path.
    pub(super) fn add(&self, name: &str, document: &Value) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        delivery::write(&path, document.to_string().as_bytes(), Access::PRIVATE)?;
        Ok(path)
    }

    /// Replaces the tokens that are due, for ever. After a failure the file stays as it is.
    pub(super) async fn keep_fresh(&mut self, context: &Arc<OwnedContext>) -> Infallible {
        let mut tasks = JoinSet::new();
        for mut file in self.tokens.drain(..) {
            let context = Arc::clone(context);
            tasks.spawn(async move {
                loop {
                    file.wait(&context).await;
                    if let Some(error) = file.renew(&context).await.failure {
                        info!("{error}; the file stays as it is");
                    }
                }
            });
        }
        tasks.join_next().await;
        std::future::pending().await
    }
}
