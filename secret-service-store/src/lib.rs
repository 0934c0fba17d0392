//! A store of `keyring_core` for the Secret Service (freedesktop.org's "Secret Service API Draft"): the items of the
//! user's default collection, over D-Bus, encrypted in transit.
//!
//! The crate `secret-service` makes the calls. This one adds what is missing there: it reports open prompts, stops
//! forbidden ones, notices the end of the service, and starts a new session if both sides have different keys.
//!
//! A service may lock the collection, as GNOME Keyring and `KWallet` do, or each item for each connection, as
//! `KeePassXC` does. Both are unlocked before they are used, by the service's own prompt.
//!
//! It is a separate crate because it is built for size: most of it is generic code of the D-Bus library.

#![cfg(all(unix, not(target_os = "macos")))]

mod bus;
mod problem;

use std::any::Any;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use keyring_core::Entry;
use keyring_core::api::{Credential, CredentialApi, CredentialStoreApi};
use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::RwLock;
use tracing::{debug, info};
use zbus::message::Type;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Message, MessageStream};
use zeroize::Zeroizing;

pub use bus::Bus;
pub use problem::Problem;

/// The service's name on the bus.
const NAME: &str = "org.freedesktop.secrets";

/// `KWallet` stores only text.
const CONTENT_TYPE: &str = "text/plain";

/// How many sessions are tried. `KWallet` refuses a public key without its leading zeros, which the library omits,
/// and itself omits those of the shared secret when it derives the key. Each happens in one of 256 sessions.
const SESSIONS: usize = 4;

type Result<T> = std::result::Result<T, Problem>;

/// Decides about the service's prompts, and is notified of them.
pub trait Prompts: Send + Sync {
    /// Whether a prompt may be shown. If not, a call that needs one fails with [`Problem::Locked`].
    fn are_allowed(&self) -> bool;

    /// A prompt has been opened or closed.
    fn set_open(&self, is_open: bool);
}

/// The default collection of the Secret Service.
///
/// The errors of its entries are [`keyring_core::Error::PlatformFailure`] with a [`Problem`], and
/// [`keyring_core::Error::NoEntry`].
pub struct Store(Arc<Service>);

struct Service {
    session: RwLock<SecretService<'static>>,
    collection: OwnedObjectPath,
    bus: Connection,
    prompts: Box<dyn Prompts>,
    /// Runs on the thread of the call, and only during a call.
    runtime: Runtime,
}

/// The item with these attributes, which need not exist.
struct Named {
    store: Arc<Service>,
    service: String,
    username: String,
}

impl Store {
    /// Connects to the service, and unlocks the collection, with a prompt if necessary.
    pub fn open(bus: &Bus, prompts: Box<dyn Prompts>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Arc::new(Service::open(bus, prompts)?))))
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
    /// The same attributes as in the keyring libraries of other languages.
    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("service", self.service.as_str()), ("username", self.username.as_str())])
    }
}

