//! Prints an error: two lines on stderr, or one JSON object.

use std::io::{self, Write};

use serde_json::json;

use super::{Code, Error};
use crate::colour::{Colour, Colours};
use crate::foreign_text::Message;
use crate::message;

/// The format of errors on stderr.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ErrorFormat {
    /// A line with the error, and one with the hint.
    #[default]
    Text,
    /// One JSON object on one line: `code`, `message`, `hint`, `exit`.
    Json,
}

impl ErrorFormat {
    /// All formats, with their names.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Text, "text"), (Self::Json, "json")];
}

#[derive(Debug)]
pub struct Report {
    pub code: Code,
    pub message: Message,
    pub hint: Option<Message>,
    /// The exit status of the code.
    pub exit: u8,
}

impl Report {
    pub fn of(error: &Error) -> Self {
        Self {
            code: error.code(),
            message: message!("{error}", error),
            hint: error.hint(),
            exit: error.exit_status(),
        }
    }

    /// Writes the error to `stderr`, with colours if it is text. A failed write is ignored: there is nowhere left to report it.
    pub fn print(&self, format: ErrorFormat, colours: Colours, stderr: &mut impl Write) {
        let _: io::Result<()> = stderr.write_all(self.render(format, colours).as_bytes());
    }

    fn render(&self, format: ErrorFormat, colours: Colours) -> String {
        let Self { code, message, hint, exit } = self;
        match format {
            ErrorFormat::Text => {
                let program = colours.paint(Colour::Red, "yc-id-token:");
                let label = || colours.paint(Colour::Cyan, "yc-id-token: hint:");
                let hint = hint.as_ref().map(|hint| format!("{} {hint}\n", label()));
                format!("{program} {message} [{code}]\n{}", hint.unwrap_or_default())
            }
            ErrorFormat::Json => {
                let object =
                    json!({ "code": code.name(), "message": message, "hint": hint, "exit": exit });
                object.to_string() + "\n"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign_text::ForeignText;

    #[test]
    fn an_error_is_printed_as_two_lines_or_one_object() {
        let error = Error::Missing {
            problem: message!("no audience {}", ForeignText::new("\u{1b}[2J\nforged")),
            hint: "give `--audience`".into(),
        };
        assert_eq!(
            Report::of(&error).render(ErrorFormat::Text, Colours::NONE),
            "yc-id-token: no audience \u{fffd}[2J forged [E_MISSING]\nyc-id-token: hint: give `--audience`\n"
        );
        let object: serde_json::Value =
            serde_json::from_str(&Report::of(&error).render(ErrorFormat::Json, Colours::NONE))
                .unwrap();
        assert_eq!(object["code"], "E_MISSING");
        assert_eq!(object["exit"], 3);
    }
}
