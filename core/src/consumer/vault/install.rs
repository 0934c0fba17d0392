//! `vault install-helper`: makes this program the token helper of the `vault` and `bao` CLIs, or removes it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, shown};
use crate::files::edit::{EditedFile, Verify};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::schema::{CONFIG, ERROR_FORMAT, LOG_FILE, PROFILE, VERBOSE};
use crate::settings::{Field, Flags, Settings};

use super::cli_config::{self, CliConfig};
use super::helper::{Helper, exists, is_made_here, profile_in_name};
use super::settings::{ADDRESS, TABLE};
use super::target::normal_address;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Remove the helper and the configuration that names it
    #[arg(long)]
    remove: bool,
    /// Path of the helper, a link or a script [default: ~/.local/bin/yc-id-token-vault, or yc-id-token-vault-PROFILE]
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
}

/// The flags that are part of a helper.
const KEPT: [&Field; 2] = [&PROFILE, &CONFIG];

/// Those flags that are given, as options of a command in a message.
pub(super) fn kept_options(flags: &Flags) -> Message {
    let option = |field: &Field| {
        let value = ForeignText::line(flags.get(field)?).quoted();
        Some(message!(" {}={value}", field.flag, value))
    };
    Message::join(&KEPT.into_iter().filter_map(option).collect::<Vec<_>>(), "")
}

/// The flags that affect only this run.
const OF_RUN: [&Field; 3] = [&VERBOSE, &LOG_FILE, &ERROR_FORMAT];

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let Context { flags, env, locations, consumers, .. } = context;
        if let Some(flag) = flags.first_besides(&[&KEPT[..], &OF_RUN].concat()) {
            return Err(Error::Usage {
                problem: message!("a token helper cannot keep `{flag}`", flag),
                hint:
                    "set it in a profile of the configuration file, and give `--profile` with that"
                        .into(),
            });
        }
        let by_flag = flags.get(&PROFILE).map(str::to_owned);
        let done = if self.remove {
            let is_named =
                self.link.is_some() || KEPT.iter().any(|field| flags.get_os(field).is_some());
            let helper = Helper::new(self.link.as_ref(), by_flag.as_deref(), context)?;
            remove(helper, is_named, &CliConfig::of_both(context)?)?
        } else {
            let profile = by_flag.or_else(|| env.get(PROFILE.var()));
            let helper = Helper::new(self.link.as_ref(), profile.as_deref(), context)?;
            let own = helper.flags();
            // Without its profile, every command of the CLI would fail.
            if own.first_besides(&[]).is_some() {
                Settings::load(&own, env, locations, consumers, &[&TABLE])?;
            }
            HelperInstallation::plan(helper, context)?.carry_out()?
        };
        output.say(&Message::join(&done, "\n"))
    }
}

/// The changes that make this program the token helper of both CLIs.
#[derive(Debug)]
pub struct HelperInstallation {
    helper: Helper,
    configs: Vec<CliConfig>,
}

impl HelperInstallation {
    /// Checks for all conflicts before any change.
    pub fn plan(helper: Helper, context: Context<'_>) -> Result<Self> {
        let plan = Self { helper, configs: CliConfig::of_both(context)? };
        for config in &plan.configs {
            plan.edited(config)?;
        }
        plan.helper.check_free()?;
        Ok(plan)
    }

    /// The same with the helper that the CLIs already have, if that is for another server: it finds the profile for
    /// this address itself.
    #[must_use]
    pub fn or_present(mut self, address: &str, context: Context<'_>) -> Self {
        let Context { env, locations, consumers, .. } = context;
        let mut named = self.configs.iter().map(|config| config.token_helper().ok().flatten());
        let Some(Some(path)) = named.next() else { return self };
        let Some(present) = Helper::of_file(&path).filter(|present| {
            is_made_here(&path)
                && present.config == self.helper.config
                && named.all(|other| other.as_ref() == Some(&path))
        }) else {
            return self;
        };
        let settings = Settings::load(&present.flags(), env, locations, consumers, &[&TABLE]);
        let own = settings.ok().and_then(|settings| normal_address(&settings.own(&ADDRESS)?.value));
        if own.is_some() && own != normal_address(address) {
            self.helper = present;
        }
        self
    }

    /// The changes of the files that do not name the helper yet: the file, its new text, and its reader.
    pub fn changes(&self, context: Context<'_>) -> Result<Vec<(EditedFile, String, Verify)>> {
        let mut changes = Vec::new();
        for config in CliConfig::of_both(context)? {
            let Some(after) = self.edited(&config)? else { continue };
            let (path, helper) = (config.path().to_owned(), self.helper.path.clone());
            let verify = move |text: &str| cli_config::verify(&path, text, Some(&helper));
            changes.push((config.into_file(), after, Box::new(verify) as Verify));
        }
        Ok(changes)
    }

