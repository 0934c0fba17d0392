//! A session bus with one service, a Secret Service that locks each item for every other connection and shows a prompt
//! for every change, as `KeePassXC` does. A test decides how the prompts are answered.

mod session;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use crate::sandbox::Sandbox;
use session::Shared;
use wire::{Body, Message, Reader};

const ITEM: &str = "/org/freedesktop/secrets/collection/passwords/i";
const PROMPT: &str = "/org/freedesktop/secrets/prompt/";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/passwords";
const LOCKED: &str = "org.freedesktop.Secret.Error.IsLocked";
const BUS: &str = "org.freedesktop.DBus";
const OWNER_CHANGED: &str = "NameOwnerChanged";
/// The unique name of the service on the bus.
const OWNER: &str = ":1.0";
const INVALID: &str = "org.freedesktop.DBus.Error.InvalidArgs";
const UNKNOWN: &str = "org.freedesktop.DBus.Error.UnknownMethod";

/// The purpose of a prompt.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Prompt {
    Unlock,
    Create,
    Delete,
}

/// The user's reaction to a prompt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    Allow,
    Decline,
    /// The prompt stays open.
    None,
    /// The service ends while the prompt is open, which the bus announces.
    Die,
}

/// A fault of `KWallet` in one of 256 sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It does not accept the public key.
    Refused,
    /// It derives another key.
    OtherKey,
}

/// The bus and its service; they serve until the test ends.
pub struct FakeSecretService(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: BTreeMap<u32, Item>,
    next: u32,
    answers: BTreeMap<Prompt, Answer>,
    prompts: Vec<Prompt>,
    dismissed: usize,
    /// The faults of the next sessions.
    faults: Vec<Fault>,
    /// How an item appears to every connection except the one that stored it.
    damage: Option<Damage>,
}

type Damage = Box<dyn Fn(&str) -> String + Send>;

struct Item {
    name: String,
    secret: Vec<u8>,
}

impl FakeSecretService {
    /// Starts it as the session bus of a sandbox. All prompts are allowed.
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let folder = sandbox.home().join("bus");
        std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        sandbox.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", socket.display()));
        let state = Arc::new(Mutex::new(State::default()));
        let its = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&its);
                // A client that disconnects ends only its connection.
                std::thread::spawn(move || Connection::new(stream.unwrap(), state).serve());
            }
        });
        Self(state)
    }

    /// Answers the prompts of this kind from now on.
    pub fn answer(&self, prompt: Prompt, answer: Answer) {
        self.0.lock().unwrap().answers.insert(prompt, answer);
    }

    /// Makes every other connection read another value than the one stored.
    pub fn damage(&self, damage: impl Fn(&str) -> String + Send + 'static) {
        self.0.lock().unwrap().damage = Some(Box::new(damage));
    }

    /// Makes the next sessions fail, the last of these first.
    pub fn fail_sessions(&self, faults: &[Fault]) {
        self.0.lock().unwrap().faults = faults.to_vec();
    }

    /// The prompts that were shown since the last call.
    pub fn prompts(&self) -> Vec<Prompt> {
        std::mem::take(&mut self.0.lock().unwrap().prompts)
    }

    /// The number of prompts that were dismissed before they were shown.
    pub fn dismissed(&self) -> usize {
        self.0.lock().unwrap().dismissed
    }

    /// The names of the items.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().items.values().map(|item| item.name.clone()).collect()
    }
}

/// The action after a prompt is answered.
enum Change {
    Unlock(Vec<u32>),
    Create(Item),
    Delete(u32),
}

impl Change {
    const fn prompt(&self) -> Prompt {
        match self {
            Self::Unlock(_) => Prompt::Unlock,
            Self::Create(_) => Prompt::Create,
            Self::Delete(_) => Prompt::Delete,
        }
    }
}

struct Connection {
    stream: UnixStream,
    state: Arc<Mutex<State>>,
    shared: Option<Shared>,
    /// The items that are unlocked for this connection, and those that it stored.
    unlocked: BTreeSet<u32>,
    stored: BTreeSet<u32>,
    changes: Vec<Option<Change>>,
    serial: u32,
    /// Whether it subscribed to the owner of the service's name.
    watches_owner: bool,
}

