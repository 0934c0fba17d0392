//! The configuration of the `vault` and `bao` CLIs: a file of HCL in which nothing but the path of a token
//! helper may stand ("Token helpers" in either's documentation).
//!
//! ```text
//! token_helper = "/usr/local/bin/yc-id-token-vault"
//! ```

use std::path::{Path, PathBuf};

use crate::env::{self, Env, Var};
use crate::error::Result;
use crate::private_file::{self, Unread};
use crate::secret_file;
use crate::settings::Locations;

use super::install;

const WHAT: &str = "the configuration of the Vault CLI";

const LIMIT: u64 = 64 * 1024;

const VAULT: &[Var] = &[env::VAULT_OWN_CONFIG_PATH];
const BAO: &[Var] = &[env::BAO_OWN_CONFIG_PATH, env::VAULT_OWN_CONFIG_PATH];

/// The configuration file of one CLI, which need not exist.
#[derive(Debug)]
pub(super) struct CliConfig {
    pub(super) path: PathBuf,
    pub(super) text: Option<String>,
}

/// A token helper that one of the CLIs is told to ask.
#[derive(Debug)]
pub(crate) struct VaultHelper {
    /// The configuration that says so.
    pub(crate) config: PathBuf,
    /// Its path.
    pub(crate) helper: PathBuf,
    /// Whether it is this program.
    pub(crate) is_ours: bool,
}

impl VaultHelper {
    /// Those of both CLIs.
    pub(crate) fn all(env: &Env) -> Result<Vec<Self>> {
        let helpers = CliConfig::of_both(env)?.into_iter().filter_map(|config| {
            let helper = config.token_helper()?;
            let is_ours = install::is_ourselves(&helper);
            Some(Self { config: config.path, helper, is_ours })
        });
        Ok(helpers.collect())
    }
}

impl CliConfig {
    /// Those of both CLIs. Neither reads the other's, but both can be told to read the same.
    pub(super) fn of_both(env: &Env) -> Result<Vec<Self>> {
        let home = Locations::of_system().home;
        let told = |vars: &[Var]| match vars {
            [bao, vault] => env.first([*bao, *vault]).map(|(_, path)| PathBuf::from(path)),
            [var, ..] => env.get_os(*var).map(PathBuf::from),
            [] => None,
        };
        let place =
            |vars: &[Var], name: &str| told(vars).or_else(|| Some(home.as_ref()?.join(name)));
        let mut paths: Vec<PathBuf> =
            [place(VAULT, ".vault"), place(BAO, ".bao")].into_iter().flatten().collect();
        paths.dedup();
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Result<Self> {
        // Security: it names a program, which is given the token.
        let text = match private_file::read_settings(&path, LIMIT) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(Unread::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(problem) => return Err(secret_file::unread_settings(WHAT, &path, problem)),
        };
        Ok(Self { path, text })
    }

    /// The token helper that it names.
    pub(super) fn token_helper(&self) -> Option<PathBuf> {
        token_helper(self.text.as_deref()?).map(PathBuf::from)
    }

    /// Its text with a token helper, if that is what it lacks.
    pub(super) fn with_helper(&self, helper: &Path) -> String {
        let mut text = self.text.clone().unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text + &line(helper) + "\n"
    }

    /// Its text without the line that names this token helper, as [`Self::with_helper`] writes it.
    pub(super) fn without_helper(&self, helper: &Path) -> String {
        let ours = line(helper);
        let lines = self.text.as_deref().unwrap_or_default().split_inclusive('\n');
        lines.filter(|line| line.trim() != ours).collect()
    }
}

fn line(helper: &Path) -> String {
    format!("token_helper = \"{}\"", helper.display())
}

/// The value of `token_helper`, in HCL or in JSON, which HCL can be too.
fn token_helper(text: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '{' || c == ',');
        if rest.starts_with('#') || rest.starts_with("//") {
            rest = rest.split_once('\n')?.1;
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
            continue;
        }
        break;
    }
    let rest = rest.trim_start_matches('"').strip_prefix("token_helper")?;
    let rest = rest.trim_start_matches('"').trim_start().strip_prefix(['=', ':'])?;
    let (value, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_helper_is_found_in_every_spelling() {
        for text in [
            "token_helper = \"/p/x\"\n",
            "token_helper=\"/p/x\"",
            "# token_helper = \"/no\"\n\n// no\n/* token_helper = \"/no\" */ token_helper   = \"/p/x\" # yes",
            "{\"token_helper\": \"/p/x\"}",
            "\"token_helper\" = \"/p/x\"",
        ] {
            assert_eq!(token_helper(text).as_deref(), Some("/p/x"), "{text}");
        }
        for text in [
            "",
            "# token_helper = \"/no\"",
            "token_helper = \"\"",
            "token_helper = /no",
            "other = \"/no\"",
            "/*",
        ] {
            assert_eq!(token_helper(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_added_can_be_taken_out_again() {
        let helper = Path::new("/p/x");
        for before in ["", "# mine\n"] {
            let config = CliConfig { path: "c".into(), text: Some(before.into()) };
            let with = CliConfig { path: "c".into(), text: Some(config.with_helper(helper)) };
            assert_eq!(with.token_helper().as_deref(), Some(helper));
            assert_eq!(with.without_helper(helper), before);
            assert_eq!(with.without_helper(Path::new("/other")), with.text.clone().unwrap());
        }
    }
}
