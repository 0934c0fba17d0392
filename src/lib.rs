//! `yc-id-token`: a credential helper. It gets an OIDC ID token of a Yandex Cloud service account, caches it on
//! disk while it is fresh, and prints it for kubectl and other programs in their own format.
//!
//! This library is internal to the program: it exists so that tests and benchmarks can call its parts. Any item
//! can change in any release, and semantic versioning covers the command line alone.
//!
//! # The map
//!
//! ```text
//! argv, environment ─► cli ─► settings (flag > environment > profile > defaults > built-in)
//!                               │
//!                               ▼
//!                              run ─► broker ──fresh in the cache──► consumer renders ─► output
//!                                       │
//!                               single flight per key
//!                                       ▼
//!          source: identity ─► IAM token ─► ID token ─► cache ─► consumer renders ─► output
//! ```
//!
//! Dependencies have one direction: `main → cli → agent, command, consumer → run → broker → cache, source → http, jwt,
//! keyring → clock, credential, env, error`. The source and the cache know no consumer, only [`http`] uses types of the
//! HTTP client, and only `consumer/x.rs` knows the format of x.
//!
//! [`agent`] and [`command`] are in the crate `yc-id-token-commands`, which is built to be small. All others but [`cli`]
//! are in `yc-id-token-core`, which a cache hit runs.
//!
//! | module | what it contains |
//! | --- | --- |
//! | [`cli`] | the command line: one parser, and the start of each command |
//! | [`consumer`] | the programs that receive a credential, one file or folder each |
//! | [`agent`] | the process that keeps credentials fresh, in files and at endpoints |
//! | [`endpoint`] | HTTP on loopback or a Unix socket, for the agent and for `exec`: authentication and limits |
//! | [`command`] | the other commands, such as `setup`, `status` and `doctor`, one file or folder each |
//! | [`settings`] | the settings, their rows, the configuration file, and the origin of each value |
//! | [`run`] | one run: its settings, opened into a source, a broker and an HTTP layer |
//! | [`broker`] | freshness, single flight, negative cache and background refresh of every credential |
//! | [`cache`] | where credentials are stored between runs: files or the keyring |
//! | [`source`] | the Yandex side: identities, IAM tokens, ID tokens, service accounts, endpoints |
//! | [`http`] | requests: TLS, proxies, retries, deadlines, and the errors of all of these |
//! | [`jwt`] | JSON Web Tokens: claims, signatures, assertions |
//! | [`keyring`] | the system's keyring, behind a deadline |
//! | [`credential`] | secrets and their lifetimes |
//! | [`clock`] | local time, server time, and the offset between them; deadlines |
//! | [`mod@env`] | every environment variable that is read, and the reader |
//! | [`error`] | every error: message, code, exit status, hint, and cause |
//! | [`foreign_text`] | text from outside the program, without secrets and control characters |
//! | [`digest`] | SHA-256 digests |
//! | [`output`] | standard output: one document, written once |
//! | [`colour`] | colours at a terminal, and whether there are any |
//! | [`log`] | the log of `-v` and `--log-file` |
//! | [`spinner`] | the spinner on a terminal during long waits |
//! | [`runtime`] | the network runtime, and what interrupts a wait: signals, the end of the parent |
//! | [`child`] | other programs: how they are found, run and killed |
//! | [`harden`] | protection of the process's memory from core files and other processes |
//! | [`current_folder`] | the folder that relative paths refer to |
//! | [`shell`] | quoting for commands that are shown to the user |
//! | [`private_file`] | files of this user alone: checked when read, replaced whole when written |
//! | [`secret_file`] | files that hold secrets or name programs, and the errors about their permissions |
//! | [`pipe`] | pipes and terminals in the place of a file, read within the time limit |
//! | [`encoding`] | UTF-8 and UTF-16 in text files |
//! | [`files`] | edits of the user's files, which keep everything else in them |
//! | `kubeconfig` | kubeconfigs: read together, and edited in place |
//! | [`yaml`] | YAML as a tree with the place of each node |
//! | [`random`] | random numbers that spread requests over time, and random secrets |

pub mod cli;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use yc_id_token_commands::fuzzing;
#[doc(inline)]
pub use yc_id_token_commands::{agent, command};
#[doc(inline)]
pub use yc_id_token_core::{
    broker, cache, child, clock, colour, consumer, credential, current_folder, digest, encoding,
    endpoint, env, error, files, foreign_text, harden, http, jwt, keyring, log, message, output,
    pipe, private_file, random, run, runtime, secret_file, settings, shell, source, spinner, yaml,
};
