use std::io;
use std::sync::Arc;

/// Why the Secret Service cannot be used.
///
/// Security: the libraries' errors can contain secrets, so they are not part of it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    #[error("there is no D-Bus session bus")]
    NoBus,
    /// With the bus's error text.
    #[error("the D-Bus session bus refuses the connection: {0}")]
    BusRefused(String),
    #[error("the D-Bus session bus refuses the connection")]
    BusFailed(#[source] Arc<io::Error>),
    #[error("nothing on the D-Bus session bus provides `{}`", crate::NAME)]
    NoService,
    /// No prompt was allowed, or the prompt did not unlock it.
    #[error("the keyring is locked")]
    Locked,
    /// The user has declined the prompt.
    #[error("the prompt was declined")]
    Declined,
    #[error("there is no default collection")]
    NoCollection,
    /// The name of its D-Bus error.
    #[error("the keyring failed: {0}")]
    Refused(String),
    #[error("the keyring failed: {0}")]
    Failed(&'static str),
    #[error("the keyring cannot be called")]
    System(#[source] Arc<io::Error>),
}
