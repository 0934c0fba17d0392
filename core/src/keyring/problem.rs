//! Why a keyring cannot be used, and what to do about it.
//!
//! Security: the errors of the libraries can hold secrets, so they are converted to a [`Problem`] where they occur.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};
use crate::foreign_text::{Message, Printable};
use crate::message;

/// Why the keyring cannot be used.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Problem {
    /// There is none in this session: what is missing.
    Absent(Message),
    /// It is locked, and no prompt was shown or the prompt did not unlock it.
    Locked,
    /// Its prompt was not answered within this time.
    Unanswered(Duration),
    /// The user has declined its prompt.
    Declined,
    /// It has no default collection.
    Empty,
    /// It has not answered within this time.
    Slow(Duration),
    /// It failed in another way.
    Failed(Message),
}

impl Printable for Problem {}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(missing) => write!(f, "there is no keyring here: {missing}"),
            Self::Locked => f.write_str("the keyring is locked"),
            Self::Unanswered(waited) => write!(
                f,
                "the keyring's prompt was not answered within {} s",
                waited.as_secs_f32().round()
            ),
            Self::Declined => f.write_str("access was declined in the keyring's prompt"),
            Self::Empty => {
                f.write_str("the keyring has no default collection to store anything in")
            }
            Self::Slow(waited) => {
                write!(f, "the keyring did not answer within {} s", waited.as_secs_f32().round())
            }
            Self::Failed(how) => write!(f, "the keyring failed: {how}"),
        }
    }
}

impl Problem {
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Absent(_) => "run it in a desktop session",
            Self::Locked => {
                "unlock the keyring (logging in to the desktop does), and run this again"
            }
            Self::Unanswered(_) => {
                "answer the prompt in the window of the keyring (GNOME, KWallet, KeePassXC), and run this again"
            }
            Self::Declined => "run this again, and allow access in the keyring's prompt",
            Self::Empty => {
                "make a keyring the default in Seahorse (`Passwords and Keys`) or KWalletManager, or expose a database in KeePassXC's settings (`Secret Service Integration`)"
            }
            Self::Slow(_) => {
                "if the program that provides the keyring hangs, such as `gnome-keyring-daemon`, end it: it is started again when it is needed"
            }
            Self::Failed(_) => {
                "check that the system's own keyring program can open it, and run this again"
            }
        }
    }

    const fn needs_a_person(&self) -> bool {
        matches!(self, Self::Locked | Self::Unanswered(_) | Self::Declined)
    }

    /// The error of a run: `what` cannot be done, and how to do it `otherwise`, without the keyring.
    pub fn into_error(
        self,
        what: impl Into<Message>,
        code: Code,
        otherwise: &'static str,
    ) -> Error {
        let hint = self.hint();
        let code = if self.needs_a_person() { Code::Locked } else { code };
        Error::Keyring {
            what: what.into(),
            code,
            problem: message!("{problem}", problem = &self),
            hint: message!("{hint}; or {otherwise}", hint, otherwise),
        }
    }
}
