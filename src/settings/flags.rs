//! The flags that every command takes.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::{Locations, expand_home};
use crate::env::{self, Env};

/// The flags that every command takes. Each has a variable of the same name: `--key-file` and
/// `YC_ID_TOKEN_KEY_FILE`.
#[derive(Args, Clone, Debug, Default)]
#[allow(clippy::doc_markdown, rustdoc::bare_urls, reason = "these lines are the help")]
#[command(next_help_heading = "Common options")]
pub struct Flags {
    /// Profile of the configuration file
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Service account whose ID token is wanted, or its name in a folder [default: the identity's own]
    #[arg(long, global = true, value_name = "ID|NAME")]
    pub service_account: Option<String>,
    /// Folder that the name of a service account is looked up in
    #[arg(long, global = true, value_name = "ID")]
    pub folder_id: Option<String>,
    /// The same, by its name in the cloud of `--cloud-id`
    #[arg(long, global = true, value_name = "NAME")]
    pub folder_name: Option<String>,
    /// Cloud that the name of a folder is looked up in
    #[arg(long, global = true, value_name = "ID")]
    pub cloud_id: Option<String>,
    /// Audience (`aud`) of the ID token
    #[arg(long, global = true, value_name = "AUD")]
    pub audience: Option<String>,
    /// Who we are towards Yandex Cloud: authorized-key, keyring:NAME, iam-token, oauth-token, metadata, yc-profile, yc-cli, github-actions, kubernetes, token-file:FILE, or a name from the configuration file
    #[arg(long, global = true, value_name = "IDENTITY")]
    pub identity: Option<String>,
    /// Authorized key of a service account, as `yc iam key create` writes it
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<String>,
    /// File of an IAM token to act with
    #[arg(long, global = true, value_name = "FILE")]
    pub iam_token_file: Option<String>,
    /// Service account that the identity acts as
    #[arg(long, global = true, value_name = "ID")]
    pub impersonate_service_account: Option<String>,
    /// How ID tokens are obtained: exchange, or yc-cli for the vendor's own command [default: exchange]
    #[arg(long, global = true, value_name = "ROUTE")]
    pub id_token_route: Option<String>,
    /// The `yc` program [default: yc]
    #[arg(long, global = true, value_name = "FILE")]
    pub yc_path: Option<String>,
    /// Get a new credential, whatever is cached
    #[arg(long, global = true)]
    pub force_refresh: bool,
    /// Whether what is past half of its life is refreshed in the background: true or false [default: true]
    #[arg(long, global = true, value_name = "BOOL")]
    pub background_refresh: Option<String>,
    /// Where credentials rest: file, keyring or none [default: file]
    #[arg(long, global = true, value_name = "WHERE")]
    pub cache: Option<String>,
    /// Time budget of the whole run, such as 20s [default: 20s]
    #[arg(long, global = true, value_name = "TIME")]
    pub timeout: Option<String>,
    /// PEM file of certificate authorities to trust besides the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<String>,
    /// Proxy for Yandex Cloud [default: HTTPS_PROXY and its kin]
    #[arg(long, global = true, value_name = "URL")]
    pub proxy: Option<String>,
    /// Installation of Yandex Cloud: ru, or a name from the configuration file [default: ru]
    #[arg(long, global = true, value_name = "NAME")]
    pub installation: Option<String>,
    /// API endpoint of another installation, asked for the address of IAM
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint: Option<String>,
    /// IAM endpoint [default: https://iam.api.cloud.yandex.net]
    #[arg(long, global = true, value_name = "URL")]
    pub iam_endpoint: Option<String>,
    /// OAuth endpoint [default: https://auth.yandex.cloud]
    #[arg(long, global = true, value_name = "URL")]
    pub oauth_endpoint: Option<String>,
    /// Say on stderr what is done and why; more with -vv
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Write the log to this file instead
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Form of errors on stderr: text or json [default: text]
    #[arg(long, global = true, value_name = "FORM")]
    pub error_format: Option<String>,
    /// A configuration that is not in its file yet: the file, and what is to stand in it. `setup` tries it so.
    #[arg(skip)]
    pub unwritten: Option<(PathBuf, String)>,
}

impl Flags {
    /// The configuration file that is asked for by name, if one is.
    #[must_use]
    pub fn config_asked_for(&self, env: &Env, locations: &Locations) -> Option<PathBuf> {
        let asked_for = self.config.clone().or_else(|| env.get_os(env::CONFIG).map(PathBuf::from));
        asked_for.map(|path| expand_home(&path, locations.home.as_deref()))
    }

    /// The configuration file: the one that is asked for, or else the usual one.
    #[must_use]
    pub fn config_file(&self, env: &Env, locations: &Locations) -> Option<PathBuf> {
        self.config_asked_for(env, locations).or_else(|| locations.config_file.clone())
    }
}
