//! The Secret Service (freedesktop.org's "Secret Service API Draft"): our items in the user's default collection,
//! by D-Bus, encrypted on the way.
//!
//! A service may lock the collection, as GNOME Keyring and `KWallet` do, or each item for each connection, as
//! `KeePassXC` does. Both are unlocked before they are used, by the service's own prompt.

mod bus;
mod session;
mod wire;

use tracing::info;
use zeroize::Zeroizing;

use super::{Items, Problem, Prompts, SERVICE};
use crate::env::Env;
use crate::foreign_text::ForeignText;
use crate::message;
use bus::{Bus, Failure};
use session::{ALGORITHM, Offer, Sealed, Shared};
use wire::{Call, Message, Writer};

const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";

/// The interfaces are all below this.
const INTERFACE: &str = "org.freedesktop.Secret";

/// `KWallet` keeps nothing but text.
const CONTENT_TYPE: &str = "text/plain";

/// "There is no such object", or "nobody has to be asked".
const NONE: &str = "/";

/// Services have no limit of their own. One item for each value is one prompt for each value.
const CAPACITY: usize = 96_000;

/// How many sessions are tried: one in 256 has a key that not all services derive alike.
const SESSIONS: usize = 4;

struct Service {
    bus: Bus,
    prompts: Prompts,
    /// The object of the session.
    session: String,
    shared: Shared,
    /// The object of the default collection.
    collection: String,
}

pub(super) fn open(prompts: &Prompts) -> Result<Box<dyn Items>, Problem> {
    let mut bus = Bus::connect(&Env::Real)?;
    let (session, shared) = begin_session(&mut bus)?;
    let prompts = prompts.clone();
    let mut service = Service { bus, prompts, session, shared, collection: String::new() };
    service.collection = service.default_collection().map_err(failed)?;
    if service.collection == NONE {
        return Err(Problem::Empty);
    }
    let collection = [service.collection.clone()];
    if service.unlock("Collection", &collection).map_err(failed)? {
        Ok(Box::new(service))
    } else {
        Err(Problem::Locked)
    }
}

fn begin_session(bus: &mut Bus) -> Result<(String, Shared), Problem> {
    for _ in 0..SESSIONS {
        if let Some(session) = try_session(bus)? {
            return Ok(session);
        }
    }
    Err(Problem::Failed("no key can be agreed upon with it".into()))
}

/// Opens a session; `None` if its key is of no use.
fn try_session(bus: &mut Bus) -> Result<Option<(String, Shared)>, Problem> {
    let no_key = || Problem::Failed("the system has no random numbers".into());
    let offer = Offer::new().ok_or_else(no_key)?;
    let mut body = Writer::default();
    body.text(ALGORITHM).signature("ay").bytes(&offer.public);
    let reply =
        bus.call(method(PATH, "org.freedesktop.Secret.Service", "OpenSession", "sv"), &body);
    let reply = reply.map_err(|failure| match failure {
        Failure::Refused(name) if is_unknown_service(&name) => {
            Problem::Absent(message!("nothing on the D-Bus session bus provides `{NAME}`", NAME))
        }
        Failure::Refused(name) => Problem::Failed(message!(
            "it refuses an encrypted session: {name}",
            name = ForeignText::new(&name)
        )),
        failure => failed(failure),
    })?;
    let read = || -> Result<(Vec<u8>, String), Failure> {
        let mut body = reply.body("vo")?;
        let theirs = if body.signature()? == "ay" { body.bytes()?.to_vec() } else { Vec::new() };
        Ok((theirs, body.text()?.to_owned()))
    };
    let (theirs, session) = read().map_err(failed)?;
    Ok(offer.accept(&theirs).map(|shared| (session, shared)))
}

impl Service {
    /// Calls a method of an object of ours.
    fn call(
        &mut self,
        object: &str,
        interface: &str,
        name: &str,
        signature: &str,
        body: &Writer,
    ) -> Result<Message, Failure> {
        let interface = format!("{INTERFACE}.{interface}");
        self.bus.call(method(object, &interface, name, signature), body)
    }