    /// The new text of a configuration, unless it has the helper already.
    fn edited(&self, config: &CliConfig) -> Result<Option<String>> {
        match config.token_helper() {
            Ok(Some(named)) if named == self.helper.path => Ok(None),
            Ok(Some(old)) => {
                let is_made_here =
                    profile_in_name(&old).is_some() && (is_made_here(&old) || !exists(&old));
                if !is_made_here {
                    return Err(has_another(config, &old));
                }
                config.with_helper(&self.helper.path, Some(&old)).map(Some)
            }
            // An invalid line of this program is replaced.
            Ok(None) | Err(_) => config.with_helper(&self.helper.path, None).map(Some),
        }
    }

    /// The path of the helper.
    pub fn path(&self) -> &Path {
        &self.helper.path
    }

    /// Describes the file that must be created, if it must.
    pub fn link_to_make(&self) -> Option<Message> {
        self.helper.wanted()
    }

    /// Creates the file, and describes the change.
    pub fn make_link(&self) -> Result<Message> {
        self.helper.make()
    }

    fn carry_out(&self) -> Result<Vec<Message>> {
        let mut edits = Vec::new();
        for config in &self.configs {
            let after = self.edited(config)?;
            if after.is_some() {
                config.file().check_writable()?;
            }
            edits.push((config, after));
        }
        let helper = &self.helper.path;
        let mut done = vec![self.helper.make()?];
        let mut replaced: Vec<PathBuf> = Vec::new();
        for (config, after) in edits {
            let path = shown(config.path());
            let Some(after) = after else {
                done.push(message!("unchanged  {path} names it already", path));
                continue;
            };
            let old = config.token_helper().ok().flatten();
            config.file().replace(&after, |text| config.verify(text, Some(helper)))?;
            if let Some(old) = &old {
                done.push(message!("removed    from {path}: {}", helper_line(old), path));
            }
            done.push(message!("added      to {path}: {}", helper_line(helper), path));
            replaced.extend(old.filter(|old| !replaced.contains(old)));
        }
        // A helper in another folder may belong to a package or another user.
        for old in
            replaced.iter().filter(|old| old.parent() == helper.parent() && is_made_here(old))
        {
            std::fs::remove_file(old).map_err(|error| Error::unwritten(old, error))?;
            done.push(message!("removed    {}", shown(old)));
        }
        Ok(done)
    }
}

/// Removes the helper that the options name, or every one in the configurations.
fn remove(helper: Helper, is_named: bool, configs: &[CliConfig]) -> Result<Vec<Message>> {
    let mut helpers = Vec::new();
    if !is_named {
        let named = configs.iter().filter_map(|config| config.token_helper().ok().flatten());
        helpers
            .extend(named.filter(|named| profile_in_name(named).is_some() && is_made_here(named)));
        helpers.dedup();
    }
    if helpers.is_empty() {
        helpers.push(helper.path);
    }
    let mut edits = Vec::new();
    for config in configs {
        let named = config.token_helper().ok().flatten();
        let helper =
            named.filter(|named| helpers.contains(named)).unwrap_or_else(|| helpers[0].clone());
        let left = config.without_helper(&helper);
        if left != config.file().text() {
            config.file().check_writable()?;
            config.verify(&left, None)?;
        }
        edits.push((config, helper, left));
    }
    let mut done = Vec::new();
    for (config, helper, left) in edits.iter().filter(|(config, ..)| config.file().exists()) {
        done.push(remove_line(config, helper, left)?);
    }
    for helper in &helpers {
        if !exists(helper) {
            done.push(message!("unchanged  there is no {}", shown(helper)));
            continue;
        }
        if !is_made_here(helper) {
            return Err(Error::unwritten(helper, "there is a file of another program"));
        }
        std::fs::remove_file(helper).map_err(|error| Error::unwritten(helper, error))?;
        done.push(message!("removed    {}", shown(helper)));
    }
    Ok(done)
}

/// Removes the line of a helper. `left` is the rest of the text.
fn remove_line(config: &CliConfig, helper: &Path, left: &str) -> Result<Message> {
    let path = config.path();
    if left == config.file().text() {
        if config.token_helper().is_ok_and(|named| named.as_deref() == Some(helper)) {
            config.verify(left, None)?;
        }
        return Ok(message!("unchanged  {} does not name it", shown(path)));
    }
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if !left.trim().is_empty() || is_link {
        config.file().replace(left, |text| config.verify(text, None))?;
        return Ok(message!("removed    from {}: {}", shown(path), helper_line(helper)));
    }
    match std::fs::remove_file(path) {
        // A file that is a mount point can only be emptied.
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
            config.file().replace("", |text| config.verify(text, None))?;
        }
        removed => removed.map_err(|error| Error::unwritten(path, error))?,
    }
    Ok(message!("removed    {} (it was otherwise empty)", shown(path)))
}

/// The line of the configuration with a helper.
fn helper_line(helper: &Path) -> ForeignText {
    ForeignText::line(&cli_config::line(helper))
}

fn has_another(config: &CliConfig, other: &Path) -> Error {
    Error::Conflict {
        problem: message!(
            "{} names another token helper, `{}`",
            shown(config.path()),
            shown(other)
        ),
        hint: "remove that line if you do not need it; nothing has been changed".into(),
    }
}
