//! The settings of the program, one row each, in the order of the help.
//!
//! A row has everything about a setting: its flag, its variable, its key in the file, its help and its effect. The
//! rows of a consumer's own settings are in the consumer's file.

use super::field::{Decides, Field, Group, Kind, Offer, Table};
use super::identity::IdentityKind;
use super::{CacheSetting, IdTokenRoute, installation, names_of};
use crate::env;
use crate::error::ErrorFormat;

/// Profile.
pub static PROFILE: Field = Field::new(Kind::Text, "profile", "--profile", "YC_ID_TOKEN_PROFILE")
    .help("NAME", "Profile to use [default: `default_profile`, or the only one]")
    .essential()
    .decides(Decides::Nothing)
    .offers(Offer::Named(Vec::new, "profiles"))
    .not_in_file();

/// Configuration file.
pub static CONFIG: Field = Field::new(Kind::File, "config", "--config", "YC_ID_TOKEN_CONFIG")
    .help("FILE", "Configuration file [default: the one that `config path` prints]")
    .decides(Decides::Nothing)
    .not_in_file();

/// Service account.
pub static SERVICE_ACCOUNT: Field =
    Field::new(Kind::Text, "service_account", "--service-account", "YC_ID_TOKEN_SERVICE_ACCOUNT")
        .help("ID|NAME", "Service account of the ID token [default: the identity's own]")
        .group(Group::Token)
        .essential();

/// Folder, by its ID.
pub static FOLDER_ID: Field =
    Field::new(Kind::Text, "folder_id", "--folder-id", "YC_ID_TOKEN_FOLDER_ID")
        .help("ID", "Folder to look up the name of the service account in")
        .group(Group::Token)
        .shared(&env::YC_FOLDER_ID);

/// Folder, by its name.
pub static FOLDER_NAME: Field =
    Field::new(Kind::Text, "folder_name", "--folder-name", "YC_ID_TOKEN_FOLDER_NAME")
        .help("NAME", "Name of that folder, in the cloud of `--cloud-id`")
        .group(Group::Token);

/// Cloud.
pub static CLOUD_ID: Field =
    Field::new(Kind::Text, "cloud_id", "--cloud-id", "YC_ID_TOKEN_CLOUD_ID")
        .help("ID", "Cloud to look up the name of the folder in")
        .group(Group::Token)
        .shared(&env::YC_CLOUD_ID);

/// Audience.
pub static AUDIENCE: Field =
    Field::new(Kind::Text, "audience", "--audience", "YC_ID_TOKEN_AUDIENCE")
        .help("AUD", "Audience (`aud`) of the ID token")
        .group(Group::Token)
        .essential();

/// Identity.
pub static IDENTITY: Field =
    Field::new(Kind::Text, "identity", "--identity", "YC_ID_TOKEN_IDENTITY")
        .help("IDENTITY", "Identity to authenticate with: authorized-key, keyring:NAME, iam-token, oauth-token, metadata, yc-profile, yc-cli, github-actions, kubernetes, token-file:FILE, or a name from the configuration file").group(Group::Authentication).essential()
        .decides(Decides::How)
        .offers(Offer::Named(IdentityKind::names, "identity"));

/// Authorized key.
pub static KEY_FILE: Field =
    Field::new(Kind::Key, "key_file", "--key-file", "YC_ID_TOKEN_KEY_FILE")
        .help("FILE", "Authorized key of a service account, from `yc iam key create`")
        .group(Group::Authentication)
        .essential()
        .decides(Decides::How);

/// IAM token.
pub static IAM_TOKEN_FILE: Field =
    Field::new(Kind::Path, "iam_token_file", "--iam-token-file", "YC_ID_TOKEN_IAM_TOKEN_FILE")
        .help("FILE", "File with an IAM token to authenticate with")
        .group(Group::Authentication)
        .decides(Decides::How);

/// Service account to act as.
pub static IMPERSONATE_SERVICE_ACCOUNT: Field = Field::new(
    Kind::Text,
    "impersonate_service_account",
    "--impersonate-service-account",
    "YC_ID_TOKEN_IMPERSONATE_SERVICE_ACCOUNT",
)
.help("ID", "Service account that the identity impersonates")
.group(Group::Authentication)
.decides(Decides::How);

/// Route to an ID token.
pub static ID_TOKEN_ROUTE: Field =
    Field::new(Kind::Text, "id_token_route", "--id-token-route", "YC_ID_TOKEN_ID_TOKEN_ROUTE")
        .help("ROUTE", "How to get ID tokens: exchange (OAuth endpoint) or yc-cli (`yc iam create-id-token`) [default: exchange]").group(Group::Token)
        .decides(Decides::How)
        .offers(Offer::Words(|| names_of(&IdTokenRoute::ALL)));

/// Subject token type of a service account.
pub static SUBJECT_TOKEN_TYPE: Field = Field::new(
    Kind::Text,
    "subject_token_type",
    "--subject-token-type",
    "YC_ID_TOKEN_SUBJECT_TOKEN_TYPE",
)
.help(
    "URN",
    "Value of `subject_token_type` in the token exchange [default: urn:yandex-cloud:token-type:subject_id]",
)
.group(Group::Token)
.decides(Decides::How);

/// The `yc` program.
pub static YC_PATH: Field = Field::new(Kind::Path, "yc_path", "--yc-path", "YC_ID_TOKEN_YC_PATH")
    .help("FILE", "Path of the `yc` program [default: yc]")
    .group(Group::Authentication)
    .decides(Decides::How);

/// Whether the cache is ignored.
pub static FORCE_REFRESH: Field =
    Field::new(Kind::Switch, "force_refresh", "--force-refresh", "YC_ID_TOKEN_FORCE_REFRESH")
        .help("", "Ignore the cache and get a new credential")
        .group(Group::Cache)
        .essential()
        .decides(Decides::Nothing)
        .not_in_file();

