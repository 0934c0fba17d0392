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

/// Writes the error to `stderr`. That it cannot be written is nobody's to hear.
pub fn print(error: &Error, format: ErrorFormat, stderr: &mut impl Write) {
    let _: io::Result<()> = stderr.write_all(render(error, format).as_bytes());
}

fn render(error: &Error, format: ErrorFormat) -> String {
    let code = error.code();
    let message = on_one_line(&error.to_string());
    let hint = error.hint().map(|hint| on_one_line(&hint));
    match format {
        ErrorFormat::Text => {
            let mut text = format!("yc-id-token: {message} [{code}]\n");
            if let Some(hint) = hint {
                text.push_str("yc-id-token: hint: ");
                text.push_str(&hint);
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

/// A text without what would end its line or steer a terminal.
///
/// Security: a message can quote what a server or a file said; a control character in it could
/// rewrite the user's terminal, and a line break forge a second message.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_two_lines_or_one_object() {
        let error = Error::Missing {
            problem: "no audience\u{1b}[2J\nforged".into(),
            hint: "give `--audience`".into(),
        };
        assert_eq!(
            render(&error, ErrorFormat::Text),
            "yc-id-token: no audience [2J forged [E_MISSING]\nyc-id-token: hint: give `--audience`\n"
        );
        let object: serde_json::Value =
            serde_json::from_str(&render(&error, ErrorFormat::Json)).unwrap();
        assert_eq!(object["code"], "E_MISSING");
        assert_eq!(object["exit"], 3);
    }
}
