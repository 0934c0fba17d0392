//! The spinner: what people at a terminal see while they wait, on standard error.
//!
//! It is drawn by the wait itself, so there is no thread, and nothing at all before there is something to
//! wait for. It needs no escape sequences: a carriage return and spaces do, which is why `NO_COLOR` and the like
//! have nothing to switch off. A terminal that cannot go back, `TERM=dumb`, gets none.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::env::{self, Env};
use crate::foreign_text::Message;
use crate::settings::schema::{LOG_FILE, VERBOSE};

/// No spinner for waits shorter than this.
const PATIENCE: Duration = Duration::from_millis(300);

const TURN: Duration = Duration::from_millis(100);

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII_FRAMES: [&str; 4] = ["|", "/", "-", "\\"];

/// Where nobody tells the width of the terminal.
const WIDTH: usize = 80;

/// A spinner, or none. Whether there is somebody to see it is found out when there is something to see.
#[derive(Clone, Debug)]
pub struct Spinner(Option<Watch>);

#[derive(Clone, Debug)]
struct Watch {
    logs: bool,
    has_log_file: bool,
    env: Env,
}

/// What is drawn; it is gone when this is.
struct Drawn(usize);

impl Spinner {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// The spinner of a run that people wait for. Whether that logs, and to a file, can also be said by
    /// variables.
    #[must_use]
    pub fn at_terminal(logs: bool, has_log_file: bool, env: &Env) -> Self {
        Self(Some(Watch { logs, has_log_file, env: env.clone() }))
    }

    /// Turns until this is dropped. `doing` is what is being done.
    pub async fn turn(&self, doing: &Message) -> Infallible {
        let Some(watch) = &self.0 else { return std::future::pending().await };
        let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        turns.tick().await;
        let Some(frames) = watch.frames() else { return std::future::pending().await };
        let mut drawn = Drawn(0);
        for frame in frames.iter().cycle() {
            drawn.draw(frame, doing);
            turns.tick().await;
        }
        std::future::pending().await
    }
}

impl Watch {
    /// What is drawn, if there is somebody to see it, and nothing that it would come in the way of: the log
    /// goes to the same place.
    fn frames(&self) -> Option<&'static [&'static str]> {
        let env = &self.env;
        let logs = self.logs || env.get(VERBOSE.var()).is_some_and(|level| level != "0");
        let has_log_file = self.has_log_file || env.get_os(LOG_FILE.var()).is_some();
        let is_dumb = env.get(env::TERM).is_none_or(|kind| kind == "dumb") && cfg!(unix);
        let is_seen = std::io::stderr().is_terminal() && !is_dumb && (!logs || has_log_file);
        is_seen.then_some(if env.is_utf8() { &FRAMES } else { &ASCII_FRAMES })
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

/// Prints a line at the terminal that standard error may be, over what a spinner has drawn.
pub fn show_line(text: &str) {
    if std::io::stderr().is_terminal() {
        let width = width().saturating_sub(1);
        write(&format!("\r{text:width$}\n"));
    }
}

/// Errors are ignored: what is drawn is for people who look.
fn write(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(unix)]
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(WIDTH, |size| if size.ws_col == 0 { WIDTH } else { size.ws_col.into() })
}

#[cfg(windows)]
fn width() -> usize {
    WIDTH
}
