//! What becomes of a plan: it is shown, and carried out when somebody says so.

use super::Setup;
use super::change::{Change, stamp};
use super::held_signals::HeldSignals;
use super::terminal::Terminal;
use crate::error::{Error, Result, shown};
use crate::foreign_text::Message;
use crate::message;
use crate::output::Output;

/// What is to be done, and what is to be said.
pub(super) struct Plan {
    /// Changes of the consumer's files; ours comes before them.
    pub(super) changes: Vec<Change>,
    /// What is done besides.
    pub(super) acts: Vec<Act>,
    /// What the other side must be told, and what the user should know.
    pub(super) advice: Vec<String>,
    /// What to do when the changes have been made.
    pub(super) next: String,
}

/// Something that is done to no file's text.
pub(super) struct Act {
    /// How it is shown before.
    pub(super) shown: String,
    /// Does it, and tells what was done.
    pub(super) make: Box<dyn FnOnce() -> Result<String>>,
}

impl Setup<'_> {
    /// Shows the plan, and carries it out if that is wanted.
    pub(super) fn finish(self, plan: Plan, output: &mut Output<'_>) -> Result<()> {
        let Plan { mut changes, acts, advice, next } = plan;
        self.check_profile()?;
        changes.insert(0, self.configuration.change());
        changes.retain(|change| !change.is_none());
        if changes.is_empty() && acts.is_empty() {
            let done = "There is nothing to change: it is set up so already.\n".to_owned();
            let shown: Vec<String> = [done].into_iter().chain(advice).chain([next]).collect();
            return output.write(shown.join("\n").as_bytes());
        }
        let mut shown: Vec<String> = changes.iter().map(Change::diff).collect();
        shown.extend(acts.iter().map(|act| format!("{}\n", act.shown)));
        shown.extend(advice);
        let mut shown = shown.join("\n");
        let is_asked = !self.common.print && !self.common.apply && Terminal::shows_output();
        let check = || changes.iter().try_for_each(Change::check);
        if is_asked || self.common.apply {
            check()?;
        }
        if let Some(terminal) = self.terminal.filter(|_| is_asked) {
            // What is agreed to must have been seen.
            output.write(format!("{shown}\n").as_bytes())?;
            shown.clear();
            if !terminal.confirms("Apply?") {
                return output.write(b"Nothing has been changed.\n");
            }
        } else if !self.common.apply {
            let hint = "Nothing has been changed. To make these changes, give `--apply`.";
            return output.write(format!("{shown}\n{hint}\n").as_bytes());
        }
        let done = carry_out(acts, &changes, &stamp(self.context.clock.now().at))?;
        let gap = if shown.is_empty() { "" } else { "\n" };
        output.write(format!("{shown}{gap}{done}\n{next}").as_bytes())
    }
}

/// Does all of it, or nothing that lasts.
fn carry_out(acts: Vec<Act>, changes: &[Change], stamp: &str) -> Result<String> {
    // Released after the locks, which a signal would leave behind.
    let _signals = HeldSignals::hold();
    let _locks = changes.iter().map(Change::lock).collect::<Result<Vec<_>>>()?;
    // Files can have changed while somebody read what is to be changed.
    changes.iter().try_for_each(Change::check)?;
    let mut done = String::new();
    // Before the files that name what they make.
    for act in acts {
        done.push_str(&(act.make)()?);
    }
    for (at, change) in changes.iter().enumerate() {
        let made = change.make(stamp);
        done.push_str(&made.map_err(|error| undone(&changes[..at], error))?);
    }
    Ok(done)
}

/// The error after which the changes that were made before it are undone.
fn undone(made: &[Change], error: Error) -> Error {
    let stay = made.iter().rev().filter(|change| change.undo().is_err());
    let stay: Vec<Message> = stay.map(|change| message!("`{}`", shown(change.path()))).collect();
    if stay.is_empty() {
        return error;
    }
    let hint = error.hint().map(|hint| message!("{hint}; ", hint)).unwrap_or_default();
    let stay = Message::join(&stay, ", ");
    Error::Remembered {
        code: error.code(),
        message: message!("{error}", error),
        hint: Some(message!("{hint}{stay} has been written, and cannot be undone", hint, stay)),
    }
}
