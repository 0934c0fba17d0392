//! The variables that are not settings: those of other programs, and the program's own secrets and marks. The
//! variable of a setting is in its row, in [`crate::settings::schema`] or in the consumer's file.

use super::Var;

macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal;)+) => {
        $($(#[doc = $doc])+ pub const $constant: Var = Var { name: $name, doc: concat!($($doc),+) };)+

        /// The lines of [`all`]. It is one text, because every start of the program adjusts the addresses in a table.
        const LINES: &str = concat!($($name, "\t", $($doc),+, "\n"),+);
    };
}

variables! {
    /// IAM token to authenticate with
    IAM_TOKEN = "YC_ID_TOKEN_IAM_TOKEN";
    /// OAuth token to authenticate with
    OAUTH_TOKEN = "YC_ID_TOKEN_OAUTH_TOKEN";
    /// AWS's own: region
    AWS_OWN_REGION = "AWS_REGION";
    /// AWS's own: region, for older tools
    AWS_DEFAULT_REGION = "AWS_DEFAULT_REGION";
    /// AWS's own: profile of its configuration
    AWS_PROFILE = "AWS_PROFILE";
    /// AWS's own: profile of its configuration, for older tools
    AWS_DEFAULT_PROFILE = "AWS_DEFAULT_PROFILE";
    /// AWS's own: configuration file
    AWS_CONFIG_FILE = "AWS_CONFIG_FILE";
    /// AWS's own: file of credentials
    AWS_SHARED_CREDENTIALS_FILE = "AWS_SHARED_CREDENTIALS_FILE";
    /// AWS's own: a key, which has precedence over profiles
    AWS_ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID";
    /// AWS's own: address of STS
    AWS_ENDPOINT_URL_STS = "AWS_ENDPOINT_URL_STS";
    /// AWS's own: address of all services
    AWS_ENDPOINT_URL = "AWS_ENDPOINT_URL";
    /// AWS's own: `true`: such addresses are ignored
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    /// AWS's own: `true`: FIPS endpoints
    AWS_USE_FIPS_ENDPOINT = "AWS_USE_FIPS_ENDPOINT";
    /// AWS's own: `true`: dual-stack endpoints
    AWS_USE_DUALSTACK_ENDPOINT = "AWS_USE_DUALSTACK_ENDPOINT";
    /// OpenBao's own: address of the server
    BAO_OWN_ADDR = "BAO_ADDR";
    /// Vault's own: address of the server
    VAULT_OWN_ADDR = "VAULT_ADDR";
    /// OpenBao's own: address of an agent in front of the server
    BAO_OWN_AGENT_ADDR = "BAO_AGENT_ADDR";
    /// Vault's own: address of an agent in front of the server
    VAULT_OWN_AGENT_ADDR = "VAULT_AGENT_ADDR";
    /// OpenBao's own: namespace
    BAO_OWN_NAMESPACE = "BAO_NAMESPACE";
    /// Vault's own: namespace
    VAULT_OWN_NAMESPACE = "VAULT_NAMESPACE";
    /// OpenBao's own: PEM file of the server's certificate authority
    BAO_OWN_CACERT = "BAO_CACERT";
    /// Vault's own: PEM file of the server's certificate authority
    VAULT_OWN_CACERT = "VAULT_CACERT";
    /// OpenBao's own: the server's certificate authority itself, as PEM
    BAO_OWN_CACERT_BYTES = "BAO_CACERT_BYTES";
    /// Vault's own: the server's certificate authority itself, as PEM
    VAULT_OWN_CACERT_BYTES = "VAULT_CACERT_BYTES";
    /// OpenBao's own: folder of certificate authorities
    BAO_OWN_CAPATH = "BAO_CAPATH";
    /// Vault's own: folder of certificate authorities
    VAULT_OWN_CAPATH = "VAULT_CAPATH";
    /// OpenBao's own: certificate of the client
    BAO_OWN_CLIENT_CERT = "BAO_CLIENT_CERT";
    /// Vault's own: certificate of the client
    VAULT_OWN_CLIENT_CERT = "VAULT_CLIENT_CERT";
    /// OpenBao's own: private key of that certificate
    BAO_OWN_CLIENT_KEY = "BAO_CLIENT_KEY";
    /// Vault's own: private key of that certificate
    VAULT_OWN_CLIENT_KEY = "VAULT_CLIENT_KEY";
    /// OpenBao's own: name that the server's certificate must be for
    BAO_OWN_TLS_SERVER_NAME = "BAO_TLS_SERVER_NAME";
    /// Vault's own: name that the server's certificate must be for
    VAULT_OWN_TLS_SERVER_NAME = "VAULT_TLS_SERVER_NAME";
    /// OpenBao's own: `true`: the server's certificate is not checked; refused unless the flag sets it
    BAO_OWN_SKIP_VERIFY = "BAO_SKIP_VERIFY";
    /// Vault's own: `true`: the server's certificate is not checked; refused unless the flag sets it
    VAULT_OWN_SKIP_VERIFY = "VAULT_SKIP_VERIFY";
    /// OpenBao's own: proxy for the server
    BAO_OWN_PROXY_ADDR = "BAO_PROXY_ADDR";
    /// Vault's own: proxy for the server
    VAULT_OWN_PROXY_ADDR = "VAULT_PROXY_ADDR";
    /// OpenBao's own: proxy for the server, by its older name
    BAO_OWN_HTTP_PROXY = "BAO_HTTP_PROXY";
    /// Vault's own: proxy for the server, by its older name
    VAULT_OWN_HTTP_PROXY = "VAULT_HTTP_PROXY";
    /// OpenBao's own: lifetime of wrapping tokens
    BAO_OWN_WRAP_TTL = "BAO_WRAP_TTL";
    /// Vault's own: lifetime of wrapping tokens
    VAULT_OWN_WRAP_TTL = "VAULT_WRAP_TTL";
    /// OpenBao's own: token, which its CLI prefers to any that is stored
    BAO_OWN_TOKEN = "BAO_TOKEN";
    /// Vault's own: token, which its CLI prefers to any that is stored
    VAULT_OWN_TOKEN = "VAULT_TOKEN";
    /// OpenBao's own: file that its CLI stores a token in
    BAO_OWN_TOKEN_PATH = "BAO_TOKEN_PATH";
    /// Vault's own: file that its CLI stores a token in
    VAULT_OWN_TOKEN_PATH = "VAULT_TOKEN_PATH";
    /// OpenBao's own: configuration file of its CLI
    BAO_OWN_CONFIG_PATH = "BAO_CONFIG_PATH";
    /// Vault's own: configuration file of its CLI
    VAULT_OWN_CONFIG_PATH = "VAULT_CONFIG_PATH";
    /// Home folder, for programs that come from Unix
    HOME = "HOME";
    /// Set by Windows: drive of the home folder
    HOMEDRIVE = "HOMEDRIVE";
    /// Set by Windows: home folder on that drive
    HOMEPATH = "HOMEPATH";
    /// Set by Windows: folder of the user's profile
    USERPROFILE = "USERPROFILE";
    /// Set by kubectl: its request to the exec plugin
    KUBERNETES_EXEC_INFO = "KUBERNETES_EXEC_INFO";
    /// kubectl's own: its configuration files
    KUBECONFIG = "KUBECONFIG";
    /// kubectl's own: its file of preferences, or `off`
    KUBERC = "KUBERC";
    /// Google's own: the credentials that its client libraries use
    GOOGLE_APPLICATION_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS";
    /// gcloud's own: the same, for gcloud
    CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE = "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE";
    /// gcloud's own: file of an access token, which is used instead
    CLOUDSDK_AUTH_ACCESS_TOKEN_FILE = "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE";
    /// Terraform's own: access token for Google Cloud
    GOOGLE_OAUTH_ACCESS_TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN";
    /// Terraform's own: credentials for Google Cloud
    GOOGLE_CREDENTIALS = "GOOGLE_CREDENTIALS";
    /// Terraform's own: the same, by an older name
    GOOGLE_CLOUD_KEYFILE_JSON = "GOOGLE_CLOUD_KEYFILE_JSON";
    /// Terraform's own: the same, by an older name
    GCLOUD_KEYFILE_JSON = "GCLOUD_KEYFILE_JSON";
    /// Google's own: `1`: its client libraries may run an executable for a token
    GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";
    /// Set by Google's client libraries: the provider that they exchange the token at
    GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE";
    /// Set by Google's client libraries: the type of token that they expect
    GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE = "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE";
    /// Set by Google's client libraries: `1`: the user answers questions at the terminal
    GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE = "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE";
    /// Set by Google's client libraries: the file that caches the answer for later runs
    GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE = "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE";
    /// Set by Google's client libraries: `1`: the token must be revoked
    GOOGLE_EXTERNAL_ACCOUNT_REVOKE = "GOOGLE_EXTERNAL_ACCOUNT_REVOKE";
    /// Set for programs that get a token for this one: the credentials that are being obtained
    WITHIN = "YC_ID_TOKEN_WITHIN";
    /// Folders that are searched for programs
    PATH = "PATH";
    /// Set by the shell's completion: the word of the line to complete
    COMPLETE = "YC_ID_TOKEN_COMPLETE";
    /// Kind of the terminal; `dumb` is one that can only write on
    TERM = "TERM";
    /// The editor of a terminal, with its arguments
    VISUAL = "VISUAL";
    /// The editor, with its arguments
    EDITOR = "EDITOR";
    /// Anything: no colours
    NO_COLOR = "NO_COLOR";
    /// `1`: colours, even if the output is no terminal
    CLICOLOR_FORCE = "CLICOLOR_FORCE";
    /// The language and its encoding, before all else
    LC_ALL = "LC_ALL";
    /// The encoding of text
    LC_CTYPE = "LC_CTYPE";
    /// The language and its encoding
    LANG = "LANG";
    /// Yandex's own: IAM token
    YC_IAM_TOKEN = "YC_IAM_TOKEN";
    /// Yandex's own: IAM or OAuth token
    YC_TOKEN = "YC_TOKEN";
    /// Yandex's own: authorized key, its file or its content
    YC_SERVICE_ACCOUNT_KEY_FILE = "YC_SERVICE_ACCOUNT_KEY_FILE";
    /// Yandex's own: address of the metadata service, `host[:port]`
    YC_METADATA_ADDR = "YC_METADATA_ADDR";
    /// Yandex's own: folder
    YC_FOLDER_ID = "YC_FOLDER_ID";
    /// Yandex's own: cloud
    YC_CLOUD_ID = "YC_CLOUD_ID";
    /// Set by GitHub Actions: where a job gets its OIDC token
    ACTIONS_ID_TOKEN_REQUEST_URL = "ACTIONS_ID_TOKEN_REQUEST_URL";
    /// Set by GitHub Actions: token for that request
    ACTIONS_ID_TOKEN_REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
    /// Set by GitHub Actions: owner of the repository
    GITHUB_REPOSITORY_OWNER = "GITHUB_REPOSITORY_OWNER";
    /// D-Bus's own: address of the session bus, where the keyring is
    DBUS_SESSION_BUS_ADDRESS = "DBUS_SESSION_BUS_ADDRESS";
    /// Folder of the session bus, if no address is set
    XDG_RUNTIME_DIR = "XDG_RUNTIME_DIR";
    /// systemd's own: the socket that a service reports its state to
    NOTIFY_SOCKET = "NOTIFY_SOCKET";
    /// systemd's own: how often a service has to report that it works, in microseconds
    WATCHDOG_USEC = "WATCHDOG_USEC";
    /// systemd's own: the process that has to report that
    WATCHDOG_PID = "WATCHDOG_PID";
    /// systemd's own: how many sockets it has opened for a service
    LISTEN_FDS = "LISTEN_FDS";
    /// systemd's own: the names of these sockets
    LISTEN_FDNAMES = "LISTEN_FDNAMES";
    /// systemd's own: the process that the sockets are for
    LISTEN_PID = "LISTEN_PID";
    /// Proxy for https
    HTTPS_PROXY = "HTTPS_PROXY";
    /// The same, in lower case
    HTTPS_PROXY_LOWER = "https_proxy";
    /// Proxy for everything
    ALL_PROXY = "ALL_PROXY";
    /// The same, in lower case
    ALL_PROXY_LOWER = "all_proxy";
    /// Hosts that are reached without a proxy
    NO_PROXY = "NO_PROXY";
    /// The same, in lower case
    NO_PROXY_LOWER = "no_proxy";
    /// PEM file of the certificate authorities of this system
    SSL_CERT_FILE = "SSL_CERT_FILE";
    /// Folder of the certificate authorities of this system
    SSL_CERT_DIR = "SSL_CERT_DIR";
}

/// All variables, in the order of this file.
pub fn all() -> impl Iterator<Item = Var> {
    let lines = LINES.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(name, doc)| Var { name, doc })
}

/// The variables that set an identity and are no settings.
pub const IDENTITIES: &[Var] =
    &[IAM_TOKEN, OAUTH_TOKEN, YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE];

/// Variables that libraries read to reach servers. A change of one invalidates remembered failures.
pub const NETWORK: &[Var] = &[
    HTTPS_PROXY,
    HTTPS_PROXY_LOWER,
    ALL_PROXY,
    ALL_PROXY_LOWER,
    NO_PROXY,
    NO_PROXY_LOWER,
    SSL_CERT_FILE,
    SSL_CERT_DIR,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_listed_once() {
        let mut names: Vec<_> = all().map(|var| var.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
        assert_eq!(names.len(), LINES.lines().count());
    }
}
