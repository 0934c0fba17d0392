//! The TLS configuration: the certificate authorities of the system and of `--ca-file`, or the options of one
//! server.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tracing::debug;

use super::authorities::{self, BUNDLE_LIMIT, Bundle, PEM_CERTIFICATES};
use super::server_options::{Authorities, ClientCertificate, ServerOptions};
use super::system_trust;
use super::verifier::{Adapted, NotVerified};
use crate::env::Env;

use crate::error::{Cause, Code, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;
use crate::secret_file;

/// The TLS configuration of a client for plain http. It trusts no authority and reads no files, so a container
/// without certificate authorities can use it.
pub(super) fn unused_config() -> Result<ClientConfig> {
    Ok(builder(Arc::new(default_provider()))?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// The TLS configuration. Reading the system's authorities takes milliseconds, so this is done once per run, and only
/// before a request.
pub(super) fn client_config(ca_file: Option<&Path>, what: &Message) -> Result<ClientConfig> {
    let provider = Arc::new(default_provider());
    let (usual, given) = system_verifier(ca_file, &provider, what)?;
    let verifier = Adapted::around(usual, None, given);
    Ok(builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// The TLS configuration for a server with its own options.
pub(super) fn client_config_by(
    options: &ServerOptions,
    ca_file: Option<&Path>,
    what: &Message,
) -> Result<ClientConfig> {
    let provider = Arc::new(default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if options.skip_verify {
        Arc::new(NotVerified::new(&provider))
    } else {
        let (usual, given) = match &options.authorities {
            Some(authorities) => verifier_of(authorities, &provider)?,
            None => system_verifier(ca_file, &provider, what)?,
        };
        let name = options.server_name.as_deref().map(server_name).transpose()?;
        Adapted::around(usual, name, given)
    };
    let builder = builder(provider)?.dangerous().with_custom_certificate_verifier(verifier);
    match &options.certificate {
        Some(certificate) => {
            with_certificate(certificate, |chain, key| builder.with_client_auth_cert(chain, key))
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

/// A verifier, and the configured authorities.
type Trusting = (Arc<dyn ServerCertVerifier>, Vec<CertificateDer<'static>>);

fn system_verifier(
    ca_file: Option<&Path>,
    provider: &Arc<CryptoProvider>,
    what: &Message,
) -> Result<Trusting> {
    let given = ca_file.map(authorities::read_file).transpose()?.unwrap_or_default();
    let verifier = match authorities::of_environment(&Env::Real) {
        Some(found) => verifier_by(found, &given, provider),
        None => system_trust::verifier(&given, provider),
    };
    let verifier = verifier.map_err(|error| no_authorities(what, error))?;
    debug!("trust is set up");
    Ok((verifier, given))
}

/// The system's authorities cannot be used, and no others are configured.
fn no_authorities(what: &Message, error: rustls::Error) -> Error {
    debug!(error = %ForeignText::new(&error.to_string()), "no authorities");
    let (problem, hint): (Message, _) = match authorities::environment_problem(&Env::Real) {
        Some(problem) => (
            problem,
            "correct the variable, unset it to trust the system's authorities, or give a PEM file with `--ca-file`",
        ),
        None => (
            "this system has no certificate authorities to trust".into(),
            if authorities::ARE_IN_FILES {
                "install the package `ca-certificates`, or give a PEM file with `--ca-file` or SSL_CERT_FILE"
            } else {
                "add one to the certificate store of this system, or give a PEM file with `--ca-file`"
            },
        ),
    };
    Error::Unreached {
        what: what.into(),
        code: Code::Tls,
        problem: Cause::worded(error, problem),
        hint: hint.into(),
    }
}

/// A verifier that trusts only these authorities.
fn verifier_of(authorities: &Authorities, provider: &Arc<CryptoProvider>) -> Result<Trusting> {
    let given = authorities::read(authorities)?;
    let verifier =
        verifier_by(RootCertStore::empty(), &given, provider).map_err(Error::internal)?;
    Ok((verifier, given))
}

/// A verifier that trusts these authorities, and those in `given`. Fails if there is none.
pub(super) fn verifier_by(
    mut roots: RootCertStore,
    given: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> std::result::Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    roots.add_parsable_certificates(given.iter().cloned());
    match WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()
    {
        Ok(verifier) => Ok(verifier),
        Err(error) => Err(rustls::Error::General(error.to_string())),
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|error| Error::Invalid {
        problem: message!(
            "`{}` is not the name of a TLS server: {}",
            ForeignText::new(name),
            Cause::new(error)
        ),
        hint: "give the name that the server's certificate is for".into(),
    })
}

fn with_certificate(
    certificate: &ClientCertificate,
    accept: impl FnOnce(
        Vec<CertificateDer<'static>>,
        PrivateKeyDer<'static>,
    ) -> std::result::Result<ClientConfig, rustls::Error>,
) -> Result<ClientConfig> {
    const CERTIFICATE: &str = "the client certificate";
    const KEY: &str = "the client key";
    let ClientCertificate { chain: chain_path, key: key_path } = certificate;
    let invalid_file = |what, path: &Path, problem: Message, hint: &'static str| {
        Error::IdentityFile { what, path: path.into(), problem: problem.into(), hint: hint.into() }
    };
    let pem = private_file::read_plain(chain_path, BUNDLE_LIMIT)
        .map_err(|error| Error::unreadable(CERTIFICATE, chain_path, error))?;
    let chain = Bundle::parse(&pem);
    if let Some(problem) = chain.problem() {
        return Err(invalid_file(CERTIFICATE, chain_path, problem, PEM_CERTIFICATES));
    }
    let pem = secret_file::read(KEY, key_path, BUNDLE_LIMIT)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        debug!(%error, "no private key");
        invalid_file(
            KEY,
            key_path,
            "holds no PEM private key that is not encrypted".into(),
            "give a file with a `-----BEGIN PRIVATE KEY-----` block",
        )
    })?;
    accept(chain.certificates, key).map_err(|error| {
        debug!(error = %ForeignText::new(&error.to_string()), "refused");
        let problem = message!("does not match the certificate `{}`", shown(chain_path));
        invalid_file(KEY, key_path, problem, "give the key that the certificate was made for")
    })
}

fn builder(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(Cause::new(error).context("TLS cannot be set up")))
}
