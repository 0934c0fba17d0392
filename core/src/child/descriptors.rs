//! The descriptors that this process was started with, besides the three standard ones: a script's lock,
//! the pipe of a program that waits for its end. A child that outlives this process must not hold them.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether they are for a command that this process becomes.
static IS_FOR_A_COMMAND: AtomicBool = AtomicBool::new(false);

/// Keeps the descriptors for the command that this process becomes or starts for a person: a file that it
/// is to read can be one of them, as with `<(…)` of a shell.
pub fn hand_on() {
    IS_FOR_A_COMMAND.store(true, Ordering::Relaxed);
}

/// Closes them in all programs that are started from now on.
pub fn close_on_exec() {
    #[cfg(unix)]
    if !IS_FOR_A_COMMAND.load(Ordering::Relaxed) {
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
    }
}
