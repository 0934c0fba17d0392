//! The variables of a command that receive ID tokens, as configured: `NAME` or `NAME=AUDIENCE`.

use std::process::Command;

use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::{Field, Origin, Setting, Settings, invalid_value};

use super::{TOKEN_ENV, TOKEN_FILE_ENV};

/// A variable of a command that receives an ID token.
#[derive(Debug)]
pub(super) struct TokenVariable {
    pub(super) name: String,
    pub(super) audience: String,
    pub(super) form: Form,
    origin: Origin,
}

/// The content of the variable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// The token.
    Value,
    /// The path of a file with the token.
    File,
}

/// Reads and checks the variables.
pub(super) fn read(settings: &Settings) -> Result<Vec<TokenVariable>> {
    let mut variables: Vec<TokenVariable> = Vec::new();
    for (field, form) in [(&TOKEN_ENV, Form::Value), (&TOKEN_FILE_ENV, Form::File)] {
        let Some(Setting { value, origin }) = settings.own(field) else { continue };
        for word in value.split_whitespace() {
            let (name, audience) = match word.split_once('=') {
                Some((name, audience)) => (name, Some(audience)),
                None => (word, settings.audience.as_ref().map(|audience| audience.value.as_str())),
            };
            if let Some(problem) = name_problem(name, &variables) {
                return Err(invalid_value(origin, problem));
            }
            let (name, origin) = (name.to_owned(), origin.clone());
            match audience {
                None => return Err(no_audience(field, &name)),
                Some("") => {
                    let name = ForeignText::new(&name);
                    return Err(invalid_value(
                        origin,
                        message!("the audience of `{name}` is empty", name),
                    ));
                }
                Some(audience) => {
                    let audience = audience.to_owned();
                    variables.push(TokenVariable { name, audience, form, origin });
                }
            }
        }
    }
    Ok(variables)
}

fn name_problem(name: &str, others: &[TokenVariable]) -> Option<Message> {
    let shown = ForeignText::new(name);
    if !is_name(name) {
        Some(message!(
            "`{shown}` is not the name of a variable: it must be letters, digits and `_`, and not begin with a digit",
            shown
        ))
    } else if others.iter().any(|other| other.name == name) {
        Some(message!("`{shown}` is named twice", shown))
    } else {
        None
    }
}

impl TokenVariable {
    /// Checks that no other credential of the command uses the variable.
    pub(super) fn check_free(&self, command: &Command) -> Result<()> {
        if command.get_envs().all(|(name, _)| name != self.name.as_str()) {
            return Ok(());
        }
        let name = ForeignText::new(&self.name);
        let problem =
            message!("`{name}` belongs to the credentials of `--aws`, `--vault` or `--gcp`", name);
        Err(invalid_value(self.origin.clone(), problem))
    }
}

/// Whether every shell accepts it as the name of a variable (POSIX, "Name").
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn no_audience(field: &Field, name: &str) -> Error {
    let name = ForeignText::new(name);
    Error::Missing {
        problem: message!("the audience of the ID token in `{name}` is not set", name),
        hint: message!(
            "give `{flag} {name}=AUDIENCE`, or `--audience` for all",
            name,
            flag = field.flag
        ),
    }
}
