//! The file that the `vault` and `bao` CLIs run as their token helper.
//!
//! They run it without options, so its name contains its profile: `yc-id-token-vault-PROFILE`, or `yc-id-token-vault`
//! for the default profile. It is a link to this program; on Windows, where links need an administrator, a copy. A
//! link does not slow down the CLI. A configuration file outside of the default place does not fit into a name. Then
//! the file is a script, which runs this program with options.

use std::path::{Path, PathBuf};

use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::run::Context;
use crate::settings::Flags;
use crate::settings::schema::{CONFIG, PROFILE};
use crate::shell::quoted;

const NAME: &str = "yc-id-token-vault";

/// The beginning of a script, which identifies it.
const SCRIPT: &str = "#!/bin/sh
# The token helper of the vault and bao CLIs, written by `yc-id-token vault install-helper`.
exec ";

/// More than any script.
const LIMIT: u64 = 64 * 1024;

/// The profile in a helper's file name, empty for one without; `None` if it is not a helper's name.
pub(in crate::consumer) fn profile_in_name(file: &Path) -> Option<&str> {
    if file.file_stem()? == NAME {
        return Some("");
    }
    let name = file.file_name()?.to_str()?.strip_prefix(NAME)?.strip_prefix('-')?;
    let name = if cfg!(windows) { name.strip_suffix(".exe").unwrap_or(name) } else { name };
    (!name.is_empty()).then_some(name)
}

/// A token helper, which need not exist.
#[derive(Debug)]
pub struct Helper {
    pub(super) path: PathBuf,
    profile: Option<String>,
    /// Its configuration file, if that is not in the default place.
    pub(super) config: Option<PathBuf>,
}

impl Helper {
    /// The helper for a profile and the configuration file of this run. `link` is its path, if not the default one.
    pub fn new(
        link: Option<&PathBuf>,
        profile: Option<&str>,
        context: Context<'_>,
    ) -> Result<Self> {
        let locations = context.locations;
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|error| Error::unwritten(path, error))
        };
        let config = context.flags.config_asked_for(context.env, locations);
        let config = config.map(absolute).transpose()?;
        let config = config.filter(|config| Some(config) != locations.config_file.as_ref());
        let name = profile.map_or(NAME.to_owned(), |profile| format!("{NAME}-{profile}"));
        let default = || {
            let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
            Some(locations.home.as_ref()?.join(".local").join("bin").join(name))
        };
        let path = link.cloned().or_else(default).ok_or_else(|| Error::Missing {
            problem: "there is no home folder for the link".into(),
            hint: "give `--link`".into(),
        })?;
        let path = absolute(path)?;
        check_path(&path, profile)?;
        let Some(in_name) = profile_in_name(&path)
            .filter(|in_name| profile.is_none_or(|profile| profile == *in_name))
        else {
            return Err(Error::Usage {
                problem: message!("`{}` is not named {}", shown(&path), ForeignText::new(&name)),
                hint: "by this name, the program knows that it is a token helper, and its profile"
                    .into(),
            });
        };
        let profile = Some(in_name.to_owned()).filter(|profile| !profile.is_empty());
        if let Some(config) = &config {
            check_config(config)?;
        }
        Ok(Self { path, profile, config })
    }

    /// The helper in a file, by its name and, for a script, by its text. `None` if the name is not a helper's.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        let profile = Some(profile_in_name(path)?.to_owned()).filter(|profile| !profile.is_empty());
        let config = script(path).and_then(|script| config_of(&script));
        Some(Self { path: path.to_owned(), profile, config })
    }

    /// The flags with which it runs this program.
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        if let Some(profile) = &self.profile {
            flags = flags.with(&PROFILE, profile);
        }
        match &self.config {
            Some(config) => flags.with(&CONFIG, config),
            None => flags,
        }
    }

    /// Whether the file exists and runs this program correctly.
    fn is_current(&self, program: &Path) -> bool {
        if self.config.is_none() {
            return system::leads_to(&self.path, program);
        }
        script(&self.path).is_some_and(|text| text == self.script(program))
    }

    /// Describes the file that must be created, if it must.
    pub(super) fn wanted(&self) -> Option<Message> {
        let program = std::env::current_exe().ok()?;
        let (kind, of) = if self.config.is_none() { system::KIND } else { ("script", "->") };
        (!self.is_current(&program))
            .then(|| message!("{kind} {} {of} {}", shown(&self.path), shown(&program), kind, of))
    }

    /// Creates the file, and describes the change.
    pub(super) fn make(&self) -> Result<Message> {
        let path = &self.path;
        let unwritten = |error| Error::unwritten(path, error);
        let program = std::env::current_exe().map_err(|error| {
            Error::Internal(Cause::from(error).context("cannot find this program's file"))
        })?;
        let how = if self.config.is_none() { system::HOW } else { "is a script that runs" };
        if self.is_current(&program) {
            return Ok(message!("unchanged  {} {how} {}", shown(path), shown(&program), how));
        }
        self.check_free()?;
        if exists(path) {
            std::fs::remove_file(path).map_err(unwritten)?;
        } else if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::unwritten(folder, error))?;
        }
        if self.config.is_none() {
            system::link(&program, path).map_err(unwritten)?;
        } else {
            system::write_script(path, &self.script(&program)).map_err(unwritten)?;
        }
        Ok(message!("made       {}, which {how} {}", shown(path), shown(&program), how))
    }

    /// Fails if another program's file is at its path.
    pub(super) fn check_free(&self) -> Result<()> {
        if exists(&self.path) && !is_made_here(&self.path) {
            return Err(Error::unwritten(&self.path, "there is a file of another program"));
        }
        Ok(())
    }

    fn script(&self, program: &Path) -> String {
        let word = |path: &Path| quoted(&path.to_string_lossy());
        let mut text = format!("{SCRIPT}{} vault token-helper", word(program));
        if let Some(profile) = &self.profile {
            text = text + " --profile=" + &quoted(profile);
        }
        if let Some(config) = &self.config {
            text = text + " --config=" + &word(config);
        }
        text + " \"$@\"\n"
    }
}

