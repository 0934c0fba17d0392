//! The commands that people run, such as `setup` and `doctor`, and the agent.
//!
//! No cache hit runs them, so this crate is optimised for size, and `yc-id-token-core` for speed. The program's crate
//! re-exports the modules of both; its documentation has the map.
//!
//! This library is internal to the program: any item can change in any release.

pub mod agent;
pub mod command;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod kubeconfig;

use yc_id_token_core::{
    broker, cache, child, clock, colour, consumer, credential, digest, encoding, endpoint, env,
    error, files, foreign_text, harden, http, jwt, keyring, log, message, output, private_file,
    random, run, runtime, secret_file, settings, shell, source, spinner, yaml,
};
