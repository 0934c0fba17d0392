//! Keys in the environment of a command, or the address of an endpoint with them (AWS SDKs and Tools Reference Guide,
//! "Environment variables" and "Container credential provider").

use std::path::Path;
use std::process::Command;

use super::{Aws, SessionKeys};
use crate::credential::Credential;
use crate::env;

/// Variables that a command must not inherit: some AWS tool would prefer them to the keys, or mix them with the keys.
const OVERRIDING: &[&str] = &[
    // Other keys.
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    // The JavaScript SDK prefers the profile.
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    // botocore uses this one as the session token.
    "AWS_SECURITY_TOKEN",
    // Other names of the keys, which older SDKs read.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_FILE",
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    // Other sources of keys, which some tools prefer.
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    // The parts of these sources.
    "AWS_SESSION_TOKEN",
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_SCOPE",
];

/// A token for one service, such as `AWS_BEARER_TOKEN_BEDROCK`, is used there instead of keys. botocore appends the
/// name of the service.
const TOKENS_OF_SERVICES: &str = "AWS_BEARER_TOKEN_";

impl Aws {
    /// Sets the keys in the environment of a child, and removes variables with precedence over them.
    pub(in crate::consumer) fn put_into_environment(
        &self,
        credential: &Credential<SessionKeys>,
        child: &mut Command,
    ) {
        self.clear_environment(child);
        let Credential { secret: keys, lifetime } = credential;
        child.env("AWS_ACCESS_KEY_ID", &keys.access_key_id);
        child.env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.expose());
        if let Some(token) = &keys.session_token {
            child.env("AWS_SESSION_TOKEN", token.expose());
        }
        if let Some(account) = &keys.account_id {
            child.env("AWS_ACCOUNT_ID", account);
        }
        child.env("AWS_CREDENTIAL_EXPIRATION", lifetime.expires_at_here().to_string());
    }

    /// Sets the address of an endpoint with the keys, and the file with its secret, in the environment of a child.
    pub(in crate::consumer) fn put_endpoint_into_environment(
        address: &str,
        secret_file: &Path,
        child: &mut Command,
    ) {
        child.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", address);
        child.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", secret_file);
    }

    /// Removes variables with precedence over other keys from the environment of a child, and adds the region.
    pub(in crate::consumer) fn clear_environment(&self, child: &mut Command) {
        for name in OVERRIDING {
            child.env_remove(name);
        }
        for name in env::names_that_begin_with(TOKENS_OF_SERVICES) {
            child.env_remove(name);
        }
        if let Some(region) = &self.sts.named_region() {
            // Version 1 of the CLI and boto read one, all other tools the other.
            child.env("AWS_REGION", region).env("AWS_DEFAULT_REGION", region);
        }
    }
}
