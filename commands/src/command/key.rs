//! `key`: imports authorized keys into the system's keyring, which encrypts them, and lists and removes them.

mod read_back;

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::table::{self, Format};
use super::terminal::Terminal;
use crate::clock::{Clock, Timestamp};
use crate::error::{Cause, Code, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::keyring::{self, Keyring, Problem};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::secret_file;
use crate::settings::{Origin, Settings};
use crate::source::{AuthorizedKey, ImportedKey, ImportedKeys, KEY_FILE, KEY_FILE_LIMIT};

const STDIN: &str = "-";

/// Store authorized keys in the system's keyring instead of files
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token key import key.json --name robot
  yc-id-token token --identity keyring:robot --audience https://k8s.example")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Import(Import),
    List(List),
    Remove(Remove),
    #[command(hide = true)]
    ReadBack(read_back::ReadBack),
}

/// Import an authorized key into the keyring
///
/// Use the key with `--identity keyring:NAME`. On a terminal, the command asks whether to delete the file. Without a
/// terminal, the file stays unless `--delete-file` is set.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token key import key.json --name robot --delete-file
  yc iam key create --service-account-name robot --output /dev/stdout | yc-id-token key import -")]
struct Import {
    /// Key file from `yc iam key create`, or `-` for standard input
    file: String,
    /// Name of the key in the keyring [default: the ID of its service account]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Delete the file after another process has read the key from the keyring
    #[arg(long, conflicts_with = "keep_file")]
    delete_file: bool,
    /// Keep the file without prompting
    #[arg(long)]
    keep_file: bool,
}

/// List the imported keys, without opening the keyring
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  yc-id-token key list --format json")]
struct List {
    /// Output format
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Remove a key from the keyring
///
/// The key stays valid in Yandex Cloud. Revoke it with `yc iam key delete`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  yc-id-token key remove robot")]
struct Remove {
    /// Name of the key in the keyring
    name: String,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let keys = || ImportedKeys::of(context.locations.data_folder.clone());
        match &self.action {
            Action::Import(import) => output.say(&import.run(&keys()?, keyring_timeout(context)?)?),
            Action::List(list) => list.run(&keys()?, output),
            Action::Remove(remove) => output.say(&remove.run(&keys()?, keyring_timeout(context)?)?),
            Action::ReadBack(read_back) => output.document(read_back.run()?.as_bytes()),
        }
    }
}

fn keyring_timeout(context: Context<'_>) -> Result<Duration> {
    let Context { flags, env, locations, consumers, .. } = context;
    Settings::load(flags, env, locations, consumers, &[]).map(|it| keyring_timeout_of(&it))
}

/// How long the user may take to unlock the keyring: the configured time limit, or more at a terminal, where the
/// default limit is too short.
pub(super) fn keyring_timeout_of(settings: &Settings) -> Duration {
    let is_default = settings.timeout.origin == Origin::BuiltIn;
    if is_default && keyring::is_at_terminal() {
        keyring::PROMPT_TIMEOUT
    } else {
        settings.timeout.value
    }
}

impl Import {
    fn run(&self, keys: &ImportedKeys, timeout: Duration) -> Result<Message> {
        let file = Path::new(&self.file);
        // Standard input cannot be deleted, and deleting a link would leave its target.
        let can_be_deleted = std::fs::symlink_metadata(file).is_ok_and(|it| it.is_file());
        if self.delete_file && self.file == STDIN {
            return Err(Error::Usage {
                problem: "cannot delete standard input: it is not a file".into(),
                hint: "leave out `--delete-file`, or give the name of the file".into(),
            });
        }
        let content = self.read()?;
        let key = AuthorizedKey::parse(content.clone(), file)?;
        key.check()?;
        if self.delete_file && !can_be_deleted {
            return Err(Error::Usage {
                problem: "cannot delete the file of the key: it is not a regular file".into(),
                hint: "leave out `--delete-file`, and delete the source of the key by hand".into(),
            });
        }
        let imported = ImportedKey {
            name: self.name.clone().unwrap_or_else(|| key.service_account_id.clone()),
            key_id: key.id,
            service_account_id: key.service_account_id,
            created_at: created_at(&content).map(|at| at.to_string()),
            imported_at: Clock::System.now().at.to_string(),
        };
        let replaced = store(keys, &imported, &content, timeout)?;
        let id = |key: &ImportedKey| ForeignText::new(&key.key_id);
        let name = ForeignText::new(&imported.name);
        let mut lines = vec![message!(
            "the authorized key `{}` of service account `{}` is in the keyring as `{name}`",
            id(&imported),
            ForeignText::new(&imported.service_account_id),
            name
        )];
        lines.extend(replaced.filter(|old| old.key_id != imported.key_id).map(|old| {
            message!(
                "it replaces the key `{0}`, which is valid until `yc iam key delete {0}`",
                id(&old)
            )
        }));
        lines.push(message!("use it with `--identity keyring:{name}`, or `identity = \"keyring:{name}\"` in a profile", name));
        if self.file != STDIN {
            let shown = shown(file);
            if can_be_deleted && (self.delete_file || (!self.keep_file && agrees_to_deletion(file)))
            {
                self.delete(&content)?;
                lines.push(message!("`{shown}` is deleted", shown));
            } else {
                lines.push(message!("`{shown}` still exists, and every reader of it has the key; delete it once nothing else needs it", shown));
            }
        }
        Ok(Message::join(&lines, "\n"))
    }

