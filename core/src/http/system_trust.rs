//! The verifier that trusts the authorities of the system.

#[cfg(not(any(target_os = "macos", windows)))]
pub(super) use in_files::verifier;
#[cfg(any(target_os = "macos", windows))]
pub(super) use in_store::verifier;

/// Systems that have a store, and a verifier of their own.
#[cfg(any(target_os = "macos", windows))]
mod in_store {
    use std::sync::Arc;

    use rustls::Error;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::crypto::CryptoProvider;
    use rustls::pki_types::CertificateDer;
    use rustls_platform_verifier::Verifier;

    /// The verifier that trusts the authorities of the system, and those in `given`.
    pub(in super::super) fn verifier(
        given: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let provider = Arc::clone(provider);
        // Wine cannot add authorities to its own, not even an empty list.
        let verifier = if cfg!(windows) && given.is_empty() {
            Verifier::new(provider)
        } else {
            Verifier::new_with_extra_roots(given.iter().cloned(), provider)
        };
        Ok(Arc::new(verifier?))
    }
}

/// Systems that have files: a bundle, folders, or both. A folder has hundreds of files, and the bundle has nearly all
/// of their certificates. So the folders are read only for a certificate whose authority is not in the bundle.
#[cfg(not(any(target_os = "macos", windows)))]
mod in_files {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::CryptoProvider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use tracing::debug;

    use crate::http::authorities::{of_bundle, of_folders};
    use crate::http::tls::verifier_by;
    use crate::http::verifier::lacks_authority;

    /// The verifier that trusts the authorities of the system, and those in `given`.
    pub(in super::super) fn verifier(
        given: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        match verifier_by(of_bundle(), given, provider) {
            Ok(bundle) => Ok(Arc::new(BundleFirst { bundle, provider: Arc::clone(provider) })),
            Err(_) => verifier_by(of_folders(), &[], provider),
        }
    }

    #[derive(Debug)]
    struct BundleFirst {
        bundle: Arc<dyn ServerCertVerifier>,
        provider: Arc<CryptoProvider>,
    }

    impl ServerCertVerifier for BundleFirst {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            intermediates: &[CertificateDer<'_>],
            name: &ServerName<'_>,
            ocsp_response: &[u8],
            now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            let verify = |by: &dyn ServerCertVerifier| {
                by.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
            };
            match verify(&*self.bundle) {
                Err(error) if lacks_authority(&error) => {
                    debug!(
                        "the bundle has no authority for a certificate, so the folders are read"
                    );
                    match verifier_by(of_folders(), &[], &self.provider) {
                        Ok(folders) => verify(&*folders),
                        Err(_) => Err(error),
                    }
                }
                verified => verified,
            }
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.bundle.verify_tls12_signature(message, certificate, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.bundle.verify_tls13_signature(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.bundle.supported_verify_schemes()
        }
    }
}
