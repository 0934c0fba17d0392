//! Signals while files are written: a lock that kubectl would wait for is not left behind, and no change stays
//! half made. Writing takes some milliseconds, and ends by itself.

#[cfg(unix)]
pub(super) use unix::{HeldSignals, let_signals_end};
#[cfg(windows)]
pub(super) use windows::{HeldSignals, let_signals_end};

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, LazyLock};

    use rustix::process::Signal;

    use crate::runtime::is_ignored;

    const SIGNALS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

    /// Whether signals end the program.
    static MAY_END: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let may_end = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS.map(Signal::as_raw).into_iter().filter(|signal| !is_ignored(*signal))
        {
            // Without a handler, the signal ends the program as ever.
            let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&may_end));
        }
        may_end
    });

    /// Lets signals end the program from now on. A run that has got a token catches them, and would no longer
    /// end while it waits for a person.
    pub(in crate::command::setup) fn let_signals_end() {
        MAY_END.store(true, Ordering::SeqCst);
    }

    /// While it exists, signals have no effect.
    pub(in crate::command::setup) struct HeldSignals(());

    impl HeldSignals {
        pub(in crate::command::setup) fn hold() -> Self {
            MAY_END.store(false, Ordering::SeqCst);
            Self(())
        }
    }

    impl Drop for HeldSignals {
        fn drop(&mut self) {
            MAY_END.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(windows)]
mod windows {
    pub(in crate::command::setup) const fn let_signals_end() {}

    /// A console ends its programs by itself there.
    pub(in crate::command::setup) struct HeldSignals(());

    impl HeldSignals {
        pub(in crate::command::setup) const fn hold() -> Self {
            Self(())
        }
    }
}
