//! What one setting is asked for, and how an answer is judged.

use super::terminal::Terminal;
use crate::error::{Error, Result};

/// A question about a setting that has a flag.
pub(super) struct Question {
    /// The flag that answers it.
    pub(super) flag: &'static str,
    /// How the question is put: `Role to assume`.
    pub(super) text: &'static str,
    /// What an empty answer stands for, and what holds if nobody can be asked.
    pub(super) default: Option<String>,
    /// Whether there must be an answer.
    pub(super) required: bool,
    /// What is wrong with an answer, if anything is.
    pub(super) problem: fn(&str) -> Option<String>,
}

impl Question {
    /// One that must be answered, with anything.
    pub(super) const fn new(flag: &'static str, text: &'static str) -> Self {
        Self { flag, text, default: None, required: true, problem: |_| None }
    }

    pub(super) fn or(self, default: Option<String>) -> Self {
        Self { default, ..self }
    }

    pub(super) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(super) fn judged(self, problem: fn(&str) -> Option<String>) -> Self {
        Self { problem, ..self }
    }

    /// Judges what a flag says.
    pub(super) fn check(&self, text: &str) -> Result<()> {
        match (self.problem)(text) {
            None => Ok(()),
            Some(problem) => Err(Error::Usage {
                problem: format!("`{}`: {problem}", self.flag),
                hint: "see `yc-id-token setup --help`".into(),
            }),
        }
    }

    /// The answer of whoever sits at the terminal, or the default.
    pub(super) fn answer(&self, terminal: Option<Terminal>) -> Result<Option<String>> {
        let Some(terminal) = terminal else {
            let default = self.default.clone().filter(|default| !default.is_empty());
            return if default.is_none() && self.required {
                Err(self.missing())
            } else {
                Ok(default)
            };
        };
        loop {
            let answer = terminal.ask(self.text, self.default.as_deref());
            let answer = answer.ok_or_else(|| self.missing())?;
            if answer.is_empty() {
                if !self.required {
                    return Ok(None);
                }
                continue;
            }
            match (self.problem)(&answer) {
                None => return Ok(Some(answer)),
                Some(problem) => terminal.say(&format!("! {problem}")),
            }
        }
    }

    fn missing(&self) -> Error {
        Error::Missing {
            problem: format!("it is not said: {}", lower(self.text)),
            hint: format!("give `{}`", self.flag),
        }
    }
}

/// As part of a sentence; a name that is all capitals stays.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().collect::<String>() + letters.as_str()
        }
        _ => text.to_owned(),
    }
}
