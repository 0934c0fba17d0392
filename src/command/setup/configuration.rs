//! Our own configuration file, as `setup` changes it: one profile. Comments, order and spaces of
//! everything else stay as the user has made them.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, Value, value};

use super::change::Change;
use crate::error::{Error, Result};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The file, with the changes that are to be made to a profile.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) path: PathBuf,
    pub(super) profile: String,
    file: EditedFile,
    before: DocumentMut,
    document: DocumentMut,
}

impl Configuration {
    /// Reads the file, if there is one.
    pub(super) fn read(path: PathBuf, profile: String) -> Result<Self> {
        let file = EditedFile::open("the configuration file", &path)?;
        let before = parse(&path, file.text())?;
        let document = before.clone();
        let mut configuration = Self { path, profile, file, before, document };
        configuration.add_profile()?;
        Ok(configuration)
    }

    /// What is to stand in the file.
    pub(super) fn text(&self) -> String {
        let text = self.document.to_string();
        // A new table has an empty line before it, which the first of all does not need.
        if self.file.text().is_empty() { text.trim_start().to_owned() } else { text }
    }

    pub(super) fn change(self) -> Change {
        let (after, path) = (self.text(), self.path);
        Change::new(self.file, after, move |text| parse(&path, text).map(drop))
    }

    /// Whether the file has the profile.
    pub(super) fn was_there(&self) -> bool {
        self.profile_before().is_some()
    }

    /// The text of a key of the profile, as the file has it.
    pub(super) fn text_before(&self, key: &str) -> Option<String> {
        self.profile_before()?.get(key)?.as_str().map(str::to_owned)
    }

    fn profile_before(&self) -> Option<&dyn TableLike> {
        self.before.get("profiles")?.get(&self.profile)?.as_table_like()
    }

    /// What the profile of the file says and the new one does not, such as "`audience` is `a`, not `b`".
    pub(super) fn differences(&self) -> Vec<Message> {
        let profile = |document: &DocumentMut| {
            let item = document.get("profiles")?.get(&self.profile)?.clone();
            item.into_table().ok()
        };
        let (old, new) = (profile(&self.before), profile(&self.document));
        let mut differences = Vec::new();
        if let Some(old) = old {
            compare("", &old, new.as_ref().map(|new| new as &dyn TableLike), &mut differences);
            let added = new.as_ref().and_then(|new| new.get("service_account")?.as_str());
            if let Some(account) = added.filter(|_| names_its_account(&old)) {
                differences.push(message!(
                    "it is of the account of its key, not of `{}`",
                    ForeignText::new(account)
                ));
            }
        }
        differences
    }

    /// Whether the profile itself, not one that it extends, has one of these keys.
    pub(super) fn has_any(&mut self, keys: &[&str]) -> bool {
        self.profile().is_some_and(|profile| keys.iter().any(|key| profile.contains_key(key)))
    }

    /// The text of a key of a consumer's table in the profile itself.
    pub(super) fn text_of(&mut self, consumer: &str, key: &str) -> Option<String> {
        let table = self.profile()?.get(consumer)?.as_table_like()?;
        table.get(key)?.as_str().map(str::to_owned)
    }

    /// Sets a key of the profile.
    pub(super) fn set(&mut self, key: &str, text: &str) {
        if let Some(profile) = self.profile() {
            set(profile, key, text);
        }
    }

    /// Takes a key out of the profile.
    pub(super) fn remove(&mut self, key: &str) {
        if let Some(profile) = self.profile() {
            profile.remove(key);
        }
    }

    /// Sets a key of a consumer's table in the profile.
    pub(super) fn set_of(&mut self, consumer: &str, key: &str, text: &str) {
        let Some(profile) = self.profile() else { return };
        if !profile.contains_key(consumer) {
            profile.insert(consumer, Item::Table(new_table()));
        }
        if let Some(table) = profile.get_mut(consumer).and_then(Item::as_table_like_mut) {
            set(table, key, text);
        }
    }

    fn add_profile(&mut self) -> Result<()> {
        let mut profiles = Table::new();
        profiles.set_implicit(true);
        let profiles = self.document.entry("profiles").or_insert(Item::Table(profiles));
        let is_table = profiles.as_table_like_mut().is_some_and(|profiles| {
            let profile = profiles.entry(&self.profile).or_insert(Item::Table(new_table()));
            profile.is_table_like()
        });
        if is_table {
            return Ok(());
        }
        Err(Error::Config {
            path: self.path.clone(),
            line: 1,
            problem: message!("`profiles.{}` must be a table", ForeignText::new(&self.profile)),
            hint: None,
        })
    }

    fn profile(&mut self) -> Option<&mut dyn TableLike> {
        let profiles = self.document.get_mut("profiles")?.as_table_like_mut()?;
        profiles.get_mut(&self.profile)?.as_table_like_mut()
    }
}

/// Whether a profile has a key, which is of one account, and names no other account.
fn names_its_account(profile: &Table) -> bool {
    let identity = profile.get("identity").and_then(Item::as_str).unwrap_or_default();
    let has_key = profile.contains_key("key_file")
        || ["authorized-key", "keyring"].iter().any(|kind| identity.starts_with(kind));
    has_key && !profile.contains_key("service_account")
}

