//! Why a keyring cannot be used, and what to do about it.
//!
//! Security: the errors of the libraries below can hold what was in an item. None of them gets further than to
//! where it is told which of these it is.

use std::fmt;
use std::time::Duration;

use crate::error::{Code, Error};
use crate::foreign_text::{Message, Printable};
use crate::message;

/// Why the keyring cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// There is none in this session: what is missing.
    Absent(Message),
    /// It is locked, and nobody has unlocked it.
    Locked,
    /// It has no collection that something could be kept in.
    Empty,
    /// It has not answered within this time.
    Slow(Duration),
    /// It failed in another way.
    Failed(Message),
}

impl Printable for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(missing) => write!(f, "there is no keyring here: {missing}"),
            Self::Locked => f.write_str("the keyring is locked, and nobody has unlocked it"),
            Self::Empty => f.write_str("the keyring has no default collection to keep anything in"),
            Self::Slow(waited) => {
                write!(f, "the keyring has not answered in {} s", waited.as_secs_f32().round())
            }
            Self::Failed(how) => write!(f, "the keyring failed: {how}"),
        }
    }
}

impl Problem {
    /// The error of a run that needed the keyring to do something, and what it could do without.
    #[must_use]
    pub fn into_error(
        self,
        what: impl Into<Message>,
        code: Code,
        otherwise: &'static str,
    ) -> Error {
        let hint = match &self {
            Self::Absent(_) => "run it in the session of a desktop",
            Self::Locked => "unlock it, as logging in to the desktop does, and run this again",
            Self::Empty => {
                "make a keyring, in Seahorse (`Passwords and Keys`) or KWalletManager, and make it the default"
            }
            Self::Slow(_) => {
                "end the program that keeps the keyring, such as `gnome-keyring-daemon`, if it hangs; the next one to ask starts it anew"
            }
            Self::Failed(_) => "look at it with the system's own program for keyrings",
        };
        Error::Keyring {
            what: what.into(),
            code,
            problem: message!("{problem}", problem = &self),
            hint: message!("{hint}; or {otherwise}", hint, otherwise),
        }
    }
}