    fn default_collection(&mut self) -> Result<String, Failure> {
        let mut body = Writer::default();
        body.text("default");
        let reply = self.call(PATH, "Service", "ReadAlias", "s", &body)?;
        Ok(reply.body("o")?.text()?.to_owned())
    }

    /// Whether an object is locked for this connection. `kind` is its interface.
    fn is_locked(&mut self, kind: &str, object: &str) -> Result<bool, Failure> {
        let mut body = Writer::default();
        body.text(&format!("{INTERFACE}.{kind}")).text("Locked");
        let properties = "org.freedesktop.DBus.Properties";
        let reply = match self.bus.call(method(object, properties, "Get", "ss"), &body) {
            // A service that locks no items may leave the property out.
            Err(Failure::Refused(_)) if kind == "Item" => return Ok(false),
            reply => reply?,
        };
        let mut body = reply.body("v")?;
        if body.signature()? == "b" { Ok(body.bool()?) } else { Err(Failure::Broken) }
    }

    fn locked(&mut self, kind: &str, objects: &[String]) -> Result<Vec<String>, Failure> {
        let mut locked = Vec::new();
        for object in objects {
            if self.is_locked(kind, object)? {
                locked.push(object.clone());
            }
        }
        Ok(locked)
    }

    /// Unlocks what is locked of these objects, with one prompt. Returns whether all are unlocked now.
    fn unlock(&mut self, kind: &str, objects: &[String]) -> Result<bool, Failure> {
        let locked = self.locked(kind, objects)?;
        if locked.is_empty() {
            return Ok(true);
        }
        let mut body = Writer::default();
        body.array(4, |objects| {
            for object in &locked {
                objects.text(object);
            }
        });
        let reply = self.call(PATH, "Service", "Unlock", "ao", &body)?;
        let mut body = reply.body("aoo")?;
        body.texts()?;
        let prompt = body.text()?.to_owned();
        // A prompt can be completed for some of the objects only, so its answer does not say enough.
        self.ask(&prompt)?;
        Ok(self.locked(kind, &locked)?.is_empty())
    }

    fn unlock_items(&mut self, items: &[String]) -> Result<(), Failure> {
        if self.unlock("Item", items)? { Ok(()) } else { Err(Failure::Declined) }
    }

    /// Shows a prompt, if there is one, and waits for its end. Returns whether the user agreed.
    fn ask(&mut self, prompt: &str) -> Result<bool, Failure> {
        if prompt == NONE {
            return Ok(true);
        }
        if !self.prompts.are_allowed() {
            // The service forgets it then. If it cannot, the prompt is still not shown.
            let _ = self.call(prompt, "Prompt", "Dismiss", "", &Writer::default());
            return Err(Failure::NotShown);
        }
        self.bus.listen_to(prompt)?;
        self.bus.listen_to_owner(NAME)?;
        info!("the keyring shows a prompt, and waits for its answer");
        self.prompts.set_open(true);
        let agreed = self.show(prompt);
        self.prompts.set_open(false);
        agreed
    }

    fn show(&mut self, prompt: &str) -> Result<bool, Failure> {
        // The window that the prompt belongs to: none.
        let mut body = Writer::default();
        body.text("");
        self.call(prompt, "Prompt", "Prompt", "s", &body)?;
        let completed = self.bus.signal(prompt, "Completed", NAME)?;
        let is_dismissed = completed.body("bv")?.bool()?;
        Ok(!is_dismissed)
    }

    /// The same, where nothing has been done if it was not agreed to.
    fn agreed(&mut self, prompt: &str) -> Result<(), Failure> {
        if self.ask(prompt)? { Ok(()) } else { Err(Failure::Declined) }
    }

    /// The objects of the items under a name.
    fn find(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let mut body = Writer::default();
        attributes(&mut body, name);
        let collection = self.collection.clone();
        let reply = self.call(&collection, "Collection", "SearchItems", "a{ss}", &body)?;
        Ok(reply.body("ao")?.texts()?.into_iter().map(str::to_owned).collect())
    }

    fn secret(&mut self, item: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let mut body = Writer::default();
        body.text(&self.session);
        let reply = self.call(item, "Item", "GetSecret", "o", &body)?;
        let mut body = reply.body("(oayays)")?;
        body.text()?;
        let (iv, bytes) = (body.bytes()?, body.bytes()?);
        Ok(self.shared.open(iv, bytes))
    }

