//! The identity to authenticate with: from flags, variables, a profile that the new one extends, or a prompt. The run's
//! other settings of the program are written with it.

use super::paths::{absolute_identity, absolute_path};
use super::{Setup, error_lines, is_simple};
use crate::command::config::value_of;
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::Context;
use crate::settings::schema::{AUDIENCE, IAM_TOKEN_FILE, IDENTITY, KEY_FILE};
use crate::settings::{Field, IdentityKind, KeyText, Kind, Origin, Profile, Setting, profiles};

/// The settings of a profile that configure the identity.
const FIELDS: [Field; 3] = [IDENTITY, KEY_FILE, IAM_TOKEN_FILE];

/// The identity settings in `given`, with absolute paths. `origin` names the flag or variable of a value.
fn with_absolute_paths(
    given: impl Fn(&Field) -> Option<String>,
    origin: impl Fn(&Field) -> &'static str,
) -> Result<Vec<(&'static str, String)>> {
    let mut settings = Vec::new();
    for field in &FIELDS {
        let absolute = if field.key == IDENTITY.key { absolute_identity } else { absolute_path };
        let Some(value) = given(field) else { continue };
        // Security: a variable can contain the key itself, which must not get into the profile.
        if field.kind == Kind::Key
            && (value == "-" || KeyText::read(&value, field.variable).is_some())
        {
            return Err(Error::Value {
                origin: origin(field).into(),
                problem: "a profile needs the key in a file: give its path, or import the key with `yc-id-token key import` and give `--identity=keyring:NAME`".into(),
            });
        }
        settings.push((field.key, absolute(origin(field), &value)?));
    }
    Ok(settings)
}

/// The profile from which all profiles inherit their identity.
fn source_of_identities(all: &[Profile]) -> Option<String> {
    let source = |it: &Profile| {
        let identity = it.settings.as_ref().ok()?.identity.as_ref()?;
        let Origin::Profile { profile, .. } = &identity.origin else { return None };
        Some(profile.to_string())
    };
    let first = all.first().and_then(source)?;
    all.iter().all(|it| source(it).as_ref() == Some(&first)).then_some(first)
}

