//! Prompts at the terminal. They are written to standard error; standard output is for the result.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::signals::let_signals_terminate;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// Proof that standard input and standard error are a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal(());

impl Terminal {
    pub(super) fn find() -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Self(()))
    }

    /// Whether standard output is a terminal.
    pub(super) fn shows_output() -> bool {
        io::stdout().is_terminal()
    }

    #[expect(clippy::unused_self, reason = "only where there is a terminal")]
    pub(super) fn say(self, text: &Message) {
        // Ignored: there is nowhere to report a terminal that is gone.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Prompts for a line; an empty line means the default. `None` at the end of input.
    #[expect(clippy::unused_self, reason = "only where there is a terminal")]
    pub(super) fn prompt(self, question: &Message, default: Option<&str>) -> Option<String> {
        let shown =
            default.map(|default| message!(" [{}]", ForeignText::new(default))).unwrap_or_default();
        // Before the prompt, so that Ctrl-C works as soon as it is visible.
        let_signals_terminate();
        let mut stderr = io::stderr();
        write!(stderr, "{question}{shown}: ").and_then(|()| stderr.flush()).ok()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line: String = line.trim().chars().filter(|c| !c.is_control()).collect();
        Some(if line.is_empty() { default.unwrap_or_default().to_owned() } else { line })
    }

    /// Prompts for yes or no; an empty answer means yes.
    pub(super) fn agrees(self, question: &Message) -> bool {
        let answer = self.prompt(&message!("{question} [Y/n]", question), None);
        answer.is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "" | "y" | "yes"))
    }

    /// Prompts for yes or no; only yes means yes.
    pub(super) fn confirms(self, question: &Message) -> bool {
        let answer = self.prompt(&message!("{question} [y/N]", question), None).unwrap_or_default();
        matches!(answer.to_lowercase().as_str(), "y" | "yes")
    }
}
