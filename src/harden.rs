//! What keeps the secrets of this process in this process.

/// Nothing of the memory reaches a core file, and no other process of the user may read it.
///
/// What the system refuses is no reason not to run: the user is no worse off than before.
pub fn process() {
    system::process();
}

/// A limit on the size of files is then told as what it is, and not by a signal that ends the process.
pub fn against_limits() {
    #[cfg(unix)]
    system::against_limits();
}

/// Programs that are started from now on, which may be given a token, write no core file either. What a process
/// may not be dumped for is not inherited; its limits are.
pub fn children() {
    #[cfg(unix)]
    system::limit_core_files();
}

/// Starts a command of the user's by `start`, under the limits that this process was started with.
#[cfg(unix)]
pub fn as_before<T>(start: impl FnOnce() -> T) -> T {
    system::as_before(start)
}

#[cfg(unix)]
mod system {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, OnceLock};

    use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

    use crate::runtime::is_ignored;

    /// The limit of core files before it was lowered, if it was.
    static CORE: OnceLock<Rlimit> = OnceLock::new();

    /// Linux writes no core file of a process that cannot be dumped, whatever its limits say. Where a filter
    /// of system calls denies that, and on other systems, the limit does it.
    pub(super) fn process() {
        if !cannot_be_dumped() {
            limit_core_files();
        }
    }

    #[cfg(target_os = "linux")]
    fn cannot_be_dumped() -> bool {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    const fn cannot_be_dumped() -> bool {
        false
    }

    /// The hard limit stays: nobody but root could raise it again for a command of the user's.
    pub(super) fn limit_core_files() {
        let before = CORE.get_or_init(|| getrlimit(Resource::Core));
        if before.current != Some(0) {
            let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: before.maximum });
        }
    }

    /// A signal that is caught lets the writing fail. A command that is run has it as it was.
    pub(super) fn against_limits() {
        let signal = Signal::XFSZ.as_raw();
        if getrlimit(Resource::Fsize).current.is_some() && !is_ignored(signal) {
            let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
        }
    }

    pub(super) fn as_before<T>(start: impl FnOnce() -> T) -> T {
        let Some(before) = CORE.get() else { return start() };
        let _ = setrlimit(Resource::Core, *before);
        let started = start();
        limit_core_files();
        started
    }
}

#[cfg(windows)]
mod system {
    /// Windows writes no core file unless the administrator asks for it, and its default access
    /// list already keeps other users out.
    pub(super) fn process() {}
}
