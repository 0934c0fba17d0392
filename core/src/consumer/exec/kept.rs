//! The resources of a running command: private files, and the endpoint with the keys of an AWS role. Credentials are
//! kept fresh, and everything is removed at the end.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tracing::info;

use crate::consumer::aws::{self, Aws, SessionKeys};
use crate::consumer::delivery;
use crate::consumer::document::{Document, DocumentFormat, DocumentSource};
use crate::consumer::kept_document::{KeptDocument, Place};
use crate::credential::{Credential, IdToken};
use crate::endpoint::Secret;
use crate::error::{Error, Result};
use crate::private_file::{self, Access};
use crate::run::{Context, OwnedContext};
use crate::runtime::task;
use crate::settings::Settings;

use super::{CredentialCommand as _, Exec, keys_endpoint};

/// Credentials, and a folder with files. Both are removed on drop.
pub(super) struct Kept<'a> {
    folder: TempDir,
    settings: &'a Settings,
    documents: Vec<KeptDocument>,
}

impl<'a> Kept<'a> {
    /// Creates the folder below `above`.
    pub(super) fn make(above: &Path, settings: &'a Settings) -> Result<Self> {
        let unwritten = |error| Error::unwritten(above, error);
        // The command may have another current folder.
        let above = std::path::absolute(above).map_err(unwritten)?;
        let folder = private_file::make_temporary_folder(&above).map_err(unwritten)?;
        Ok(Self { folder, settings, documents: Vec::new() })
    }

    /// Writes a token to a file of this name, keeps it fresh, and returns the path.
    pub(super) fn add_token(
        &mut self,
        name: &str,
        audience: &str,
        token: &Credential<IdToken>,
    ) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        let place = Place::File(path.clone(), Access::PRIVATE);
        let content = token.secret.0.expose().as_bytes().to_vec().into();
        let document = Document { content, lifetime: token.lifetime };
        let settings = self.settings.clone().for_audience(audience);
        self.keep(place, settings, DocumentFormat::RAW, document)?;
        Ok(path)
    }

    /// Serves keys, keeps them fresh, and puts their address into the command's environment.
    pub(super) fn serve_keys(
        &mut self,
        aws: &Aws,
        keys: &Credential<SessionKeys>,
        context: Context<'_>,
        command: &mut Command,
    ) -> Result<()> {
        let Context { env, locations, clock, .. } = context;
        let (memory, path) = (Arc::default(), self.folder.path().join("aws-secret"));
        let secret = Arc::new(Secret::written(path.clone(), clock.now())?);
        let address = keys_endpoint::serve(Arc::clone(&memory), Arc::clone(&secret), clock)?;
        Aws::put_endpoint_into_environment(&address, &path, command);
        keys_endpoint::reach_without_proxy(env, command);
        for file in aws::files_without_default_credentials(env, locations.home.as_deref()) {
            // It contains a hyphen, so it differs from all names of token files.
            let name = format!("aws-{}", file.name);
            command.env(file.variable, self.write(&name, file.text.as_bytes())?);
        }
        let document = Document {
            content: Aws::render_for_container(aws, keys)?.into_document(),
            lifetime: keys.lifetime,
        };
        let place = Place::Memory(memory, Some(secret));
        self.keep(place, self.settings.clone(), DocumentFormat::AwsContainer, document)
    }

    fn keep(
        &mut self,
        place: Place,
        settings: Settings,
        format: DocumentFormat,
        document: Document,
    ) -> Result<()> {
        let source = DocumentSource { settings, format, command: Exec::TABLE.name };
        let mut kept = KeptDocument::new(place, source);
        kept.write(document)?;
        self.documents.push(kept);
        Ok(())
    }

    /// Writes a file that does not change, and returns its path.
    pub(super) fn add(&self, name: &str, document: &Value) -> Result<PathBuf> {
        self.write(name, document.to_string().as_bytes())
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        delivery::write(&path, content, Access::PRIVATE)?;
        Ok(path)
    }

    /// Replaces due credentials, for ever. After a failure the old ones stay.
    pub(super) async fn keep_fresh(&mut self, context: &Arc<OwnedContext>) -> Infallible {
        let mut tasks = JoinSet::new();
        for mut document in self.documents.drain(..) {
            let context = Arc::clone(context);
            tasks.spawn(task(async move {
                loop {
                    document.wait(&context).await;
                    if let Some(error) = document.renew(&context).await.failure {
                        info!("{error}; the credential is not replaced");
                    }
                }
            }));
        }
        tasks.join_next().await;
        std::future::pending().await
    }
}
