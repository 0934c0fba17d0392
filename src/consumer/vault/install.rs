//! `vault install-helper`: this program as the token helper of the `vault` and `bao` CLIs, and back.

use std::path::{Path, PathBuf};

use crate::error::{Cause, Error, Result, shown};
use crate::files::edit::{EditedFile, Verify};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::run::Context;

use super::cli_config::{self, CliConfig, HELPER};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Undo it
    #[arg(long)]
    remove: bool,
    /// The link to make [default: ~/.local/bin/yc-id-token-vault]
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
        let done = if self.remove {
            let link = link_path(self.link.as_ref(), context)?;
            remove(&link, &CliConfig::of_both(context)?)?
        } else {
            HelperInstallation::plan(self.link.as_ref(), context)?.carry_out()?
        };
        output.say(&Message::join(&done, "\n"))
    }
}

/// What makes this program the token helper of both CLIs.
#[derive(Debug)]
pub(crate) struct HelperInstallation {
    link: PathBuf,
    configs: Vec<CliConfig>,
}

impl HelperInstallation {
    /// Looks at all that can be in the way before anything is changed. `link` is where the link is to be, if
    /// not in its usual place.
    pub(crate) fn plan(link: Option<&PathBuf>, context: Context<'_>) -> Result<Self> {
        let link = link_path(link, context)?;
        let configs = CliConfig::of_both(context)?;
        for config in &configs {
            match config.token_helper() {
                Ok(Some(other)) if other != link => return Err(has_another(config, &other)),
                Ok(Some(_)) => {}
                // A line of this program's that is broken is made anew.
                Ok(None) | Err(_) => drop(config.with_helper(&link)?),
            }
        }
        if std::fs::symlink_metadata(&link).is_ok() && !is_link_of_ours(&link) {
            return Err(is_something_else(&link));
        }
        Ok(Self { link, configs })
    }

    /// The changes of the files that do not name it yet: the file, its new text, and its reader.
    pub(crate) fn changes(
        &self,
        context: Context<'_>,
    ) -> Result<Vec<(EditedFile, String, Verify)>> {
        let mut changes = Vec::new();
        for config in CliConfig::of_both(context)? {
            if self.is_named_in(&config) {
                continue;
            }
            let (after, path) = (config.with_helper(&self.link)?, config.path().to_owned());
            let link = self.link.clone();
            let verify = move |text: &str| cli_config::verify(&path, text, Some(&link));
            changes.push((config.into_file(), after, Box::new(verify) as Verify));
        }
        Ok(changes)
    }

    fn is_named_in(&self, config: &CliConfig) -> bool {
        matches!(config.token_helper(), Ok(Some(helper)) if helper == self.link)
    }

    /// The link that has to be made, if it has, in words.
    pub(crate) fn wanted_link(&self) -> Option<Message> {
        let program = std::env::current_exe().ok()?;
        let is_there = system::leads_to(&self.link, &program);
        (!is_there).then(|| message!("link {} -> {}", shown(&self.link), shown(&program)))
    }

    /// Makes the link, and tells what was done.
    pub(crate) fn make_link(&self) -> Result<Message> {
        make_link(&self.link)
    }

    fn carry_out(&self) -> Result<Vec<Message>> {
        for config in self.configs.iter().filter(|config| !self.is_named_in(config)) {
            config.file().check_writable()?;
        }
        let mut done = vec![self.make_link()?];
        for config in &self.configs {
            let path = shown(config.path());
            if self.is_named_in(config) {
                done.push(message!("unchanged  {path} names it already", path));
                continue;
            }
            let after = config.with_helper(&self.link)?;
            config.file().replace(&after, |text| config.verify(text, Some(&self.link)))?;
            done.push(message!("added      to {path}: {}", helper_line(&self.link), path));
        }
        Ok(done)
    }
}

fn link_path(given: Option<&PathBuf>, context: Context<'_>) -> Result<PathBuf> {
    let home = context.locations.home.as_ref();
    let default = || Some(home?.join(".local").join("bin").join(HELPER));
    let link = given.cloned().or_else(default).ok_or_else(|| Error::Missing {
        problem: "there is no home folder to make the link in".into(),
        hint: "give `--link`".into(),
    })?;
    let link = std::path::absolute(&link).map_err(|error| Error::unwritten(link, error))?;
    // OpenBao and older Vaults run it through a shell, which would take the path apart.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/\\:._-+@,".contains(c);
    if !link.to_str().is_some_and(|text| text.chars().all(is_plain)) {
        return Err(Error::Usage {
            problem: message!(
                "`{}` cannot be the path of a token helper: the CLI passes it to a shell",
                shown(&link)
            ),
            hint: "give `--link` with a path without spaces and special characters".into(),
        });
    }
    if link.file_stem() != Path::new(HELPER).file_stem() {
        return Err(Error::Usage {
            problem: message!("`{}` is not named yc-id-token-vault", shown(&link)),
            hint: "the program knows by this name what it is to do".into(),
        });
    }
    Ok(link)
}

