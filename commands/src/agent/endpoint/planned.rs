//! An endpoint as configured by flags or the configuration file, after validation.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::plan::{document_source, flags_with};
use super::Kind;
use crate::clock::Moment;
use crate::consumer::CredentialFile;
use crate::consumer::document::{DocumentFormat, DocumentSource};
use crate::endpoint::{Listen, Secret, Socket};
use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::private_file;
use crate::run::Context;
use crate::secret_file;
use crate::settings::schema::{AUDIENCE, PROFILE};
use crate::settings::{
    AgentEndpoint, Flags, Origin, Setting, by_name, invalid_value, list, names_of, text_problem,
};

/// What the file is that an endpoint on loopback lacks.
const SECRET_FILE: &str = "where the agent writes the secret that clients must send";

#[derive(Debug)]
pub(in crate::agent) struct PlannedEndpoint {
    pub(super) kind: Kind,
    pub(in crate::agent) listen: Listen,
    pub(in crate::agent) secret: Option<SecretPlace>,
    /// The documents that it returns, each with its audience.
    pub(in crate::agent) documents: Vec<(String, DocumentSource)>,
}

/// Where the secret of the clients is stored.
#[derive(Debug)]
pub(in crate::agent) enum SecretPlace {
    /// A file that each agent writes a new secret to.
    New(PathBuf),
    /// A credential configuration of Google's libraries, which contains the secret that they send.
    Credential(PathBuf),
}

impl SecretPlace {
    /// The secret that clients currently send.
    pub(in crate::agent) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Cause> {
        let (Self::New(path) | Self::Credential(path)) = self;
        let content = private_file::read_plain(path, CredentialFile::LIMIT)
            .map_err(|error| Cause::from(error).context(message!("`{}`", shown(path))))?;
        let content = Zeroizing::new(content);
        Ok(match self {
            Self::New(_) => content,
            Self::Credential(_) => secret_in(&content).unwrap_or_default(),
        })
    }
}