    /// Deletes the file, unless its content differs from the imported key.
    fn delete(&self, imported: &Zeroizing<Vec<u8>>) -> Result<()> {
        let not_deleted = |problem: Cause| Error::IdentityFile {
            what: KEY_FILE,
            path: self.file.clone().into(),
            problem,
            hint: "the key is in the keyring; check the file, and delete it by hand".into(),
        };
        if self.read()? != *imported {
            return Err(not_deleted("has changed since it was read, and is not deleted".into()));
        }
        let deleted = std::fs::remove_file(&self.file);
        deleted.map_err(|error| not_deleted(Cause::from(error).context("cannot be deleted")))
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>> {
        if self.file == STDIN {
            secret_file::read_stdin(KEY_FILE, KEY_FILE_LIMIT)
        } else {
            secret_file::read(KEY_FILE, Path::new(&self.file), KEY_FILE_LIMIT)
        }
    }
}

/// Stores a key in the keyring and in the list, and returns the key that it replaces. If a step fails, the old key is
/// restored.
fn store(
    keys: &ImportedKeys,
    imported: &ImportedKey,
    content: &Zeroizing<Vec<u8>>,
    timeout: Duration,
) -> Result<Option<ImportedKey>> {
    let keyring = Keyring::for_changes(timeout);
    let item = ImportedKey::item(&imported.name);
    let replaced = match keys.find(&imported.name) {
        // An unreadable list entry is replaced.
        Err(error) if error.code() == Code::Usage => return Err(error),
        found => found.ok(),
    };
    let what = || message!("put the key `{}` into the keyring", ForeignText::new(&imported.name));
    let failed =
        |problem: Problem| problem.into_error(what(), Code::Keyring, "keep the key in its file");
    // Parsing has shown that the key is UTF-8.
    let text = String::from_utf8_lossy(content).into_owned().into();
    // The old key may have no file, so it is held until the new one is stored.
    let old = keyring.get(&item).map_err(failed)?;
    let restore = || match &old {
        Some(old) => drop(keyring.set(&item, old.clone())),
        None => drop(keyring.remove(&item)),
    };
    keyring.set(&item, text).inspect_err(|_| restore()).map_err(failed)?;
    // The user may delete the file next, so another process must be able to read the key.
    let checked = read_back::check(&imported.name, content, timeout);
    checked.inspect_err(|_| restore()).map_err(failed)?;
    // A key that is missing from the list could not be found again.
    keys.add(imported).inspect_err(|_| restore())?;
    Ok(replaced)
}

/// The creation time of the key, if its file contains it.
fn created_at(content: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Dated<'a> {
        #[serde(alias = "createdAt")]
        created_at: Option<&'a str>,
        #[serde(borrow)]
        key: Option<Nested<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Nested<'a> {
        #[serde(alias = "createdAt")]
        created_at: Option<&'a str>,
    }
    let dated: Dated<'_> = serde_json::from_slice(content).ok()?;
    let text = dated.created_at.or_else(|| dated.key?.created_at)?;
    Timestamp::parse_rfc3339(text)
}

fn agrees_to_deletion(file: &Path) -> bool {
    let question = message!("The key is in the keyring. Delete `{}`?", shown(file));
    Terminal::find().is_some_and(|terminal| terminal.confirms(&question))
}

impl List {
    fn run(&self, keys: &ImportedKeys, output: &mut Output<'_>) -> Result<()> {
        let keys: Vec<Listed> = keys.all()?.iter().map(Listed::of).collect();
        match self.format {
            Format::Table => output.say(&table(&keys)),
            Format::Json => output.json(&keys),
        }
    }
}

/// A key in the output of `key list`.
#[derive(serde::Serialize)]
struct Listed {
    name: ForeignText,
    key_id: ForeignText,
    service_account_id: ForeignText,
    created_at: Option<ForeignText>,
    imported_at: ForeignText,
}

impl Listed {
    fn of(key: &ImportedKey) -> Self {
        let ImportedKey { name, key_id, service_account_id, created_at, imported_at } = key;
        Self {
            name: name.into(),
            key_id: key_id.into(),
            service_account_id: service_account_id.into(),
            created_at: created_at.as_ref().map(ForeignText::from),
            imported_at: imported_at.into(),
        }
    }

    fn cells(&self) -> [Message; 5] {
        let text = |text: &ForeignText| Message::from(text.clone());
        [
            text(&self.name),
            text(&self.key_id),
            text(&self.service_account_id),
            self.created_at.as_ref().map_or_else(|| "-".into(), text),
            text(&self.imported_at),
        ]
    }
}

fn table(keys: &[Listed]) -> Message {
    let heads = ["NAME", "KEY ID", "SERVICE ACCOUNT ID", "CREATED AT", "IMPORTED AT"];
    let rows: Vec<[Message; 5]> = keys.iter().map(Listed::cells).collect();
    Message::join(&table::lines(heads, &rows), "\n")
}

impl Remove {
    fn run(&self, keys: &ImportedKeys, timeout: Duration) -> Result<Message> {
        let keyring = Keyring::for_changes(timeout);
        let name = &self.name;
        let known = match keys.find(name) {
            Err(error) if error.code() == Code::Usage => return Err(error),
            found => found.ok(),
        };
        // Without a list entry too, because a killed import may have left the key in the keyring.
        let removed = keyring.remove(&ImportedKey::item(name)).map_err(|problem| {
            let what = message!("remove the key `{}` from the keyring", ForeignText::new(name));
            problem.into_error(
                what,
                Code::Keyring,
                "remove its item with the system's own program for keyrings",
            )
        })?;
        if !keys.remove(name)? && !removed {
            return Err(keys.unknown(name));
        }
        let revoke = known.map(|key| {
            message!("; it is valid until `yc iam key delete {}`", ForeignText::new(&key.key_id))
        });
        let (name, revoke) = (ForeignText::new(name), revoke.unwrap_or_default());
        Ok(message!("the key `{name}` is removed from the keyring{revoke}", name, revoke))
    }
}