impl Service {
    fn open(bus: &Bus, prompts: Box<dyn Prompts>) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Problem::System(Arc::new(error)))?;
        let (session, collection, bus) = runtime.block_on(async {
            let bus = bus.connect().await?;
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
                // Not every service reports that the user declined.
                Ok(()) | Err(Problem::Declined) => {}
                Err(problem) => return Err(problem),
            }
            collection.ensure_unlocked().await.map_err(problem)?;
        }
        Ok(())
    }

    async fn renew_session(&self) -> Result<()> {
        debug!("beginning another session with the keyring: both sides have different keys");
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
                    // The service has a different key.
                    Err(Error::Crypto(_)) => {}
                    secret => return secret.map(|it| Some(Zeroizing::new(it))).map_err(problem),
                }
            }
            self.renew_session().await?;
        }
        Err(Problem::Failed("what it sent cannot be decrypted"))
    }

    async fn set(&self, named: &Named, secret: &[u8]) -> Result<()> {
        let mut tried = self.try_set(named, secret).await;
        for _ in 1..SESSIONS {
            // A service with a different key refuses the secret, or stores a wrong one.
            let Err(Problem::Failed(_) | Problem::Refused(_)) = tried else { break };
            if self.renew_session().await.is_err() {
                break;
            }
            // Report the first error.
            tried = self.try_set(named, secret).await.or(tried);
        }
        tried
    }

    async fn try_set(&self, named: &Named, secret: &[u8]) -> Result<()> {
        {
            let session = self.session.read().await;
            let collection = self.collection(&session).await?;
            let mut found = find(&collection, named).await?;
            found.truncate(1);
            self.unlock_items(&session, &found).await?;
            if let Some(item) = found.first() {
                item.set_secret(secret, CONTENT_TYPE).await.map_err(problem)?;
            } else {
                let label = format!("{}: {}", named.service, named.username);
                let attributes = named.attributes();
                // Another process may have created it in the meantime.
                let replace = true;
                let item =
                    collection.create_item(&label, attributes, secret, replace, CONTENT_TYPE);
                self.watched(item).await?;
            }
        }
        if self.get(named).await?.is_some_and(|stored| *stored == secret) {
            Ok(())
        } else {
            Err(Problem::Failed("it did not store the value"))
        }
    }

    /// Returns whether there was an item.
    async fn remove(&self, named: &Named) -> Result<bool> {
        let session = self.session.read().await;
        let collection = self.collection(&session).await?;
        let found = find(&collection, named).await?;
        self.unlock_items(&session, &found).await?;
        for item in &found {
            self.watched(item.delete()).await?;
        }
        if !find(&collection, named).await?.is_empty() {
            return Err(Problem::Failed("an item is still there after its deletion"));
        }
        Ok(!found.is_empty())
    }

    /// Unlocks the locked ones of these items, with one prompt.
    async fn unlock_items(&self, session: &SecretService<'_>, items: &[Item<'_>]) -> Result<()> {
        let locked = locked(items).await;
        if locked.is_empty() {
            return Ok(());
        }
        self.watched(session.unlock_all(&locked)).await?;
        // A prompt can be completed for only some of the items.
        if self::locked(items).await.is_empty() { Ok(()) } else { Err(Problem::Declined) }
    }

    /// Runs `work`, which may show a prompt. The library shows it itself, but this sees each reply first, because
    /// `select` is biased and the runtime has one thread.
    async fn watched<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, Error>>,
    ) -> Result<T> {
        let mut messages = MessageStream::from(&self.bus);
        let mut work = pin!(work);
        let mut is_open = false;
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
                        is_open = true;
                        self.prompts.set_open(true);
                    }
                    if is_open && is_end(&message) {
                        break Err(Problem::Failed("it ended while its prompt was open"));
                    }
                }
                done = &mut work => break done.map_err(problem),
            }
        };
        self.prompts.set_open(false);
        result
    }

    /// Makes the service close a prompt. If that fails, the prompt is still not shown.
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
                debug!(name = name.as_str(), "the keyring refused a session; trying another");
                tried += 1;
            }
            session => return session.map_err(problem),
        }
    }
}

async fn find<'a>(collection: &'a Collection<'_>, named: &Named) -> Result<Vec<Item<'a>>> {
    collection.search_items(named.attributes()).await.map_err(problem)
}

/// The items that are locked for this connection. A service that never locks items may not have the property.
async fn locked<'a>(items: &'a [Item<'a>]) -> Vec<&'a Item<'a>> {
    let mut locked = Vec::new();
    for item in items {
        if item.is_locked().await.unwrap_or(false) {
            locked.push(item);
        }
    }
    locked
}

/// The prompt in a reply to `Unlock`, `CreateItem` or `Delete`.
fn prompt(message: &Message) -> Option<OwnedObjectPath> {
    if message.message_type() != Type::MethodReturn {
        return None;
    }
    let body = message.body();
    let unlocked = body.deserialize::<(Vec<OwnedObjectPath>, _)>().map(|(_, prompt)| prompt);
    let created = || body.deserialize::<(OwnedObjectPath, _)>().map(|(_, prompt)| prompt);
    let prompt: OwnedObjectPath =
        unlocked.or_else(|_| created()).or_else(|_| body.deserialize()).ok()?;
    // `/` means no prompt.
    (prompt.as_str() != "/").then_some(prompt)
}

/// Whether this is the bus's signal that the service has ended. The library subscribes to it for each prompt.
fn is_end(message: &Message) -> bool {
    let is_signal = message.header().member().is_some_and(|name| *name == "NameOwnerChanged");
    let body = message.body();
    is_signal && body.deserialize().is_ok_and(|(name, _, _): (&str, &str, &str)| name == NAME)
}

fn is_unknown_service(error: &str) -> bool {
    let error = error.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
    error == "ServiceUnknown" || error == "NameHasNoOwner" || error.starts_with("Spawn")
}

fn broken() -> Problem {
    Problem::Failed("the connection to it broke")
}

/// Security: for an error that may contain a secret, only its name is used.
fn problem(error: Error) -> Problem {
    match error {
        Error::Locked => Problem::Locked,
        Error::NoResult => Problem::NoCollection,
        Error::Prompt => Problem::Declined,
        Error::Crypto(_) => Problem::Failed("what it sent cannot be decrypted"),
        Error::Zbus(zbus::Error::MethodError(name, ..)) => match name.as_str() {
            "org.freedesktop.Secret.Error.IsLocked" => Problem::Locked,
            name if is_unknown_service(name) => Problem::NoService,
            name => Problem::Refused(name.into()),
        },
        // The enum is non-exhaustive. Other variants are faults of the connection or of a message.
        _ => broken(),
    }
}

fn failure(problem: Problem) -> keyring_core::Error {
    keyring_core::Error::PlatformFailure(Box::new(problem))
}
