//! The files with ID tokens that a command reads while it runs: private, kept fresh, and removed at the end.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tracing::info;

use crate::credential::{Credential, IdToken};
use crate::error::{Error, Result};
use crate::private_file::{self, Access};
use crate::run::OwnedContext;
use crate::settings::{Setting, Settings};

use super::token_variables::TokenVariable;
use super::{CredentialCommand as _, Exec};
use crate::consumer::document::{Document, DocumentFormat, DocumentSource};
use crate::consumer::kept_document::{KeptDocument, Place};

/// Files with tokens, in a folder of their own. Both are removed when this is dropped.
pub(super) struct TokenFiles {
    _folder: TempDir,
    files: Vec<TokenFile>,
}

struct TokenFile {
    variable: String,
    path: PathBuf,
    file: KeptDocument,
}

impl TokenFiles {
    /// Writes the tokens of these variables into a new folder below `above`.
    pub(super) fn write(
        above: &Path,
        tokens: Vec<(&TokenVariable, Credential<IdToken>)>,
        settings: &Settings,
    ) -> Result<Self> {
        let unwritten = |error| Error::unwritten(above, error);
        // The command can have another current folder.
        let above = std::path::absolute(above).map_err(unwritten)?;
        let folder = private_file::make_temporary_folder(&above).map_err(unwritten)?;
        let mut files = Vec::new();
        for (TokenVariable { name, audience, origin, .. }, token) in tokens {
            let audience = Setting { value: audience.clone(), origin: origin.clone() };
            let settings = settings.clone().for_audience(audience);
            let (format, command) = (DocumentFormat::RAW, Exec::TABLE.name);
            let source = DocumentSource { settings, format, command };
            let path = folder.path().join(name);
            let place = Place::File(path.clone(), Access::PRIVATE);
            let mut file = KeptDocument::new(place, source);
            let content = token.secret.0.expose().as_bytes().to_vec().into();
            file.write(Document { content, lifetime: token.lifetime })?;
            files.push(TokenFile { variable: name.clone(), path, file });
        }
        Ok(Self { _folder: folder, files })
    }

    /// The variables, with the paths of the files.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|file| (file.variable.as_str(), file.path.as_path()))
    }

    /// Replaces the tokens that are due, for ever. After a failure the file stays as it is.
    pub(super) async fn keep_fresh(&mut self, context: &Arc<OwnedContext>) -> Infallible {
        let mut tasks = JoinSet::new();
        for TokenFile { mut file, .. } in self.files.drain(..) {
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
