//! The Secret Service (freedesktop.org's "Secret Service API Draft"): our items in the user's default collection,
//! by D-Bus, encrypted on the way.

use std::collections::HashMap;
use std::io::ErrorKind;

use secret_service::{Collection, EncryptionType, Error, SecretService};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::{Items, Problem, SERVICE, Unlocking};

/// KWallet keeps nothing else.
const CONTENT_TYPE: &str = "text/plain";

struct Service {
    runtime: Runtime,
    service: SecretService<'static>,
}

pub(super) fn open(unlocking: &Unlocking) -> Result<Box<dyn Items>, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| Problem::Failed("it cannot be asked".into()))?;
    let service = runtime.block_on(async {
        let service = SecretService::connect(EncryptionType::Dh).await.map_err(absent)?;
        let collection = default(&service).await?;
        if collection.is_locked().await.map_err(failed)? {
            unlocking.set(true);
            collection.unlock().await.map_err(failed)?;
            // One that was to be unlocked without asking may have stayed as it was.
            collection.ensure_unlocked().await.map_err(failed)?;
        }
        drop(collection);
        Ok(service)
    })?;
    Ok(Box::new(Service { runtime, service }))
}

impl Items for Service {
    fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        self.runtime.block_on(async {
            let collection = default(&self.service).await?;
            let found = collection.search_items(attributes(name)).await.map_err(failed)?;
            let Some(item) = found.first() else { return Ok(None) };
            let secret = item.get_secret().await.map_err(failed)?;
            // What is no text is not ours.
            Ok(String::from_utf8(secret).ok().map(Zeroizing::new))
        })
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.runtime.block_on(async {
            let collection = default(&self.service).await?;
            let label = format!("{SERVICE}: {name}");
            let secret = text.as_bytes();
            let created =
                collection.create_item(&label, attributes(name), secret, true, CONTENT_TYPE).await;
            created.map(|_| ()).map_err(failed)
        })
    }

    fn remove(&mut self, name: &str) -> Result<bool, Problem> {
        self.runtime.block_on(async {
            let collection = default(&self.service).await?;
            let found = collection.search_items(attributes(name)).await.map_err(failed)?;
            for item in &found {
                item.delete().await.map_err(failed)?;
            }
            Ok(!found.is_empty())
        })
    }
}

/// What an item is found by, in the terms that the libraries of other languages use too.
fn attributes(name: &str) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("username", name)])
}

async fn default<'a>(service: &'a SecretService<'static>) -> Result<Collection<'a>, Problem> {
    service.get_default_collection().await.map_err(failed)
}

/// Of a connection that there is not. Nothing of an item is in such an error.
fn absent(error: Error) -> Problem {
    match error {
        Error::Unavailable => no_bus(),
        Error::Zbus(zbus::Error::Connection(cause, _)) if is_nobody_there(cause.kind()) => no_bus(),
        Error::Zbus(zbus::Error::MethodError(name, ..)) if is_unknown_service(&name) => {
            Problem::Absent(
                "nothing on the D-Bus session bus provides `org.freedesktop.secrets`".into(),
            )
        }
        Error::Zbus(error) => {
            Problem::Absent(format!("the D-Bus session bus does not let us in ({error})"))
        }
        error => failed(error),
    }
}

fn no_bus() -> Problem {
    Problem::Absent("there is no D-Bus session bus".into())
}

const fn is_nobody_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

fn is_unknown_service(name: &str) -> bool {
    let name = name.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or_default();
    name == "ServiceUnknown" || name == "NameHasNoOwner" || name.starts_with("Spawn")
}

/// Security: of an error that an item may be in, no more than its name.
fn failed(error: Error) -> Problem {
    match error {
        Error::Locked | Error::Prompt | Error::PromptDisconnected => Problem::Locked,
        Error::NoResult => Problem::Empty,
        Error::Zbus(zbus::Error::MethodError(name, ..))
            if name.as_str() == "org.freedesktop.Secret.Error.IsLocked" =>
        {
            Problem::Locked
        }
        Error::Zbus(zbus::Error::MethodError(name, ..)) => Problem::Failed(format!("{name}")),
        Error::Crypto(_) => Problem::Failed("what it sent cannot be decrypted".into()),
        _ => Problem::Failed("the connection to it broke".into()),
    }
}