/// An answer: the types of its body and the body, or the name of an error.
type Reply = Result<(&'static str, Body), &'static str>;

impl Connection {
    fn new(stream: UnixStream, state: Arc<Mutex<State>>) -> Self {
        let (unlocked, stored) = Default::default();
        let changes = Vec::new();
        let watches_owner = false;
        Self { stream, state, shared: None, unlocked, stored, changes, serial: 0, watches_owner }
    }

    fn serve(mut self) -> Option<()> {
        assert!(self.line()?.starts_with("\0AUTH EXTERNAL "));
        self.stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").ok()?;
        assert_eq!(self.line()?, "NEGOTIATE_UNIX_FD\r\n");
        self.stream.write_all(b"ERROR\r\n").ok()?;
        assert_eq!(self.line()?, "BEGIN\r\n");
        loop {
            let mut bytes = vec![0; 16];
            self.stream.read_exact(&mut bytes).ok()?;
            bytes.resize(16 + Message::rest(&bytes), 0);
            self.stream.read_exact(&mut bytes[16..]).ok()?;
            let call = Message::parse(&bytes);
            let reply = self.reply(&call);
            let shown = call.member == "Prompt" && reply.is_ok();
            self.send(call.serial, reply)?;
            if shown {
                self.complete(&call.path)?;
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            line.push(byte[0]);
        }
        String::from_utf8(line).ok()
    }

    fn reply(&mut self, call: &Message) -> Reply {
        let body = Body::default();
        match call.member.as_str() {
            "Hello" => Ok(("s", body.text(":1.1"))),
            "GetNameOwner" => Ok(("s", body.text(OWNER))),
            "AddMatch" => {
                self.watches_owner |= call.body("s").text().contains(OWNER_CHANGED);
                Ok(("", body))
            }
            "RemoveMatch" | "Prompt" => Ok(("", body)),
            "Dismiss" => {
                self.state.lock().unwrap().dismissed += 1;
                Ok(("", body))
            }
            "OpenSession" => {
                let mut requested = call.body("sv");
                assert_eq!(requested.text(), session::ALGORITHM);
                assert_eq!(requested.signature(), "ay");
                let fault = self.state.lock().unwrap().faults.pop();
                let theirs = match fault {
                    Some(Fault::Refused) => return Err(INVALID),
                    Some(Fault::OtherKey) => &[7],
                    None => requested.bytes(),
                };
                let (shared, public) = Shared::agree(theirs);
                self.shared = Some(shared);
                Ok(("vo", body.signature("ay").bytes(&public).text("/session")))
            }
            "ReadAlias" => Ok(("o", body.text(COLLECTION))),
            "Get" => {
                let is_locked = item(&call.path).is_some_and(|item| !self.unlocked.contains(&item));
                Ok(("v", body.signature("b").u32(is_locked.into())))
            }
            "SearchItems" => {
                let name = attributes(&mut call.body("a{ss}"));
                let state = self.state.lock().unwrap();
                let found = state.items.iter().filter(|(_, item)| item.name == name);
                let found: Vec<String> = found.map(|(id, _)| format!("{ITEM}{id}")).collect();
                Ok(("ao", body.texts(&found)))
            }
            "Unlock" => {
                let items = call.body("ao").array(4, |path| item(path.text()).unwrap());
                let prompt = self.prompt(Change::Unlock(items));
                Ok(("aoo", body.texts(&[]).text(&prompt)))
            }
            "GetSecret" => {
                let item = self.unlocked_item(&call.path)?;
                let secret = self.secret(item);
                let (iv, bytes) = self.shared.as_ref().unwrap().seal(&secret);
                let body = body.text("/session").bytes(&iv).bytes(&bytes);
                Ok(("(oayays)", body.text("text/plain")))
            }
            "CreateItem" => {
                let new = self.new_item(&mut call.body("a{sv}(oayays)b"))?;
                if self.same(&new).is_some_and(|item| !self.unlocked.contains(&item)) {
                    return Err(LOCKED);
                }
                let prompt = self.prompt(Change::Create(new));
                Ok(("oo", body.text("/").text(&prompt)))
            }
            "SetSecret" => {
                let item = self.unlocked_item(&call.path)?;
                let secret = self.opened(&mut call.body("(oayays)"))?;
                self.state.lock().unwrap().items.get_mut(&item).unwrap().secret = secret;
                self.stored.insert(item);
                Ok(("", body))
            }
            "Delete" => {
                let item = self.unlocked_item(&call.path)?;
                Ok(("o", body.text(&self.prompt(Change::Delete(item)))))
            }
            _ => Err(UNKNOWN),
        }
    }

    fn unlocked_item(&self, path: &str) -> Result<u32, &'static str> {
        item(path).filter(|item| self.unlocked.contains(item)).ok_or(LOCKED)
    }

    fn secret(&self, item: u32) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let secret = state.items[&item].secret.clone();
        match state.damage.as_ref().filter(|_| !self.stored.contains(&item)) {
            Some(damage) => damage(&String::from_utf8(secret).unwrap()).into_bytes(),
            None => secret,
        }
    }

    fn new_item(&self, body: &mut Reader<'_>) -> Result<Item, &'static str> {
        let properties = body.array(8, |property| match property.text() {
            "org.freedesktop.Secret.Item.Label" => {
                assert_eq!((property.signature(), property.text().is_empty()), ("s", false));
                None
            }
            "org.freedesktop.Secret.Item.Attributes" => {
                assert_eq!(property.signature(), "a{ss}");
                Some(attributes(property))
            }
            other => panic!("{other}"),
        });
        assert_eq!(properties.len(), 2);
        let name = properties.into_iter().flatten().next().unwrap();
        let secret = self.opened(body)?;
        assert_eq!(body.u32(), 1, "it replaces what has the same attributes");
        Ok(Item { name, secret })
    }

    /// The secret in a body.
    fn opened(&self, body: &mut Reader<'_>) -> Result<Vec<u8>, &'static str> {
        body.align(8);
        assert_eq!(body.text(), "/session");
        let (iv, bytes) = (body.bytes(), body.bytes());
        assert_eq!(body.text(), "text/plain");
        self.shared.as_ref().unwrap().open(iv, bytes).ok_or(INVALID)
    }

    fn same(&self, new: &Item) -> Option<u32> {
        let state = self.state.lock().unwrap();
        state.items.iter().find(|(_, item)| item.name == new.name).map(|(id, _)| *id)
    }

    fn prompt(&mut self, change: Change) -> String {
        self.changes.push(Some(change));
        format!("{PROMPT}{}", self.changes.len() - 1)
    }

    /// Answers a prompt, and does its action.
    fn complete(&mut self, path: &str) -> Option<()> {
        let number: usize = path.strip_prefix(PROMPT).unwrap().parse().unwrap();
        let change = self.changes[number].take().expect("a prompt is shown once");
        let prompt = change.prompt();
        let answer = {
            let mut state = self.state.lock().unwrap();
            state.prompts.push(prompt);
            state.answers.get(&prompt).copied().unwrap_or(Answer::Allow)
        };
        match answer {
            Answer::Die if self.watches_owner => {
                let body = Body::default().text("org.freedesktop.secrets").text(OWNER).text("");
                return self.signal(BUS, "/org/freedesktop/DBus", BUS, OWNER_CHANGED, "sss", &body);
            }
            // The prompt stays open.
            Answer::None | Answer::Die => return Some(()),
            Answer::Allow => self.change(change),
            Answer::Decline => {}
        }
        // If declined, an unlocking completes without unlocked objects, and every other prompt is dismissed.
        let is_dismissed = answer == Answer::Decline && prompt != Prompt::Unlock;
        let body = Body::default().u32(is_dismissed.into());
        let body = match prompt {
            Prompt::Unlock => body.signature("ao").texts(&[]),
            Prompt::Create => {
                body.signature("o").text(&format!("{ITEM}{}", self.state.lock().unwrap().next))
            }
            Prompt::Delete => body.signature("s").text(""),
        };
        self.signal(OWNER, path, "org.freedesktop.Secret.Prompt", "Completed", "bv", &body)
    }

    fn signal(
        &mut self,
        sender: &str,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        body: &Body,
    ) -> Option<()> {
        let fields = [(1, "o", path), (2, "s", interface), (3, "s", member), (7, "s", sender)];
        self.write(4, None, &fields, signature, body)
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Unlock(items) => self.unlocked.extend(items),
            Change::Delete(item) => drop(self.state.lock().unwrap().items.remove(&item)),
            Change::Create(item) => {
                let same = self.same(&item);
                let mut state = self.state.lock().unwrap();
                state.next += 1;
                let id = same.unwrap_or(state.next);
                state.items.insert(id, item);
                self.unlocked.insert(id);
                self.stored.insert(id);
            }
        }
    }

    fn send(&mut self, to: u32, reply: Reply) -> Option<()> {
        match reply {
            Ok((signature, body)) => self.write(2, Some(to), &[], signature, &body),
            Err(name) => self.write(3, Some(to), &[(4, "s", name)], "", &Body::default()),
        }
    }

    fn write(
        &mut self,
        kind: u8,
        to: Option<u32>,
        texts: &[(u8, &str, &str)],
        signature: &str,
        body: &Body,
    ) -> Option<()> {
        self.serial += 1;
        let mut fields = Body::default();
        for (field, of, text) in texts {
            fields = fields.aligned(8).u8(*field).signature(of).text(text);
        }
        if let Some(to) = to {
            fields = fields.aligned(8).u8(5).signature("u").u32(to);
        }
        if !signature.is_empty() {
            fields = fields.aligned(8).u8(8).signature("g").signature(signature);
        }
        let length = u32::try_from(body.0.len()).unwrap();
        let head = Body(vec![b'l', kind, 0, 1]).u32(length).u32(self.serial).bytes(&fields.0);
        self.stream.write_all(&[head.aligned(8).0, body.0.clone()].concat()).ok()
    }
}

fn item(path: &str) -> Option<u32> {
    path.strip_prefix(ITEM)?.parse().ok()
}

/// The name in the attributes of an item.
fn attributes(body: &mut Reader<'_>) -> String {
    let attributes: BTreeMap<&str, &str> =
        body.array(8, |entry| (entry.text(), entry.text())).into_iter().collect();
    assert_eq!(attributes.keys().copied().collect::<Vec<_>>(), ["service", "username"]);
    assert_eq!(attributes["service"], "yc-id-token");
    attributes["username"].to_owned()
}
