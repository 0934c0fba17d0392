//! Holds signals back while files are written, so that no kubeconfig lock and no incomplete set of changes is left
//! behind. Writing takes a few milliseconds.

#[cfg(unix)]
pub(super) use unix::{HeldSignals, let_signals_terminate};
#[cfg(windows)]
pub(super) use windows::{HeldSignals, let_signals_terminate};

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, LazyLock};

    use rustix::process::Signal;

    use crate::runtime::is_ignored;

    const SIGNALS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

    /// Whether signals terminate the process.
    static TERMINATE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let terminate = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS.map(Signal::as_raw).into_iter().filter(|signal| !is_ignored(*signal))
        {
            // If this fails, the signal terminates the process as usual.
            let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&terminate));
        }
        terminate
    });

    /// Lets signals terminate the process from now on. The runtime has caught them since the test token was
    /// requested, so Ctrl-C would not end a prompt.
    pub(in crate::command) fn let_signals_terminate() {
        TERMINATE.store(true, Ordering::SeqCst);
    }

    /// Signals have no effect while this exists.
    pub(in crate::command) struct HeldSignals(());

    impl HeldSignals {
        pub(in crate::command) fn hold() -> Self {
            TERMINATE.store(false, Ordering::SeqCst);
            Self(())
        }
    }

    impl Drop for HeldSignals {
        fn drop(&mut self) {
            TERMINATE.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(windows)]
mod windows {
    pub(in crate::command) const fn let_signals_terminate() {}

    /// Does nothing: Windows consoles terminate their programs themselves.
    pub(in crate::command) struct HeldSignals(());

    impl HeldSignals {
        pub(in crate::command) const fn hold() -> Self {
            Self(())
        }
    }
}
