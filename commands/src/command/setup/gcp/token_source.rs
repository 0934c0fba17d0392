//! The source of the ID token: a command line, or the agent, which is added to the configuration of this program.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use toml_edit::{Array, Value};

use super::{Args, Setup, WHAT};
use crate::command::setup::aws::process_word;
use crate::command::setup::paths::absolute_path;
use crate::command::setup::program;
use crate::consumer::{CredentialFile, GcpConfiguration, TokenSource};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::random;
use crate::secret_file;
use crate::settings::{by_name, list, names_of};

/// The port of the agent in its documentation.
const FIRST_PORT: u16 = 9911;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Executable,
    File,
    Url,
}

pub(super) const SOURCES: [(Kind, &str); 3] =
    [(Kind::Executable, "executable"), (Kind::File, "file"), (Kind::Url, "url")];

pub(in crate::command) fn names() -> Vec<&'static str> {
    names_of(&SOURCES)
}

pub(super) fn problem(text: &str) -> Option<Message> {
    let is_known = by_name(&SOURCES, text).is_some();
    (!is_known).then(|| {
        let (text, names) = (ForeignText::new(text), list(&names()));
        message!("there is no source `{text}`: it must be {names}", text, names)
    })
}

impl Kind {
    /// The source of an existing configuration.
    pub(super) fn of(file: &CredentialFile) -> Option<Self> {
        let is = [file.command().is_some(), file.file().is_some(), file.url().is_some()];
        SOURCES.iter().zip(is).find(|(_, is)| *is).map(|((kind, _), _)| *kind)
    }

    pub(super) fn name(self) -> &'static str {
        SOURCES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl Args {
    /// The source for the document at `path`. The agent's part is written to the configuration of this program.
    pub(super) fn token_source(
        &self,
        kind: Kind,
        path: &Path,
        old: Option<&CredentialFile>,
        google: &GcpConfiguration,
        setup: &mut Setup<'_>,
    ) -> Result<TokenSource> {
        let (profile, audience) = (setup.profile().to_owned(), google.audience.as_str());
        match kind {
            Kind::Executable => Ok(TokenSource::Executable(command_line(setup)?)),
            Kind::File => {
                let default = old.and_then(CredentialFile::file).map(Into::into);
                let default = default.unwrap_or_else(|| path.with_extension("jwt"));
                let file = self.token_file.as_ref().unwrap_or(&default).to_string_lossy();
                let file = absolute_path("--token-file", &file)?;
                let values = vec![("profile", profile.into()), ("audience", audience.into())];
                set_in_agent(setup, "files", ("path", &file), values)?;
                Ok(TokenSource::File(file.into()))
            }
            Kind::Url => {
                if path.exists() {
                    // Security: the agent's secret is written to it.
                    secret_file::read(WHAT, path, CredentialFile::LIMIT)?;
                }
                let path = path.to_string_lossy();
                let address = self.address(setup, &path)?;
                let values = vec![
                    ("type", "gcp-url".into()),
                    ("listen", address.to_string().into()),
                    ("profile", profile.into()),
                    ("audiences", Value::Array([audience].into_iter().collect::<Array>())),
                ];
                set_in_agent(setup, "endpoints", ("credential_file", &path), values)?;
                let secret = match old.and_then(CredentialFile::secret) {
                    Some(secret) => secret.to_owned().into(),
                    None => random::secret()?,
                };
                Ok(TokenSource::Url { url: format!("http://{address}/"), secret })
            }
        }
    }

    /// The agent's address: that of the flag, of its table, or a free one.
    fn address(&self, setup: &Setup<'_>, path: &str) -> Result<SocketAddr> {
        let known = setup.configuration.texts_in_agent("endpoints", "listen");
        let own =
            setup.configuration.text_in_agent("endpoints", ("credential_file", path), "listen");
        let Some(text) = self.listen.as_ref().or(own.as_ref()) else {
            let addresses =
                (FIRST_PORT..).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            let free = addresses.into_iter().find(|it| !known.contains(&it.to_string()));
            return free.ok_or_else(|| Error::Internal("there is no free port".into()));
        };
        let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
        address.ok_or_else(|| Error::Usage {
            problem: message!(
                "`--listen`: `{}` is not an address of loopback and a port",
                ForeignText::new(text)
            ),
            hint: "give one such as 127.0.0.1:9911; Google's libraries do not know Unix sockets"
                .into(),
        })
    }
}

/// Writes a table of the agent. Fails if an existing table has other values, without `--force`.
fn set_in_agent(
    setup: &mut Setup<'_>,
    list: &'static str,
    id: (&'static str, &str),
    values: Vec<(&'static str, Value)>,
) -> Result<()> {
    let differences = setup.configuration.set_in_agent(list, id, values)?;
    if differences.is_empty() {
        return Ok(());
    }
    setup.overwrite_conflict(message!(
        "the table of `[[agent.{list}]]` with this `{}` differs: {}",
        id.0,
        Message::join(&differences, "; "),
        list
    ))
}

/// The command line of the executable. Google's libraries run no shell, and split it in different ways.
fn command_line(setup: &Setup<'_>) -> Result<String> {
    let mut words =
        vec![program::path(setup.env())?, "gcp".into(), format!("--profile={}", setup.profile())];
    words.extend(setup.config_flag()?);
    for word in &mut words {
        if cfg!(windows) {
            // Some libraries drop backslashes.
            *word = word.replace('\\', "/");
        }
        if process_word(word).as_ref() != Some(word) {
            return Err(Error::Usage {
                problem: message!(
                    "`{}` cannot be used in the `command` of an executable: Google's libraries split it at spaces and treat quotes differently",
                    ForeignText::line(word)
                ),
                hint: "use paths of letters, digits, `-`, `_` and `.`, such as a link without spaces to the program; or give `--source=file` or `--source=url`".into(),
            });
        }
    }
    Ok(words.join(" "))
}
