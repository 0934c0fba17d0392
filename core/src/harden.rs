//! Protects the memory of this process: no core files, and no reading by other processes of the user.

/// Disables core files, and access to the memory by other processes of the user. Errors are ignored: without this
/// protection, the program is as safe as programs that never have it.
pub fn process() {
    system::process();
}

/// Makes a write beyond the file size limit fail with an error, instead of terminating the process by
/// SIGXFSZ.
pub fn report_file_size_limit() {
    #[cfg(unix)]
    system::report_file_size_limit();
}

/// Disables core files of programs that are started later, because they may receive a token. A child inherits the
/// limit, but not the dumpable flag.
pub fn children() {
    #[cfg(unix)]
    system::limit_core_files();
}

/// Starts a command of the user by `start`, with the core file limit that this process was started with.
pub fn with_original_limits<T>(start: impl FnOnce() -> T) -> T {
    system::with_original_limits(start)
}

#[cfg(unix)]
mod system {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, OnceLock};

    use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

    use crate::runtime::is_ignored;

    /// The core file limit before it was lowered.
    static ORIGINAL_LIMIT: OnceLock<Rlimit> = OnceLock::new();

    /// Linux writes no core file of a process that is not dumpable. If a seccomp filter denies that, and on
    /// other systems, the limit is lowered instead.
    pub(super) fn process() {
        if !set_not_dumpable() {
            limit_core_files();
        }
    }

    #[cfg(target_os = "linux")]
    fn set_not_dumpable() -> bool {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    const fn set_not_dumpable() -> bool {
        false
    }

    /// Keeps the hard limit: only root could raise it again for a command of the user.
    pub(super) fn limit_core_files() {
        let before = ORIGINAL_LIMIT.get_or_init(|| getrlimit(Resource::Core));
        if before.current != Some(0) {
            let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: before.maximum });
        }
    }

    /// A caught signal makes the write fail. Commands that are executed get the default action back.
    pub(super) fn report_file_size_limit() {
        let signal = Signal::XFSZ.as_raw();
        if getrlimit(Resource::Fsize).current.is_some() && !is_ignored(signal) {
            let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
        }
    }

    pub(super) fn with_original_limits<T>(start: impl FnOnce() -> T) -> T {
        let Some(before) = ORIGINAL_LIMIT.get() else { return start() };
        let _ = setrlimit(Resource::Core, *before);
        let started = start();
        limit_core_files();
        started
    }
}

#[cfg(windows)]
mod system {
    /// Does nothing: Windows writes no core files unless configured to, and its default access list already
    /// excludes other users.
    pub(super) fn process() {}

    /// Windows has no limit of core files.
    pub(super) fn with_original_limits<T>(start: impl FnOnce() -> T) -> T {
        start()
    }
}
