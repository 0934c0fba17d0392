//! Whom to trust: the system's certificate authorities, and those of `--ca-file`.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;
use tracing::debug;

use crate::error::{Code, Error, Result};
use crate::private_file;

/// A bundle of all public authorities has a quarter of this.
const BUNDLE_LIMIT: u64 = 4 * 1024 * 1024;

/// The TLS configuration of a client that speaks plain http: it trusts nobody, and reads no file to
/// know that. A container without certificate authorities can use it.
pub(super) fn unused_config() -> Result<ClientConfig> {
    Ok(builder(Arc::new(default_provider()))?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// The TLS configuration. Reading the system's authorities takes milliseconds, so it is made once a
/// run, and only when something is about to be sent.
pub(super) fn client_config(ca_file: Option<&Path>, what: &str) -> Result<ClientConfig> {
    let extra = ca_file.map(read_authorities).transpose()?.unwrap_or_default();
    let provider = Arc::new(default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(|_| Error::Unreached {
        what: what.into(),
        code: Code::Tls,
        problem: "this system has no certificate authorities to trust".into(),
        hint: "install the package `ca-certificates`, or give a PEM file with `--ca-file` or SSL_CERT_FILE".into(),
    })?;
    debug!("trust is set up");
    Ok(builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn builder(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(format!("TLS cannot be set up: {error}")))
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let what = "the certificate authority file";
    let pem = private_file::read_plain(path, BUNDLE_LIMIT)
        .map_err(|error| Error::unreadable(what, path, &error))?;
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(no_authority(path, "holds no PEM certificate")),
        Err(_) => Err(no_authority(path, "holds a PEM certificate that is damaged")),
    }
}

fn no_authority(path: &Path, problem: &str) -> Error {
    Error::IdentityFile {
        what: "the certificate authority file",
        path: path.into(),
        problem: problem.into(),
        hint: "give a file with `-----BEGIN CERTIFICATE-----` blocks".into(),
    }
}
