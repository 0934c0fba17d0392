//! The Secret Service (freedesktop.org's "Secret Service API Draft") as a store of `keyring_core`: our items in the
//! user's default collection, by D-Bus, encrypted on the way.
//!
//! The crate `secret-service` speaks to it. This module knows when a prompt is open, opens none that is forbidden,
//! and tries again where services disagree on a key.
//!
//! A service may lock the collection, as GNOME Keyring and `KWallet` do, or each item for each connection, as
//! `KeePassXC` does. Both are unlocked before they are used, by the service's own prompt.

use std::any::Any;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use keyring_core::Entry;
use keyring_core::api::{Credential, CredentialApi, CredentialStoreApi};
use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::RwLock;
use tracing::{debug, info};
use zbus::address::transport::{Transport, Unix, UnixSocket};
use zbus::message::Type;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Address, Connection, Message, MessageStream, connection};
use zeroize::Zeroizing;

use super::{Problem, Prompts};
use crate::env::{self, Env};
use crate::error::plain;
use crate::foreign_text::{ForeignText, Message as Text};
use crate::message;

/// Its name on the bus.
const NAME: &str = "org.freedesktop.secrets";

/// `KWallet` keeps nothing but text.
const CONTENT_TYPE: &str = "text/plain";

/// How many sessions are tried. `KWallet` refuses a public key that is sent without its leading zeros, and leaves
/// those of the common secret out where the key is derived: each happens in one of 256 sessions.
const SESSIONS: usize = 4;

type Result<T> = std::result::Result<T, Problem>;

/// The items of the default collection.
pub(super) struct Store(Arc<Service>);

struct Service {
    session: RwLock<SecretService<'static>>,
    collection: OwnedObjectPath,
    bus: Connection,
    prompts: Prompts,
    /// It has no threads of its own: what it does, it does while a call waits for it.
    runtime: Runtime,
}

/// What has these attributes, whether there is any or not.
struct Named {
    store: Arc<Service>,
    service: String,
    username: String,
}

impl Store {
    pub(super) fn open(prompts: &Prompts) -> keyring_core::Result<Arc<Self>> {
        let service = Service::open(prompts.clone()).map_err(failure)?;
        Ok(Arc::new(Self(Arc::new(service))))
    }
}

impl CredentialStoreApi for Store {
    fn vendor(&self) -> String {
        NAME.into()
    }

    fn id(&self) -> String {
        self.0.collection.to_string()
    }