fn remove(link: &Path, configs: &[CliConfig]) -> Result<Vec<Message>> {
    let lefts: Vec<String> = configs.iter().map(|config| config.without_helper(link)).collect();
    for (config, left) in configs.iter().zip(&lefts) {
        if left != config.file().text() {
            config.file().check_writable()?;
            config.verify(left, None)?;
        }
    }
    let mut done = Vec::new();
    for (config, left) in configs.iter().zip(&lefts) {
        let path = config.path();
        if !config.file().exists() {
            continue;
        }
        if left == config.file().text() {
            if config.token_helper().is_ok_and(|helper| helper.as_deref() == Some(link)) {
                config.verify(left, None)?;
            }
            done.push(message!("unchanged  {} does not name it", shown(path)));
        } else if left.trim().is_empty() && !is_symlink(path) {
            match std::fs::remove_file(path) {
                // A file that is mounted by itself can only be emptied.
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    config.file().replace("", |text| config.verify(text, None))?;
                }
                removed => removed.map_err(|error| Error::unwritten(path, error))?,
            }
            done.push(message!("removed    {}, in which nothing else stood", shown(path)));
        } else {
            config.file().replace(left, |text| config.verify(text, None))?;
            done.push(message!("removed    from {}: {}", shown(path), helper_line(link)));
        }
    }
    match std::fs::symlink_metadata(link) {
        Ok(_) if !is_link_of_ours(link) => return Err(is_something_else(link)),
        Ok(_) => {
            std::fs::remove_file(link).map_err(|error| Error::unwritten(link, error))?;
            done.push(message!("removed    {}", shown(link)));
        }
        Err(_) => done.push(message!("unchanged  there is no {}", shown(link))),
    }
    Ok(done)
}

/// The line of the configuration that names a helper.
fn helper_line(helper: &Path) -> ForeignText {
    ForeignText::line(&cli_config::line(helper))
}

fn make_link(link: &Path) -> Result<Message> {
    let program = std::env::current_exe().map_err(|error| {
        Error::Internal(Cause::from(error).context("cannot find this program's file"))
    })?;
    if std::fs::symlink_metadata(link).is_ok() {
        if system::leads_to(link, &program) {
            return Ok(message!("unchanged  {} leads to {}", shown(link), shown(&program)));
        }
        if !is_link_of_ours(link) {
            return Err(is_something_else(link));
        }
        std::fs::remove_file(link).map_err(|error| Error::unwritten(link, error))?;
    } else if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::unwritten(folder, error))?;
    }
    system::link(&program, link).map_err(|error| Error::unwritten(link, error))?;
    Ok(message!("made       {}, which leads to {}", shown(link), shown(&program)))
}

/// Whether what is there was made here: a link, wherever it leads by now; on Windows, the copy.
fn is_link_of_ours(link: &Path) -> bool {
    cfg!(windows) || is_symlink(link)
}

fn is_symlink(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn has_another(config: &CliConfig, other: &Path) -> Error {
    Error::Conflict {
        problem: message!(
            "{} names another token helper, `{}`",
            shown(config.path()),
            shown(other)
        ),
        hint: "take that line out if you do not need it; nothing has been changed".into(),
    }
}

fn is_something_else(link: &Path) -> Error {
    Error::unwritten(link, "there is a file of another program")
}

#[cfg(unix)]
mod system {
    use std::path::Path;

    pub(super) fn link(program: &Path, link: &Path) -> std::io::Result<()> {
        std::os::unix::fs::symlink(program, link)
    }

    pub(super) fn leads_to(link: &Path, program: &Path) -> bool {
        std::fs::read_link(link).is_ok_and(|target| target == program)
    }
}

#[cfg(windows)]
mod system {
    use std::path::Path;

    /// Links are for administrators here.
    pub(super) fn link(program: &Path, link: &Path) -> std::io::Result<()> {
        std::fs::copy(program, link).map(|_| ())
    }

    /// A copy may be of an older version.
    pub(super) fn leads_to(_: &Path, _: &Path) -> bool {
        false
    }
}
