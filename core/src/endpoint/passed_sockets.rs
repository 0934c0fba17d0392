//! The sockets that a service manager has opened for this process (`sd_listen_fds_with_names(3)`).

use super::Socket;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::message;

/// The sockets with their names. They stay open, so that a reload can use one again.
#[derive(Default)]
pub struct PassedSockets(Vec<(String, Socket)>);

impl PassedSockets {
    /// Takes the sockets of this process from its environment. Works once.
    pub fn take(env: &Env) -> Self {
        Self(system::take(env))
    }

    /// The socket of this name; without a name, the only socket.
    pub(super) fn find(&self, name: Option<&str>) -> Result<Socket> {
        let mut found = self.0.iter().filter(|(other, _)| name.is_none_or(|name| other == name));
        match (found.next(), found.next()) {
            (Some((_, socket)), None) => socket
                .try_clone()
                .map_err(|error| Error::denied("cannot use a socket of systemd", error)),
            (None, _) => {
                let name = name.map(ForeignText::new);
                let named = name.map(|name| message!(" named `{name}`", name)).unwrap_or_default();
                Err(Error::Configuration {
                    problem: message!("systemd has passed no socket{named}", named),
                    hint: "start the agent by a socket unit; `FileDescriptorName=` is the name"
                        .into(),
                })
            }
            (Some(_), Some(_)) => Err(Error::Configuration {
                problem: "systemd has passed several sockets that match".into(),
                hint: "give each a `FileDescriptorName=`, and write `listen = \"systemd:NAME\"`"
                    .into(),
            }),
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use listenfd::ListenFd;

    use super::Socket;
    use crate::env::{self, Env};

    pub(super) fn take(env: &Env) -> Vec<(String, Socket)> {
        // The crate does not require the process ID, so other descriptors could be mistaken for sockets.
        let pid = std::process::id().to_string();
        if env.get(env::LISTEN_FDS).is_none() || env.get(env::LISTEN_PID) != Some(pid) {
            return Vec::new();
        }
        let names = env.get(env::LISTEN_FDNAMES).unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..passed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            // A descriptor of another kind is not for an endpoint.
            if let Ok(Some(socket)) = socket(&mut passed, at) {
                sockets.push((name, socket));
            }
        }
        sockets
    }

    fn socket(passed: &mut ListenFd, at: usize) -> io::Result<Option<Socket>> {
        let socket = match passed.take_unix_listener(at) {
            Ok(listener) => listener.map(Socket::Unix),
            Err(_) => passed.take_tcp_listener(at)?.map(Socket::Tcp),
        };
        socket.as_ref().map_or(Ok(()), Socket::do_not_block)?;
        Ok(socket)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Socket;
    use crate::env::Env;

    /// Only Linux has systemd.
    pub(super) fn take(_: &Env) -> Vec<(String, Socket)> {
        Vec::new()
    }
}
