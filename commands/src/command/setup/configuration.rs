//! Edits one profile of this program's configuration file. Comments, order and spacing of everything else are
//! kept.

use std::path::PathBuf;

use toml_edit::{Item, Table, TableLike, Value};

use super::changes::{FileChange, FileKind};
use super::difference;
use crate::command::config::{Document, parse, set};
use crate::error::Result;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The configuration file, with pending changes of one profile.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) path: PathBuf,
    pub(super) profile: String,
    document: Document,
}

impl Configuration {
    /// Reads the file if it exists, and adds the profile if it is missing.
    pub(super) fn read(path: PathBuf, profile: String) -> Result<Self> {
        let mut document = Document::read(path.clone())?;
        document.table_mut(&["profiles", &profile])?;
        Ok(Self { path, profile, document })
    }

    pub(super) fn original(&self) -> (PathBuf, String) {
        (self.path.clone(), self.document.original_text().to_owned())
    }

    pub(super) fn text(&self) -> String {
        self.document.text()
    }

    pub(super) fn change(self) -> FileChange {
        let path = self.path;
        let (file, new_text) = self.document.into_change();
        FileChange::new(FileKind::Configuration, file, new_text, move |text| {
            parse(&path, text).map(drop)
        })
    }

    /// Whether the file on disk has the profile.
    pub(super) fn profile_exists(&self) -> bool {
        self.original_profile().is_some()
    }

    /// Whether the profile on disk has this key.
    pub(super) fn original_has(&self, key: &str) -> bool {
        self.original_profile().is_some_and(|profile| profile.contains_key(key))
    }

    /// How the new profile conflicts with the one on disk: values that are lost or replaced, and an added service
    /// account beside a key, which changes whose tokens are issued. Other added values do not conflict.
    pub(super) fn differences(&self) -> Vec<Message> {
        let mut differences = Vec::new();
        if let Some(old) = self.original_profile() {
            let new = self.new_profile();
            compare("", old, new, &mut differences);
            let account = new.and_then(|new| new.get("service_account")?.as_str());
            if let Some(account) = account.filter(|_| uses_account_of_key(old)) {
                differences.push(message!(
                    "it uses the account of its key, not `{}`",
                    ForeignText::new(account)
                ));
            }
        }
        differences
    }

    /// Whether the profile itself, not one that it extends, has one of these keys.
    pub(super) fn has_any(&self, keys: &[&str]) -> bool {
        let profile = self.new_profile();
        profile.is_some_and(|profile| keys.iter().any(|key| profile.contains_key(key)))
    }

    /// The value of a key in a consumer's table of the profile itself.
    pub(super) fn text_of(&self, consumer: &str, key: &str) -> Option<String> {
        self.table_of(consumer)?.get(key)?.as_str().map(str::to_owned)
    }

    /// Whether a key in a consumer's table of the profile itself exists, of any type.
    pub(super) fn has_of(&self, consumer: &str, key: &str) -> bool {
        self.table_of(consumer).is_some_and(|table| table.contains_key(key))
    }

    fn table_of(&self, consumer: &str) -> Option<&dyn TableLike> {
        self.new_profile()?.get(consumer)?.as_table_like()
    }

    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(profile) = self.profile_mut() {
            set(profile, key, value);
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(profile) = self.profile_mut() {
            profile.remove(key);
        }
    }

    /// Sets a key in a consumer's table of the profile.
    pub(super) fn set_of(&mut self, consumer: &str, key: &str, value: impl Into<Value>) {
        // `read` has made the profile a table. A consumer that is not a table is reported when the profile is checked.
        if let Ok(table) = self.document.table_mut(&["profiles", &self.profile, consumer]) {
            set(table, key, value);
        }
    }

