//! Finds the session bus of D-Bus and connects to it.

use std::io::ErrorKind;
use std::path::PathBuf;

use zbus::address::transport::{Transport, Unix, UnixSocket};
use zbus::{Address, Connection, connection};

use crate::{Problem, Result};

/// The address of the session bus.
#[derive(Clone, Debug, Default)]
pub struct Bus {
    /// The value of `DBUS_SESSION_BUS_ADDRESS`. Only socket addresses are used: the others refer to other machines,
    /// or run a command.
    pub address: Option<String>,
    /// The value of `XDG_RUNTIME_DIR`, for a bus without an address [default: `/run/user/UID`].
    pub runtime_dir: Option<PathBuf>,
}

impl Bus {
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let mut last = Problem::NoBus;
        for address in self.addresses() {
            let bus = async { connection::Builder::address(address)?.build().await }.await;
            last = match bus {
                Ok(bus) => return Ok(bus),
                Err(zbus::Error::Connection(error, _) | zbus::Error::InputOutput(error)) => {
                    match error.kind() {
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused => continue,
                        _ => Problem::BusFailed(error),
                    }
                }
                Err(zbus::Error::Handshake(why)) => Problem::BusRefused(why),
                Err(_) => Problem::BusRefused("it does not answer as one".into()),
            };
        }
        Err(last)
    }

    fn addresses(&self) -> Vec<Address> {
        if let Some(text) = &self.address {
            let addresses = text.split(';').filter_map(|address| address.parse::<Address>().ok());
            return addresses.filter(|it| matches!(it.transport(), Transport::Unix(_))).collect();
        }
        let uid = rustix::process::geteuid().as_raw();
        let runtime = self.runtime_dir.clone();
        let runtime = runtime.unwrap_or_else(|| format!("/run/user/{uid}").into());
        let socket = UnixSocket::File(runtime.join("bus"));
        vec![Transport::Unix(Unix::new(socket)).into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_address_is_from_the_environment_or_the_default() {
        let at = |bus: Bus| -> Vec<String> {
            bus.addresses().iter().map(|address| address.transport().to_string()).collect()
        };
        let runtime_dir = Some(PathBuf::from("/r"));
        let address =
            |text: &str| at(Bus { address: Some(text.into()), runtime_dir: runtime_dir.clone() });
        assert_eq!(
            address("unix:path=/tmp/d,guid=0123456789abcdef0123456789abcdef"),
            ["unix:path=/tmp/d"]
        );
        assert_eq!(address("unix:abstract=/tmp/x"), ["unix:abstract=/tmp/x"]);
        assert_eq!(
            address("tcp:host=h,port=1;unix:path=/a;unix:path=/b"),
            ["unix:path=/a", "unix:path=/b"]
        );
        for none in ["autolaunch:", "ibus:", "unixexec:path=/bin/sh", "unix:", "nonsense"] {
            assert_eq!(address(none), [""; 0], "{none}");
        }
        assert_eq!(at(Bus { address: None, runtime_dir }), ["unix:path=/r/bus"]);
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(at(Bus::default()), [format!("unix:path=/run/user/{uid}/bus")]);
    }
}
