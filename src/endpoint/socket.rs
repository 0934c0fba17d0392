//! The addresses of endpoints: loopback, or a Unix socket.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listen {
    pub(crate) fn shown(&self) -> ForeignText {
        match self {
            Self::Tcp(address) => ForeignText::new(&address.to_string()),
            Self::Unix(path) => shown(path),
        }
    }
}

/// A socket that waits for connections.
pub(crate) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Socket {
    pub(crate) fn bind(listen: &Listen) -> Result<Self> {
        Self::bound(listen).map_err(|error| Error::Configuration {
            problem: message!(
                "cannot listen on `{}`: {}",
                listen.shown(),
                Cause::from(error).text()
            ),
            hint: "end the program that listens there, or choose another address".into(),
        })
    }

    /// One at a free port of loopback, and its address.
    pub(crate) fn at_free_port() -> Result<(Self, SocketAddr)> {
        let bound = Self::tcp((Ipv4Addr::LOCALHOST, 0).into());
        bound.map_err(|error| Error::denied("cannot listen on loopback", error))
    }

    #[cfg(unix)]
    fn bound(listen: &Listen) -> std::io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        use std::os::unix::net::{UnixListener, UnixStream};

        match listen {
            Listen::Tcp(address) => Ok(Self::tcp(*address)?.0),
            Listen::Unix(path) => {
                // What an agent that was killed left behind.
                let is_socket =
                    std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
                if is_socket && UnixStream::connect(path).is_err() {
                    std::fs::remove_file(path)?;
                }
                let listener = UnixListener::bind(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener))
            }
        }
    }

    #[cfg(windows)]
    fn bound(listen: &Listen) -> std::io::Result<Self> {
        match listen {
            Listen::Tcp(address) => Ok(Self::tcp(*address)?.0),
            Listen::Unix(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    fn tcp(address: SocketAddr) -> std::io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((Self::Tcp(listener), address))
    }

    pub(super) fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            #[cfg(unix)]
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}
