//! `explain`: prints the meaning, the usual cause and the fix of an error code. It works offline.

use super::table;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::settings::nearest;

/// Explain an error code, or list all of them
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token explain E_SOURCE_DENIED
  yc-id-token explain source_denied
  yc-id-token explain")]
pub struct Args {
    /// The code; `E_` and upper case can be left out
    code: Option<String>,
}

/// What all codes begin with.
const PREFIX: &str = "E_";

impl Args {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        output.say(&match &self.code {
            Some(code) => explained(named(code)?),
            None => list(),
        })
    }
}

pub(super) fn codes() -> Vec<&'static str> {
    Code::ALL.iter().map(|code| code.name()).collect()
}

fn named(text: &str) -> Result<Code> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix(PREFIX).unwrap_or(&name);
    let without_prefix = |code: Code| code.name().trim_start_matches(PREFIX);
    Code::ALL.iter().copied().find(|code| without_prefix(*code) == name).ok_or_else(|| {
        let known: Vec<&str> = Code::ALL.iter().map(|code| without_prefix(*code)).collect();
        let hint = match nearest(name, &known) {
            Some(near) => {
                message!("did you mean `{PREFIX}{near}`?", PREFIX, near = ForeignText::new(near))
            }
            None => "`yc-id-token explain` lists all codes".into(),
        };
        let text = ForeignText::new(text);
        Error::Usage { problem: message!("there is no error code `{text}`", text), hint }
    })
}

fn explained(code: Code) -> Message {
    let explanation = code.explanation();
    message!(
        "{code} (exit status {})\n\nmeaning: {}\ncause:   {}\nfix:     {}",
        code.exit() as u8,
        explanation.meaning,
        explanation.cause,
        explanation.fix,
        code
    )
}

fn list() -> Message {
    let row = |code: &Code| -> [Message; 3] {
        let status = message!("{}", code.exit() as u8);
        [code.name().into(), status, code.explanation().meaning.into()]
    };
    let rows: Vec<[Message; 3]> = Code::ALL.iter().map(row).collect();
    Message::join(&table::lines(["CODE", "EXIT", "MEANING"], &rows), "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_lower_case_and_without_its_prefix() {
        for text in ["E_SOURCE_DENIED", "e_source_denied", "SOURCE_DENIED", "source_denied"] {
            assert_eq!(named(text).unwrap(), Code::SourceDenied, "{text}");
        }
    }

    #[test]
    fn an_unknown_code_suggests_the_nearest() {
        let hint = |text: &str| named(text).unwrap_err().hint().unwrap();
        assert_eq!(hint("E_SOURCE_DENID"), "did you mean `E_SOURCE_DENIED`?");
        assert_eq!(hint("sorce_auth"), "did you mean `E_SOURCE_AUTH`?");
        assert_eq!(hint("4"), "`yc-id-token explain` lists all codes");
        assert_eq!(
            named("x\u{1b}y").unwrap_err().to_string(),
            "there is no error code `x\u{fffd}y`"
        );
    }

    #[test]
    fn an_explanation_is_short() {
        for code in Code::ALL {
            let explanation = code.explanation();
            for text in [explanation.meaning, explanation.cause, explanation.fix] {
                assert!(text.split(' ').count() <= 25 && text.ends_with('.'), "{code}: {text}");
            }
        }
    }
}
