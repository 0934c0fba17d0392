//! The core of the program, which every run uses: settings, cache, broker, source, consumers, and the modules below
//! them.
//!
//! The commands that only people run, and the agent, are in another crate. The program's crate re-exports all
//! modules, and its documentation has the map. The crates are separate because a cache hit runs only this one: it is
//! built to be fast, the other one to be small.
//!
//! This library is internal to the program: any item can change in any release.

pub mod broker;
pub mod cache;
pub mod child;
pub mod clock;
pub mod colour;
pub mod consumer;
pub mod credential;
pub mod current_folder;
pub mod digest;
pub mod encoding;
pub mod endpoint;
pub mod env;
pub mod error;
pub mod files;
pub mod foreign_text;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod harden;
pub mod http;
pub mod jwt;
pub mod keyring;
pub mod log;
pub mod output;
pub mod pipe;
pub mod private_file;
pub mod random;
pub mod run;
pub mod runtime;
pub mod secret_file;
pub mod settings;
pub mod shell;
pub mod source;
pub mod spinner;
pub mod yaml;