fn parse(path: &Path, text: &str) -> Result<DocumentMut> {
    text.parse::<DocumentMut>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..start]).count() + 1;
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        Error::Config {
            path: path.to_owned(),
            line,
            problem: ForeignText::new(&problem).into(),
            hint: None,
        }
    })
}

/// Collects the keys of an old table whose values are not those of the new one.
fn compare(
    prefix: &str,
    old: &dyn TableLike,
    new: Option<&dyn TableLike>,
    differences: &mut Vec<Message>,
) {
    let value =
        |item: &Item| item.as_value().map(|value| value.clone().decorated("", "").to_string());
    let shown = |text: String| ForeignText::new(text.trim_matches(['"', '\'']));
    for (key, item) in old.iter() {
        let name = format!("{prefix}{key}");
        let now = new.and_then(|new| new.get(key));
        if let Some(table) = item.as_table_like() {
            let now = now.and_then(Item::as_table_like);
            compare(&format!("{name}."), table, now, differences);
            continue;
        }
        let same_text = item.as_str().is_some() && item.as_str() == now.and_then(Item::as_str);
        let (before, after) = (value(item), now.and_then(value));
        if same_text || before == after {
            continue;
        }
        let (name, before) = (ForeignText::new(&name), shown(before.unwrap_or_default()));
        differences.push(match after {
            Some(after) => message!("`{name}` is `{before}`, not `{}`", shown(after), name, before),
            None => message!("it has `{name}` (`{before}`)", name, before),
        });
    }
}

/// A table with an empty line before it.
fn new_table() -> Table {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table
}

/// A value that is replaced keeps what stands around it: a comment at the end of its line.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) if old.as_str() == Some(text) => {}
        Some(old) => {
            let decor = old.decor().clone();
            *old = Value::from(text);
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(key, value(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, profile: &str, edit: impl FnOnce(&mut Configuration)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        crate::private_file::write(&path, text.as_bytes()).unwrap();
        let mut configuration = Configuration::read(path, profile.into()).unwrap();
        edit(&mut configuration);
        configuration.text()
    }

    #[test]
    fn a_profile_is_added_and_nothing_else_touched() {
        let text = "# mine\n[defaults]\ntimeout   =   5 # seconds\n\n[profiles.a]\naudience='x'\n[identity.r]\ntype = \"metadata\"\n";
        let with = edited(text, "b", |file| {
            file.set("key_file", "/k.json");
            file.set_of("aws", "region", "eu");
        });
        let added = "\n[profiles.b]\nkey_file = \"/k.json\"\n\n[profiles.b.aws]\nregion = \"eu\"\n";
        assert_eq!(with.replacen(added, "", 1), text, "{with}");
        let alone = edited("", "b", |file| file.set("audience", "k8s"));
        assert_eq!(alone.trim_start(), "[profiles.b]\naudience = \"k8s\"\n");
    }

    #[test]
    fn what_a_profile_loses_is_named_and_what_it_gains_is_not() {
        let text = "[profiles.b]\naudience = 'a'\ntimeout = 5\nkey_file = \"k\" # here\naws = { region = 'eu', role_arn = 'r' }\n[profiles.c]\naudience = 'c'\n";
        let differences = |edit: &dyn Fn(&mut Configuration)| {
            let mut said = String::new();
            edited(text, "b", |file| {
                edit(file);
                said = Message::join(&file.differences(), "; ").to_string();
            });
            said
        };
        let gains = |file: &mut Configuration| {
            file.set("audience", "a");
            file.set("folder_id", "x");
            file.set_of("aws", "region", "eu");
            file.set_of("vault", "role", "r");
        };
        assert_eq!(differences(&gains), "");
        let becomes_another = |file: &mut Configuration| file.set("service_account", "x");
        let said = differences(&becomes_another);
        assert_eq!(said, "it is of the account of its key, not of `x`");
        let loses = |file: &mut Configuration| {
            file.set("audience", "b");
            file.remove("key_file");
            file.set_of("aws", "region", "us");
        };
        assert_eq!(
            differences(&loses),
            "`audience` is `a`, not `b`; it has `key_file` (`k`); `aws.region` is `eu`, not `us`"
        );
    }

    #[test]
    fn a_profile_that_is_there_keeps_its_comments_and_its_form() {
        let text = "[profiles]\na = { audience = 'x' } # inline\n[profiles.b]\n# who\nkey_file = 'old' # here\niam_token_file = 't'\n";
        let with = edited(text, "b", |file| {
            file.set("key_file", "new");
            file.remove("iam_token_file");
        });
        assert_eq!(
            with,
            "[profiles]\na = { audience = 'x' } # inline\n[profiles.b]\n# who\nkey_file = \"new\" # here\n"
        );
        let with = edited(text, "a", |file| {
            file.set("audience", "x");
            file.set_of("vault", "role", "r");
        });
        assert!(with.contains("audience = 'x'") && with.contains("role = \"r\""), "{with}");
        assert!(with.parse::<DocumentMut>().is_ok(), "{with}");
    }
}
