//! An authorized key that `key import` has put into the keyring, and what is known of it without asking there.
//!
//! A hit must not wait for a keyring, and needs no more of a key than its ID and its service account. So
//! these stand in a file for each key, without a secret; the key itself is fetched when it has to sign.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::AuthorizedKey;
use crate::clock::Deadline;
use crate::error::{Code, Error, Result, plain};
use crate::foreign_text::ForeignText;
use crate::keyring::Keyring;
use crate::message;
use crate::private_file::{self, Unread};

const LIMIT: u64 = 16 * 1024;

/// More than anyone has.
const MOST: usize = 10_000;

const LONGEST_NAME: usize = 64;

/// What a run is told that cannot have its key.
const OTHERWISE: &str = "give the key in a file, with `--key-file`";

/// What is known of a key in the keyring.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ImportedKey {
    /// The name that it was given here.
    pub name: String,
    /// The key's own ID.
    pub key_id: String,
    /// The service account that it belongs to.
    pub service_account_id: String,
    /// When it was made, if its file says so.
    pub created_at: Option<String>,
    /// When it was put into the keyring.
    pub imported_at: String,
}

/// The keys in the keyring, as they are listed in a folder.
#[derive(Debug)]
pub struct ImportedKeys {
    folder: PathBuf,
}

impl ImportedKeys {
    /// The list in the data folder of the user.
    pub fn of(data_folder: Option<PathBuf>) -> Result<Self> {
        let folder = data_folder.ok_or_else(|| Error::Missing {
            problem: "there is no home folder that keys of the keyring could be listed in".into(),
            hint: message!("set HOME or XDG_DATA_HOME; or {OTHERWISE}", OTHERWISE),
        })?;
        Ok(Self { folder: folder.join("keys") })
    }

    /// What is known of a key.
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
        let text = match private_file::read_own(&path, LIMIT) {
            Ok(text) => text,
            Err(Unread::Absent) => return Err(self.unknown(name)),
            Err(Unread::Unfit(problem)) => return Err(wrong(problem)),
            Err(Unread::Io(error)) => return Err(Error::unreadable(WHAT, path, &error)),
        };
        serde_json::from_slice(&text)
            .ok()
            .filter(|key: &ImportedKey| key.name == name)
            .ok_or_else(|| wrong("is not what was written"))
    }

    /// All of them, by name.
    pub fn all(&self) -> Result<Vec<ImportedKey>> {
        let paths = private_file::list(&self.folder, MOST);
        let mut names: Vec<_> = paths.iter().filter_map(|path| name_of(path)).collect();
        names.sort_unstable();
        names.into_iter().map(|name| self.find(name)).collect()
    }

    /// Lists a key, instead of the one of its name.
    pub fn add(&self, key: &ImportedKey) -> Result<()> {
        let path = self.path(&key.name)?;
        let text = serde_json::to_vec(key).map_err(std::io::Error::from);
        text.and_then(|text| {
            private_file::make_own_folder(&self.folder)?;
            private_file::write(&path, &text)
        })
        .map_err(|error| Error::OutputFile { path, cause: plain(&error).into() })
    }

    /// Takes a key off the list, and tells whether it was on it.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let path = self.path(name)?;
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::OutputFile { path, cause: plain(&error).into() }),
        }
    }

    /// The error for a name that no key has.
    #[must_use]
    pub fn unknown(&self, name: &str) -> Error {
        let paths = private_file::list(&self.folder, 20);
        let mut names: Vec<_> = paths.iter().filter_map(|path| name_of(path)).collect();
        names.sort_unstable();
        Error::NoSuch {
            what: "key",
            name: name.into(),
            place: "the keyring".into(),
            hint: if names.is_empty() {
                "put one there with `yc-id-token key import FILE`".into()
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
                "a name has up to {LONGEST_NAME} letters, digits, `-`, `_` and `.`, and does not begin with `.`",
                LONGEST_NAME
            ),
        })
    }
}

const WHAT: &str = "the list entry of a key in the keyring";

/// Whether it can be the name of a key, and so of a file.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".json").filter(|name| is_name(name))
}

impl ImportedKey {
    /// Its name in the keyring.
    #[must_use]
    pub fn item(name: &str) -> String {
        format!("key/{name}")
    }

    /// The content of the key's file, from the keyring, as long as there is time.
    pub(super) fn fetch(&self, deadline: Deadline) -> Result<Zeroizing<Vec<u8>>> {
        self.fetch_from(&Keyring::of_system(Some(deadline)))
    }

    /// The same from a keyring.
    fn fetch_from(&self, keyring: &Keyring) -> Result<Zeroizing<Vec<u8>>> {
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
        let text = found.ok_or_else(|| wrong("it is not there, or not whole"))?;
        let content = Zeroizing::new(text.as_bytes().to_vec());
        let origin = format!("keyring:{}", self.name);
        let key = AuthorizedKey::parse(&content, Path::new(&origin))?;
        if key.id != self.key_id || key.service_account_id != self.service_account_id {
            return Err(wrong("it has been replaced by another key since it was imported"));
        }
        Ok(content)
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
    fn no_name_leaves_the_folder() {
        let (_folder, keys) = keys();
        for name in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a b", "a\n", &"x".repeat(65)]
        {
            assert_eq!(keys.find(name).unwrap_err().code(), Code::Usage, "{name:?}");
        }
    }

    #[test]
    fn an_entry_under_another_name_or_of_another_form_is_not_used() {
        let (_folder, keys) = keys();
        keys.add(&key("a")).unwrap();
        std::fs::rename(keys.path("a").unwrap(), keys.path("b").unwrap()).unwrap();
        assert_eq!(keys.find("b").unwrap_err().code(), Code::Identity);
        private_file::write(&keys.path("b").unwrap(), b"{}").unwrap();
        assert_eq!(keys.find("b").unwrap_err().code(), Code::Identity);
    }

    #[test]
    fn a_key_that_is_not_the_one_of_the_list_is_not_used() {
        let keyring = Keyring::fake();
        let told = |text: &str| {
            keyring.set(&ImportedKey::item("a"), text.to_owned().into()).unwrap();
            let fetched = key("a").fetch_from(&keyring);
            fetched.map(|content| content.len()).map_err(|error| (error.code(), error.to_string()))
        };
        assert_eq!(
            key("a").fetch_from(&keyring).unwrap_err().to_string(),
            "cannot read the key `a` from the keyring: it is not there, or not whole"
        );
        let right = r#"{"id":"ajek","service_account_id":"ajes","private_key":"k"}"#;
        assert_eq!(told(right), Ok(right.len()));
        let replaced = (Code::Keyring, "cannot read the key `a` from the keyring: it has been replaced by another key since it was imported".to_owned());
        for other in [
            r#"{"id":"other","service_account_id":"ajes","private_key":"k"}"#,
            r#"{"id":"ajek","service_account_id":"other","private_key":"k"}"#,
        ] {
            assert_eq!(told(other), Err(replaced.clone()));
        }
        assert_eq!(
            told("nonsense").unwrap_err().1,
            "the authorized key file `keyring:a` is not the JSON of an authorized key (line 1, column 2)"
        );
        let error = key("a").fetch_from(&Keyring::absent()).unwrap_err();
        assert_eq!(error.code(), Code::Keyring);
        assert!(error.hint().unwrap().ends_with("; or give the key in a file, with `--key-file`"));
    }
}
