//! Colours at a terminal. Every escape sequence of the program is in this file.
//!
//! They surround messages, which are filtered already: text from outside the program cannot contain one.

use std::io::{IsTerminal as _, stderr, stdout};

use crate::env::{self, Env};
use crate::foreign_text::Message;
use crate::message;

#[derive(Clone, Copy, Debug)]
pub enum Colour {
    Red,
    Yellow,
    Green,
    Cyan,
}

impl Colour {
    /// Its sequence (ECMA-48, "Select Graphic Rendition"), in bold.
    const fn sequence(self) -> &'static str {
        match self {
            Self::Red => "\u{1b}[1;31m",
            Self::Yellow => "\u{1b}[1;33m",
            Self::Green => "\u{1b}[1;32m",
            Self::Cyan => "\u{1b}[1;36m",
        }
    }
}

const END: &str = "\u{1b}[0m";

/// Whether an output has colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colours(bool);

impl Colours {
    pub const NONE: Self = Self(false);

    pub fn of_stdout(env: &Env) -> Self {
        Self::of(env, || stdout().is_terminal())
    }

    pub fn of_stderr(env: &Env) -> Self {
        Self::of(env, || stderr().is_terminal())
    }

    /// `NO_COLOR` has precedence over `CLICOLOR_FORCE`, which has precedence over the kind of output.
    ///
    /// A Windows console must be switched to escape sequences, which needs `unsafe`. A terminal there that always
    /// supports them, such as that of Git for Windows, sets `TERM` as on other systems.
    fn of(env: &Env, is_terminal: impl Fn() -> bool) -> Self {
        let is_forced = || env.get(env::CLICOLOR_FORCE).is_some_and(|value| value != "0");
        let has_colours = || env.get(env::TERM).is_some_and(|kind| kind != "dumb");
        let is_wanted = env.get(env::NO_COLOR).is_none();
        Self(is_wanted && (is_forced() || (has_colours() && is_terminal())))
    }

    pub fn paint(self, colour: Colour, text: impl Into<Message>) -> Message {
        let text = text.into();
        if self.0 { message!("{}{text}{END}", colour.sequence(), text, END) } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign_text::ForeignText;

    #[test]
    fn a_terminal_has_colours_unless_a_variable_turns_them_off() {
        let xterm = ("TERM", "xterm-256color");
        for (variables, at_terminal, elsewhere) in [
            (&[xterm][..], true, false),
            (&[], false, false),
            (&[("TERM", "dumb")], false, false),
            (&[xterm, ("NO_COLOR", "1")], false, false),
            (&[xterm, ("NO_COLOR", "")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true, true),
            (&[xterm, ("CLICOLOR_FORCE", "0")], true, false),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
        ] {
            let values = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let env = Env::Fake(values.collect());
            assert_eq!(Colours::of(&env, || true), Colours(at_terminal), "{variables:?}");
            assert_eq!(Colours::of(&env, || false), Colours(elsewhere), "{variables:?}");
        }
    }

    #[test]
    fn foreign_text_cannot_end_a_colour() {
        let foreign = ForeignText::new("a\u{1b}[0mb");
        let painted = Colours(true).paint(Colour::Red, foreign.clone());
        assert_eq!(painted, "\u{1b}[1;31ma\u{fffd}[0mb\u{1b}[0m");
        assert_eq!(Colours::NONE.paint(Colour::Red, foreign), "a\u{fffd}[0mb");
    }
}
