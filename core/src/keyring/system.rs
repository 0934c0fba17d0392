//! The keyring of the system, through `keyring_core`. `store` chooses the store of each system.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::{Items, Problem, Prompts, SERVICE};
use crate::foreign_text::ForeignText;
#[cfg(all(unix, not(target_os = "macos")))]
use crate::{
    env::{self, Env},
    error::plain,
    foreign_text::Message,
    message,
};
#[cfg(all(unix, not(target_os = "macos")))]
use yc_id_token_secret_service_store as secret_service;

#[cfg(target_os = "macos")]
fn store(_: &Prompts) -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn store(_: &Prompts) -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(all(unix, not(target_os = "macos")))]
fn store(prompts: &Prompts) -> keyring_core::Result<Arc<CredentialStore>> {
    let bus = secret_service::Bus {
        address: Env::Real.get(env::DBUS_SESSION_BUS_ADDRESS),
        runtime_dir: Env::Real.get_os(env::XDG_RUNTIME_DIR).map(Into::into),
    };
    let store = secret_service::Store::open(&bus, Box::new(prompts.clone()));
    Ok(store.map_err(|problem| Error::PlatformFailure(Box::new(problem)))?)
}

struct System(Arc<CredentialStore>);

pub(super) fn open(prompts: &Prompts) -> Result<Box<dyn Items>, Problem> {
    Ok(Box::new(System(store(prompts).map_err(problem)?)))
}

impl System {
    fn entry(&self, name: &str) -> Result<Entry, Problem> {
        self.0.build(SERVICE, name, None).map_err(problem)
    }
}

impl Items for System {
    fn capacity(&self) -> usize {
        if cfg!(windows) {
            // With the first line of `parts`, less than `CRED_MAX_CREDENTIAL_BLOB_SIZE`, 2,560 bytes.
            2_400
        } else {
            // The others have no limit. One item for each value means one prompt for each value.
            96_000
        }
    }

    fn get(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        match self.entry(name)?.get_secret() {
            Ok(secret) => {
                let secret = Zeroizing::new(secret);
                // An item that is not text is from another program.
                Ok(std::str::from_utf8(&secret).ok().map(|text| Zeroizing::new(text.to_owned())))
            }
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(problem(error)),
        }
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.entry(name)?.set_secret(text.as_bytes()).map_err(problem)
    }

    fn remove(&mut self, name: &str) -> Result<bool, Problem> {
        match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(problem(error)),
        }
    }
}

/// Security: some of these errors contain the secret, so none is printed whole.
fn problem(error: Error) -> Problem {
    match error {
        Error::NoStorageAccess(_) => Problem::Locked,
        Error::PlatformFailure(cause) => platform_failure(cause),
        Error::TooLong(..) => Problem::Failed("a value is too large for it".into()),
        Error::Ambiguous(_) => Problem::Failed("it has several items of one name".into()),
        _ => Problem::Failed("an item is not of the expected form".into()),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn platform_failure(cause: Box<dyn std::error::Error + Send + Sync>) -> Problem {
    use secret_service::Problem as Failure;
    let cause = match cause.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(cause) => return Problem::Failed(ForeignText::sentence(&cause.to_string()).into()),
    };
    match cause {
        Failure::Locked => Problem::Locked,
        Failure::Declined => Problem::Declined,
        Failure::NoCollection => Problem::Empty,
        Failure::NoBus | Failure::NoService => {
            Problem::Absent(ForeignText::new(&cause.to_string()).into())
        }
        Failure::BusRefused(why) => bus_refused(&ForeignText::sentence(&why).into()),
        Failure::BusFailed(error) => bus_refused(&plain(&error)),
        Failure::Refused(name) => Problem::Failed(ForeignText::new(&name).into()),
        Failure::Failed(how) => Problem::Failed(how.into()),
        Failure::System(error) => Problem::Failed(plain(&error)),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn bus_refused(why: &Message) -> Problem {
    Problem::Absent(message!("the D-Bus session bus refuses the connection: {why}", why))
}

#[cfg(any(target_os = "macos", windows))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "on other systems, the cause becomes a part of the problem"
)]
fn platform_failure(cause: Box<dyn std::error::Error + Send + Sync>) -> Problem {
    Problem::Failed(ForeignText::sentence(&cause.to_string()).into())
}
