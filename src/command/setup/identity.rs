//! The identity to authenticate with: from flags, from variables, or from a prompt.

use super::paths::{absolute_identity, absolute_path};
use super::{Setup, error_lines};
use crate::error::{Error, Result};
use crate::message;
use crate::settings::schema::{IAM_TOKEN_FILE, IDENTITY, KEY_FILE, SERVICE_ACCOUNT};
use crate::settings::{Field, Flags, IdentityKind};

/// The settings of a profile that configure the identity.
const FIELDS: [Field; 3] = [IDENTITY, KEY_FILE, IAM_TOKEN_FILE];

/// The identity settings that flags give, with absolute paths.
pub(super) fn identity_flags(flags: &Flags) -> Result<Vec<(&'static str, String)>> {
    let given = |field: &Field| flags.get(field).map(str::to_owned);
    with_absolute_paths(given, |field| field.flag)
}

/// The identity settings that `given` gives. `origin` names the flag or variable that a value comes from.
fn with_absolute_paths(
    given: impl Fn(&Field) -> Option<String>,
    origin: impl Fn(&Field) -> &'static str,
) -> Result<Vec<(&'static str, String)>> {
    let mut settings = Vec::new();
    for field in &FIELDS {
        let absolute = if field.key == IDENTITY.key { absolute_identity } else { absolute_path };
        if let Some(value) = given(field) {
            settings.push((field.key, absolute(origin(field), &value)?));
        }
    }
    Ok(settings)
}

impl Setup<'_> {
    /// Resolves the identity, the service account and the connection to Yandex Cloud.
    pub(super) fn resolve_identity(&mut self) -> Result<()> {
        self.set_connection()?;
        // Before the identity: some identities obtain their tokens as this service account.
        self.set_from_flag_or_variable(&SERVICE_ACCOUNT);
        self.set_identity()?;
        if self.settings()?.identity.is_some() {
            self.run()?;
        } else {
            self.ask_identity()?;
        }
        let Err(unknown) = self.check_service_account() else { return Ok(()) };
        let Some(terminal) = self.terminal else { return Err(unknown) };
        match terminal.ask(&"ID of the service account (aje…)".into(), None) {
            Some(account) if !account.is_empty() => {
                self.configuration.set("service_account", &account);
                Ok(())
            }
            _ => Err(unknown),
        }
    }

    /// Fails if the service account is unknown. A machine's own is looked up, if that is allowed and this is the machine.
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
        let mut settings = identity_flags(self.context.flags)?;
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
                Some((_, value)) => self.configuration.set(key, value),
                None => self.configuration.remove(key),
            }
        }
        Ok(())
    }

    fn ask_identity(&mut self) -> Result<()> {
        let missing = || {
            Error::Missing {
            problem: "no identity is configured".into(),
            hint: "give `--key-file` with an authorized key, or `--identity`, such as `--identity=metadata` on a virtual machine".into(),
        }
        };
        let terminal = self.terminal.ok_or_else(missing)?;
        terminal.say(&"How should yc-id-token authenticate to Yandex Cloud? `yc iam key create --output key.json` writes an authorized key; where `yc` is set up, `yc-cli` is enough.".into());
        loop {
            let question = "File of the authorized key, or a kind of identity (none: the service account of this machine)";
            let answer = terminal.ask(&question.into(), None).ok_or_else(missing)?;
            if answer.is_empty() {
                self.configuration.set("identity", "metadata");
            } else if IdentityKind::read(&answer).is_some() {
                let identity = absolute_identity("the answer", &answer)?;
                self.configuration.set("identity", &identity);
            } else {
                // The configuration file supports `~/` too.
                let file = if answer.starts_with("~/") {
                    answer
                } else {
                    absolute_path("the answer", &answer)?
                };
                self.configuration.set("key_file", &file);
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
