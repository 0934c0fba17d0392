//! A consumer's own settings, as its file declares them.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::env::Var;

/// A consumer's own settings: the name of its table in a profile, and what may stand in it.
#[derive(Debug)]
pub struct Table {
    /// The table's name, which is the subcommand's too.
    pub name: &'static str,
    /// What may stand in it.
    pub settings: &'static [Field],
}

/// One setting of a table.
#[derive(Debug)]
pub struct Field {
    /// Its key.
    pub key: &'static str,
    /// Its variable.
    pub var: Var,
    /// What its value is in the file.
    pub form: Form,
}

/// What a value is in the file. Everywhere else, and from there on, it is text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Text.
    Text,
    /// A time: text, or a bare number of seconds.
    Time,
    /// `true` or `false`.
    Switch,
    /// A path, which in the file may begin with `~/`, and starts where the file is if it is relative.
    Path,
    /// A list of words, or one. As text, they stand in lines.
    Words,
}

impl Field {
    /// A setting of a form.
    #[must_use]
    pub const fn new(key: &'static str, form: Form, var: Var) -> Self {
        Self { key, var, form }
    }

    /// A setting that is text.
    #[must_use]
    pub const fn text(key: &'static str, var: Var) -> Self {
        Self::new(key, Form::Text, var)
    }
}

impl Form {
    /// The value as text; or the place of what is not of this form, and the type that it has.
    pub(super) fn read(
        self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<String, (Range<usize>, &'static str)> {
        match (self, value.get_ref()) {
            (Self::Text | Self::Time | Self::Path | Self::Words, DeValue::String(text)) => {
                Ok(text.to_string())
            }
            (Self::Time, DeValue::Integer(number)) => Ok(number.as_str().to_owned()),
            (Self::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
            (Self::Words, DeValue::Array(words)) => {
                let words: Result<Vec<String>, _> =
                    words.iter().map(|word| Self::Text.read(word)).collect();
                Ok(words?.join("\n"))
            }
            (_, other) => Err((value.span(), other.type_str())),
        }
    }

    /// What it must be, and how it is written.
    pub(super) const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Text | Self::Path => ("a string", "\"…\""),
            Self::Time => ("a time", "\"20m\""),
            Self::Switch => ("true or false", "true"),
            Self::Words => ("a list of strings", "[\"…\"]"),
        }
    }
}
