//! The descriptors that this process inherited besides the three standard ones, such as a script's lock, or a pipe
//! that shows the end of this process. A child that outlives this process must not hold them.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the descriptors are for a command that this process becomes.
static IS_FOR_A_COMMAND: AtomicBool = AtomicBool::new(false);

/// Keeps the descriptors for the command that this process becomes or starts for a person, because its arguments can
/// refer to one, as with `<(…)` of a shell.
pub fn keep_for_command() {
    IS_FOR_A_COMMAND.store(true, Ordering::Relaxed);
}

/// Closes the descriptors in all programs that are started later.
pub fn close_on_exec() {
    #[cfg(unix)]
    if !IS_FOR_A_COMMAND.load(Ordering::Relaxed) {
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
    }
}
