//! The connection to the session bus of D-Bus, and where the bus is.

use std::io::ErrorKind;
use std::path::PathBuf;

use zbus::address::transport::{Transport, Unix, UnixSocket};
use zbus::{Address, Connection, connection};

use super::{Problem, Result};
use crate::env::{self, Env};
use crate::error::plain;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// Connects to the session bus.
pub(super) async fn connect(env: &Env) -> Result<Connection> {
    let mut last = Problem::Absent("there is no D-Bus session bus".into());
    for address in addresses(env) {
        let refused = |why: Message| {
            Problem::Absent(message!("the D-Bus session bus refuses the connection: {why}", why))
        };
        let bus = async { connection::Builder::address(address)?.build().await }.await;
        last = match bus {
            Ok(bus) => return Ok(bus),
            Err(zbus::Error::Connection(error, _) | zbus::Error::InputOutput(error)) => {
                match error.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => continue,
                    _ => refused(plain(&error)),
                }
            }
            Err(zbus::Error::Handshake(why)) => refused(ForeignText::sentence(&why).into()),
            Err(_) => refused("it does not answer as one".into()),
        };
    }
    Err(last)
}

/// The addresses of the bus, of the environment or else the default. Only sockets: the others are on other machines,
/// or run a command.
fn addresses(env: &Env) -> Vec<Address> {
    if let Some(text) = env.get(env::DBUS_SESSION_BUS_ADDRESS) {
        let addresses = text.split(';').filter_map(|address| address.parse::<Address>().ok());
        return addresses.filter(|it| matches!(it.transport(), Transport::Unix(_))).collect();
    }
    let runtime = env.get_os(env::XDG_RUNTIME_DIR).map(PathBuf::from);
    let uid = rustix::process::geteuid().as_raw();
    let runtime = runtime.unwrap_or_else(|| format!("/run/user/{uid}").into());
    let socket = UnixSocket::File(runtime.join("bus"));
    vec![Transport::Unix(Unix::new(socket)).into()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_bus_is_at_the_address_of_the_environment_or_the_default() {
        let at = |variables: &[(&'static str, &str)]| {
            let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let found = addresses(&Env::Fake(variables.collect::<HashMap<_, _>>()));
            found.iter().map(|address| address.transport().to_string()).collect::<Vec<_>>()
        };
        let address = |text| at(&[("DBUS_SESSION_BUS_ADDRESS", text), ("XDG_RUNTIME_DIR", "/r")]);
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
        assert_eq!(at(&[("XDG_RUNTIME_DIR", "/r")]), ["unix:path=/r/bus"]);
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(at(&[]), [format!("unix:path=/run/user/{uid}/bus")]);
    }
}
