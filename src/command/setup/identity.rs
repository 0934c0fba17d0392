//! The identity to authenticate with: from flags, from variables, or from a person at the terminal.

use super::paths::{absolute, identity_from_everywhere};
use super::{Setup, told_error};
use crate::error::{Error, Result};
use crate::settings::IdentityKind;
use crate::settings::schema::{IAM_TOKEN_FILE, IDENTITY, KEY_FILE, SERVICE_ACCOUNT};

impl Setup<'_> {
    /// Settles who we are towards Yandex Cloud, whose token is wanted, and how the cloud is reached.
    pub(super) fn settle_identity(&mut self) -> Result<()> {
        self.take_over_connection()?;
        // Before the identity: a workload of elsewhere acts as the account whose token is wanted.
        self.take_over(&SERVICE_ACCOUNT);
        self.take_over_identity()?;
        if self.settings()?.identity.is_some() {
            self.run()?;
        } else {
            self.ask_identity()?;
        }
        let Err(unknown) = self.run()?.service_account().map(drop) else { return Ok(()) };
        let Some(terminal) = self.terminal else { return Err(unknown) };
        match terminal.ask(&"ID of the service account (aje…)".into(), None) {
            Some(account) if !account.is_empty() => {
                self.configuration.set("service_account", &account);
                Ok(())
            }
            _ => Err(unknown),
        }
    }

    /// What flags say of who we are takes the place of all that the profile says; what variables say, only
    /// where that says nothing.
    fn take_over_identity(&mut self) -> Result<()> {
        let fields = [IDENTITY, KEY_FILE, IAM_TOKEN_FILE];
        let (flags, env) = (self.context.flags, self.env());
        let mut given = fields.map(|field| flags.get(&field).map(str::to_owned));
        let mut origins = fields.map(|field| field.flag);
        if given.iter().all(Option::is_none) {
            if self.configuration.has_any(&fields.map(|field| field.key)) {
                return Ok(());
            }
            given = fields.map(|field| env.get(field.var()));
            origins = fields.map(|field| field.variable);
        }
        if given.iter().all(Option::is_none) {
            return Ok(());
        }
        for ((field, value), origin) in fields.iter().zip(given).zip(origins) {
            match value {
                Some(name) if field.key == IDENTITY.key => {
                    self.configuration.set(field.key, &identity_from_everywhere(origin, &name)?);
                }
                Some(file) => self.configuration.set(field.key, &absolute(origin, &file)?),
                None => self.configuration.remove(field.key),
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
                let identity = identity_from_everywhere("the answer", &answer)?;
                self.configuration.set("identity", &identity);
            } else {
                // Our configuration knows the home folder by this sign too.
                let file = if answer.starts_with("~/") {
                    answer
                } else {
                    absolute("the answer", &answer)?
                };
                self.configuration.set("key_file", &file);
            }
            match self.run() {
                Ok(_) => return Ok(()),
                Err(error) => terminal.say(&told_error(&error)),
            }
            self.configuration.remove("key_file");
            self.configuration.remove("identity");
        }
    }
}
