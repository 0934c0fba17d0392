//! Looks up names, and records which lookup is still running.
//!
//! `localhost` is this machine (RFC 6761 section 6.3). It is never looked up at a name server, which could answer
//! with any address, where plain http would be sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether a name means this machine.
pub(super) fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The addresses of this machine, with a port.
pub(super) const fn own_addresses(port: u16) -> [SocketAddr; 2] {
    [
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port),
    ]
}

/// Looks up names with the system's resolver, and records the current one.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    waits_for: Arc<Mutex<Option<String>>>,
}

impl Names {
    /// The name of the current lookup.
    pub(super) fn waits_for(&self) -> Option<String> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, name: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, name) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            if is_this_machine(&name) {
                return Ok(Box::new(own_addresses(0).into_iter()) as Addrs);
            }
            names.set(Some(name.clone()));
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            names.set(None);
            let found: Vec<SocketAddr> = found?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_in_any_spelling_is_this_machine() {
        for name in ["localhost", "LOCALHOST", "localhost.", "iam.localhost"] {
            assert!(is_this_machine(name), "{name}");
        }
        for name in ["localhost.example", "mylocalhost", "", "127.0.0.1"] {
            assert!(!is_this_machine(name), "{name}");
        }
        assert!(own_addresses(1).iter().all(|address| address.ip().is_loopback()));
    }
}
