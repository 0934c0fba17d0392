//! The addresses of endpoints: loopback, a Unix socket, or either of them opened by systemd.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::PassedSockets;
use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// A socket opened by systemd, by its name, or the only one.
    Systemd(Option<String>),
}

impl Listen {
    pub fn shown(&self) -> ForeignText {
        match self {
            Self::Tcp(address) => ForeignText::new(&address.to_string()),
            Self::Unix(path) => shown(path),
            Self::Systemd(None) => ForeignText::new("systemd"),
            Self::Systemd(Some(name)) => ForeignText::new(&format!("systemd:{name}")),
        }
    }
}

/// A listening socket.
pub enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Socket {
    pub fn bind(listen: &Listen, passed: &PassedSockets) -> Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => Self::tcp(*address).map(|(socket, _)| socket),
            Listen::Unix(path) => Self::unix(path),
            Listen::Systemd(name) => return passed.find(name.as_deref())?.checked(),
        };
        bound.map_err(|error| Error::Configuration {
            problem: message!(
                "cannot listen on `{}`: {}",
                listen.shown(),
                Cause::from(error).text()
            ),
            hint: "end the program that listens there, or choose another address".into(),
        })
    }

    /// A socket on a free port of loopback, and its address.
    pub(crate) fn at_free_port() -> Result<(Self, SocketAddr)> {
        let bound = Self::tcp((Ipv4Addr::LOCALHOST, 0).into());
        bound.map_err(|error| Error::denied("cannot listen on loopback", error))
    }

    /// Checks a socket that another process has opened.
    fn checked(self) -> Result<Self> {
        if let Self::Tcp(listener) = &self
            && !listener.local_addr().is_ok_and(|address| address.ip().is_loopback())
        {
            return Err(Error::Configuration {
                problem: "the socket of systemd can be reached from other machines".into(),
                hint: "set `ListenStream=` to an address of loopback, such as `127.0.0.1:9911`, or to a path".into(),
            });
        }
        Ok(self)
    }

    /// Whether every user of this machine can reach it.
    pub const fn is_on_loopback(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) => false,
        }
    }

    #[cfg(unix)]
    fn unix(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        use std::os::unix::net::{UnixListener, UnixStream};

        // A killed agent may have left its socket.
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
        if is_socket && UnixStream::connect(path).is_err() {
            std::fs::remove_file(path)?;
        }
        let socket = Self::Unix(UnixListener::bind(path)?);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        socket.do_not_block()?;
        Ok(socket)
    }

    #[cfg(windows)]
    fn unix(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn tcp(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let socket = Self::Tcp(listener);
        socket.do_not_block()?;
        Ok((socket, address))
    }

    pub(super) fn do_not_block(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            #[cfg(unix)]
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            #[cfg(unix)]
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}
