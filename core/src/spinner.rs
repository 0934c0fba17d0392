//! The spinner that is shown on a terminal's standard error during long waits.
//!
//! It is drawn by the waiting task, so it needs no thread, and costs nothing before a wait. It uses carriage
//! returns and spaces instead of escape sequences, so `NO_COLOR` has no effect. `TERM=dumb` disables it.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::env::{self, Env};
use crate::foreign_text::Message;
use crate::settings::schema::{LOG_FILE, VERBOSE};

/// No spinner for waits shorter than this.
const DELAY: Duration = Duration::from_millis(300);

const INTERVAL: Duration = Duration::from_millis(100);

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII_FRAMES: [&str; 4] = ["|", "/", "-", "\\"];

/// The width if the terminal does not report it.
const DEFAULT_WIDTH: usize = 80;

/// A spinner, or none. Whether standard error is a terminal is checked only when a wait begins.
#[derive(Clone, Debug)]
pub struct Spinner(Option<Conditions>);

#[derive(Clone, Debug)]
struct Conditions {
    logs: bool,
    has_log_file: bool,
    env: Env,
}

/// The drawn text, by its length; it is erased on drop.
struct Drawn(usize);

impl Spinner {
    pub const fn none() -> Self {
        Self(None)
    }

    /// The spinner of an interactive run. `logs` and `has_log_file` are from flags; variables are checked
    /// later.
    pub fn at_terminal(logs: bool, has_log_file: bool, env: &Env) -> Self {
        Self(Some(Conditions { logs, has_log_file, env: env.clone() }))
    }

    /// Draws until dropped. `doing` describes the wait.
    pub async fn turn(&self, doing: &Message) -> Infallible {
        let Some(conditions) = &self.0 else { return std::future::pending().await };
        let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + DELAY, INTERVAL);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        turns.tick().await;
        let Some(frames) = conditions.frames() else { return std::future::pending().await };
        let mut drawn = Drawn(0);
        for frame in frames.iter().cycle() {
            drawn.draw(frame, doing);
            turns.tick().await;
        }
        std::future::pending().await
    }
}

impl Conditions {
    /// The frames to draw; `None` without a terminal, or if the log goes to standard error too.
    fn frames(&self) -> Option<&'static [&'static str]> {
        let env = &self.env;
        let logs = self.logs || env.get(VERBOSE.var()).is_some_and(|level| level != "0");
        let has_log_file = self.has_log_file || env.get_os(LOG_FILE.var()).is_some();
        let is_dumb = env.get(env::TERM).is_none_or(|kind| kind == "dumb") && cfg!(unix);
        let is_shown = std::io::stderr().is_terminal() && !is_dumb && (!logs || has_log_file);
        is_shown.then_some(if env.is_utf8() { &FRAMES } else { &ASCII_FRAMES })
    }
}

impl Drawn {
    fn draw(&mut self, frame: &str, what: &Message) {
        let line: String =
            format!("{frame} {what}").chars().take(width().saturating_sub(1)).collect();
        let length = line.chars().count();
        let rest = " ".repeat(self.0.saturating_sub(length));
        write(&format!("\r{line}{rest}"));
        self.0 = length;
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.0 > 0 {
            write(&format!("\r{}\r", " ".repeat(self.0)));
        }
    }
}

/// Prints a line over the spinner, if standard error is a terminal.
pub fn show_line(text: &str) {
    if std::io::stderr().is_terminal() {
        let width = width().saturating_sub(1);
        write(&format!("\r{text:width$}\n"));
    }
}

/// Errors are ignored: the spinner is cosmetic.
fn write(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(unix)]
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(
        DEFAULT_WIDTH,
        |size| if size.ws_col == 0 { DEFAULT_WIDTH } else { size.ws_col.into() },
    )
}

#[cfg(windows)]
fn width() -> usize {
    DEFAULT_WIDTH
}
