//! HTTP on loopback or a Unix socket: servers that answer the programs of this user from memory. The answers come
//! from a [`Service`] of the agent or of `exec`.
//!
//! Security: a program gets an answer only if it knows the secret of the endpoint or, on a Unix socket, runs as this
//! user or root. Browsers are refused, by whatever name they reach the address.
//!
//! | to find | look in |
//! | --- | --- |
//! | addresses, and how to bind them | `socket` |
//! | the sockets that systemd has opened | `passed_sockets` |
//! | limits of connections: number, size, time | `server` |
//! | which requests are answered, and the format | `answer` |
//! | the secret of its clients | `secret` |

mod answer;
mod passed_sockets;
mod secret;
mod server;
mod socket;

use std::sync::Arc;

pub use hyper::StatusCode;

use crate::clock::Clock;
use crate::foreign_text::ForeignText;
pub use answer::Answer;
pub use passed_sockets::PassedSockets;
pub use secret::Secret;
pub use server::serve;
pub use socket::{Listen, Socket};

/// Answers the requests that are accepted.
pub trait Service: Send + Sync {
    fn page(&self, path: &str, query: &str) -> Answer;

    /// Records an answer, including refusals.
    fn answered(&self, _: StatusCode) {}
}

/// An endpoint and its service.
pub struct Endpoint {
    /// Its address, for the log.
    pub name: ForeignText,
    /// The secret that clients must send; required on loopback.
    pub secret: Option<Arc<Secret>>,
    pub clock: Clock,
    pub service: Box<dyn Service>,
}
