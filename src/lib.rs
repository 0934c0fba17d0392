//! `yc-id-token`: a credential helper. It gets an OIDC ID token of a Yandex Cloud service account,
//! keeps it on disk while it is fresh, and hands it to kubectl and others in their own format.
//!
//! # The map
//!
//! ```text
//! argv/env ─► cli ─► settings (flag > environment > profile > defaults > built-in)
//!                       │
//!                       ▼
//!                   run     ─► broker ──fresh in cache──► consumer renders ─► output
//!                                 │
//!                           one flight per key
//!                                 ▼
//!           source: identity ─► IAM token ─► ID token ─► cache ─► consumer renders ─► output
//! ```
//!
//! Arrows point one way: `main → cli → consumer, command → run → broker → cache, source → http,
//! jwt, keyring → clock, credential, env, error`. The source and the cache know no consumer, nothing outside
//! [`http`] sees a type of the HTTP client, and only `consumer/x.rs` knows the format of x.
//!
//! | to find | look in |
//! | --- | --- |
//! | what a consumer gets | [`consumer`], one file a consumer |
//! | the other commands | [`command`], one file a command |
//! | what is requested from Yandex Cloud, and how | [`source`], one file an identity or token |
//! | when a cached credential is used, who refreshes it, what failures do | [`broker`] |
//! | how it is stored on disk | [`cache`], [`private_file`], [`secret_file`] |
//! | how a pipe is read that stands in the place of a file | [`pipe`] |
//! | how secrets are stored in the system's keyring | [`keyring`] |
//! | what the configuration file can say, and what wins | [`settings`] |
//! | how a file of the user's is edited | [`files`] |
//! | which variables are read | [`mod@env`] |
//! | how kubeconfigs are read together, and edited in place | `kubeconfig` |
//! | how a text file may be encoded | [`encoding`] |
//! | how a run waits, and what interrupts it | [`runtime`] |
//! | what people see while they wait | [`spinner`] |
//! | how other programs are found, run and ended | [`child`] |
//! | every message, code, exit status and hint | [`error`] |
//! | text from outside the program, and what may hold it | [`foreign_text`] |

pub mod broker;
pub mod cache;
pub mod child;
pub mod cli;
pub mod clock;
pub mod command;
pub mod consumer;
pub mod credential;
pub mod current_folder;
pub mod digest;
pub mod encoding;
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
mod kubeconfig;
pub mod log;
pub mod output;
pub mod pipe;
pub mod private_file;
pub mod run;
pub mod runtime;
pub mod secret_file;
pub mod settings;
pub mod shell;
pub mod source;
pub mod spinner;
mod yaml;
