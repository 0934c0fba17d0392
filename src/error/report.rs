//! How an error reaches the user: two lines on stderr, or one JSON object.

use std::io::{self, Write};

use serde_json::json;

use super::Error;

/// The form of errors on stderr.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ErrorFormat {
    /// A line that says what failed, and one that says what to do.
    #[default]
    Text,
    /// One JSON object on one line: `code`, `message`, `hint`, `exit`.
    Json,
}

/// Writes the error to `stderr`. A failed write is ignored: there is nowhere left to report it.
pub fn print(error: &Error, format: ErrorFormat, stderr: &mut impl Write) {
    let _: io::Result<()> = stderr.write_all(render(error, format).as_bytes());
}

fn render(error: &Error, format: ErrorFormat) -> String {
    let code = error.code();
    let message = error.to_string();
    let hint = error.hint();
    match format {
        ErrorFormat::Text => {
            let mut text = format!("yc-id-token: {message} [{code}]\n");
            if let Some(hint) = hint {
                text.push_str("yc-id-token: hint: ");
                text.push_str(hint.as_str());
                text.push('\n');
            }
            text
        }
        ErrorFormat::Json => {
            let exit = error.exit_status();
            let mut text =
                json!({ "code": code.name(), "message": message, "hint": hint, "exit": exit })
                    .to_string();
            text.push('\n');
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign_text::ForeignText;
    use crate::message;

    #[test]
    fn an_error_is_two_lines_or_one_object() {
        let error = Error::Missing {
            problem: message!("no audience {}", ForeignText::new("\u{1b}[2J\nforged")),
            hint: "give `--audience`".into(),
        };
        assert_eq!(
            render(&error, ErrorFormat::Text),
            "yc-id-token: no audience \u{fffd}[2J forged [E_MISSING]\nyc-id-token: hint: give `--audience`\n"
        );
        let object: serde_json::Value =
            serde_json::from_str(&render(&error, ErrorFormat::Json)).unwrap();
        assert_eq!(object["code"], "E_MISSING");
        assert_eq!(object["exit"], 3);
    }
}
