//! The prompt for one setting, the check of its answer, and the list of settings that are missing.

use crate::command::terminal::Terminal;
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::message;

/// Required settings without a value. They are reported together, so that one more run is enough.
#[derive(Debug, Default)]
pub(super) struct Missing {
    problems: Vec<Message>,
    hints: Vec<Message>,
}

impl Missing {
    /// The value, or `None` if the error is that a setting is missing. Other errors are returned.
    pub(super) fn collect<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Err(Error::Missing { problem, hint }) => {
                self.problems.push(problem);
                self.hints.push(hint);
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// Fails if a setting is missing.
    pub(super) fn check(&self) -> Result<()> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Error::Missing {
            problem: Message::join(&self.problems, "; "),
            hint: Message::join(&self.hints, "; "),
        })
    }
}

/// The prompt for a setting that also has a flag.
pub(super) struct Question {
    flag: &'static str,
    /// The setting as part of a sentence: `role to assume`.
    what: &'static str,
    /// An example or explanation, shown in brackets.
    note: &'static str,
    /// The value for an empty answer, and without a terminal.
    default: Option<String>,
    required: bool,
    /// Returns what is wrong with an answer.
    validate: fn(&str) -> Option<Message>,
}

impl Question {
    /// A prompt that requires an answer and accepts any.
    pub(super) fn new(flag: &'static str, what: &'static str) -> Self {
        Self { flag, what, note: "", default: None, required: true, validate: |_| None }
    }

    pub(super) fn with_note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    pub(super) fn with_default(self, default: Option<String>) -> Self {
        Self { default, ..self }
    }

    pub(super) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(super) const fn is_required(&self) -> bool {
        self.required
    }

    pub(super) fn validated_by(self, validate: fn(&str) -> Option<Message>) -> Self {
        Self { validate, ..self }
    }

    /// Fails if the value of the flag is not valid.
    pub(super) fn check(&self, text: &str) -> Result<()> {
        match (self.validate)(text) {
            None => Ok(()),
            Some(problem) => Err(Error::Usage {
                problem: message!("`{}`: {problem}", self.flag, problem),
                hint: "see the `--help` of the command".into(),
            }),
        }
    }

    /// The value of the flag, or else the answer.
    pub(super) fn flag_or_answer(
        &self,
        flag: Option<&String>,
        terminal: Option<Terminal>,
    ) -> Result<Option<String>> {
        match flag {
            Some(text) => self.check(text).map(|()| Some(text.clone())),
            None => self.answer(terminal),
        }
    }

    /// The answer at the terminal; without a terminal, the default.
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
            let answer = terminal.prompt(&self.prompt(), self.default.as_deref());
            let answer = answer.ok_or_else(|| self.missing())?;
            if answer.is_empty() {
                if !self.required {
                    return Ok(None);
                }
                continue;
            }
            match (self.validate)(&answer) {
                None => return Ok(Some(answer)),
                Some(problem) => terminal.say(&message!("! {problem}", problem)),
            }
        }
    }

    /// `Role to assume (such as …)`.
    fn prompt(&self) -> Message {
        message!("{}{}", Message::from(self.what).capitalised(), self.note_in_brackets())
    }

    fn missing(&self) -> Error {
        Error::Missing {
            problem: message!("the {} is missing", self.what),
            hint: message!("give `{}`{}", self.flag, self.note_in_brackets()),
        }
    }

    fn note_in_brackets(&self) -> Message {
        if self.note.is_empty() { Message::default() } else { message!(" ({})", self.note) }
    }
}
