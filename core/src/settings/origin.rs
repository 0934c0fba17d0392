//! Origins of settings' values.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::shown;
use crate::foreign_text::{ForeignText, Printable};

/// The origin of a setting's value. The order of the variants is the order of precedence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// The selected profile, or one that it extends.
    Profile {
        profile: Arc<str>,
        path: Arc<Path>,
        /// The line, counted from 1.
        line: usize,
    },
    /// The defaults of the configuration file.
    Defaults {
        path: Arc<Path>,
        /// The line, counted from 1.
        line: usize,
    },
    /// The only profile of the configuration file.
    OnlyProfile {
        /// The configuration file.
        path: Arc<Path>,
        /// The line, counted from 1.
        line: usize,
    },
    /// The configuration file of another program.
    Shared {
        path: Arc<Path>,
        /// The line, counted from 1.
        line: usize,
    },
    /// The default of the program.
    BuiltIn,
}

impl Origin {
    /// The folder of the configuration file, which relative paths in it start from.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Profile { path, .. } | Self::Defaults { path, .. } => {
                Some(path.parent().unwrap_or(Path::new(".")))
            }
            _ => None,
        }
    }
}

impl Printable for Origin {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "`{flag}`"),
            Self::Variable(variable) => write!(f, "{variable}"),
            Self::Profile { profile, path, line } => {
                write!(f, "profile `{}`, {}:{line}", ForeignText::new(profile), shown(path))
            }
            Self::Defaults { path, line } => write!(f, "defaults, {}:{line}", shown(path)),
            Self::OnlyProfile { path, line } => {
                write!(f, "the only profile, {}:{line}", shown(path))
            }
            Self::Shared { path, line } => write!(f, "{}:{line}", shown(path)),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// Another value with the same origin.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting { value: change(self.value), origin: self.origin }
    }
}