    fn create(&mut self, name: &str, secret: &Sealed) -> Result<(), Failure> {
        let mut body = Writer::with_capacity(1024 + secret.bytes.len());
        body.array(8, |properties| {
            properties.begin_struct().text("org.freedesktop.Secret.Item.Label");
            properties.signature("s").text(&format!("{SERVICE}: {name}"));
            properties.begin_struct().text("org.freedesktop.Secret.Item.Attributes");
            attributes(properties.signature("a{ss}"), name);
        });
        body.begin_struct().text(&self.session).bytes(&secret.iv).bytes(&secret.bytes);
        // Instead of what has the same attributes.
        body.text(CONTENT_TYPE).bool(true);
        let collection = self.collection.clone();
        let signature = "a{sv}(oayays)b";
        let reply = self.call(&collection, "Collection", "CreateItem", signature, &body)?;
        let mut body = reply.body("oo")?;
        body.text()?;
        let prompt = body.text()?.to_owned();
        self.agreed(&prompt)
    }

    fn delete(&mut self, item: &str) -> Result<(), Failure> {
        let reply = self.call(item, "Item", "Delete", "", &Writer::default())?;
        let prompt = reply.body("o")?.text()?.to_owned();
        self.agreed(&prompt)
    }
}

impl Items for Service {
    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        let found = self.find(name).map_err(failed)?;
        let Some(item) = found.first() else { return Ok(None) };
        self.unlock_items(&found[..1]).map_err(failed)?;
        let mut secret = self.secret(item).map_err(failed)?;
        if secret.is_none() {
            // In one of a thousand sessions, KWallet uses another key than the one that was agreed upon.
            (self.session, self.shared) = begin_session(&mut self.bus)?;
            secret = self.secret(item).map_err(failed)?;
        }
        let secret =
            secret.ok_or_else(|| Problem::Failed("what it sent cannot be decrypted".into()))?;
        // What is no text is not ours.
        Ok(std::str::from_utf8(&secret).ok().map(|text| Zeroizing::new(text.to_owned())))
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        let sealed = self.shared.seal(text.as_bytes());
        let sealed = sealed.ok_or_else(|| Problem::Failed("nothing can be encrypted".into()))?;
        // It replaces what is there, which has to be unlocked for that.
        let found = self.find(name).map_err(failed)?;
        self.unlock_items(&found).map_err(failed)?;
        self.create(name, &sealed).map_err(failed)
    }

    fn remove(&mut self, name: &str) -> Result<bool, Problem> {
        let found = self.find(name).map_err(failed)?;
        self.unlock_items(&found).map_err(failed)?;
        for item in &found {
            self.delete(item).map_err(failed)?;
        }
        if !self.find(name).map_err(failed)?.is_empty() {
            return Err(Problem::Failed("an item is still there after its deletion".into()));
        }
        Ok(!found.is_empty())
    }
}

const fn method<'a>(
    path: &'a str,
    interface: &'a str,
    method: &'a str,
    signature: &'a str,
) -> Call<'a> {
    Call { destination: NAME, path, interface, method, signature }
}

/// What an item is found by, in the terms that the libraries of other languages use too.
fn attributes(body: &mut Writer, name: &str) {
    body.array(8, |attributes| {
        attributes.begin_struct().text("service").text(SERVICE);
        attributes.begin_struct().text("username").text(name);
    });
}

fn is_unknown_service(name: &str) -> bool {
    let name = name.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
    name == "ServiceUnknown" || name == "NameHasNoOwner" || name.starts_with("Spawn")
}

/// Security: of an error that an item may be in, no more than its name.
fn failed(failure: Failure) -> Problem {
    match failure {
        Failure::Refused(name) if name == "org.freedesktop.Secret.Error.IsLocked" => {
            Problem::Locked
        }
        Failure::NotShown => Problem::Locked,
        Failure::Declined => Problem::Declined,
        Failure::Gone => Problem::Failed("it ended while its prompt was open".into()),
        Failure::Refused(name) => Problem::Failed(ForeignText::new(&name).into()),
        Failure::Broken => Problem::Failed("the connection to it broke".into()),
    }
}
