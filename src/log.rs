//! The log, for those who ask for it: `-v` says what is done and why, `-vv` every step.
//!
//! Security: no level shows a secret. The libraries below us do not log through this: what they
//! would print at their lowest level is headers and bodies.

use std::path::Path;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;

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
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false);
    let started = match file {
        None => subscriber.with_writer(std::io::stderr).try_init(),
        Some(path) => {
            let file = private_file::append(path).map_err(|error| Error::OutputFile {
                path: path.into(),
                cause: plain(&error),
            })?;
            subscriber.with_writer(Mutex::new(file)).try_init()
        }
    };
    started.map_err(|_| Error::Internal("the log is started twice".into()))
}