/// The secret in a credential configuration.
fn secret_in(configuration: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let file = CredentialFile::parse(configuration)?;
    file.secret().map(|secret| Zeroizing::new(secret.as_bytes().to_vec()))
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
        let (kind, listen) = (read_kind(kind)?, read_listen(listen)?);
        let secret = match (secret_file, credential_file) {
            (None, None) => None,
            (Some(file), None) => Some(SecretPlace::New(file.value)),
            (None, Some(file)) if kind == Kind::GcpUrl => Some(SecretPlace::Credential(file.value)),
            (None, Some(file)) => {
                return Err(invalid_value(
                    file.origin,
                    "`credential_file` is for endpoints of the type `gcp-url`",
                ));
            }
            (Some(_), Some(file)) => {
                return Err(invalid_value(
                    file.origin,
                    "an endpoint has `secret_file` or `credential_file`, not both",
                ));
            }
        };
        if matches!(listen, Listen::Tcp(_)) && secret.is_none() {
            if let Origin::Flag(_) = origin {
                return Err(Error::Usage {
                    problem: message!("every user of this machine can reach `{}`", listen.shown()),
                    hint: message!("give `--secret-file`, {SECRET_FILE}", SECRET_FILE),
                });
            }
            return Err(invalid_value(
                origin,
                message!(
                    "every user of this machine can reach it: set `secret_file`, {SECRET_FILE}",
                    SECRET_FILE
                ),
            ));
        }
        let flags = flags_with(flags, &[(&PROFILE, profile)]);
        let documents = match kind {
            Kind::AwsContainer if audiences.is_empty() => {
                let source = document_source(&flags, DocumentFormat::AwsContainer, context)?;
                vec![(String::new(), source)]
            }
            Kind::AwsContainer => {
                return Err(invalid_value(
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
    /// The files that the agent creates for the endpoint.
    pub(in crate::agent) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let socket = match &self.listen {
            Listen::Unix(path) => Some(path),
            Listen::Tcp(_) | Listen::Systemd(_) => None,
        };
        let secret = match &self.secret {
            Some(SecretPlace::New(path)) => Some(path),
            Some(SecretPlace::Credential(_)) | None => None,
        };
        socket.into_iter().chain(secret)
    }

    /// Checks that the endpoint may listen on a socket. The type of a systemd socket is only known once it is open.
    pub(in crate::agent) fn check(&self, socket: &Socket) -> Result<()> {
        if socket.is_on_loopback() && self.secret.is_none() {
            let listen = self.listen.shown();
            return Err(Error::Configuration {
                problem: message!("every user of this machine can reach `{listen}`", listen),
                hint: message!("set `secret_file`, {SECRET_FILE}", SECRET_FILE),
            });
        }
        Ok(())
    }

    /// The endpoint's secret: a new one, or the one that its clients already have.
    pub(in crate::agent) fn open_secret(&self, now: Moment) -> Result<Option<Arc<Secret>>> {
        let secret = match &self.secret {
            Some(SecretPlace::New(path)) => Secret::written(path.clone(), now)?,
            Some(SecretPlace::Credential(path)) => known_secret(path, now)?,
            None => return Ok(None),
        };
        Ok(Some(Arc::new(secret)))
    }

    /// Whether the secret can change while the agent runs.
    pub(in crate::agent) const fn changes_secret(&self) -> bool {
        self.kind.reads_secret_each_time()
    }

    /// The name of the endpoint's credential for an audience, for the log and the state.
    pub(in crate::agent) fn name_of(&self, audience: &str) -> ForeignText {
        let name = format!("{} {audience}", self.listen.shown());
        ForeignText::new(name.trim_end())
    }
}

/// The secret in a credential configuration of Google's libraries. It stays the same for all agents, as the libraries
/// read their configuration once.
fn known_secret(path: &Path, now: Moment) -> Result<Secret> {
    let content = secret_file::read("the credential configuration", path, CredentialFile::LIMIT)?;
    let secret = secret_in(&content).ok_or_else(|| Error::Configuration {
        problem: message!("`{}` has no `Authorization` header with a secret", shown(path)),
        hint: "write it with `yc-id-token setup gcp --source=url`".into(),
    })?;
    Ok(Secret::known(&secret, now))
}

/// A token for each audience, or for the profile's audience.
fn tokens(
    audiences: &[String],
    origin: &Origin,
    flags: &Flags,
    context: Context<'_>,
) -> Result<Vec<(String, DocumentSource)>> {
    let source = document_source(flags, DocumentFormat::RAW, context)?;
    if audiences.is_empty() {
        let Some(Setting { value, .. }) = &source.settings.audience else {
            return Err(invalid_value(
                origin.clone(),
                "the endpoint has no audience: set `audiences`",
            ));
        };
        return Ok(vec![(value.clone(), source)]);
    }
    let token = |audience: &String| {
        if let Some(problem) = text_problem(AUDIENCE.key, audience) {
            return Err(invalid_value(origin.clone(), message!("an audience {problem}", problem)));
        }
        let settings = source.settings.clone().for_audience(audience);
        Ok((audience.clone(), DocumentSource { settings, ..source.clone() }))
    };
    audiences.iter().map(token).collect()
}

fn read_kind(Setting { value, origin }: Setting<String>) -> Result<Kind> {
    by_name(&Kind::ALL, &value).ok_or_else(|| {
        let (value, names) = (ForeignText::new(&value), list(&names_of(&Kind::ALL)));
        invalid_value(
            origin,
            message!("there is no type `{value}` of endpoints: it must be {names}", value, names),
        )
    })
}

fn read_listen(Setting { value, origin }: Setting<String>) -> Result<Listen> {
    if let Some(path) = value.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        let problem = if cfg!(windows) {
            "Windows has no Unix sockets here"
        } else {
            "the path of a Unix socket must be absolute, as in `unix:/run/…`"
        };
        let is_usable = cfg!(unix) && path.is_absolute();
        return if is_usable {
            Ok(Listen::Unix(path))
        } else {
            Err(invalid_value(origin, problem))
        };
    }
    let name = value.strip_prefix("systemd:");
    if name.is_some() || value == "systemd" {
        let name = name.map(str::to_owned);
        return if cfg!(target_os = "linux") {
            Ok(Listen::Systemd(name))
        } else {
            Err(invalid_value(origin, "only Linux has systemd"))
        };
    }
    let shown = ForeignText::new(&value);
    match value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Listen::Tcp(address)),
        Ok(_) => Err(invalid_value(
            origin,
            message!(
                "`{shown}` can be reached from other machines: it must be an address of loopback, such as `127.0.0.1:9911`",
                shown
            ),
        )),
        Err(_) => Err(invalid_value(
            origin,
            message!(
                "`{shown}` is not an address: it must be one like `127.0.0.1:9911`, `[::1]:9911`, `unix:/run/…` or `systemd:NAME`",
                shown
            ),
        )),
    }
}
