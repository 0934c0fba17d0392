//! The network runtime, and waiting in it: with a spinner, until the work is done or the run must end.

mod alarm;
mod block_on;
mod interruption;

use std::pin::{Pin, pin};

use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::spinner::Spinner;
pub(crate) use alarm::sleep;
pub use block_on::block_on;
#[cfg(unix)]
pub use interruption::is_ignored;

/// Waits for work that no signal interrupts.
pub fn finish<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    as_one_type(work, |work| {
        block_on(pin!(async {
            work.await;
            Ok(())
        }))
    })
}

/// Waits for work, unless this run must end. The spinner shows what it is `doing`; `what` names the work in the error
/// of an interruption.
pub fn wait_beside<T>(
    spinner: &Spinner,
    doing: &Message,
    what: &Message,
    work: impl Future<Output = T>,
) -> Result<T> {
    wait(spinner, doing, what, true, async { Ok(work.await) })
}

/// Waits for work, unless this run must end: on a signal or, if it watches its parent, at its end.
pub(crate) fn wait<T>(
    spinner: &Spinner,
    doing: &Message,
    what: &Message,
    watches_parent: bool,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    as_one_type(work, |work| wait_for(work, what, watches_parent, spinner, doing))
}

#[inline(never)]
fn wait_for(
    work: Work<'_>,
    what: &Message,
    watches_parent: bool,
    spinner: &Spinner,
    doing: &Message,
) -> Result<()> {
    block_on(pin!(async {
        tokio::select! {
            // Polled first, so that signals are caught before the work starts a program, which they must end too.
            biased;
            error = interruption::interruption(what, watches_parent) => Err(error),
            () = work => Ok(()),
            never = spinner.turn(doing) => match never {},
        }
    }))
}

/// The work of a task.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes the work of tasks one type: tokio compiles each type for both of its schedulers.
pub fn task(work: impl Future<Output = ()> + Send + 'static) -> Task {
    Box::pin(work)
}

/// Work to wait for.
type Work<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// Runs work of any type with `wait`, which is compiled only once.
fn as_one_type<T>(
    work: impl Future<Output = Result<T>>,
    wait: impl FnOnce(Work<'_>) -> Result<()>,
) -> Result<T> {
    let mut result = None;
    wait(pin!(async { result = Some(work.await) }))?;
    result.unwrap_or_else(|| Err(Error::Internal("what was waited for is not there".into())))
}
