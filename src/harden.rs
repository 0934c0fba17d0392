//! What keeps the secrets of this process in this process.

/// Nothing of the memory reaches a core file, and no other process of the user may read it.
///
/// What the system refuses is no reason not to run: the user is no worse off than before.
pub fn process() {
    system::process();
}

#[cfg(unix)]
mod system {
    use rustix::process::{Resource, Rlimit, setrlimit};

    pub(super) fn process() {
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        #[cfg(target_os = "linux")]
        let _ =
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

#[cfg(windows)]
mod system {
    /// Windows writes no core file unless the administrator asks for it, and its default access
    /// list already keeps other users out.
    pub(super) fn process() {}
}
