//! The keyring's prompts: whether one may be opened, and whether one is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::spinner;

/// Whether this process may open prompts.
static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Forbids prompts in this process: the user cannot know what a prompt of a background process is for.
pub fn forbid_prompts() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// The state of one keyring's prompts, shared by the thread that calls it and the thread that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Prompts(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_open: AtomicBool,
    forbidden: AtomicBool,
    noticed: AtomicBool,
}

/// Prompts are forbidden until this is dropped.
pub(super) struct Silent(Prompts);

impl Prompts {
    #[cfg(any(test, all(unix, not(target_os = "macos"))))]
    pub(super) fn set_open(&self, is_open: bool) {
        self.0.is_open.store(is_open, Ordering::Relaxed);
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }

    /// Forbids prompts for one call.
    pub(super) fn forbid_for_now(&self) -> Silent {
        self.0.forbidden.store(true, Ordering::Relaxed);
        Silent(self.clone())
    }

    /// Shows on a terminal, once, that the run waits: the prompt may be behind other windows.
    pub(super) fn show_notice(&self) {
        if !self.0.noticed.swap(true, Ordering::Relaxed) {
            spinner::show_line("waiting for the keyring to be unlocked…");
        }
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
impl yc_id_token_secret_service_store::Prompts for Prompts {
    fn are_allowed(&self) -> bool {
        !FORBIDDEN.load(Ordering::Relaxed) && !self.0.forbidden.load(Ordering::Relaxed)
    }

    fn set_open(&self, is_open: bool) {
        self.set_open(is_open);
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.0.0.forbidden.store(false, Ordering::Relaxed);
    }
}
