//! The settings of `vault`, one row each. The variables of the official clients rank below them, see `connection`.

use crate::settings::{Field, Kind, Table};

pub static OWN_AUDIENCE: Field =
    Field::new(Kind::Text, "audience", "", "YC_ID_TOKEN_VAULT_AUDIENCE")
        .help("AUD", "Audience of the ID token for Vault");

pub static ADDRESS: Field =
    Field::new(Kind::Text, "address", "--address", "YC_ID_TOKEN_VAULT_ADDRESS")
        .help("URL", "URL of the server [default: BAO_ADDR, VAULT_ADDR, https://127.0.0.1:8200]")
        .essential();

pub static NAMESPACE: Field =
    Field::new(Kind::Text, "namespace", "--namespace", "YC_ID_TOKEN_VAULT_NAMESPACE")
        .help("NAMESPACE", "Namespace [default: BAO_NAMESPACE, VAULT_NAMESPACE, none]")
        .essential();

pub static MOUNT: Field = Field::new(Kind::Text, "mount", "--mount", "YC_ID_TOKEN_VAULT_MOUNT")
    .help("PATH", "Mount path of the JWT auth method [default: jwt]")
    .essential();

pub static ROLE: Field = Field::new(Kind::Text, "role", "--role", "YC_ID_TOKEN_VAULT_ROLE")
    .help("ROLE", "Role to log in with [default: the mount's default role]")
    .essential();

pub static CA_CERT: Field =
    Field::new(Kind::Path, "ca_cert", "--ca-cert", "YC_ID_TOKEN_VAULT_CA_CERT")
        .help("FILE", "PEM file with the certificate authority to trust instead of the system's [default: BAO_CACERT, VAULT_CACERT]");

pub(crate) static CA_BYTES: Field =
    Field::new(Kind::Text, "ca_bytes", "", "YC_ID_TOKEN_VAULT_CA_BYTES")
        .help("PEM", "Certificate authority of the server, as PEM text");

pub(crate) static CA_PATH: Field = Field::new(
    Kind::Path,
    "ca_path",
    "--ca-path",
    "YC_ID_TOKEN_VAULT_CA_PATH",
)
.help(
    "FOLDER",
    "Folder of PEM files with certificate authorities to trust [default: BAO_CAPATH, VAULT_CAPATH]",
);

pub(crate) static CLIENT_CERT: Field =
    Field::new(Kind::Path, "client_cert", "--client-cert", "YC_ID_TOKEN_VAULT_CLIENT_CERT").help(
        "FILE",
        "PEM file with the client certificate [default: BAO_CLIENT_CERT, VAULT_CLIENT_CERT]",
    );

pub(crate) static CLIENT_KEY: Field =
    Field::new(Kind::Path, "client_key", "--client-key", "YC_ID_TOKEN_VAULT_CLIENT_KEY")
        .help("FILE", "PEM file with the private key of the client certificate [default: BAO_CLIENT_KEY, VAULT_CLIENT_KEY]");

pub(crate) static TLS_SERVER_NAME: Field =
    Field::new(Kind::Text, "tls_server_name", "--tls-server-name", "YC_ID_TOKEN_VAULT_TLS_SERVER_NAME")
        .help("NAME", "Host name to expect in the server's certificate [default: BAO_TLS_SERVER_NAME, VAULT_TLS_SERVER_NAME, the host of the URL]");

pub(crate) static WRAP_TTL: Field =
    Field::new(Kind::Time, "wrap_ttl", "--wrap-ttl", "YC_ID_TOKEN_VAULT_WRAP_TTL")
        .help("TIME", "Print a wrapping token with this lifetime, which can be unwrapped once [default: VAULT_WRAP_TTL, none]")
        .flag_of("token");

pub(crate) static TLS_SKIP_VERIFY: Field =
    Field::new(Kind::Switch, "tls_skip_verify", "--tls-skip-verify", "")
        .help(
            "",
            "Accept any certificate: insecure, an attacker on the network can read both tokens",
        )
        .not_in_file();

pub(crate) const TABLE: Table = Table {
    name: "vault",
    heading: "Vault options",
    settings: &[
        &OWN_AUDIENCE,
        &ADDRESS,
        &NAMESPACE,
        &MOUNT,
        &ROLE,
        &CA_CERT,
        &CA_BYTES,
        &CA_PATH,
        &CLIENT_CERT,
        &CLIENT_KEY,
        &TLS_SERVER_NAME,
        &TLS_SKIP_VERIFY,
        &WRAP_TTL,
    ],
};
