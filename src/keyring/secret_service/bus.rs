//! The session bus (D-Bus Specification, "Authentication Protocol" and "Message Bus"): one connection, one call
//! at a time.
//!
//! Written out, as a library that speaks all of D-Bus is a third of the size of this program.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::wire::{self, Call, Malformed, Message, Writer};
use crate::env::{self, Env};
use crate::error::plain;
use crate::foreign_text::{ForeignText, Message as Text};
use crate::keyring::Problem;
use crate::message;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// The signal by which the bus announces that a service has ended.
const OWNER_CHANGED: &str = "NameOwnerChanged";

/// A connection to the session bus.
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    /// What came while something else was waited for.
    signals: VecDeque<Message>,
}

/// Why a call has failed.
pub(super) enum Failure {
    /// The other side says so, by the name of an error.
    Refused(String),
    /// The user has declined the prompt that it takes.
    Declined,
    /// It takes a prompt, and none may be shown.
    NotShown,
    /// The service has ended.
    Gone,
    /// The connection is of no use any more.
    Broken,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Self::Broken
    }
}

impl Bus {
    /// Connects to the session bus that the environment names, or else to the one of the user.
    pub(super) fn connect(env: &Env) -> Result<Self, Problem> {
        let refused = |why: Text| {
            Problem::Absent(message!("the D-Bus session bus refuses the connection: {why}", why))
        };
        let stream = reach(&addresses(env)).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                Problem::Absent("there is no D-Bus session bus".into())
            }
            _ => refused(plain(&error)),
        })?;
        let mut bus = Self { stream, serial: 0, signals: VecDeque::new() };
        bus.authenticate().map_err(|error| refused(plain(&error)))?;
        let hello = bus.call_bus("Hello", "", &Writer::default());
        match hello {
            Ok(_) => Ok(bus),
            Err(Failure::Refused(name)) => {
                let name = ForeignText::new(&name);
                Err(refused(message!("it does not answer as one: {name}", name)))
            }
            Err(_) => Err(refused("it does not answer as one".into())),
        }
    }

    /// Says who we are, which the socket tells it too.
    fn authenticate(&mut self) -> io::Result<()> {
        let uid = rustix::process::geteuid().as_raw().to_string();
        // In hexadecimal: the digit 7 is 0x37.
        let uid: String = uid.chars().flat_map(|digit| ['3', digit]).collect();
        write!(self.stream, "\0AUTH EXTERNAL {uid}\r\n")?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
            if line.len() > 1024 {
                break;
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "it does not accept this user",
            ));
        }
        self.stream.write_all(b"BEGIN\r\n")
    }

    fn call_bus(
        &mut self,
        method: &str,
        signature: &str,
        body: &Writer,
    ) -> Result<Message, Failure> {
        let call = Call { destination: BUS, path: BUS_PATH, interface: BUS, method, signature };
        self.call(call, body)
    }

    /// Calls a method and waits for what it returns.
    pub(super) fn call(&mut self, call: Call<'_>, body: &Writer) -> Result<Message, Failure> {
        self.serial += 1;
        self.stream.write_all(&wire::call(self.serial, call, body))?;
        loop {
            let message = self.receive()?;
            match message.kind {
                wire::METHOD_RETURN if message.reply_to == self.serial => return Ok(message),
                wire::ERROR if message.reply_to == self.serial => {
                    return Err(Failure::Refused(message.error));
                }
                wire::SIGNAL => self.signals.push_back(message),
                _ => {}
            }
        }
    }

    /// Subscribes to the signals of an object.
    pub(super) fn listen_to(&mut self, path: &str) -> Result<(), Failure> {
        let mut rule = Writer::default();
        rule.text(&format!("type='signal',path='{path}'"));
        self.call_bus("AddMatch", "s", &rule).map(|_| ())
    }

    /// Subscribes to the bus's own signal that a service has another owner, or none.
    pub(super) fn listen_to_owner(&mut self, service: &str) -> Result<(), Failure> {
        let mut rule = Writer::default();
        rule.text(&format!(
            "type='signal',sender='{BUS}',interface='{BUS}',member='{OWNER_CHANGED}',arg0='{service}'"
        ));
        self.call_bus("AddMatch", "s", &rule).map(|_| ())
    }

    /// Waits for a signal of an object, as long as its service is there.
    pub(super) fn signal(
        &mut self,
        path: &str,
        member: &str,
        service: &str,
    ) -> Result<Message, Failure> {
        loop {
            let message = match self.signals.pop_front() {
                Some(message) => message,
                None => self.receive()?,
            };
            if message.kind == wire::SIGNAL && message.path == path && message.member == member {
                return Ok(message);
            }
            if message.path == BUS_PATH && message.member == OWNER_CHANGED {
                let mut body = message.body("sss")?;
                if body.text()? == service {
                    return Err(Failure::Gone);
                }
            }
        }
    }

    fn receive(&mut self) -> Result<Message, Failure> {
        let mut fixed = [0; 16];
        self.stream.read_exact(&mut fixed)?;
        let mut bytes = Zeroizing::new(vec![0; 16 + Message::rest(fixed)?]);
        bytes[..16].copy_from_slice(&fixed);
        self.stream.read_exact(&mut bytes[16..])?;
        Ok(Message::parse(&bytes)?)
    }
}

