//! How one server is reached that has settings of its own for that.

use std::fmt;
use std::path::PathBuf;

use super::ProxyAddress;

/// How one server is reached: whom to trust there, who we are to it in TLS, through which proxy, and
/// what to advise when it does not work. The default is what holds for every server.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// The authorities to trust. Where some are named, no others are trusted.
    pub authorities: Option<Authorities>,
    /// The certificate that we show.
    pub certificate: Option<ClientCertificate>,
    /// The name that the server's certificate must be for, instead of the one in its address. The
    /// address's name is still the one that the handshake asks for: the HTTP client has no call for
    /// another one.
    pub server_name: Option<String>,
    /// Security: whoever stands between can then read and change everything.
    pub skip_verify: bool,
    /// The proxy, instead of the run's.
    pub proxy: Option<ProxyAddress>,
    /// What to do about failures.
    pub advice: Advice,
}

/// Certificate authorities.
#[derive(Clone, Debug)]
pub enum Authorities {
    /// A PEM file.
    File(PathBuf),
    /// A folder of PEM files.
    Folder(PathBuf),
    /// PEM text.
    Text {
        /// The text.
        pem: String,
        /// The setting that it stands in.
        origin: String,
    },
}

/// A certificate by which a client is known, and its private key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The PEM file of the certificate, and of those between it and the authority.
    pub chain: PathBuf,
    /// The PEM file of the key.
    pub key: PathBuf,
}

/// What to do about failures on the way to a server.
#[derive(Clone, Copy)]
pub struct Advice {
    /// The server sends us elsewhere.
    pub redirect: &'static str,
    /// The authority of the server's certificate is not trusted, and no others were given.
    pub authority: &'static str,
    /// The settings that give authorities.
    pub authority_settings: &'static str,
    /// The server's certificate is for another name.
    pub name: &'static str,
}

impl Default for Advice {
    fn default() -> Self {
        Self {
            redirect: "sign in to the network if it has a login page; else check the endpoint: redirects are not followed with credentials",
            authority: "if your network inspects TLS, give its certificate authority with `--ca-file` or SSL_CERT_FILE",
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
