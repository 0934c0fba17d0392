//! Failed TLS handshakes: their messages and hints.
//!
//! The texts of the TLS library are for programmers, and are not shown to users.

use rustls::{AlertDescription, CertificateError, Error};

use super::authorities;
use super::failure::Way;
use crate::env::Env;
use crate::foreign_text::Message;
use crate::message;

/// The algorithms that ring verifies (`rustls::crypto::ring::ALL_SIGNATURE_ALGORITHMS`).
const SUPPORTED: &str =
    "have the server, and its authority, use an RSA key or one of P-256, P-384 or Ed25519";

/// Why the handshake failed.
pub(super) fn reason(error: &Error) -> Message {
    use CertificateError as Certificate;
    match error {
        Error::InvalidCertificate(problem) => match problem {
            Certificate::UnknownIssuer => "its certificate is signed by an authority that is not trusted here",
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "its certificate has expired by this machine's clock"
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "its certificate is not valid yet by this machine's clock"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            Certificate::Revoked => "its certificate has been revoked",
            Certificate::BadSignature => "the signature of its certificate is wrong",
            Certificate::BadEncoding => "its certificate is malformed",
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
                "its certificate is not for servers"
            }
            Certificate::UnhandledCriticalExtension => {
                "its certificate has a critical extension that is not known here"
            }
            problem if is_authority(problem) => {
                "its certificate is that of an authority (CA:TRUE), not of a server"
            }
            problem if is_unsupported(problem) => {
                "its certificate, or one above it, has a key or a signature of a kind that is not supported here, such as P-521"
            }
            _ => "its certificate cannot be verified",
        },
        Error::NoCertificatesPresented => "it has no certificate",
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "it and this program have nothing in common: a version or a cipher of TLS, or the kind of its certificate's key (P-521 is not supported here)"
        }
        Error::AlertReceived(_) => "it ended the handshake; it may require a client certificate, or another version of TLS",
        Error::PeerIncompatible(_) => "it and this program have no version or cipher of TLS in common",
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "what answers does not speak TLS"
        }
        Error::General(_) | Error::Other(_) => "it could not be set up",
        _ => "it broke the rules of TLS",
    }
    .into()
}

/// How to fix a problem with a server's certificate.
pub(super) fn hint(error: &Error, way: &Way<'_>) -> Message {
    let problem = match error {
        Error::InvalidCertificate(problem) => problem,
        Error::AlertReceived(AlertDescription::HandshakeFailure) => return SUPPORTED.into(),
        _ => return "check that the endpoint speaks TLS; if your network inspects it, give its authority with `--ca-file`".into(),
    };
    match problem {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => "check this machine's date".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
way.advice.name.into()
        }
        problem if is_unsupported(problem) => {
            SUPPORTED.into()
        }
        problem if is_authority(problem) => {
            "give this certificate itself with `--ca-file`, or have the server use one that is signed by it".into()
        }
        _ if way.has_authorities => match authorities::authority_problems(way.ca_file, &Env::Real).first() {
            Some(doubt) => message!("{doubt}; correct it, if it is the one that is missing", doubt),
            None => message!(
                "the certificate authorities of {} did not sign it: add the one that did; `openssl s_client -showcerts -connect HOST:PORT` shows the chain",
                way.advice.authority_settings
            ),
        },
        _ => match authorities::environment_problem(&Env::Real) {
            Some(doubt) => message!("{doubt}; correct or unset the variable", doubt),
            None => way.advice.authority.into(),
        },
    }
}

/// The same for the proxy's own certificate.
pub(super) fn proxy_hint(error: &Error) -> Message {
    match error {
        Error::InvalidCertificate(_) if authorities::ARE_IN_FILES => {
            "give the proxy's certificate authority with `--ca-file` or SSL_CERT_FILE".into()
        }
        Error::InvalidCertificate(_) => {
            "give the proxy's certificate authority with `--ca-file`".into()
        }
        _ => "few proxies speak TLS themselves: write its address as `http://host:port`".into(),
    }
}

/// Whether the server sent the certificate of an authority as its own. webpki's error for this has no variant here,
/// and its type has no public name.
pub(super) fn is_authority(problem: &CertificateError) -> bool {
    is_other(problem, "CaUsedAsEndEntity")
}

fn is_unsupported(problem: &CertificateError) -> bool {
    let name = format!("{problem:?}");
    name.starts_with("UnsupportedSignatureAlgorithm") || is_other(problem, "Unsupported")
}

fn is_other(problem: &CertificateError, name: &str) -> bool {
    matches!(problem, CertificateError::Other(_)) && format!("{problem:?}").contains(name)
}