    fn build(
        &self,
        service: &str,
        username: &str,
        _: Option<&HashMap<&str, &str>>,
    ) -> keyring_core::Result<Entry> {
        Ok(Entry::new_with_credential(Arc::new(Named {
            store: Arc::clone(&self.0),
            service: service.into(),
            username: username.into(),
        })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl CredentialApi for Named {
    fn set_secret(&self, secret: &[u8]) -> keyring_core::Result<()> {
        self.store.runtime.block_on(self.store.set(self, secret)).map_err(failure)
    }

    fn get_secret(&self) -> keyring_core::Result<Vec<u8>> {
        let secret = self.store.runtime.block_on(self.store.get(self)).map_err(failure)?;
        secret.map(|mut secret| std::mem::take(&mut *secret)).ok_or(keyring_core::Error::NoEntry)
    }

    fn delete_credential(&self) -> keyring_core::Result<()> {
        let was_there = self.store.runtime.block_on(self.store.remove(self)).map_err(failure)?;
        if was_there { Ok(()) } else { Err(keyring_core::Error::NoEntry) }
    }

    fn get_credential(&self) -> keyring_core::Result<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        Some((self.service.clone(), self.username.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Named {
    /// In the terms that the libraries of other languages use too.
    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("service", self.service.as_str()), ("username", self.username.as_str())])
    }
}

impl Service {
    fn open(prompts: Prompts) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Problem::Failed(plain(&error)))?;
        let (session, collection, bus) = runtime.block_on(async {
            let bus = connect(&Env::Real).await?;
            let session = begin_session(&bus).await?;
            let collection = session.get_default_collection().await.map_err(problem)?;
            let collection = collection.collection_path.clone();
            Ok((RwLock::new(session), collection, bus))
        })?;
        let service = Self { session, collection, bus, prompts, runtime };
        service.runtime.block_on(service.unlock())?;
        Ok(service)
    }

    async fn unlock(&self) -> Result<()> {
        let session = self.session.read().await;
        let collection = self.collection(&session).await?;
        if collection.is_locked().await.map_err(problem)? {
            match self.watched(collection.unlock()).await {
                // A service completes a prompt in one way or the other if the user has declined it.
                Ok(()) | Err(Problem::Declined) => {}
                Err(problem) => return Err(problem),
            }
            collection.ensure_unlocked().await.map_err(problem)?;
        }
        Ok(())
    }

    async fn renew_session(&self) -> Result<()> {
        debug!("the session with the keyring is of no use, and another is begun");
        *self.session.write().await = begin_session(&self.bus).await?;
        Ok(())
    }

    async fn collection<'a>(&self, session: &'a SecretService<'a>) -> Result<Collection<'a>> {
        session.get_collection_by_path(self.collection.clone()).await.map_err(problem)
    }

    async fn get(&self, named: &Named) -> Result<Option<Zeroizing<Vec<u8>>>> {
        for _ in 0..SESSIONS {
            {
                let session = self.session.read().await;
                let collection = self.collection(&session).await?;
                let mut found = find(&collection, named).await?;
                found.truncate(1);
                self.unlock_items(&session, &found).await?;
                let Some(item) = found.first() else { return Ok(None) };
                match item.get_secret().await {
                    // It has another key.
                    Err(Error::Crypto(_)) => {}
                    secret => return secret.map(|it| Some(Zeroizing::new(it))).map_err(problem),
                }
            }
            self.renew_session().await?;
        }
        Err(Problem::Failed("what it sent cannot be decrypted".into()))
    }

    async fn set(&self, named: &Named, secret: &[u8]) -> Result<()> {
        let mut tried = self.try_set(named, secret).await;
        for _ in 1..SESSIONS {
            // What it cannot decrypt, it refuses, or it stores something else.
            let Err(Problem::Failed(_)) = tried else { break };
            if self.renew_session().await.is_err() {
                break;
            }
            // The first error says more than those that follow from it.
            tried = self.try_set(named, secret).await.or(tried);
        }
        tried
    }

    async fn try_set(&self, named: &Named, secret: &[u8]) -> Result<()> {
        {
            let session = self.session.read().await;
            let collection = self.collection(&session).await?;
            let found = find(&collection, named).await?;
            // It replaces what is there, which has to be unlocked for that.
            self.unlock_items(&session, &found).await?;
            let label = format!("{}: {}", named.service, named.username);
            let attributes = named.attributes();
            let item = collection.create_item(&label, attributes, secret, true, CONTENT_TYPE);
            self.watched(item).await?;
        }
        if self.get(named).await?.is_some_and(|stored| *stored == secret) {
            Ok(())
        } else {
            Err(Problem::Failed("it has not kept what was stored".into()))
        }
    }

    /// Returns whether there was something.
    async fn remove(&self, named: &Named) -> Result<bool> {
        let session = self.session.read().await;
        let collection = self.collection(&session).await?;
        let found = find(&collection, named).await?;
        self.unlock_items(&session, &found).await?;
        for item in &found {
            self.watched(item.delete()).await?;
        }
        if !find(&collection, named).await?.is_empty() {
            return Err(Problem::Failed("an item is still there after its deletion".into()));
        }
        Ok(!found.is_empty())
    }

    /// Unlocks what is locked of these items, with one prompt.
    async fn unlock_items(&self, session: &SecretService<'_>, items: &[Item<'_>]) -> Result<()> {
        let locked = locked(items).await;
        if locked.is_empty() {
            return Ok(());
        }
        self.watched(session.unlock_all(&locked)).await?;
        // A prompt can be completed for some of the items only.
        if self::locked(items).await.is_empty() { Ok(()) } else { Err(Problem::Declined) }
    }

    /// Does what may take a prompt. The library shows it by itself, but each reply of the service is seen here first.
    async fn watched<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, Error>>,
    ) -> Result<T> {
        let mut messages = MessageStream::from(&self.bus);
        let mut work = pin!(work);
        let result = loop {
            tokio::select! {
                biased;
                message = messages.next() => {
                    let Some(Ok(message)) = message else { break Err(broken()) };
                    if let Some(prompt) = prompt(&message) {
                        if !self.prompts.are_allowed() {
                            self.dismiss(prompt).await;
                            break Err(Problem::Locked);
                        }
                        info!("the keyring shows a prompt, and waits for its answer");
                        self.prompts.set_open(true);
                    }
                    if self.prompts.is_open() && is_end(&message) {
                        break Err(Problem::Failed("it ended while its prompt was open".into()));
                    }
                }
                done = &mut work => break done.map_err(problem),
            }
        };
        self.prompts.set_open(false);
        result
    }

