//! Ends a waiting run: on a signal, or at the end of its parent.
//!
//! When kubectl and Terraform are killed, their helper keeps running. Its answer has no reader, so it ends too, and
//! stops all programs that it has started.

use crate::error::Error;

/// Completes when this run must end, with the error. `what` names what the run was getting.
#[cfg(unix)]
pub(super) async fn interruption(
    what: &crate::foreign_text::Message,
    watches_parent: bool,
) -> Error {
    unix::interruption(what, watches_parent).await
}

/// On Windows, the console ends its programs itself.
#[cfg(windows)]
pub(super) async fn interruption(_: &str, _: bool) -> Error {
    std::future::pending().await
}

#[cfg(unix)]
pub use unix::is_ignored;

#[cfg(unix)]
mod unix {
    use std::time::Duration;

    use rustix::process::{Signal, getppid};
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::mpsc;
    use tokio::time::{MissedTickBehavior, interval};

    use super::Error;
    use crate::runtime::task;

    const PARENT_CHECK_INTERVAL: Duration = Duration::from_millis(100);

    const SIGNALS: [Signal; 3] = [Signal::HUP, Signal::INT, Signal::TERM];

    pub(super) async fn interruption(
        what: &crate::foreign_text::Message,
        watches_parent: bool,
    ) -> Error {
        let (sender, mut caught) = mpsc::channel(1);
        let ignored = Ignored::read();
        for number in SIGNALS.map(Signal::as_raw) {
            if ignored.has(number) {
                continue;
            }
            let Ok(mut stream) = signal(SignalKind::from_raw(number)) else { continue };
            let sender = sender.clone();
            tokio::spawn(task(async move {
                stream.recv().await;
                let _ = sender.send(number).await;
            }));
        }
        let parent = getppid();
        let mut checks = interval(PARENT_CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(signal) = caught.recv() => {
                    return Error::Interrupted { what: what.into(), signal };
                }
                _ = checks.tick(), if watches_parent => {
                    if getppid() != parent {
                        return Error::Interrupted { what: what.into(), signal: Signal::HUP.as_raw() };
                    }
                }
            }
        }
    }

    /// Whether this process was started with a signal ignored, as by `nohup` or by a shell for background jobs.
    pub fn is_ignored(number: i32) -> bool {
        Ignored::read().has(number)
    }

    /// The signals that this process ignores (proc(5), `SigIgn`): a bit for each.
    struct Ignored(u64);

    impl Ignored {
        fn read() -> Self {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            Self(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
        }

        const fn has(&self, signal: i32) -> bool {
            self.0 & (1 << (signal - 1)) != 0
        }
    }
}
