//! An endpoint as the configuration or the flags set it, checked.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::super::plan::{document_source, flags_with};
use super::{Kind, Listen};
use crate::consumer::CredentialFile;
use crate::consumer::document::{DocumentFormat, DocumentSource};
use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::private_file;
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, PROFILE};
use crate::settings::{
    AgentEndpoint, Flags, Origin, Setting, by_name, list, names_of, text_problem, unfit,
};

#[derive(Debug)]
pub(in crate::agent) struct PlannedEndpoint {
    pub(super) kind: Kind,
    pub(in crate::agent) listen: Listen,
    pub(in crate::agent) secret: Option<SecretPlace>,
    /// What it answers with, each with its audience.
    pub(in crate::agent) documents: Vec<(String, DocumentSource)>,
}

/// Where the secret is that clients send.
#[derive(Debug)]
pub(in crate::agent) enum SecretPlace {
    /// A file that each agent writes a new one into.
    New(PathBuf),
    /// The credential configuration of Google's libraries, which send the one in it.
    Credential(PathBuf),
}

impl SecretPlace {
    /// The secret that clients send now.
    pub(in crate::agent) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Cause> {
        let (Self::New(path) | Self::Credential(path)) = self;
        let content = private_file::read_plain(path, CredentialFile::LIMIT)
            .map_err(|error| Cause::from(error).context(message!("`{}`", shown(path))))?;
        let content = Zeroizing::new(content);
        if let Self::New(_) = self {
            return Ok(content);
        }
        let file = CredentialFile::parse(&content);
        let secret = file.as_ref().and_then(CredentialFile::secret).unwrap_or_default();
        Ok(Zeroizing::new(secret.as_bytes().to_vec()))
    }
}

impl PlannedEndpoint {
    pub(in crate::agent) fn read(
        table: AgentEndpoint,
        flags: &Flags,
        context: Context<'_>,
    ) -> Result<Self> {
        let AgentEndpoint { kind, listen, profile, audiences, secret_file, credential_file } =
            table;
        let (Some(kind), Some(listen)) = (kind, listen) else {
            return Err(Error::Usage {
                problem: "an endpoint needs a type and an address".into(),
                hint: "give `--serve` and `--listen`".into(),
            });
        };
        let origin = listen.origin.clone();
        let (kind, listen) = (read_kind(kind)?, Listen::read(listen)?);
        let secret = match (secret_file, credential_file) {
            (None, None) => None,
            (Some(file), None) => Some(SecretPlace::New(file.value)),
            (None, Some(file)) if kind == Kind::GcpUrl => Some(SecretPlace::Credential(file.value)),
            (None, Some(file)) => {
                return Err(unfit(
                    file.origin,
                    "`credential_file` is for endpoints of the type `gcp-url`",
                ));
            }
            (Some(_), Some(file)) => {
                return Err(unfit(
                    file.origin,
                    "an endpoint has `secret_file` or `credential_file`, not both",
                ));
            }
        };
        if matches!(listen, Listen::Tcp(_)) && secret.is_none() {
            return Err(unfit(
                origin,
                "every user of this machine can reach it: set `secret_file`, where the agent writes the secret that clients must send",
            ));
        }
        let flags = flags_with(flags, &[(&PROFILE, profile)]);
        let documents = match kind {
            Kind::AwsContainer if audiences.is_empty() => {
                let source = document_source(&flags, DocumentFormat::AwsContainer, context)?;
                vec![(String::new(), source)]
            }
            Kind::AwsContainer => {
                return Err(unfit(
                    origin,
                    "an endpoint of type `aws-container` has no `audiences`",
                ));
            }
            Kind::Github | Kind::GcpUrl | Kind::Token => {
                tokens(&audiences, &origin, &flags, context)?
            }
        };
        Ok(Self { kind, listen, secret, documents })
    }
}

impl PlannedEndpoint {
    /// The files that the agent makes for it.
    pub(in crate::agent) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let socket = match &self.listen {
            Listen::Unix(path) => Some(path),
            Listen::Tcp(_) => None,
        };
        let secret = match &self.secret {
            Some(SecretPlace::New(path)) => Some(path),
            Some(SecretPlace::Credential(_)) | None => None,
        };
        socket.into_iter().chain(secret)
    }

    /// How its credential for an audience is called.
    pub(in crate::agent) fn name_of(&self, audience: &str) -> ForeignText {
        let name = format!("{} {audience}", self.listen.shown());
        ForeignText::new(name.trim_end())
    }
}

/// A token for each audience, or for that of the profile.
fn tokens(
    audiences: &[String],
    origin: &Origin,
    flags: &Flags,
    context: Context<'_>,
) -> Result<Vec<(String, DocumentSource)>> {
    let source = document_source(flags, DocumentFormat::RAW, context)?;
    if audiences.is_empty() {
        let Some(Setting { value, .. }) = &source.settings.audience else {
            return Err(unfit(origin.clone(), "the endpoint has no audience: set `audiences`"));
        };
        return Ok(vec![(value.clone(), source)]);
    }
    let token = |audience: &String| {
        if let Some(problem) = text_problem(AUDIENCE.key, audience) {
            return Err(unfit(origin.clone(), message!("an audience {problem}", problem)));
        }
        let settings = source.settings.clone().for_audience(audience);
        Ok((audience.clone(), DocumentSource { settings, ..source.clone() }))
    };
    audiences.iter().map(token).collect()
}

fn read_kind(Setting { value, origin }: Setting<String>) -> Result<Kind> {
    by_name(&Kind::ALL, &value).ok_or_else(|| {
        let (value, names) = (ForeignText::new(&value), list(&names_of(&Kind::ALL)));
        unfit(
            origin,
            message!("there is no type `{value}` of endpoints: it must be {names}", value, names),
        )
    })
}
