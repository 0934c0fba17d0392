//! Questions to whoever sits at the terminal. They go to standard error: standard output is for the answer.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::held_signals::let_signals_end;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// A terminal that can be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal(());

impl Terminal {
    /// The terminal, if somebody sits there.
    pub(super) fn find() -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Self(()))
    }

    /// Whether what is written to standard output is seen there.
    pub(super) fn shows_output() -> bool {
        io::stdout().is_terminal()
    }

    /// Says something in a line of its own.
    #[expect(clippy::unused_self, reason = "only where there is a terminal")]
    pub(super) fn say(self, text: &Message) {
        // Whoever cannot read it cannot be told so either.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Asks for a line; an empty one is the default. `None` if there is nobody any more.
    #[expect(clippy::unused_self, reason = "only where there is a terminal")]
    pub(super) fn ask(self, question: &Message, default: Option<&str>) -> Option<String> {
        let shown =
            default.map(|default| message!(" [{}]", ForeignText::new(default))).unwrap_or_default();
        // Before the question, as it can be answered by an interrupt at once.
        let_signals_end();
        let mut stderr = io::stderr();
        write!(stderr, "{question}{shown}: ").and_then(|()| stderr.flush()).ok()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line: String = line.trim().chars().filter(|c| !c.is_control()).collect();
        Some(if line.is_empty() { default.unwrap_or_default().to_owned() } else { line })
    }

    /// Asks whether to go on. Anything but a yes is a no.
    pub(super) fn confirms(self, question: &'static str) -> bool {
        let answer = self.ask(&message!("{question} [y/N]", question), None).unwrap_or_default();
        matches!(answer.to_lowercase().as_str(), "y" | "yes")
    }
}