    /// Lets the service forget a prompt. If it cannot, the prompt is still not shown.
    async fn dismiss(&self, prompt: OwnedObjectPath) {
        let interface = Some("org.freedesktop.Secret.Prompt");
        let _ = self.bus.call_method(Some(NAME), prompt, interface, "Dismiss", &()).await;
    }
}

async fn begin_session(bus: &Connection) -> Result<SecretService<'static>> {
    let mut tried = 1;
    loop {
        match SecretService::connect_with_existing(EncryptionType::Dh, bus.clone()).await {
            Err(Error::Zbus(zbus::Error::MethodError(name, ..)))
                if tried < SESSIONS && !is_unknown_service(&name) =>
            {
                debug!(name = name.as_str(), "the keyring refuses a session, and is asked again");
                tried += 1;
            }
            session => return session.map_err(problem),
        }
    }
}

async fn find<'a>(collection: &'a Collection<'_>, named: &Named) -> Result<Vec<Item<'a>>> {
    collection.search_items(named.attributes()).await.map_err(problem)
}

/// Which of these items are locked for this connection. A service that locks no items may leave the property out.
async fn locked<'a>(items: &'a [Item<'a>]) -> Vec<&'a Item<'a>> {
    let mut locked = Vec::new();
    for item in items {
        if item.is_locked().await.unwrap_or(false) {
            locked.push(item);
        }
    }
    locked
}

/// The prompt that a reply of the service takes to become true: to the unlocking of something, and to the creation
/// and the deletion of an item.
fn prompt(message: &Message) -> Option<OwnedObjectPath> {
    if message.message_type() != Type::MethodReturn {
        return None;
    }
    let body = message.body();
    let unlocked = body.deserialize::<(Vec<OwnedObjectPath>, _)>().map(|(_, prompt)| prompt);
    let created = || body.deserialize::<(OwnedObjectPath, _)>().map(|(_, prompt)| prompt);
    let prompt: OwnedObjectPath =
        unlocked.or_else(|_| created()).or_else(|_| body.deserialize()).ok()?;
    // That is "none".
    (prompt.as_str() != "/").then_some(prompt)
}

/// Whether the service has ended, by the bus's signal that the library subscribes to for a prompt.
fn is_end(message: &Message) -> bool {
    let is_signal = message.header().member().is_some_and(|name| *name == "NameOwnerChanged");
    let body = message.body();
    is_signal && body.deserialize().is_ok_and(|(name, _, _): (&str, &str, &str)| name == NAME)
}

/// Connects to the session bus.
async fn connect(env: &Env) -> Result<Connection> {
    let mut last = Problem::Absent("there is no D-Bus session bus".into());
    for address in addresses(env) {
        let refused = |why: Text| {
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

/// Where the bus is, by the environment or else by custom. What is not on this machine, or has to be started
/// first, is left out.
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

fn is_unknown_service(error: &str) -> bool {
    let error = error.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
    error == "ServiceUnknown" || error == "NameHasNoOwner" || error.starts_with("Spawn")
}

fn broken() -> Problem {
    Problem::Failed("the connection to it broke".into())
}

/// Security: of an error that an item may be in, no more than its name.
fn problem(error: Error) -> Problem {
    match error {
        Error::Locked => Problem::Locked,
        Error::NoResult => Problem::Empty,
        Error::Prompt => Problem::Declined,
        Error::Crypto(_) => Problem::Failed("what it sent cannot be decrypted".into()),
        Error::Zbus(zbus::Error::MethodError(name, ..)) => match name.as_str() {
            "org.freedesktop.Secret.Error.IsLocked" => Problem::Locked,
            name if is_unknown_service(name) => Problem::Absent(message!(
                "nothing on the D-Bus session bus provides `{NAME}`",
                NAME
            )),
            name => Problem::Failed(ForeignText::new(name).into()),
        },
        // The enum can grow. All others are of the connection, or of a message that is not understood.
        _ => broken(),
    }
}

fn failure(problem: Problem) -> keyring_core::Error {
    keyring_core::Error::PlatformFailure(Box::new(problem))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_bus_is_where_the_environment_says_or_where_it_always_is() {
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
