//! Measures each step of a connection, for `doctor`.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::{Endpoint, Http, ServerOptions, authorities, names, tls};
use crate::env::Env;
use crate::error::Result;
use crate::foreign_text::Message;

/// How long each step took, up to the first failure. The error itself comes from a request.
#[derive(Debug, Default)]
pub struct Steps {
    pub name: Option<Duration>,
    pub connection: Option<Duration>,
    pub tls: Option<Duration>,
}

impl Http {
    /// Whether the certificate authorities can be read, and problems of some of them.
    pub fn trust(&self, env: &Env) -> Result<Vec<Message>> {
        let ca_file = self.ca_file.as_deref();
        tls::client_config(ca_file, &"the certificate authorities".into())?;
        Ok(authorities::authority_problems(ca_file, env))
    }

    /// Takes each step to a server separately, without a proxy, in `limit` at most.
    pub async fn steps(
        &self,
        endpoint: &Endpoint,
        options: &ServerOptions,
        limit: Duration,
    ) -> Result<Steps> {
        let ca_file = self.ca_file.as_deref();
        let config = endpoint
            .is_tls()
            .then(|| tls::client_config_by(options, ca_file, &endpoint.host()))
            .transpose()?;
        let (host, port) = endpoint.host_and_port();
        // The system's resolver cannot be interrupted, so it runs on its own thread.
        let taken = tokio::task::spawn_blocking(move || take(&host, port, config, limit));
        Ok(match tokio::time::timeout(limit, taken).await {
            Ok(Ok(steps)) => steps,
            Ok(Err(_)) | Err(_) => Steps::default(),
        })
    }
}

fn take(host: &str, port: u16, config: Option<ClientConfig>, limit: Duration) -> Steps {
    let mut steps = Steps::default();
    // `steps` has the steps before the failure.
    let _ = try_to_take(&mut steps, host, port, config, limit);
    steps
}

fn try_to_take(
    steps: &mut Steps,
    host: &str,
    port: u16,
    config: Option<ClientConfig>,
    limit: Duration,
) -> Option<()> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut began = Instant::now();
    let mut lap = || Some(std::mem::replace(&mut began, Instant::now()).elapsed());
    let addresses: Vec<SocketAddr> = if names::is_this_machine(bare) {
        names::own_addresses(port).into()
    } else {
        (bare, port).to_socket_addrs().ok()?.collect()
    };
    steps.name = lap();
    let mut stream =
        addresses.iter().find_map(|address| TcpStream::connect_timeout(address, limit).ok())?;
    steps.connection = lap();
    let name = ServerName::try_from(bare.to_owned()).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config?), name).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.set_write_timeout(Some(limit)).ok()?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    steps.tls = lap();
    Some(())
}
