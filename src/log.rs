//! The log, for those who ask for it: `-v` says what is done and why, `-vv` every step.
//!
//! Security: no level shows a secret. What the libraries below us have to say is left out: at their
//! lowest level they would print headers and bodies.

use std::path::Path;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::{Error, Result, plain};
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
    let started = match file {
        None => format.with_writer(std::io::stderr).finish().with(ours).try_init(),
        Some(path) => {
            let file = private_file::append(path).map_err(|error| Error::OutputFile {
                path: path.into(),
                cause: plain(&error).into(),
            })?;
            format.with_writer(Mutex::new(file)).finish().with(ours).try_init()
        }
    };
    started.map_err(|_| Error::Internal("the log is started twice".into()))
}
