//! The commands that people run, such as `setup` and `doctor`, and the agent.
//!
//! No cache hit runs them, so this crate is built to be small, and `yc-id-token-core` to be fast. The crate of the program
//! shows the modules of both as its own; its documentation has the map.
//!
//! This library is internal to the program: any item can change in any release.

pub mod agent;
pub mod command;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod kubeconfig;

use yc_id_token_core::{
    broker, cache, child, clock, colour, consumer, credential, digest, endpoint, env, error, files,
    foreign_text, harden, http, jwt, keyring, log, message, output, private_file, random, run,
    runtime, secret_file, settings, shell, source, spinner, yaml,
};