/// OpenBao and older Vaults run it through a shell, which would split other paths.
fn check_path(path: &Path, profile: Option<&str>) -> Result<()> {
    let is_plain = |text: &str, more: &str| {
        text.chars().all(|c| c.is_alphanumeric() || "._-+@,".contains(c) || more.contains(c))
    };
    if let Some(profile) = profile.filter(|profile| !is_plain(profile, "")) {
        return Err(Error::Usage {
            problem: message!(
                "the profile `{}` cannot be that of a token helper: its name becomes part of the helper's path, which the CLI passes to a shell",
                ForeignText::new(profile)
            ),
            hint: "give the profile a name of letters, digits, `.`, `_` and `-`".into(),
        });
    }
    // Windows has short names, such as `JANEDO~1`, for folders with a space.
    let marks = if cfg!(windows) { "/\\:~" } else { "/\\:" };
    if path.to_str().is_some_and(|text| is_plain(text, marks)) {
        return Ok(());
    }
    Err(Error::Usage {
        problem: message!(
            "`{}` cannot be the path of a token helper: the CLI passes it to a shell",
            shown(path)
        ),
        hint: if cfg!(windows) {
            "give `--link` with a path without spaces and special characters; `cmd /c dir /x` shows the short name of a folder, such as `JANEDO~1`".into()
        } else {
            "give `--link` with a path without spaces and special characters".into()
        },
    })
}

fn check_config(config: &Path) -> Result<()> {
    if cfg!(windows) {
        return Err(Error::Usage {
            problem: "on Windows, a token helper cannot keep a configuration file".into(),
            hint: "use the default configuration file, or set YC_ID_TOKEN_CONFIG for the CLI and leave out `--config`".into(),
        });
    }
    if config.to_str().is_some_and(|text| !text.contains(char::is_control)) {
        return Ok(());
    }
    Err(Error::Usage {
        problem: message!("`{}` cannot be the configuration file of a token helper", shown(config)),
        hint: "give it a name in UTF-8 without control characters".into(),
    })
}

/// Whether this program created a file: a link, even to another target by now, or a script; on Windows, the copy.
pub(super) fn is_made_here(path: &Path) -> bool {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    profile_in_name(path).is_some() && (cfg!(windows) || is_link || script(path).is_some())
}

