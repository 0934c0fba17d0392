//! The identity of an authorized key that `key import` has stored in the keyring, and the list of these keys.
//!
//! A cache hit must not wait for a keyring, and needs only the IDs of the key and its service account. A file for
//! each key has these IDs, without a secret; the keyring is only read when the key has to sign.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authorized_key::{self, AuthorizedKey};
use super::{Fetching, Identity, IdentityInputs, ResolvedIdentity};
use crate::broker::Broker;
use crate::cache::KeyBuilder;
use crate::error::{Code, Error, Result, SET_DATA_FOLDER};
use crate::foreign_text::{ForeignText, Message};
use crate::keyring::Keyring;
use crate::message;
use crate::private_file::{self, Unread};
use crate::settings::IdentitySetting;
use crate::source::{Endpoints, Source};

const MAX_SIZE: u64 = 16 * 1024;

const MAX_KEYS: usize = 10_000;

const MAX_NAME_LENGTH: usize = 64;

/// The hint for a run that cannot get its key.
const OTHERWISE: &str = "give the key in a file, with `--key-file`";

/// The description of a key in the keyring.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ImportedKey {
    /// The name that the user gave it.
    pub name: String,
    pub key_id: String,
    pub service_account_id: String,
    /// When it was created, if its file has that.
    pub created_at: Option<String>,
    /// When it was imported into the keyring.
    pub imported_at: String,
}

pub(super) fn open(
    setting: &IdentitySetting,
    inputs: IdentityInputs<'_>,
) -> Result<ResolvedIdentity> {
    let keys = ImportedKeys::of(inputs.locations.data_folder.clone())?;
    Ok(keys.find(setting.text().unwrap_or_default())?.into())
}

impl Identity for ImportedKey {
    fn describe(&self) -> Message {
        authorized_key::describe(&self.key_id, &self.service_account_id)
    }

    fn cache_key(&self, key: KeyBuilder, _: &Endpoints) -> KeyBuilder {
        authorized_key::cache_key(key, &self.key_id, &self.service_account_id)
    }

    fn fetch<'a>(&'a self, source: &'a Source, broker: &'a Broker) -> Fetching<'a> {
        Box::pin(async {
            let (key, deadline) = (self.clone(), source.http.deadline());
            // On its own thread, so that a run that waits for a password can be interrupted.
            let read = move || key.read(&Keyring::of_system(Some(deadline)));
            let key = tokio::task::spawn_blocking(read).await;
            let ended = |_| Error::Internal("the thread that calls the keyring has ended".into());
            key.map_err(ended)??.exchange(source, broker).await
        })
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn service_account(&self) -> Option<&str> {
        Some(&self.service_account_id)
    }
}

/// The list of the keys in the keyring: a folder with a file for each.
#[derive(Debug)]
pub struct ImportedKeys {
    folder: PathBuf,
}

impl ImportedKeys {
    /// The list in the data folder of the user.
    pub fn of(data_folder: Option<PathBuf>) -> Result<Self> {
        let folder = data_folder.ok_or_else(|| Error::Missing {
            problem: "there is no home folder for the list of imported keys".into(),
            hint: message!("{SET_DATA_FOLDER}; or {OTHERWISE}", SET_DATA_FOLDER, OTHERWISE),
        })?;
        Ok(Self { folder: folder.join("keys") })
    }

    pub fn find(&self, name: &str) -> Result<ImportedKey> {
        let path = self.path(name)?;
        let wrong = |problem: &'static str| Error::IdentityFile {
            what: WHAT,
            path: path.clone(),
            problem: problem.into(),
            hint: message!(
                "import the key again, with `yc-id-token key import FILE --name {name}`",
                name = ForeignText::new(name)
            ),
        };
        let text = match private_file::read_own(&path, MAX_SIZE) {
            Ok(text) => text,
            Err(Unread::Absent) => return Err(self.unknown(name)),
            Err(Unread::Unusable(problem)) => return Err(wrong(problem)),
            Err(Unread::Io(error)) => return Err(Error::unreadable(WHAT, path, error)),
        };
        serde_json::from_slice(&text)
            .ok()
            .filter(|key: &ImportedKey| key.name == name)
            .ok_or_else(|| wrong("is corrupt"))
    }

    /// All keys, by name.
    pub fn all(&self) -> Result<Vec<ImportedKey>> {
        let paths = private_file::list(&self.folder, MAX_KEYS);
        let mut names: Vec<_> = paths.iter().filter_map(|path| name_of(path)).collect();
        names.sort_unstable();
        names.into_iter().map(|name| self.find(name)).collect()
    }

    /// Adds a key to the list, or replaces the one with the same name.
    pub fn add(&self, key: &ImportedKey) -> Result<()> {
        let path = self.path(&key.name)?;
        let text = serde_json::to_vec(key).map_err(std::io::Error::from);
        text.and_then(|text| {
            private_file::make_own_folder(&self.folder)?;
            private_file::write(&path, &text)
        })
        .map_err(|error| Error::unwritten(path, error))
    }

    /// Removes a key from the list. Returns whether it was on it.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let path = self.path(name)?;
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::unwritten(path, error)),
        }
    }

    /// The error for an unknown name.
    pub fn unknown(&self, name: &str) -> Error {
        let paths = private_file::list(&self.folder, 20);
        let mut names: Vec<_> = paths.iter().filter_map(|path| name_of(path)).collect();
        names.sort_unstable();
        Error::NoSuch {
            what: "key",
            name: name.into(),
            place: "the keyring".into(),
            hint: if names.is_empty() {
                "import one with `yc-id-token key import FILE`".into()
            } else {
                message!("there are `{}`", ForeignText::new(&names.join("`, `")))
            },
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        if is_name(name) {
            return Ok(self.folder.join(format!("{name}.json")));
        }
        Err(Error::Usage {
            problem: "that is not the name of a key".into(),
            hint: message!(
                "a name has up to {MAX_NAME_LENGTH} letters, digits, `-`, `_` and `.`, and does not begin with `.`",
                MAX_NAME_LENGTH
            ),
        })
    }
}

