//! An endpoint as the configuration or the flags set it, checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::plan::{document_source, flags_with};
use super::Kind;
use crate::clock::Moment;
use crate::consumer::document::{DocumentFormat, DocumentSource};
use crate::endpoint::{Listen, SecretFile, Socket};
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, PROFILE};
use crate::settings::{
    AgentEndpoint, Flags, Origin, Setting, by_name, list, names_of, text_problem, unfit,
};

/// What an endpoint on loopback needs.
const SET_SECRET: &str =
    "set `secret_file`, where the agent writes the secret that clients must send";

#[derive(Debug)]
pub(in crate::agent) struct PlannedEndpoint {
    pub(super) kind: Kind,
    pub(in crate::agent) listen: Listen,
    pub(in crate::agent) secret_file: Option<PathBuf>,
    /// What it answers with, each with its audience.
    pub(in crate::agent) documents: Vec<(String, DocumentSource)>,
}

impl PlannedEndpoint {
    pub(in crate::agent) fn read(
        table: AgentEndpoint,
        flags: &Flags,
        context: Context<'_>,
    ) -> Result<Self> {
        let AgentEndpoint { kind, listen, profile, audiences, secret_file } = table;
        let (Some(kind), Some(listen)) = (kind, listen) else {
            return Err(Error::Usage {
                problem: "an endpoint needs a type and an address".into(),
                hint: "give `--serve` and `--listen`".into(),
            });
        };
        let origin = listen.origin.clone();
        let (kind, listen) = (read_kind(kind)?, read_listen(listen)?);
        if matches!(listen, Listen::Tcp(_)) && secret_file.is_none() {
            return Err(unfit(
                origin,
                message!("every user of this machine can reach it: {hint}", hint = SET_SECRET),
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
        Ok(Self { kind, listen, secret_file: secret_file.map(|file| file.value), documents })
    }
}

impl PlannedEndpoint {
    /// The files that the agent makes for it.
    pub(in crate::agent) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let socket = match &self.listen {
            Listen::Unix(path) => Some(path),
            Listen::Tcp(_) | Listen::Systemd(_) => None,
        };
        socket.into_iter().chain(&self.secret_file)
    }

    /// Checks that it can listen on a socket. Only systemd knows before of which kind one is.
    pub(in crate::agent) fn check(&self, socket: &Socket) -> Result<()> {
        if socket.is_on_loopback() && self.secret_file.is_none() {
            let listen = self.listen.shown();
            return Err(Error::Configuration {
                problem: message!("every user of this machine can reach `{listen}`", listen),
                hint: SET_SECRET.into(),
            });
        }
        Ok(())
    }

    /// Writes its secret.
    pub(in crate::agent) fn write_secret(&self, now: Moment) -> Result<Option<Arc<SecretFile>>> {
        let secret = self.secret_file.clone().map(|path| SecretFile::write(path, now));
        secret.transpose().map(|secret| secret.map(Arc::new))
    }

    /// Whether the secret can change while the agent runs.
    pub(in crate::agent) const fn changes_secret(&self) -> bool {
        self.kind.reads_secret_each_time()
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

fn read_listen(Setting { value, origin }: Setting<String>) -> Result<Listen> {
    if let Some(path) = value.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        let problem = if cfg!(windows) {
            "Windows has no Unix sockets here"
        } else {
            "the path of a Unix socket must be absolute, as in `unix:/run/…`"
        };
        let is_usable = cfg!(unix) && path.is_absolute();
        return if is_usable { Ok(Listen::Unix(path)) } else { Err(unfit(origin, problem)) };
    }
    let name = value.strip_prefix("systemd:");
    if name.is_some() || value == "systemd" {
        let name = name.map(str::to_owned);
        return if cfg!(target_os = "linux") {
            Ok(Listen::Systemd(name))
        } else {
            Err(unfit(origin, "only Linux has systemd"))
        };
    }
    let shown = ForeignText::new(&value);
    match value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Listen::Tcp(address)),
        Ok(_) => Err(unfit(
            origin,
            message!(
                "`{shown}` can be reached from other machines: it must be an address of loopback, such as `127.0.0.1:9911`",
                shown
            ),
        )),
        Err(_) => Err(unfit(
            origin,
            message!(
                "`{shown}` is not an address: it must be one like `127.0.0.1:9911`, `[::1]:9911`, `unix:/run/…` or `systemd:NAME`",
                shown
            ),
        )),
    }
}
