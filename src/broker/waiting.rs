//! Waiting for what goes over the network, with somebody who sees it and signals that end it.

use std::pin::{Pin, pin};

use super::interruption;
use super::runtime::block_on;
use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::spinner::Spinner;

/// Waits for what is not to be broken off.
pub fn finish<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    as_one_type(work, |work| {
        block_on(pin!(async {
            work.await;
            Ok(())
        }))
    })
}

/// Waits for what takes its time, unless this run is to end; the spinner says what it is `doing`, and an
/// interruption what it was getting.
pub fn wait_beside<T>(
    spinner: &Spinner,
    doing: &Message,
    what: &Message,
    work: impl Future<Output = T>,
) -> Result<T> {
    as_one_type(async { Ok(work.await) }, |work| wait_for(work, what, true, spinner, doing))
}

#[inline(never)]
pub(super) fn wait_for(
    work: Work<'_>,
    what: &Message,
    watches_parent: bool,
    spinner: &Spinner,
    doing: &Message,
) -> Result<()> {
    block_on(pin!(async {
        tokio::select! {
            // Signals are heard before the work starts a program, which a signal must end too.
            biased;
            error = interruption::interruption(what, watches_parent) => Err(error),
            () = work => Ok(()),
            never = spinner.turn(doing) => match never {},
        }
    }))
}

/// Something to wait for.
type Work<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// Does a work by `wait`, which need not be made for each type of work and of result.
pub(super) fn as_one_type<T>(
    work: impl Future<Output = Result<T>>,
    wait: impl FnOnce(Work<'_>) -> Result<()>,
) -> Result<T> {
    let mut result = None;
    wait(pin!(async { result = Some(work.await) }))?;
    result.unwrap_or_else(|| Err(Error::Internal("what was waited for is not there".into())))
}
