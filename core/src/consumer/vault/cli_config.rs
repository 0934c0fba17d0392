//! The configuration of the `vault` and `bao` CLIs: a file with one setting, the path of a token helper ("Token
//! helpers" in their documentation).

use std::path::{Path, PathBuf};

use crate::env::{self, Var};
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::Message;
use crate::message;
use crate::private_file::{self, Unread};
use crate::run::Context;
use crate::secret_file;
use crate::settings::Flags;

use super::super::Warning;
use super::hcl;
use super::helper::{Helper, profile_in_name};
use super::install::kept_options;
use super::token_helper::check_profile;

const WHAT: &str = "the configuration of the Vault CLI";

const LIMIT: u64 = 64 * 1024;

const VAULT: &[Var] = &[env::VAULT_OWN_CONFIG_PATH];
const BAO: &[Var] = &[env::BAO_OWN_CONFIG_PATH, env::VAULT_OWN_CONFIG_PATH];

/// The configuration file of one CLI, which need not exist.
#[derive(Debug)]
pub(super) struct CliConfig {
    file: EditedFile,
}

/// A token helper in the configuration of a CLI.
#[derive(Debug)]
pub struct VaultHelper {
    /// The configuration file.
    pub config: PathBuf,
    pub helper: PathBuf,
    /// Whether it is this program.
    pub is_this_program: bool,
}

impl VaultHelper {
    /// Fails unless a CLI can read the text of its configuration.
    pub fn check_readable(path: &Path, text: &str) -> Result<()> {
        parse(path, text, "correct that line: the CLI cannot read the file").map(drop)
    }

    /// Whether its name is one of this program's token helpers.
    pub fn has_name(&self) -> bool {
        profile_in_name(&self.helper).is_some()
    }

    /// The flags with which it runs this program.
    pub fn flags(&self) -> Flags {
        Helper::of_file(&self.helper).map_or_else(Flags::default, |helper| helper.flags())
    }

    /// The command that installs it, for messages.
    pub fn installation(&self) -> Message {
        message!("`yc-id-token vault install-helper{}`", kept_options(&self.flags()))
    }

    /// The problems that keep the CLI from getting a token from this helper. Fails if the helper's profile cannot be
    /// used.
    pub fn check(&self, context: Context<'_>) -> Result<Vec<Warning>> {
        check_profile(Context { flags: &self.flags(), ..context })
    }

    /// The configuration files of the `vault` and `bao` CLIs, whether they exist or not.
    pub fn places(context: Context<'_>) -> [Option<PathBuf>; 2] {
        CliConfig::places(context)
    }

    /// The configurations of both CLIs. An invalid one is an error of its own.
    pub fn all(context: Context<'_>) -> Vec<Result<Self>> {
        let helper = |path: PathBuf| {
            let config = CliConfig::read(&path)?;
            let helper = config.token_helper()?;
            Ok(helper.map(|helper| {
                let is_this_program = is_this_program(&helper);
                Self { config: path, helper, is_this_program }
            }))
        };
        CliConfig::paths(context).into_iter().filter_map(|path| helper(path).transpose()).collect()
    }
}

impl CliConfig {
    pub(super) fn of_both(context: Context<'_>) -> Result<Vec<Self>> {
        Self::paths(context).iter().map(|path| Self::read(path)).collect()
    }

    /// Neither CLI reads the other's file, but variables can set the same one for both.
    fn paths(context: Context<'_>) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Self::places(context).into_iter().flatten().collect();
        paths.dedup();
        paths
    }

    fn places(context: Context<'_>) -> [Option<PathBuf>; 2] {
        let Context { env, .. } = context;
        let set_path = |vars: &[Var]| match vars {
            [bao, vault] => env.first([*bao, *vault]).map(|(_, path)| PathBuf::from(path)),
            [var, ..] => env.get_os(*var).map(PathBuf::from),
            [] => None,
        };
        let default = |name: &str| Some(home_of_cli(context)?.join(name));
        let place = |vars: &[Var], name: &str| set_path(vars).or_else(|| default(name));
        [place(VAULT, ".vault"), place(BAO, ".bao")]
    }

