//! HTTP on loopback or a Unix socket: servers that answer the programs of this user from memory. What they answer is
//! a [`Service`] of the agent or of `exec`.
//!
//! Security: a request is answered only to a program that knows the secret of the endpoint or, on a Unix socket, that
//! runs as this user or root. Browsers are refused, whatever name they call the address by.
//!
//! | to find | look in |
//! | --- | --- |
//! | addresses, and how they are bound | `socket` |
//! | the sockets that systemd has opened | `passed_sockets` |
//! | connections: how many, how large, how slow | `server` |
//! | who is answered, and the form of answers | `answer` |
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

/// What is answered to the requests that are let in.
pub trait Service: Send + Sync {
    fn page(&self, path: &str, query: &str) -> Answer;

    /// Notes an answer, of a page or to a request that was refused.
    fn answered(&self, _: StatusCode) {}
}

/// An endpoint that is served.
pub struct Endpoint {
    /// Its address, for the log.
    pub name: ForeignText,
    /// What clients must send; needed on loopback.
    pub secret: Option<Arc<Secret>>,
    pub clock: Clock,
    pub service: Box<dyn Service>,
}
