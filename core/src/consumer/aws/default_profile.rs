//! The credentials of the default profile, which the SDKs prefer to those of an endpoint (AWS SDKs and Tools
//! Reference Guide, "Understand the credential provider chain"). A command that must use the endpoint gets copies of
//! AWS's files without them.

use std::path::Path;

use zeroize::Zeroizing;

use super::config_file::{aws_file, read_text};
use super::ini::{Ini, Kind};
use crate::env::{self, Env, Var};

/// The keys that make a profile a source of credentials. Others, such as the region, stay.
pub const CREDENTIAL_KEYS: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_security_token",
    "credential_process",
    "credential_source",
    "login_session",
    "role_arn",
    "source_profile",
    "sso_account_id",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// A copy of an AWS file without the default profile's credentials, and the variable that names it.
pub(in crate::consumer) struct Replacement {
    pub(in crate::consumer) variable: &'static str,
    pub(in crate::consumer) name: &'static str,
    /// Security: it can contain keys of other profiles, so it is wiped.
    pub(in crate::consumer) text: Zeroizing<String>,
}

/// Replacements of the files whose default profile has credentials.
pub(in crate::consumer) fn files_without_default_credentials(
    env: &Env,
    home: Option<&Path>,
) -> Vec<Replacement> {
    const FILES: [(Var, &str); 2] =
        [(env::AWS_CONFIG_FILE, "config"), (env::AWS_SHARED_CREDENTIALS_FILE, "credentials")];
    let replacement = |(var, name): (Var, &'static str)| {
        let text = without_credentials(&read_text(&aws_file(env, var, home, name)?)?)?;
        Some(Replacement { variable: var.name, name, text })
    };
    FILES.into_iter().filter_map(replacement).collect()
}

/// The text without the default profile's credentials; `None` if it has none.
fn without_credentials(text: &str) -> Option<Zeroizing<String>> {
    let ini = Ini::parse(text);
    let items = ini.named(Kind::Profile, "default").flat_map(|section| &section.items);
    let credentials: Vec<_> =
        items.filter(|item| CREDENTIAL_KEYS.iter().any(|key| item.is(key))).collect();
    if credentials.is_empty() {
        return None;
    }
    let mut rest = Zeroizing::new(String::with_capacity(text.len()));
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if !credentials.iter().any(|item| item.lines.contains(&at)) {
            rest.push_str(line);
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_default_profiles_credentials_are_removed() {
        let text = "# mine\n[default]\nregion = eu-central-1\nAWS_Access_Key_Id=AKIA\r\naws_secret_access_key =\n  continued\n\n[profile other]\naws_access_key_id = AKIB\n[profile default]\ncredential_process = /p\noutput = json";
        let rest = without_credentials(text).unwrap();
        assert_eq!(
            *rest,
            "# mine\n[default]\nregion = eu-central-1\n\n[profile other]\naws_access_key_id = AKIB\n[profile default]\noutput = json"
        );
        assert!(without_credentials(&rest).is_none());
        assert!(without_credentials("").is_none());
    }
}