impl Setup<'_> {
    /// Resolves the identity and the service account, and writes this run's settings to the profile.
    pub(super) fn resolve_identity(&mut self) -> Result<()> {
        self.set_identity()?;
        if self.settings()?.identity.is_none() && !self.extend()? {
            self.prompt_for_identity()?;
        }
        for table in ["", self.consumer.name] {
            self.set_given(table)?;
        }
        if self.settings()?.identity.is_none() {
            return Ok(());
        }
        let Err(unknown) = self.check_service_account() else { return Ok(()) };
        let Some(terminal) = self.terminal else {
            return self.missing.collect(Err(unknown)).map(|_: Option<()>| ());
        };
        loop {
            let answer = terminal.prompt(&"ID of the service account (aje…)".into(), None);
            let Some(account) = answer.filter(|it| !it.is_empty()) else { return Err(unknown) };
            if is_simple(&account) {
                self.configuration.set("service_account", account);
                return Ok(());
            }
            terminal.say(&message!("! `{}` is not an ID", ForeignText::new(&account)));
        }
    }

    /// Writes a table's settings from flags and variables to the profile, because the consumer runs later, without
    /// them. A variable counts only if the profile has no value.
    fn set_given(&mut self, table: &'static str) -> Result<()> {
        let has_own = |field: &Field| self.consumer.settings.iter().any(|own| own.key == field.key);
        let given = self.settings()?.given(table);
        // A consumer with its own key for the audience writes it there.
        let given = given.into_iter().filter(|(field, _)| {
            field.is_in_file && !(table.is_empty() && field.key == AUDIENCE.key && has_own(field))
        });
        for (field, Setting { value, origin }) in given.collect::<Vec<_>>() {
            let text = value.to_string_lossy();
            let origin = match origin {
                Origin::Flag(flag) => flag,
                _ if self.has(table, field) => continue,
                _ => field.variable,
            };
            let text = match field.kind {
                Kind::Path => absolute_path(origin, &text)?,
                // Security: the file is less private than the environment.
                Kind::Proxy if text.contains('@') => {
                    self.notes.push(message!(
                        "The proxy is not written into the profile, because its address contains credentials: set {} where the profile is used.\n",
                        field.variable
                    ));
                    continue;
                }
                _ => text.into_owned(),
            };
            let value = value_of(field.kind, &text);
            match table {
                "" => self.configuration.set(field.key, value),
                consumer => self.configuration.set_of(consumer, field.key, value),
            }
        }
        Ok(())
    }

    fn has(&self, table: &str, field: &Field) -> bool {
        match table {
            "" => self.configuration.has_any(&[field.key]),
            consumer => self.configuration.has_of(consumer, field.key),
        }
    }

    /// Lets a new profile extend the file's default or only profile, or the one from which all others inherit their
    /// identity, if that has an identity. Returns whether it does.
    fn extend(&mut self) -> Result<bool> {
        if self.configuration.profile_exists() {
            return Ok(false);
        }
        let Context { flags, env, locations, consumers, .. } = self.context;
        let mut flags = flags.clone();
        flags.unwritten = Some(self.configuration.original());
        let found = profiles(&flags, env, locations, consumers)?;
        let (default, all) = found.map(|found| (found.default, found.all)).unwrap_or_default();
        let own = all.iter().find(|it| it.default_of.contains(&self.consumer.name));
        let default =
            own.map(|it| it.name.clone()).or(default).or_else(|| source_of_identities(&all));
        let parent = all.into_iter().find(|it| Some(&it.name) == default.as_ref());
        let has_identity =
            |it: &Profile| it.settings.as_ref().is_ok_and(|it| it.identity.is_some());
        let parent = parent.filter(has_identity).map(|it| it.name);
        let Some(parent) = parent else { return Ok(false) };
        self.configuration.set("extends", parent.as_str());
        self.extended = Some(parent);
        Ok(true)
    }

    /// What the new profile inherits, if it extends another one.
    pub(super) fn extension_note(&self) -> Result<Option<Message>> {
        let Some(parent) = &self.extended else { return Ok(None) };
        let prefix = format!("{}.", self.consumer.name);
        let settings = self.settings()?.explained().into_iter();
        let inherited =
            settings.filter(|it| it.name.starts_with(&prefix) && self.is_inherited(&it.origin));
        let inherited: Vec<Message> =
            inherited.map(|it| message!("`{}` (`{}`)", it.name, it.value)).collect();
        let and = if inherited.is_empty() { "" } else { " and " };
        Ok(Some(message!(
            "The profile `{}` extends `{parent}` and inherits its identity{and}{}. Use `--key-file` or `--identity` to set another one.\n",
            ForeignText::new(self.profile()),
            Message::join(&inherited, ", "),
            parent = ForeignText::new(parent),
            and
        )))
    }

    /// Fails if the service account is unknown. On a virtual machine, it is looked up, unless `--offline` is given.
    fn check_service_account(&self) -> Result<()> {
        let run = self.run()?;
        let Some(hint) = run.lookup_hint() else { return run.service_account().map(drop) };
        let problem = if self.common.offline {
            "the service account to get the ID token for is not set".into()
        } else {
            match run.service_account() {
                Err(error @ Error::Unreached { .. }) => message!("{error}", error),
                found => return found.map(drop),
            }
        };
        Err(Error::Missing { problem, hint })
    }

    /// Identity flags replace the whole identity of the profile; variables only fill in a missing one.
    fn set_identity(&mut self) -> Result<()> {
        let flags = self.context.flags;
        let given = |field: &Field| flags.get(field).map(str::to_owned);
        let mut settings = with_absolute_paths(given, |field| field.flag)?;
        let keys = FIELDS.map(|field| field.key);
        if settings.is_empty() && !self.configuration.has_any(&keys) {
            let given = |field: &Field| self.env().get(field.var());
            settings = with_absolute_paths(given, |field| field.variable)?;
        }
        if settings.is_empty() {
            return Ok(());
        }
        for key in keys {
            match settings.iter().find(|(name, _)| *name == key) {
                Some((_, value)) => self.configuration.set(key, value.as_str()),
                None => self.configuration.remove(key),
            }
        }
        Ok(())
    }

    fn prompt_for_identity(&mut self) -> Result<()> {
        let missing = || {
            Error::Missing {
            problem: "no identity is configured".into(),
            hint: "give `--key-file` with an authorized key, or `--identity`, such as `--identity=metadata` on a virtual machine".into(),
        }
        };
        let Some(terminal) = self.terminal else {
            return self.missing.collect(Err(missing())).map(|_: Option<()>| ());
        };
        terminal.say(
            &"How should yc-id-token authenticate to Yandex Cloud?
- With an authorized key: enter the path of its file. This command creates one:
  yc iam key create --service-account-name NAME --output key.json
- As the account of the `yc` CLI: enter yc-cli.
- As the service account of this virtual machine: press Enter."
                .into(),
        );
        loop {
            let question = "Path of the key file, or type of identity".into();
            let answer = terminal.prompt(&question, Some("metadata")).ok_or_else(missing)?;
            if IdentityKind::read(&answer).is_some() {
                let identity = absolute_identity("the answer", &answer)?;
                self.configuration.set("identity", identity);
            } else {
                // The configuration file supports `~/` too.
                let file = if answer.starts_with("~/") {
                    answer
                } else {
                    absolute_path("the answer", &answer)?
                };
                self.configuration.set("key_file", file);
            }
            match self.run() {
                Ok(_) => return Ok(()),
                Err(error) => terminal.say(&error_lines(&error)),
            }
            self.configuration.remove("key_file");
            self.configuration.remove("identity");
        }
    }
}