    fn read(path: &Path) -> Result<Self> {
        // Security: the file names a program, which receives the token.
        match private_file::read_settings(path, LIMIT) {
            Err(Unread::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(problem) => return Err(secret_file::unread_settings(WHAT, path, problem)),
            Ok(_) => {}
        }
        Ok(Self { file: EditedFile::open(WHAT, path)? })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) const fn file(&self) -> &EditedFile {
        &self.file
    }

    pub(super) fn into_file(self) -> EditedFile {
        self.file
    }

    /// Its token helper. An invalid file is an error.
    pub(super) fn token_helper(&self) -> Result<Option<PathBuf>> {
        if self.file.has_byte_order_mark() {
            return Err(Error::Config {
                path: self.path().to_owned(),
                line: 1,
                problem: "the file begins with a byte order mark, which the CLI rejects".into(),
                hint: Some("save it as UTF-8 without a byte order mark".into()),
            });
        }
        let hint = "correct that line, or replace it with `yc-id-token vault install-helper`: the CLI cannot read the file";
        parse(self.path(), self.file.text(), hint)
    }

    /// Its text with a token helper, which replaces the line with `old`, or an invalid line for the same.
    pub(super) fn with_helper(&self, helper: &Path, old: Option<&Path>) -> Result<String> {
        if self.file.has_byte_order_mark() {
            self.token_helper()?;
        }
        // A line with an empty helper would be a duplicate.
        let is_empty = |line: &str| {
            line.trim_start().starts_with(hcl::TOKEN_HELPER)
                && matches!(hcl::token_helper(line), Ok(None))
        };
        let mut text = self.without_helper(old.unwrap_or(helper));
        if verify(self.path(), &text, None).is_ok() {
            text = text.split_inclusive('\n').filter(|line| !is_empty(line)).collect();
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text = text + &line(helper) + "\n";
        self.verify(&text, Some(helper))?;
        Ok(text)
    }

    /// Its text without the line of this token helper.
    pub(super) fn without_helper(&self, helper: &Path) -> String {
        let text = self.file.text();
        if matches!(hcl::token_helper(text), Ok(None)) {
            return text.to_owned();
        }
        // Older versions of this program wrote the path without escapes, which no CLI can read on Windows.
        let unescaped = format!("token_helper = \"{}\"", helper.display());
        let is_it = |line: &str| {
            line.trim() == unescaped
                || hcl::token_helper(line).is_ok_and(|path| path.as_deref() == helper.to_str())
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let found: Vec<usize> = (0..lines.len()).filter(|at| is_it(lines[*at])).collect();
        let without = |found: &[usize]| -> String {
            let rest = lines.iter().enumerate().filter(|(at, _)| !found.contains(at));
            rest.map(|(_, line)| *line).collect()
        };
        // If there is another one, a line in a comment stays.
        let one = found.iter().map(|at| without(&[*at]));
        let mut one = one.filter(|text| matches!(hcl::token_helper(text), Ok(None)));
        one.next().unwrap_or_else(|| without(&found))
    }

    /// Fails unless a CLI reads this helper, or none, from a new text.
    pub(super) fn verify(&self, text: &str, helper: Option<&Path>) -> Result<()> {
        verify(self.path(), text, helper)
    }
}

/// The home folder of the CLIs (go-homedir). HOME has precedence, on Windows too.
pub(super) fn home_of_cli(context: Context<'_>) -> Option<PathBuf> {
    let by_variable = if cfg!(windows) { context.env.get_os(env::HOME) } else { None };
    by_variable.map(PathBuf::from).or_else(|| context.locations.home.clone())
}

/// Fails unless a CLI reads this helper, or none, from a text.
pub(super) fn verify(path: &Path, text: &str, helper: Option<&Path>) -> Result<()> {
    let hint = "correct that line: the CLI cannot read the file; nothing has been changed";
    if parse(path, text, hint)?.as_deref() == helper {
        return Ok(());
    }
    Err(Error::Conflict {
        problem: message!(
            "cannot edit `{}`: its syntax is not one that this program can edit",
            shown(path)
        ),
        hint: "edit `token_helper` by hand; nothing has been changed".into(),
    })
}

fn parse(path: &Path, text: &str, hint: &'static str) -> Result<Option<PathBuf>> {
    let helper = hcl::token_helper(text).map_err(|fault| Error::Config {
        path: path.to_owned(),
        line: fault.line,
        problem: fault.problem,
        hint: Some(hint.into()),
    })?;
    Ok(helper.map(PathBuf::from))
}

/// The line for a token helper. Its path must be UTF-8.
pub(super) fn line(helper: &Path) -> String {
    hcl::line(&helper.to_string_lossy())
}

/// Whether a token helper is this program.
pub(super) fn is_this_program(helper: &Path) -> bool {
    let same = |one: &Path, other: &Path| matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other);
    profile_in_name(helper).is_some()
        || std::env::current_exe().is_ok_and(|program| same(helper, &program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path, text: &str) -> CliConfig {
        let path = folder.join("config");
        crate::private_file::write(&path, text.as_bytes()).unwrap();
        CliConfig::read(&path).unwrap()
    }

    #[test]
    fn an_added_line_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let helper = Path::new("C:\\Users\\x\\helper");
        for before in ["", "# mine\n"] {
            let with = config(folder.path(), before).with_helper(helper, None).unwrap();
            let with = config(folder.path(), &with);
            assert_eq!(with.token_helper().unwrap().as_deref(), Some(helper));
            assert_eq!(with.without_helper(helper), before);
            assert_eq!(with.without_helper(Path::new("/other")), with.file().text());
        }
    }

    #[test]
    fn an_empty_line_is_replaced_and_a_comment_stays() {
        let folder = tempfile::tempdir().unwrap();
        let helper = Path::new("/h");
        let line = "token_helper = \"/h\"\n";
        for (before, rest) in [
            ("# mine\ntoken_helper = \"\"\n".to_owned(), "# mine\n".to_owned()),
            (format!("/*\n{line}*/\n"), format!("/*\n{line}*/\n")),
        ] {
            let without = config(folder.path(), &before);
            let after = without.with_helper(helper, None).unwrap();
            assert_eq!(after, rest.clone() + line);
            assert_eq!(without.without_helper(helper), before);
            assert_eq!(config(folder.path(), &after).without_helper(helper), rest);
        }
    }

    #[test]
    fn an_unreadable_line_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let helper = Path::new("C:\\Users\\x\\helper");
        let broken = config(folder.path(), "# mine\ntoken_helper = \"C:\\Users\\x\\helper\"\n");
        let error = broken.token_helper().unwrap_err().to_string();
        assert!(error.contains("config:2: `\\U` is not an escape"), "{error}");
        let after = broken.with_helper(helper, None).unwrap();
        assert_eq!(after, "# mine\ntoken_helper = \"C:\\\\Users\\\\x\\\\helper\"\n");
        // A line of HCL cannot be added to JSON.
        assert!(config(folder.path(), "{}").with_helper(helper, None).is_err());
    }
}
