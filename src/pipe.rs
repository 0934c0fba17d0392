//! Reading from pipes and terminals that stand in the place of files: within the time limit of the run.
//!
//! A file is opened without waiting (`O_NONBLOCK`), which changes nothing for a regular one. A pipe is then
//! waited for until somebody writes into it and closes it, as with `<(…)` of a shell, or until time is up.
//! Windows has no such names.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use crate::clock::Deadline;

/// As long as a run may take that has not been told otherwise.
#[cfg(unix)]
const USUAL: std::time::Duration = std::time::Duration::from_secs(20);

static LIMIT: Mutex<Option<Deadline>> = Mutex::new(None);

/// Sets the end of all waiting in this run. Before, it is as far off as usual.
pub fn wait_until(deadline: Deadline) {
    *LIMIT.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
}

#[cfg(unix)]
fn deadline() -> Deadline {
    let mut limit = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
    *limit.get_or_insert_with(|| Deadline::within(USUAL))
}

/// A file that is read as soon as there is something to read in it.
pub(crate) struct Patient(pub(crate) File);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            #[cfg(unix)]
            wait_for(&self.0, deadline())?;
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

/// Standard input, of a program that writes into it and is not to keep this one waiting.
#[cfg_attr(windows, expect(clippy::unnecessary_wraps, reason = "on Unix it can fail"))]
pub(crate) fn stdin() -> io::Result<impl Read> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        Ok(Patient(io::stdin().as_fd().try_clone_to_owned()?.into()))
    }
    #[cfg(windows)]
    Ok(io::stdin())
}

#[cfg(unix)]
fn wait_for(file: &File, deadline: Deadline) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::new(file, PollFlags::IN)];
    loop {
        let left = Timespec::try_from(deadline.left()).ok();
        return match poll(&mut polled, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => Err(error.into()),
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "it is a pipe into which no program has written within {:.1} s",
                    deadline.budget().as_secs_f32()
                ),
            )),
            Ok(_) => Ok(()),
        };
    }
}
