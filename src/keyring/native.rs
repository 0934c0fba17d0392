//! The Keychain of macOS and the Credential Manager of Windows.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::{Items, Problem, Prompts, SERVICE};
use crate::foreign_text::ForeignText;

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
#[cfg(windows)]
use windows_native_keyring_store::Store;

struct Native(Arc<CredentialStore>);

pub(super) fn open(_: &Prompts) -> Result<Box<dyn Items>, Problem> {
    let store = Store::new().map_err(|error| failed(&error))?;
    Ok(Box::new(Native(store)))
}

impl Native {
    fn entry(&self, name: &str) -> Result<Entry, Problem> {
        self.0.build(SERVICE, name, None).map_err(|error| failed(&error))
    }
}

impl Items for Native {
    fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        match self.entry(name)?.get_secret() {
            // What is no text is not ours.
            Ok(secret) => Ok(String::from_utf8(secret).ok().map(Zeroizing::new)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.entry(name)?.set_secret(text.as_bytes()).map_err(|error| failed(&error))
    }

    fn remove(&mut self, name: &str) -> Result<bool, Problem> {
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Security: some of these errors hold what was in the item, so none is printed whole.
fn failed(error: &Error) -> Problem {
    match error {
        Error::NoStorageAccess(_) => Problem::Locked,
        Error::PlatformFailure(cause) => {
            Problem::Failed(ForeignText::sentence(&cause.to_string()).into())
        }
        Error::TooLong(..) => Problem::Failed("a value is too large for it".into()),
        Error::Ambiguous(_) => Problem::Failed("it has several items of one name".into()),
        _ => Problem::Failed("an item is not of the expected form".into()),
    }
}
