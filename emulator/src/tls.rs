//! The emulator's own certificate authority and server certificate, created at each start.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

use super::clock::Clock;

/// The emulator's certificate, and the one that its clients have to trust.
pub(super) struct Identity {
    pub(super) ca_pem: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Identity {
    pub(super) fn generate() -> Result<Self, TlsError> {
        let now = Clock::default().now();
        let ca = authority(now)?;
        let key = KeyPair::generate()?;
        let leaf = leaf(now)?.signed_by(&key, &ca)?;

        // The provider is explicit, because a process-wide default is for the program to choose.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.into()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { ca_pem: ca.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate could not be created.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The certificate could not be used.
    #[error("cannot use the certificate")]
    Config(#[from] rustls::Error),
}

fn authority(now: OffsetDateTime) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "yc-id-token emulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now);
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let names = ["127.0.0.1", "::1", "localhost"].map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "yc-id-token emulator");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params, now);
    Ok(params)
}

/// Apple's verifier rejects certificates that are valid for more than 825 days.
fn set_validity(params: &mut CertificateParams, now: OffsetDateTime) {
    params.not_before = now.saturating_sub(Duration::days(1));
    params.not_after = now.saturating_add(Duration::days(365));
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::super::testing::{Reply, connect, request};
    use super::super::{Emulator, Fault, Options, Route};
    use super::*;

    fn tls_connect(emulator: &Emulator, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let ca = emulator.ca_pem().unwrap();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(client, connect(emulator))
    }

    #[test]
    fn https_works_under_every_name_and_after_a_failed_handshake() {
        let emulator = Emulator::start_with(Options { tls: true, ..Options::default() }).unwrap();
        assert!(emulator.url().starts_with("https://127.0.0.1:"));

        connect(&emulator).write_all(b"this is not a handshake").unwrap();
        for name in ["127.0.0.1", "::1", "localhost"] {
            let mut stream = tls_connect(&emulator, name);
            stream.write_all(request("GET", "/endpoints", &[], "").as_bytes()).unwrap();
            let mut raw = String::new();
            stream.read_to_string(&mut raw).unwrap();
            assert_eq!(Reply::parse(&raw).status, 200, "{name}");
        }
        assert_eq!(emulator.connections(), 4);
    }

    #[test]
    fn a_truncated_answer_ends_without_close_notify() {
        let emulator = Emulator::start_with(Options { tls: true, ..Options::default() }).unwrap();
        emulator.script(Route::Endpoints, [Fault::Truncated]);
        let mut stream = tls_connect(&emulator, "localhost");
        stream.write_all(request("GET", "/endpoints", &[], "").as_bytes()).unwrap();
        let mut raw = Vec::new();
        let error = stream.read_to_end(&mut raw).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert_eq!(raw.len(), 1024);
    }
}