/// Background refresh.
pub static BACKGROUND_REFRESH: Field = Field::new(
    Kind::Bool,
    "background_refresh",
    "--background-refresh",
    "YC_ID_TOKEN_BACKGROUND_REFRESH",
)
.help("BOOL", "Refresh in the background after half of the lifetime: true or false [default: true]")
.group(Group::Cache)
.built_in("true")
.decides(Decides::Nothing)
.offers(Offer::Words(|| vec!["true", "false"]));

/// Cache.
pub static CACHE: Field = Field::new(Kind::Text, "cache", "--cache", "YC_ID_TOKEN_CACHE")
    .help("WHERE", "Where to cache credentials: file, keyring or none [default: file]")
    .group(Group::Cache)
    .built_in("file")
    .decides(Decides::Nothing)
    .offers(Offer::Words(|| names_of(&CacheSetting::ALL)));

/// Time limit.
pub static TIMEOUT: Field = Field::new(Kind::Time, "timeout", "--timeout", "YC_ID_TOKEN_TIMEOUT")
    .help("TIME", "Time limit of the whole run, such as 90s or 2m [default: 20s]")
    .group(Group::Network)
    .essential()
    .built_in("20s")
    .decides(Decides::How);

/// Certificate authorities.
pub static CA_FILE: Field = Field::new(Kind::Path, "ca_file", "--ca-file", "YC_ID_TOKEN_CA_FILE")
    .help("FILE", "PEM file with certificate authorities to trust besides the system's")
    .group(Group::Network)
    .decides(Decides::How);

/// Proxy.
pub static PROXY: Field = Field::new(Kind::Proxy, "proxy", "--proxy", "YC_ID_TOKEN_PROXY")
    .help("URL", "Proxy for Yandex Cloud [default: HTTPS_PROXY, ALL_PROXY, the system's]")
    .group(Group::Network)
    .decides(Decides::How);

/// Installation of Yandex Cloud.
pub static INSTALLATION: Field =
    Field::new(Kind::Text, "installation", "--installation", "YC_ID_TOKEN_INSTALLATION")
        .help(
            "NAME",
            "Installation of Yandex Cloud: ru, or a name from the configuration file [default: ru]",
        )
        .group(Group::Network)
        .decides(Decides::How)
        .offers(Offer::Named(|| vec![installation::BUILT_IN], "installations"));

/// API endpoint.
pub static ENDPOINT: Field =
    Field::new(Kind::Text, "endpoint", "--endpoint", "YC_ID_TOKEN_ENDPOINT")
        .help("URL", "API endpoint of another installation, which lists its IAM endpoint")
        .group(Group::Network)
        .decides(Decides::How);

/// IAM endpoint.
pub static IAM_ENDPOINT: Field =
    Field::new(Kind::Text, "iam_endpoint", "--iam-endpoint", "YC_ID_TOKEN_IAM_ENDPOINT")
        .help("URL", "IAM endpoint [default: https://iam.api.cloud.yandex.net]")
        .group(Group::Network)
        .decides(Decides::How);

/// OAuth endpoint.
pub static OAUTH_ENDPOINT: Field =
    Field::new(Kind::Text, "oauth_endpoint", "--oauth-endpoint", "YC_ID_TOKEN_OAUTH_ENDPOINT")
        .help("URL", "OAuth endpoint [default: https://auth.yandex.cloud]")
        .group(Group::Network)
        .decides(Decides::How);

/// Level of the log.
pub static VERBOSE: Field = Field::new(Kind::Count, "verbose", "--verbose", "YC_ID_TOKEN_VERBOSE")
    .help("", "Log to stderr what is done and why; -vv logs more")
    .group(Group::Diagnostics)
    .essential()
    .decides(Decides::Nothing)
    .not_in_file();

/// File of the log.
pub static LOG_FILE: Field =
    Field::new(Kind::File, "log_file", "--log-file", "YC_ID_TOKEN_LOG_FILE")
        .help("FILE", "Write the log to this file instead of stderr")
        .group(Group::Diagnostics)
        .decides(Decides::Nothing)
        .not_in_file();

/// Format of errors.
pub static ERROR_FORMAT: Field =
    Field::new(Kind::Text, "error_format", "--error-format", "YC_ID_TOKEN_ERROR_FORMAT")
        .help("FORMAT", "Format of errors on stderr: text or json [default: text]")
        .group(Group::Diagnostics)
        .decides(Decides::Nothing)
        .offers(Offer::Words(|| names_of(&ErrorFormat::ALL)))
        .not_in_file();

/// All of them.
pub static COMMON: Table = Table {
    name: "",
    heading: "",
    settings: &[
        &PROFILE,
        &CONFIG,
        &IDENTITY,
        &KEY_FILE,
        &IAM_TOKEN_FILE,
        &IMPERSONATE_SERVICE_ACCOUNT,
        &YC_PATH,
        &AUDIENCE,
        &SERVICE_ACCOUNT,
        &FOLDER_ID,
        &FOLDER_NAME,
        &CLOUD_ID,
        &ID_TOKEN_ROUTE,
        &SUBJECT_TOKEN_TYPE,
        &FORCE_REFRESH,
        &CACHE,
        &BACKGROUND_REFRESH,
        &TIMEOUT,
        &PROXY,
        &CA_FILE,
        &INSTALLATION,
        &ENDPOINT,
        &IAM_ENDPOINT,
        &OAUTH_ENDPOINT,
        &VERBOSE,
        &LOG_FILE,
        &ERROR_FORMAT,
    ],
};