/// Where a bus can be.
#[derive(Debug, Eq, PartialEq)]
enum Address {
    Path(PathBuf),
    /// A name that is in no file system, which Linux has.
    Abstract(Vec<u8>),
}

/// Where the bus is, by the environment or else by custom. What is not on this machine, or has to be started
/// first, is left out.
fn addresses(env: &Env) -> Vec<Address> {
    if let Some(text) = env.get(env::DBUS_SESSION_BUS_ADDRESS) {
        return text.split(';').filter_map(parse).collect();
    }
    let runtime = env.get_os(env::XDG_RUNTIME_DIR).map(PathBuf::from);
    let uid = rustix::process::geteuid().as_raw();
    let runtime = runtime.unwrap_or_else(|| format!("/run/user/{uid}").into());
    vec![Address::Path(runtime.join("bus"))]
}

fn parse(address: &str) -> Option<Address> {
    let mut keys = address.strip_prefix("unix:")?.split(',').filter_map(|key| key.split_once('='));
    keys.find_map(|(key, value)| match key {
        "path" => Some(Address::Path(std::ffi::OsString::from_vec(unescaped(value)?).into())),
        "abstract" => Some(Address::Abstract(unescaped(value)?)),
        _ => None,
    })
}

/// `%20` is a space.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

fn reach(addresses: &[Address]) -> io::Result<UnixStream> {
    let mut result = Err(io::Error::from(ErrorKind::NotFound));
    for address in addresses {
        result = match address {
            Address::Path(path) => UnixStream::connect(path),
            Address::Abstract(name) => connect_abstract(name),
        };
        if result.is_ok() {
            break;
        }
    }
    result
}

#[cfg(target_os = "linux")]
fn connect_abstract(name: &[u8]) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt as _;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &[u8]) -> io::Result<UnixStream> {
    Err(ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_bus_is_where_the_environment_says_or_where_it_always_is() {
        let at = |variables: &[(&'static str, &str)]| {
            let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
            addresses(&Env::Fake(variables.collect::<HashMap<_, _>>()))
        };
        let address = |text| at(&[("DBUS_SESSION_BUS_ADDRESS", text), ("XDG_RUNTIME_DIR", "/r")]);
        let path = |text: &str| Address::Path(text.into());
        assert_eq!(address("unix:path=/tmp/dbus-x,guid=00"), [path("/tmp/dbus-x")]);
        assert_eq!(address("unix:guid=00,path=/a%20b"), [path("/a b")]);
        assert_eq!(address("unix:abstract=/tmp/x"), [Address::Abstract(b"/tmp/x".to_vec())]);
        assert_eq!(address("tcp:host=h;unix:path=/a;unix:path=/b"), [path("/a"), path("/b")]);
        for none in ["autolaunch:", "unixexec:path=/bin/sh", "unix:path=%2", "nonsense"] {
            assert_eq!(address(none), [], "{none}");
        }
        assert_eq!(at(&[("XDG_RUNTIME_DIR", "/r")]), [path("/r/bus")]);
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(at(&[]), [path(&format!("/run/user/{uid}/bus"))]);
    }
}
