//! Verifiers of server certificates for the options of one server: another name, other authorities, or none.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::tls_words;

/// The usual verifier, with the changes of one server's options.
#[derive(Debug)]
pub(super) struct Adapted {
    usual: Arc<dyn ServerCertVerifier>,
    /// The name that the certificate must be for, instead of the one in the address.
    name: Option<ServerName<'static>>,
    /// The authorities that the user has configured. One of them is accepted as the server's own certificate: OpenSSL
    /// and Go accept it, and users of a single server configure its certificate.
    given: Vec<CertificateDer<'static>>,
}

impl Adapted {
    pub(super) fn around(
        usual: Arc<dyn ServerCertVerifier>,
        name: Option<ServerName<'static>>,
        given: Vec<CertificateDer<'static>>,
    ) -> Arc<dyn ServerCertVerifier> {
        Arc::new(Self { usual, name, given })
    }
}

/// Whether only the authority above the certificate is missing. Its dates were checked before.
pub(super) fn lacks_authority(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(problem) => tls_words::is_authority(problem),
        _ => false,
    }
}

impl ServerCertVerifier for Adapted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        let usual =
            self.usual.verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        match usual {
            Err(error) if lacks_authority(&error) && self.given.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            usual => usual,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Security: accepts any certificate. TLS then protects only against those who cannot change the traffic.
#[derive(Debug)]
pub(super) struct NotVerified {
    algorithms: WebPkiSupportedAlgorithms,
}

impl NotVerified {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for NotVerified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
