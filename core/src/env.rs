//! Every environment variable that the program reads, each with its meaning, and the reader.

use std::collections::HashMap;
use std::ffi::OsString;
#[cfg(not(windows))]
use std::sync::LazyLock;

mod variables;

pub use variables::*;

/// The prefix of this program's own variables.
pub const OWN: &str = "YC_ID_TOKEN_";

#[derive(Clone, Copy, Debug)]
pub struct Var {
    pub name: &'static str,
    /// What it means, for `--help` and the documentation.
    pub doc: &'static str,
}

#[derive(Clone, Debug)]
pub enum Env {
    /// The process's environment.
    Real,
    /// A replacement for tests.
    Fake(HashMap<&'static str, String>),
    /// The environment of a program that would be started: another one with changes.
    Changed { changes: HashMap<String, String>, rest: Box<Self> },
}

impl Env {
    /// Whether the terminal shows UTF-8.
    pub fn is_utf8(&self) -> bool {
        let locale = [LC_ALL, LC_CTYPE, LANG].into_iter().find_map(|var| self.get(var));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    }

    /// The value of a variable. An empty one, or one that is not UTF-8, counts as not set.
    pub fn get(&self, var: Var) -> Option<String> {
        self.raw(var)?.into_string().ok().filter(|value| !value.is_empty())
    }

    /// The unchanged value of a variable of this program. One that is empty or not UTF-8 is an error, which the
    /// caller reports.
    pub fn given(&self, var: Var) -> Option<OsString> {
        self.raw(var)
    }

    /// The value of a variable that names a file, which need not be UTF-8.
    pub fn get_os(&self, var: Var) -> Option<OsString> {
        self.raw(var).filter(|value| !value.is_empty())
    }

    /// The value of a setting for which two programs have a variable. The first that is set decides. If that is
    /// empty, the setting counts as not set. OpenBao reads its own variables and Vault's in this way.
    pub fn first(&self, vars: [Var; 2]) -> Option<(Var, String)> {
        let (var, value) = vars.into_iter().find_map(|var| Some((var, self.raw(var)?)))?;
        value.into_string().ok().filter(|value| !value.is_empty()).map(|value| (var, value))
    }

    fn raw(&self, var: Var) -> Option<OsString> {
        match self {
            Self::Real => real(var.name),
            Self::Fake(variables) => variables.get(var.name).map(OsString::from),
            Self::Changed { changes, rest } => {
                changes.get(var.name).map(OsString::from).or_else(|| rest.raw(var))
            }
        }
    }
}

/// The variables of this process with this prefix, for a child that must not inherit them. On Windows, the case of
/// names does not matter.
#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
pub fn names_that_begin_with(start: &str) -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    let is_start = |name: &[u8]| {
        name == start.as_bytes() || (cfg!(windows) && name.eq_ignore_ascii_case(start.as_bytes()))
    };
    names.filter(|name| name.as_encoded_bytes().get(..start.len()).is_some_and(is_start)).collect()
}

/// The variables of this process, read once: a hit looks for more names than there are variables, and the length of a
/// name tells it from most others.
#[cfg(not(windows))]
#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
static VARIABLES: LazyLock<Vec<(OsString, OsString)>> =
    LazyLock::new(|| std::env::vars_os().collect());

#[cfg(not(windows))]
fn real(name: &str) -> Option<OsString> {
    VARIABLES.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// The system's own lookup, for which the case of names does not matter.
#[cfg(windows)]
#[expect(clippy::disallowed_methods, reason = "the only allowed place")]
fn real(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let env = Env::Fake(HashMap::from([
            ("YC_IAM_TOKEN", String::new()),
            ("YC_TOKEN", "t1.x.y".into()),
        ]));
        assert_eq!(env.get(YC_IAM_TOKEN), None);
        assert_eq!(env.get(YC_TOKEN).as_deref(), Some("t1.x.y"));
    }

    #[test]
    fn of_two_variables_the_first_decides_even_when_it_is_empty() {
        let pair = [BAO_OWN_ADDR, VAULT_OWN_ADDR];
        let read = |variables: &[(&'static str, &str)]| {
            let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let found = Env::Fake(variables.collect()).first(pair);
            found.map(|(var, value)| (var.name, value))
        };
        let (bao, vault) = (("BAO_ADDR", "b"), ("VAULT_ADDR", "v"));
        assert_eq!(read(&[bao, vault]), Some(("BAO_ADDR", "b".into())));
        assert_eq!(read(&[vault]), Some(("VAULT_ADDR", "v".into())));
        assert_eq!(read(&[("BAO_ADDR", ""), vault]), None);
        assert_eq!(read(&[]), None);
    }
}
