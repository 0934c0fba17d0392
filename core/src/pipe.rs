//! Reads pipes and terminals that are passed as files, within the time limit of the run.
//!
//! Files are opened with `O_NONBLOCK`, which has no effect on regular files. A read from a pipe, such as a
//! shell's `<(…)`, waits until its writer closes it or the time limit ends. On Windows, reads just block.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use crate::clock::Deadline;

/// The time limit of a read before the settings are known.
#[cfg(unix)]
const DEFAULT_LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

static DEADLINE: Mutex<Option<Deadline>> = Mutex::new(None);

/// Sets the deadline of all reads in this run.
pub fn set_deadline(deadline: Deadline) {
    *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
}

#[cfg(unix)]
fn deadline() -> Deadline {
    let mut deadline = DEADLINE.lock().unwrap_or_else(PoisonError::into_inner);
    *deadline.get_or_insert_with(|| Deadline::within(DEFAULT_LIMIT))
}

/// A nonblocking file whose reads wait for data.
pub(crate) struct WaitingReader(pub(crate) File);

impl Read for WaitingReader {
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

/// Standard input, read within the time limit.
#[cfg_attr(windows, expect(clippy::unnecessary_wraps, reason = "on Unix it can fail"))]
pub(crate) fn stdin() -> io::Result<impl Read> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        Ok(WaitingReader(io::stdin().as_fd().try_clone_to_owned()?.into()))
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
