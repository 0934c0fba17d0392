//! The log: `-v` shows what is done and why, `-vv` every step.
//!
//! Security: no level shows a secret, and every complete line is filtered as [`ForeignText`]. Events of
//! libraries are not logged: at trace level, which a release build does not contain, they print headers and
//! bodies.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::foreign_text::ForeignText;
use crate::private_file;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    /// An object in each line, with `time`, `level`, `message` and the fields of the event.
    Json,
}

/// The prefix of this project's crates.
const OWN_CRATES: &str = "yc_id_token";

/// Starts the log if it is requested. `verbosity` is the number of `-v`.
pub fn start(verbosity: u8, file: Option<&Path>, log_format: LogFormat) -> Result<()> {
    let level = match (verbosity, file) {
        (0, None) => return Ok(()),
        (1, _) => LevelFilter::INFO,
        // A log file without `-v` would be empty.
        _ => LevelFilter::DEBUG,
    };
    let format = tracing_subscriber::fmt().with_max_level(level).with_ansi(false);
    // Write errors are not reported: stderr is empty on success.
    let format = format.log_internal_errors(false);
    let own_events = Targets::new().with_target(OWN_CRATES, level);
    let writer: Box<dyn Write + Send> = match file {
        None => Box::new(io::stderr()),
        Some(path) => {
            let file = private_file::append(path).map_err(|error| Error::unwritten(path, error))?;
            Box::new(file)
        }
    };
    let format = format.event_format(EventFormat(log_format));
    let format = format.with_writer(Mutex::new(Filtered(writer)));
    format.finish().with(own_events).try_init().map_err(Error::internal)
}

/// The library's text format, or JSON.
struct EventFormat(LogFormat);

impl<S, N> FormatEvent<S, N> for EventFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.0 {
            LogFormat::Text => {
                Format::default().with_target(false).format_event(context, writer, event)
            }
            LogFormat::Json => {
                let mut fields = Fields(Map::new());
                let level = event.metadata().level().as_str().to_ascii_lowercase();
                fields.add("time", &Clock::System.now().at.to_string());
                fields.add("level", &level);
                event.record(&mut fields);
                writeln!(writer, "{}", Value::Object(fields.0))
            }
        }
    }
}

/// The fields of an event. Each is filtered separately, so that the filter of the line does not change the JSON.
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), ForeignText::line(value).as_str().into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }
}

/// Writes each event as a filtered line. An event is a single call of `write`.
struct Filtered<W>(W);

impl<W: Write> Write for Filtered<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = format!("{}\n", ForeignText::line(text.trim_end()));
        // In a single write: other processes may write to the same file.
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
    fn an_event_becomes_one_filtered_line() {
        let mut written = Vec::new();
        let event = b"INFO path=/x\n/y key=t1.9euelZqUzpSQkMjGx8mMlM2Lns2Zx8ftx1 \x1b[2J\xff\n";
        Filtered(&mut written).write_all(event).unwrap();
        let line = String::from_utf8(written).unwrap();
        assert_eq!(line, "INFO path=/x /y key=[redacted] \u{fffd}[2J\u{fffd}\n");
    }
}