const WHAT: &str = "the list entry of a key in the keyring";

/// Whether a text can be the name of a key, and so of a file.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME_LENGTH).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".json").filter(|name| is_name(name))
}

impl ImportedKey {
    pub fn item(name: &str) -> String {
        format!("key/{name}")
    }

    fn read(&self, keyring: &Keyring) -> Result<AuthorizedKey> {
        let what = || message!("read the key `{}` from the keyring", ForeignText::new(&self.name));
        let again = || {
            message!(
                "import it again, with `yc-id-token key import FILE --name {}`",
                ForeignText::new(&self.name)
            )
        };
        let wrong = |problem: &'static str| Error::Keyring {
            what: what(),
            code: Code::Keyring,
            problem: problem.into(),
            hint: again(),
        };
        let found = keyring.get(&Self::item(&self.name));
        let found =
            found.map_err(|problem| problem.into_error(what(), Code::Keyring, OTHERWISE))?;
        let text = found.ok_or_else(|| wrong("it is missing or incomplete"))?;
        let origin = format!("keyring:{}", self.name);
        let content = Zeroizing::new(text.as_bytes().to_vec());
        let key = AuthorizedKey::parse(content, Path::new(&origin))?;
        if key.id != self.key_id || key.service_account_id != self.service_account_id {
            return Err(wrong("it has been replaced by another key since it was imported"));
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, ImportedKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = ImportedKeys::of(Some(folder.path().join("data"))).unwrap();
        (folder, keys)
    }

    fn key(name: &str) -> ImportedKey {
        ImportedKey {
            name: name.into(),
            key_id: "ajek".into(),
            service_account_id: "ajes".into(),
            created_at: None,
            imported_at: "2026-11-25T20:00:00Z".into(),
        }
    }

    #[test]
    fn a_key_is_listed_until_it_is_removed() {
        let (_folder, keys) = keys();
        assert_eq!(keys.all().unwrap(), []);
        for name in ["b", "a.b-c_D9"] {
            keys.add(&key(name)).unwrap();
        }
        assert_eq!(keys.all().unwrap(), [key("a.b-c_D9"), key("b")]);
        assert_eq!(keys.find("b").unwrap(), key("b"));
        let error = keys.find("c").unwrap_err();
        assert_eq!(error.to_string(), "there is no key `c` in the keyring");
        assert_eq!(error.hint().unwrap(), "there are `a.b-c_D9`, `b`");
        assert!(keys.remove("b").unwrap());
        assert!(!keys.remove("b").unwrap());
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        let (_folder, keys) = keys();
        for name in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a b", "a\n", &"x".repeat(65)]
        {
            assert_eq!(keys.find(name).unwrap_err().code(), Code::Usage, "{name:?}");
        }
    }

    #[test]
    fn an_entry_with_a_wrong_name_or_format_is_not_used() {
        let (_folder, keys) = keys();
        keys.add(&key("a")).unwrap();
        std::fs::rename(keys.path("a").unwrap(), keys.path("b").unwrap()).unwrap();
        assert_eq!(keys.find("b").unwrap_err().code(), Code::Identity);
        private_file::write(&keys.path("b").unwrap(), b"{}").unwrap();
        assert_eq!(keys.find("b").unwrap_err().code(), Code::Identity);
    }

    #[test]
    fn a_key_that_differs_from_the_list_is_not_used() {
        let keyring = Keyring::fake();
        let result = |text: &str| {
            keyring.set(&ImportedKey::item("a"), text.to_owned().into()).unwrap();
            let fetched = key("a").read(&keyring);
            fetched.map(|key| key.id).map_err(|error| (error.code(), error.to_string()))
        };
        assert_eq!(
            key("a").read(&keyring).unwrap_err().to_string(),
            "cannot read the key `a` from the keyring: it is missing or incomplete"
        );
        let right = r#"{"id":"ajek","service_account_id":"ajes","private_key":"k"}"#;
        assert_eq!(result(right), Ok("ajek".to_owned()));
        let replaced = (Code::Keyring, "cannot read the key `a` from the keyring: it has been replaced by another key since it was imported".to_owned());
        for other in [
            r#"{"id":"other","service_account_id":"ajes","private_key":"k"}"#,
            r#"{"id":"ajek","service_account_id":"other","private_key":"k"}"#,
        ] {
            assert_eq!(result(other), Err(replaced.clone()));
        }
        assert_eq!(
            result("nonsense").unwrap_err().1,
            "the authorized key file `keyring:a` is not the JSON of an authorized key (line 1, column 2)"
        );
        let error = key("a").read(&Keyring::absent()).unwrap_err();
        assert_eq!(error.code(), Code::Keyring);
        assert!(error.hint().unwrap().ends_with("; or give the key in a file, with `--key-file`"));
    }
}