pub(super) fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// The text of a script that this program created.
fn script(path: &Path) -> Option<String> {
    if cfg!(windows) || !path.is_file() {
        return None;
    }
    let text = String::from_utf8(private_file::read_plain(path, LIMIT).ok()?).ok()?;
    text.starts_with(SCRIPT).then_some(text)
}

/// The configuration file in a script of [`Helper::script`].
fn config_of(script: &str) -> Option<PathBuf> {
    let word = script.split_once(" --config=")?.1.strip_suffix(" \"$@\"\n")?;
    let inner = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
    Some(inner.map_or(word.to_owned(), |inner| inner.replace(r"'\''", "'")).into())
}

#[cfg(unix)]
mod system {
    use std::fs::Permissions;
    use std::io::Result;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use crate::private_file;

    pub(super) const KIND: (&str, &str) = ("link", "->");

    pub(super) const HOW: &str = "leads to";

    pub(super) fn link(program: &Path, link: &Path) -> Result<()> {
        std::os::unix::fs::symlink(program, link)
    }

    pub(super) fn leads_to(link: &Path, program: &Path) -> bool {
        std::fs::read_link(link).is_ok_and(|target| target == program)
    }

    pub(super) fn write_script(path: &Path, text: &str) -> Result<()> {
        private_file::write(path, text.as_bytes())?;
        std::fs::set_permissions(path, Permissions::from_mode(0o755))
    }
}

#[cfg(windows)]
mod system {
    use std::io::Result;
    use std::path::Path;

    use crate::private_file;

    pub(super) const KIND: (&str, &str) = ("copy", "of");

    pub(super) const HOW: &str = "is a copy of";

    /// Links need an administrator on Windows.
    pub(super) fn link(program: &Path, link: &Path) -> Result<()> {
        std::fs::copy(program, link).map(|_| ())
    }

    /// A copy may be of an older version.
    pub(super) fn leads_to(copy: &Path, program: &Path) -> bool {
        let (copy, program) = (std::fs::read(copy), std::fs::read(program));
        matches!((copy, program), (Ok(copy), Ok(program)) if copy == program)
    }

    /// Never called: `check_config` refuses it.
    pub(super) fn write_script(path: &Path, text: &str) -> Result<()> {
        private_file::write(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_helper_contains_its_profile() {
        for (file, profile) in [
            ("/opt/bin/yc-id-token-vault", Some("")),
            ("yc-id-token-vault.exe", Some("")),
            ("bin/yc-id-token-vault-prod", Some("prod")),
            ("yc-id-token-vault-vault.example-8200", Some("vault.example-8200")),
            ("yc-id-token-vault-", None),
            ("yc-id-token-vaults", None),
            ("yc-id-token", None),
        ] {
            assert_eq!(profile_in_name(Path::new(file)), profile, "{file}");
        }
    }

    #[test]
    fn a_helpers_path_can_contain_letters_of_any_script() {
        for (path, is_right) in [
            ("/home/иван/.local/bin/yc-id-token-vault", true),
            (r"C:\Users\José\.local\bin\yc-id-token-vault.exe", true),
            ("/home/i van/yc-id-token-vault", false),
            ("/home/$(id)/yc-id-token-vault", false),
            ("/home/a\u{a0}b/yc-id-token-vault", false),
        ] {
            assert_eq!(check_path(Path::new(path), None).is_ok(), is_right, "{path}");
        }
    }

    #[test]
    fn the_configuration_file_of_a_script_is_read_back() {
        for config in ["/etc/c.toml", "/it's a/c --config=x.toml"] {
            for profile in [None, Some("prod".to_owned())] {
                let (path, config) = ("/h/yc-id-token-vault".into(), Some(PathBuf::from(config)));
                let helper = Helper { path, profile, config };
                let text = helper.script(Path::new("/opt/my programs/yc-id-token"));
                assert!(
                    text.starts_with(SCRIPT)
                        && text.contains("'/opt/my programs/yc-id-token' vault token-helper")
                );
                assert_eq!(config_of(&text), helper.config, "{text}");
            }
        }
    }
}
