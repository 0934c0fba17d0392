//! One binary for all tests that run the program: each module is a promise to a user.
//!
//! `tests/run` provides the peers and runs this; see CONTRIBUTING.md.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests make files of every kind, and fail by panicking"
)]

mod cache;
mod concurrency;
mod demo;
mod identities;
mod kubectl;
mod network;
mod output;
#[path = "../real/mod.rs"]
mod real;
mod sandbox;
mod settings;
mod token;
mod verification;
