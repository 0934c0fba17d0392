//! The credential of a consumer as a document, for a process that keeps it fresh.

use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::credential::{Credential, Lifetime};
use crate::error::{Error, Result};
use crate::run::{Context, Run};
use crate::settings::{Settings, Table, names_of};

use super::aws::{self, Aws};
use super::gcp::{self, Gcp};
use super::kubectl::{self, Kubectl};
use super::token::{self, Token};
use super::{Consumer, ConsumerRun, Delivery};

/// The format of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentFormat {
    /// A format of `token`.
    Token(token::Format),
    /// What `kubectl` prints.
    Kubectl,
    /// What `aws` prints.
    Aws,
    /// The format that AWS SDKs read from a container endpoint. It is never in a file.
    AwsContainer,
    /// What `gcp` prints. Google's client libraries also read it from the executable's output file.
    Gcp,
}

impl DocumentFormat {
    pub const RAW: Self = Self::Token(token::Format::Raw);

    /// All formats, with their names.
    pub fn all() -> Vec<(Self, &'static str)> {
        let tokens = token::FORMATS.iter().map(|(format, name)| (Self::Token(*format), *name));
        let others = [
            (Self::Kubectl, kubectl::TABLE.name),
            (Self::Aws, aws::settings::TABLE.name),
            (Self::Gcp, gcp::settings::TABLE.name),
        ];
        tokens.chain(others).collect()
    }

    /// Their names.
    pub fn names() -> Vec<&'static str> {
        names_of(&Self::all())
    }

    /// The tables from which its settings are read.
    pub const fn tables(self) -> &'static [&'static Table] {
        match self {
            Self::Token(_) => Token::TABLES,
            Self::Kubectl => Kubectl::TABLES,
            Self::Aws | Self::AwsContainer => Aws::TABLES,
            Self::Gcp => Gcp::TABLES,
        }
    }
}

/// The tables of all formats except those of `token`, whose own settings are only for printing.
pub const TABLES: &[&Table] = &[&kubectl::TABLE, &aws::settings::TABLE, &gcp::TABLE];

/// A document that can be obtained repeatedly.
#[derive(Clone, Debug)]
pub struct DocumentSource {
    pub settings: Settings,
    pub format: DocumentFormat,
    /// The command that keeps it fresh, for `status`.
    pub command: &'static str,
}

pub(crate) struct Document {
    pub(crate) content: Zeroizing<Vec<u8>>,
    pub(crate) lifetime: Lifetime,
}

/// The result of an attempt. After a failure, there can be a document of a cached credential.
pub(crate) struct Obtained {
    pub(crate) document: Option<Document>,
    pub(crate) failure: Option<Error>,
}

impl DocumentSource {
    /// Checks the settings, without a request.
    pub fn check(&self, context: Context<'_>) -> Result<()> {
        let settings = &self.settings;
        match self.format {
            DocumentFormat::Token(_) => Ok(()),
            DocumentFormat::Kubectl => {
                Kubectl::open(&kubectl::Args::default(), settings, context).map(drop)
            }
            DocumentFormat::Aws | DocumentFormat::AwsContainer => {
                Aws::open(&aws::Args::default(), settings, context).map(drop)
            }
            DocumentFormat::Gcp => Gcp::open(&gcp::Args::default(), settings, context).map(drop),
        }
    }

    /// Obtains the credential and renders it.
    pub(crate) fn obtain(&self, context: Context<'_>) -> Obtained {
        let settings = &self.settings;
        let aws = || Aws::open(&aws::Args::default(), settings, context);
        let obtained = match self.format {
            DocumentFormat::Token(format) => {
                self.obtain_as(Ok(Token::in_file(format, settings)), Token::render, context)
            }
            DocumentFormat::Kubectl => {
                let kubectl = Kubectl::open(&kubectl::Args::default(), settings, context);
                self.obtain_as(kubectl, Kubectl::render, context)
            }
            DocumentFormat::Aws => self.obtain_as(aws(), Aws::render, context),
            DocumentFormat::AwsContainer => {
                self.obtain_as(aws(), Aws::render_for_container, context)
            }
            DocumentFormat::Gcp => {
                let gcp = Gcp::open(&gcp::Args::default(), settings, context);
                self.obtain_as(gcp, Gcp::render, context)
            }
        };
        obtained.unwrap_or_else(|error| Obtained { document: None, failure: Some(error) })
    }

    fn obtain_as<C: Consumer>(
        &self,
        consumer: Result<C>,
        render: fn(&C, &Credential<C::Secret>) -> Result<Delivery>,
        context: Context<'_>,
    ) -> Result<Obtained> {
        let run = Run::of(self.settings.clone(), context, Some(self.command))?;
        let opened = ConsumerRun { run: Rc::new(run), consumer: consumer? };
        let document = |credential| -> Result<Document> {
            let delivery = render(&opened.consumer, &credential)?;
            Ok(Document { content: delivery.into_document(), lifetime: credential.lifetime })
        };
        let error = match opened.obtain() {
            Ok(credential) => {
                return Ok(Obtained { document: Some(document(credential)?), failure: None });
            }
            Err(error) => error,
        };
        let cached = || opened.run.broker().cached(&opened.request().ok()?, Duration::ZERO).ok()?;
        Ok(Obtained { document: cached().map(document).transpose()?, failure: Some(error) })
    }
}
