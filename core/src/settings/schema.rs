//! The settings of the program, one row each, in the order of the help.
//!
//! A row says all there is to say of a setting: its flag, its variable, its key in the file, its help and what
//! it decides. A consumer's own settings are such rows in the consumer's file.

use super::field::{Decides, Field, Kind, Offer, Table};
use super::identity::IdentityKind;
use super::{CacheSetting, IdTokenRoute, installation, names_of};
use crate::env;
use crate::error::ErrorFormat;

/// Profile.
pub const PROFILE: Field = Field::new(Kind::Text, "profile", "--profile", "YC_ID_TOKEN_PROFILE")
    .help(
        "NAME",
        "Profile of the configuration file [default: its `default_profile`, or its only profile]",
    )
    .decides(Decides::Nothing)
    .offers(Offer::Named(Vec::new, "profiles"))
    .not_in_file();

/// Configuration file.
pub const CONFIG: Field = Field::new(Kind::File, "config", "--config", "YC_ID_TOKEN_CONFIG")
    .help("FILE", "Configuration file")
    .decides(Decides::Nothing)
    .not_in_file();

/// Service account.
pub const SERVICE_ACCOUNT: Field =
    Field::new(Kind::Text, "service_account", "--service-account", "YC_ID_TOKEN_SERVICE_ACCOUNT")
        .help("ID|NAME", "Service account whose ID token is wanted, or its name in a folder [default: the identity's own]");

/// Folder, by its ID.
pub const FOLDER_ID: Field =
    Field::new(Kind::Text, "folder_id", "--folder-id", "YC_ID_TOKEN_FOLDER_ID")
        .help("ID", "Folder that the name of a service account is looked up in")
        .shared(env::YC_FOLDER_ID);

/// Folder, by its name.
pub const FOLDER_NAME: Field =
    Field::new(Kind::Text, "folder_name", "--folder-name", "YC_ID_TOKEN_FOLDER_NAME")
        .help("NAME", "The same, by its name in the cloud of `--cloud-id`");

/// Cloud.
pub const CLOUD_ID: Field =
    Field::new(Kind::Text, "cloud_id", "--cloud-id", "YC_ID_TOKEN_CLOUD_ID")
        .help("ID", "Cloud that the name of a folder is looked up in")
        .shared(env::YC_CLOUD_ID);

/// Audience.
pub const AUDIENCE: Field =
    Field::new(Kind::Text, "audience", "--audience", "YC_ID_TOKEN_AUDIENCE")
        .help("AUD", "Audience (`aud`) of the ID token");

/// Identity.
pub const IDENTITY: Field =
    Field::new(Kind::Text, "identity", "--identity", "YC_ID_TOKEN_IDENTITY")
        .help("IDENTITY", "How to authenticate to Yandex Cloud: authorized-key, keyring:NAME, iam-token, oauth-token, metadata, yc-profile, yc-cli, github-actions, kubernetes, token-file:FILE, or a name from the configuration file")
        .decides(Decides::How)
        .offers(Offer::Named(IdentityKind::names, "identity"));

/// Authorized key.
pub const KEY_FILE: Field = Field::new(Kind::Key, "key_file", "--key-file", "YC_ID_TOKEN_KEY_FILE")
    .help("FILE", "Authorized key of a service account, as `yc iam key create` writes it")
    .decides(Decides::How);

/// IAM token.
pub const IAM_TOKEN_FILE: Field =
    Field::new(Kind::Path, "iam_token_file", "--iam-token-file", "YC_ID_TOKEN_IAM_TOKEN_FILE")
        .help("FILE", "File of an IAM token to act with")
        .decides(Decides::How);

/// Service account to act as.
pub const IMPERSONATE_SERVICE_ACCOUNT: Field = Field::new(
    Kind::Text,
    "impersonate_service_account",
    "--impersonate-service-account",
    "YC_ID_TOKEN_IMPERSONATE_SERVICE_ACCOUNT",
)
.help("ID", "Service account that the identity acts as")
.decides(Decides::How);

/// Route to an ID token.
pub const ID_TOKEN_ROUTE: Field =
    Field::new(Kind::Text, "id_token_route", "--id-token-route", "YC_ID_TOKEN_ID_TOKEN_ROUTE")
        .help(
            "ROUTE",
            "How ID tokens are obtained: exchange, or yc-cli for the vendor's own command [default: exchange]")
        .decides(Decides::How)
        .offers(Offer::Words(|| names_of(&IdTokenRoute::ALL)));

/// Subject token type of a service account.
pub const SUBJECT_TOKEN_TYPE: Field = Field::new(
    Kind::Text,
    "subject_token_type",
    "--subject-token-type",
    "YC_ID_TOKEN_SUBJECT_TOKEN_TYPE",
)
.help("URN", "Type of the service account in the exchange for an ID token, `subject_token_type` [default: urn:yandex-cloud:token-type:subject_id]")
.decides(Decides::How);

/// The `yc` program.
pub const YC_PATH: Field = Field::new(Kind::Path, "yc_path", "--yc-path", "YC_ID_TOKEN_YC_PATH")
    .help("FILE", "The `yc` program [default: yc]")
    .decides(Decides::How);

