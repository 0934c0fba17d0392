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
//! | the file with the secret | `secret_file` |

mod answer;
mod passed_sockets;
mod secret_file;
mod server;
mod socket;

use std::sync::Arc;

pub(crate) use hyper::StatusCode;

use crate::clock::Clock;
use crate::foreign_text::ForeignText;
pub(crate) use answer::Answer;
pub(crate) use passed_sockets::PassedSockets;
pub(crate) use secret_file::SecretFile;
pub(crate) use server::serve;
pub(crate) use socket::{Listen, Socket};

/// What is answered to the requests that are let in.
pub(crate) trait Service: Send + Sync {
    fn page(&self, path: &str, query: &str) -> Answer;

    /// Notes an answer, of a page or to a request that was refused.
    fn answered(&self, _: StatusCode) {}
}

/// An endpoint that is served.
pub(crate) struct Endpoint {
    /// Its address, for the log.
    pub(crate) name: ForeignText,
    /// What clients must send; needed on loopback.
    pub(crate) secret: Option<Arc<SecretFile>>,
    pub(crate) clock: Clock,
    pub(crate) service: Box<dyn Service>,
}
