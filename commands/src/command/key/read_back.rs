//! Reads an imported key back in another process.
//!
//! A keyring can lock a new item for every connection except the one that stored it, as `KeePassXC` does. Only another
//! process can show that later runs can read the key, so that its file may be deleted.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::digest::Digest;
use crate::error::{Error, Result, plain};
use crate::foreign_text::Message;
use crate::keyring::{Keyring, Problem};
use crate::message;
use crate::source::ImportedKey;

/// The result of the other process: the SHA-256 digest of the value, if there is one.
type Found = std::result::Result<Option<String>, Problem>;

/// Print what another process finds in the keyring under the name of a key
///
/// `key import` runs this before it reports success or deletes a file.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  yc-id-token key read-back robot 20000")]
pub(super) struct ReadBack {
    /// Name of the key
    name: String,
    /// How long to wait for the user, in milliseconds
    unlock_timeout: u64,
}

impl ReadBack {
    pub(super) fn run(&self) -> Result<String> {
        let keyring = Keyring::for_changes(Duration::from_millis(self.unlock_timeout));
        let value = keyring.get(&ImportedKey::item(&self.name));
        let found: Found =
            value.map(|value| value.map(|value| Digest::of(value.as_bytes()).to_hex()));
        serde_json::to_string(&found).map_err(Error::internal)
    }
}

/// Checks that another process reads this content under the name of a key. `timeout` is how long it waits for the user.
pub(super) fn check(
    name: &str,
    content: &[u8],
    timeout: Duration,
) -> std::result::Result<(), Problem> {
    let failed = |why: Message| {
        Problem::Failed(message!("another process cannot read the key back: {why}", why))
    };
    let program = std::env::current_exe().map_err(|error| failed(plain(&error)))?;
    let mut command = Command::new(program);
    let timeout = timeout.as_millis().to_string();
    command.args(["key", "read-back", "--", name, &timeout]);
    // Standard error is inherited: the other process uses it to detect a terminal.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| failed(plain(&error)))?;
    let Ok(found) = serde_json::from_slice::<Found>(&output.stdout) else {
        return Err(failed("it failed".into()));
    };
    if found?.is_some_and(|digest| digest == Digest::of(content).to_hex()) {
        Ok(())
    } else {
        Err(failed("it does not find what was stored".into()))
    }
}