/// Whether the cache is passed over.
pub const FORCE_REFRESH: Field =
    Field::new(Kind::Switch, "force_refresh", "--force-refresh", "YC_ID_TOKEN_FORCE_REFRESH")
        .help("", "Get a new credential, whatever is cached")
        .decides(Decides::Nothing)
        .not_in_file();

/// Background refresh.
pub const BACKGROUND_REFRESH: Field = Field::new(
    Kind::Bool,
    "background_refresh",
    "--background-refresh",
    "YC_ID_TOKEN_BACKGROUND_REFRESH",
)
.help("BOOL", "Whether what is past half of its life is refreshed in the background: true or false [default: true]").built_in("true")
.decides(Decides::Nothing)
.offers(Offer::Words(|| vec!["true", "false"]));

/// Cache.
pub const CACHE: Field = Field::new(Kind::Text, "cache", "--cache", "YC_ID_TOKEN_CACHE")
    .help("WHERE", "Where credentials are cached: file, keyring or none [default: file]")
    .built_in("file")
    .decides(Decides::Nothing)
    .offers(Offer::Words(|| names_of(&CacheSetting::ALL)));

/// Time limit.
pub const TIMEOUT: Field = Field::new(Kind::Time, "timeout", "--timeout", "YC_ID_TOKEN_TIMEOUT")
    .help("TIME", "Time budget of the whole run, such as 20s [default: 20s]")
    .built_in("20s")
    .decides(Decides::How);

/// Certificate authorities.
pub const CA_FILE: Field = Field::new(Kind::Path, "ca_file", "--ca-file", "YC_ID_TOKEN_CA_FILE")
    .help("FILE", "PEM file of certificate authorities to trust besides the system's")
    .decides(Decides::How);

/// Proxy.
pub const PROXY: Field = Field::new(Kind::Proxy, "proxy", "--proxy", "YC_ID_TOKEN_PROXY")
    .help("URL", "Proxy for Yandex Cloud [default: the system's, such as HTTPS_PROXY]")
    .decides(Decides::How);

/// Installation of Yandex Cloud.
pub const INSTALLATION: Field =
    Field::new(Kind::Text, "installation", "--installation", "YC_ID_TOKEN_INSTALLATION")
        .help(
            "NAME",
            "Installation of Yandex Cloud: ru, or a name from the configuration file [default: ru]",
        )
        .decides(Decides::How)
        .offers(Offer::Named(|| vec![installation::BUILT_IN], "installations"));

/// API endpoint.
pub const ENDPOINT: Field =
    Field::new(Kind::Text, "endpoint", "--endpoint", "YC_ID_TOKEN_ENDPOINT")
        .help("URL", "API endpoint of another installation, asked for the address of IAM")
        .decides(Decides::How);

/// IAM endpoint.
pub const IAM_ENDPOINT: Field =
    Field::new(Kind::Text, "iam_endpoint", "--iam-endpoint", "YC_ID_TOKEN_IAM_ENDPOINT")
        .help("URL", "IAM endpoint [default: https://iam.api.cloud.yandex.net]")
        .decides(Decides::How);

/// OAuth endpoint.
pub const OAUTH_ENDPOINT: Field =
    Field::new(Kind::Text, "oauth_endpoint", "--oauth-endpoint", "YC_ID_TOKEN_OAUTH_ENDPOINT")
        .help("URL", "OAuth endpoint [default: https://auth.yandex.cloud]")
        .decides(Decides::How);

/// Level of the log.
pub const VERBOSE: Field = Field::new(Kind::Count, "verbose", "--verbose", "YC_ID_TOKEN_VERBOSE")
    .help("", "Say on stderr what is done and why; more with -vv")
    .decides(Decides::Nothing)
    .not_in_file();

/// File of the log.
pub const LOG_FILE: Field =
    Field::new(Kind::File, "log_file", "--log-file", "YC_ID_TOKEN_LOG_FILE")
        .help("FILE", "Write the log to this file instead")
        .decides(Decides::Nothing)
        .not_in_file();

/// Form of errors.
pub const ERROR_FORMAT: Field =
    Field::new(Kind::Text, "error_format", "--error-format", "YC_ID_TOKEN_ERROR_FORMAT")
        .help("FORMAT", "Format of errors on stderr: text or json [default: text]")
        .decides(Decides::Nothing)
        .offers(Offer::Words(|| names_of(&ErrorFormat::ALL)))
        .not_in_file();

/// All of them.
pub static COMMON: Table = Table {
    name: "",
    heading: "Common options",
    settings: &[
        PROFILE,
        CONFIG,
        SERVICE_ACCOUNT,
        FOLDER_ID,
        FOLDER_NAME,
        CLOUD_ID,
        AUDIENCE,
        IDENTITY,
        KEY_FILE,
        IAM_TOKEN_FILE,
        IMPERSONATE_SERVICE_ACCOUNT,
        ID_TOKEN_ROUTE,
        SUBJECT_TOKEN_TYPE,
        YC_PATH,
        FORCE_REFRESH,
        BACKGROUND_REFRESH,
        CACHE,
        TIMEOUT,
        CA_FILE,
        PROXY,
        INSTALLATION,
        ENDPOINT,
        IAM_ENDPOINT,
        OAUTH_ENDPOINT,
        VERBOSE,
        LOG_FILE,
        ERROR_FORMAT,
    ],
};