    /// Sets values in the table of `[[agent.LIST]]` in which a key has this value. The table is added if it is missing.
    /// Returns how an existing table differs.
    pub(super) fn set_in_agent(
        &mut self,
        list: &'static str,
        (key, id): (&'static str, &str),
        values: Vec<(&'static str, Value)>,
    ) -> Result<Vec<Message>> {
        let tables = self.document.agent_tables_mut(list)?;
        let is_it = |table: &&mut Table| table.get(key).and_then(Item::as_str) == Some(id);
        let mut differences = Vec::new();
        if let Some(table) = tables.iter_mut().find(is_it) {
            for (key, new) in values {
                let text = |value: &Value| value.clone().decorated("", "").to_string();
                let old = table.get(key).and_then(Item::as_value).map(text);
                if let Some(old) = old.filter(|old| *old != text(&new)) {
                    differences.push(difference(key, &old, &text(&new)));
                }
                set(table, key, new);
            }
            return Ok(differences);
        }
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        for (key, value) in [(key, id.into())].into_iter().chain(values) {
            set(&mut table, key, value);
        }
        tables.push(table);
        Ok(differences)
    }

    /// The text of a key in the table of `[[agent.LIST]]` in which another key has this value.
    pub(super) fn text_in_agent(
        &self,
        list: &'static str,
        (key, id): (&'static str, &str),
        wanted: &str,
    ) -> Option<String> {
        let mut tables = self.document.agent_tables(list);
        let table = tables.find(|table| table.get(key).and_then(Item::as_str) == Some(id))?;
        Some(table.get(wanted)?.as_str()?.to_owned())
    }

    /// The texts of a key in all tables of `[[agent.LIST]]`.
    pub(super) fn texts_in_agent(&self, list: &'static str, key: &str) -> Vec<String> {
        let texts = self.document.agent_tables(list);
        texts.filter_map(|table| Some(table.get(key)?.as_str()?.to_owned())).collect()
    }

    fn original_profile(&self) -> Option<&dyn TableLike> {
        self.document.original_table(&["profiles", &self.profile])
    }

    fn new_profile(&self) -> Option<&dyn TableLike> {
        self.document.table(&["profiles", &self.profile])
    }

    fn profile_mut(&mut self) -> Option<&mut dyn TableLike> {
        self.document.table_mut(&["profiles", &self.profile]).ok()
    }
}

/// Whether a profile has a key and gets tokens of that key's own service account.
fn uses_account_of_key(profile: &dyn TableLike) -> bool {
    let identity = profile.get("identity").and_then(Item::as_str).unwrap_or_default();
    let has_key = profile.contains_key("key_file")
        || ["authorized-key", "keyring"].iter().any(|kind| identity.starts_with(kind));
    has_key && !profile.contains_key("service_account")
}

/// Collects the keys of the old table that are missing or different in the new one.
fn compare(
    prefix: &str,
    old: &dyn TableLike,
    new: Option<&dyn TableLike>,
    differences: &mut Vec<Message>,
) {
    let value =
        |item: &Item| item.as_value().map(|value| value.clone().decorated("", "").to_string());
    let unquoted = |text: &str| text.trim_matches(['"', '\'']).to_owned();
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
        let before = unquoted(&before.unwrap_or_default());
        differences.push(match after {
            Some(after) => difference(&name, &before, &unquoted(&after)),
            None => {
                message!("it has `{}` (`{}`)", ForeignText::new(&name), ForeignText::new(&before))
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use toml_edit::DocumentMut;

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
    fn a_profile_is_added_and_nothing_else_changes() {
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
    fn only_lost_and_replaced_values_are_differences() {
        let text = "[profiles.b]\naudience = 'a'\ntimeout = 5\nkey_file = \"k\" # here\naws = { region = 'eu', role_arn = 'r' }\n[profiles.c]\naudience = 'c'\n";
        let differences = |edit: &dyn Fn(&mut Configuration)| {
            let mut found = String::new();
            edited(text, "b", |file| {
                edit(file);
                found = Message::join(&file.differences(), "; ").to_string();
            });
            found
        };
        let gains = |file: &mut Configuration| {
            file.set("audience", "a");
            file.set("folder_id", "x");
            file.set_of("aws", "region", "eu");
            file.set_of("vault", "role", "r");
        };
        assert_eq!(differences(&gains), "");
        let becomes_another = |file: &mut Configuration| file.set("service_account", "x");
        let found = differences(&becomes_another);
        assert_eq!(found, "it uses the account of its key, not `x`");
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
    fn an_existing_profile_keeps_its_comments_and_its_style() {
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
