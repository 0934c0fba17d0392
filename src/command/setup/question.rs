//! What one setting is asked for, and how an answer is judged.

use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::message;

/// A question about a setting that has a flag.
pub(super) struct Question {
    /// The flag that answers it.
    pub(super) flag: &'static str,
    /// What is asked for, as part of a sentence: `role to assume`.
    what: &'static str,
    /// What else whoever is asked should know.
    note: &'static str,
    /// What an empty answer stands for, and what holds if nobody can be asked.
    default: Option<String>,
    required: bool,
    /// What is wrong with an answer, if anything is.
    problem: fn(&str) -> Option<Message>,
}

impl Question {
    /// One that must be answered, with anything.
    pub(super) fn new(flag: &'static str, what: &'static str) -> Self {
        Self { flag, what, note: "", default: None, required: true, problem: |_| None }
    }

    /// What else whoever is asked should know.
    pub(super) fn noted(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// What an empty answer stands for.
    pub(super) fn or(self, default: Option<String>) -> Self {
        Self { default, ..self }
    }

    /// One that need not be answered.
    pub(super) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// One whose answers can be wrong.
    pub(super) fn judged(self, problem: fn(&str) -> Option<Message>) -> Self {
        Self { problem, ..self }
    }

    /// Judges what a flag says.
    pub(super) fn check(&self, text: &str) -> Result<()> {
        match (self.problem)(text) {
            None => Ok(()),
            Some(problem) => Err(Error::Usage {
                problem: message!("`{}`: {problem}", self.flag, problem),
                hint: "see `yc-id-token setup --help`".into(),
            }),
        }
    }

    /// The answer of whoever sits at the terminal, or the default.
    pub(super) fn answer(&self, terminal: Option<Terminal>) -> Result<Option<String>> {
        let Some(terminal) = terminal else {
            let default = self.default.clone().filter(|default| !default.is_empty());
            if default.is_none() && self.required {
                return Err(self.missing());
            }
            default.iter().try_for_each(|default| self.check(default))?;
            return Ok(default);
        };
        loop {
            let answer = terminal.ask(&self.put(), self.default.as_deref());
            let answer = answer.ok_or_else(|| self.missing())?;
            if answer.is_empty() {
                if !self.required {
                    return Ok(None);
                }
                continue;
            }
            match (self.problem)(&answer) {
                None => return Ok(Some(answer)),
                Some(problem) => terminal.say(&message!("! {problem}", problem)),
            }
        }
    }

    /// How it is put: `Role to assume (such as …)`.
    fn put(&self) -> Message {
        let note =
            if self.note.is_empty() { Message::default() } else { message!(" ({})", self.note) };
        message!("{}{note}", Message::from(self.what).capitalised(), note)
    }

    fn missing(&self) -> Error {
        let note =
            if self.note.is_empty() { Message::default() } else { message!(" ({})", self.note) };
        Error::Missing {
            problem: message!("the {} is not said", self.what),
            hint: message!("give `{}`{note}", self.flag, note),
        }
    }
}
