//! Connection options of one server: authorities, client certificate, proxy.

use std::fmt;
use std::path::PathBuf;

use super::{ProxyAddress, authorities};

/// Connection options of one server. The default is for a server without options.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The authorities to trust, instead of all others.
    pub authorities: Option<Authorities>,
    pub certificate: Option<ClientCertificate>,
    /// The name that the server's certificate must be for, instead of the one in its address. The handshake still
    /// sends the name in the address (SNI), because the HTTP client cannot change that.
    pub server_name: Option<String>,
    /// Whether to accept any certificate. Security: a man in the middle can then read and change everything.
    pub skip_verify: bool,
    /// The proxy, instead of the run's.
    pub proxy: Option<ProxyAddress>,
    /// The hints for its errors.
    pub advice: Advice,
}

#[derive(Clone, Debug)]
pub enum Authorities {
    File(PathBuf),
    /// A folder of PEM files.
    Folder(PathBuf),
    Text {
        pem: String,
        /// The setting that the text comes from.
        origin: String,
    },
}

#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The PEM file of the certificate and the intermediate ones.
    pub chain: PathBuf,
    /// The PEM file of the key.
    pub key: PathBuf,
}

/// Hints for failures to reach a server.
#[derive(Clone, Copy)]
pub struct Advice {
    /// For a redirect.
    pub redirect: &'static str,
    /// For a certificate of an unknown authority, if no authorities are configured.
    pub authority: &'static str,
    pub authority_settings: &'static str,
    /// For a certificate for another name.
    pub name: &'static str,
}

impl Default for Advice {
    fn default() -> Self {
        Self {
            redirect: "sign in to the network if it has a login page; else check the endpoint: redirects are not followed with credentials",
            authority: if authorities::ARE_IN_FILES {
                "if your network inspects TLS, give its certificate authority with `--ca-file` or SSL_CERT_FILE"
            } else {
                "if your network inspects TLS, give its certificate authority with `--ca-file`, or add it to the certificate store of this system"
            },
            authority_settings: "`--ca-file`",
            name: "check the name in the endpoint; the server's certificate must have it as a subject alternative name",
        }
    }
}

impl fmt::Debug for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Advice")
    }
}
