//! The log, for those who ask for it: `-v` says what is done and why, `-vv` every step.
//!
//! Security: no level shows a secret, and every line passes the filter of [`ForeignText`] once it is
//! whole, whatever its parts were made of. Events of libraries are left out: at their lowest level they
//! would print headers and bodies.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::private_file;

/// Sets the log up, if it is asked for: `verbosity` is the number of `-v`.
pub fn start(verbosity: u8, file: Option<&Path>) -> Result<()> {
    let level = match (verbosity, file) {
        (0, None) => return Ok(()),
        (1, _) => LevelFilter::INFO,
        // Whoever gives a file wants something in it.
        (0 | 2, _) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let format =
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_target(false);
    // A log that cannot be written is no reason to say anything: stderr is empty on success.
    let format = format.log_internal_errors(false);
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    let writer: Box<dyn Write + Send> = match file {
        None => Box::new(io::stderr()),
        Some(path) => {
            let file = private_file::append(path)
                .map_err(|error| Error::OutputFile { path: path.into(), cause: error.into() })?;
            Box::new(file)
        }
    };
    let format = format.with_writer(Mutex::new(Filtered(writer)));
    format.finish().with(ours).try_init().map_err(Error::internal)
}

/// Writes events, each of which comes in one piece, as filtered lines.
struct Filtered<W>(W);

impl<W: Write> Write for Filtered<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = format!("{}\n", ForeignText::line(text.trim_end()));
        // In one piece, as other processes may write to the same file.
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_one_line_without_secrets_and_control_characters() {
        let mut written = Vec::new();
        let event = b"INFO path=/x\n/y key=t1.9euelZqUzpSQkMjGx8mMlM2Lns2Zx8ftx1 \x1b[2J\xff\n";
        Filtered(&mut written).write_all(event).unwrap();
        let line = String::from_utf8(written).unwrap();
        assert_eq!(line, "INFO path=/x /y key=[redacted] \u{fffd}[2J\u{fffd}\n");
    }
}
