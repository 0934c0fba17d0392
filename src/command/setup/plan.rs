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
    pub(super) advice: Vec<Message>,
    /// What to do when the changes have been made.
    pub(super) next: Message,
}

/// Something that is done to no file's text.
pub(super) struct Act {
    /// How it is shown before.
    pub(super) shown: Message,
    /// Does it, and tells what was done.
    pub(super) make: Box<dyn FnOnce() -> Result<Message>>,
}

impl Setup<'_> {
    /// Shows the plan, and carries it out if that is wanted.
    pub(super) fn finish(self, plan: Plan, output: &mut Output<'_>) -> Result<()> {
        let Plan { mut changes, acts, advice, next } = plan;
        self.check_profile()?;
        changes.insert(0, self.configuration.change());
        changes.retain(|change| !change.is_none());
        if changes.is_empty() && acts.is_empty() {
            let done = "There is nothing to change: it is set up so already.\n".into();
            let shown: Vec<Message> = [done].into_iter().chain(advice).chain([next]).collect();
            return output.say(&Message::join(&shown, "\n"));
        }
        let mut shown: Vec<Message> = changes.iter().map(Change::diff).collect();
        shown.extend(acts.iter().map(|act| message!("{}\n", act.shown)));
        shown.extend(advice);
        let is_asked = !self.common.print && !self.common.apply && Terminal::shows_output();
        let check = || changes.iter().try_for_each(Change::check);
        if is_asked || self.common.apply {
            check()?;
        }
        if let Some(terminal) = self.terminal.filter(|_| is_asked) {
            // What is agreed to must have been seen.
            shown.push(Message::default());
            output.say(&Message::join(&shown, "\n"))?;
            shown.clear();
            if !terminal.confirms("Apply?") {
                return output.say(&"Nothing has been changed.".into());
            }
        } else if !self.common.apply {
            shown.push("Nothing has been changed. To make these changes, give `--apply`.".into());
            return output.say(&Message::join(&shown, "\n"));
        }
        let done = carry_out(acts, &changes, &stamp(self.context.clock.now().at))?;
        shown.push(message!("{done}\n", done));
        shown.push(next);
        output.say(&Message::join(&shown, "\n"))
    }
}

/// Does all of it, or nothing that lasts.
fn carry_out(acts: Vec<Act>, changes: &[Change], stamp: &str) -> Result<Message> {
    // Released after the locks, which a signal would leave behind.
    let _signals = HeldSignals::hold();
    let _locks = changes.iter().map(Change::lock).collect::<Result<Vec<_>>>()?;
    // Files can have changed while somebody read what is to be changed.
    changes.iter().try_for_each(Change::check)?;
    let mut done = Vec::new();
    // Before the files that name what they make.
    for act in acts {
        done.push((act.make)()?);
    }
    for (at, change) in changes.iter().enumerate() {
        let made = change.make(stamp);
        done.push(made.map_err(|error| undone(&changes[..at], error))?);
    }
    Ok(Message::join(&done, "\n"))
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
