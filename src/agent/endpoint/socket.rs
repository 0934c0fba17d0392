//! The addresses of endpoints: loopback, or a Unix socket.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::settings::{Setting, unfit};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::agent) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listen {
    pub(super) fn read(Setting { value, origin }: Setting<String>) -> Result<Self> {
        if let Some(path) = value.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            let problem = if cfg!(windows) {
                "Windows has no Unix sockets here"
            } else {
                "the path of a Unix socket must be absolute, as in `unix:/run/…`"
            };
            let is_usable = cfg!(unix) && path.is_absolute();
            return if is_usable { Ok(Self::Unix(path)) } else { Err(unfit(origin, problem)) };
        }
        let shown = ForeignText::new(&value);
        match value.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
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
                    "`{shown}` is not an address: it must be one like `127.0.0.1:9911`, `[::1]:9911` or `unix:/run/…`",
                    shown
                ),
            )),
        }
    }

    pub(super) fn shown(&self) -> ForeignText {
        match self {
            Self::Tcp(address) => ForeignText::new(&address.to_string()),
            Self::Unix(path) => shown(path),
        }
    }
}

/// A socket that waits for connections.
pub(in crate::agent) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Socket {
    pub(in crate::agent) fn bind(listen: &Listen) -> Result<Self> {
        Self::bound(listen).map_err(|error| Error::Configuration {
            problem: message!(
                "cannot listen on `{}`: {}",
                listen.shown(),
                Cause::from(error).text()
            ),
            hint: "end the program that listens there, or choose another address".into(),
        })
    }

    #[cfg(unix)]
    fn bound(listen: &Listen) -> std::io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        use std::os::unix::net::{UnixListener, UnixStream};

        match listen {
            Listen::Tcp(address) => Self::tcp(*address),
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
            Listen::Tcp(address) => Self::tcp(*address),
            Listen::Unix(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    fn tcp(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    pub(super) fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            #[cfg(unix)]
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}
