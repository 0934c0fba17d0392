//! What a shell offers for the value of an option, where clap does not know it.

use crate::consumer::{FORMATS, exec_versions};
use crate::error::ErrorFormat;
use crate::settings::{CacheSetting, IdTokenRoute, IdentityKind};

/// What the value of an option is.
#[derive(Clone, Copy)]
pub(super) enum Offer {
    /// A profile of the configuration file.
    Profile,
    /// A profile, or a consumer that has one.
    ProfileOrConsumer,
    /// An entry of the kubeconfig, by the name of its list.
    Kubeconfig(&'static str),
    /// The name of a key in the keyring.
    Key,
    /// One of these.
    Words(fn() -> Vec<&'static str>),
    /// A file or a folder: shells complete those by themselves.
    Path,
    /// Text that nobody can foresee.
    Text,
}

/// What the value of a command's option or argument is. `None` if this table lacks it.
pub(super) fn offer(command: &str, option: &str) -> Option<Offer> {
    let of_command = OFFERS.iter().find(|(at, name, _)| *at == command && *name == option);
    let of_any = || OFFERS.iter().find(|(at, name, _)| at.is_empty() && *name == option);
    of_command.or_else(of_any).map(|(_, _, offer)| *offer)
}

/// Command, or none for all; option; its value.
const OFFERS: &[(&str, &str, Offer)] = &[
    ("", "profile", Offer::Profile),
    ("status", "named", Offer::Profile),
    ("doctor", "named", Offer::ProfileOrConsumer),
    // `setup --name` names a profile; that of a key is another thing.
    ("", "name", Offer::Profile),
    ("import", "name", Offer::Text),
    ("remove", "name", Offer::Key),
    ("read-back", "name", Offer::Key),
    ("", "cluster", Offer::Kubeconfig("clusters")),
    ("", "context", Offer::Kubeconfig("contexts")),
    ("", "user", Offer::Kubeconfig("users")),
    ("", "identity", Offer::Words(IdentityKind::names)),
    ("", "cache", Offer::Words(|| CacheSetting::ALL.map(|(_, name)| name).to_vec())),
    ("", "id_token_route", Offer::Words(|| IdTokenRoute::ALL.map(|(_, name)| name).to_vec())),
    ("", "error_format", Offer::Words(|| ErrorFormat::ALL.map(|(_, name)| name).to_vec())),
    ("", "format", Offer::Words(|| FORMATS.map(|(_, name)| name).to_vec())),
    ("", "api_version", Offer::Words(exec_versions)),
    ("", "background_refresh", Offer::Words(|| vec!["true", "false"])),
    ("token-helper", "request", Offer::Words(|| vec!["get", "store", "erase"])),
    ("", "ca_cert", Offer::Path),
    ("", "ca_file", Offer::Path),
    ("", "ca_path", Offer::Path),
    ("", "client_cert", Offer::Path),
    ("", "client_key", Offer::Path),
    ("", "config", Offer::Path),
    ("", "directory", Offer::Path),
    ("", "file", Offer::Path),
    ("", "iam_token_file", Offer::Path),
    ("", "key_file", Offer::Path),
    ("", "kubeconfig", Offer::Path),
    ("", "link", Offer::Path),
    ("", "log_file", Offer::Path),
    ("", "output", Offer::Path),
    ("", "policy", Offer::Path),
    ("", "yc_path", Offer::Path),
    ("", "address", Offer::Text),
    ("", "audience", Offer::Text),
    ("", "aws_profile", Offer::Text),
    ("", "cloud_id", Offer::Text),
    ("", "command", Offer::Text),
    ("", "duration", Offer::Text),
    ("", "endpoint", Offer::Text),
    ("", "folder_id", Offer::Text),
    ("", "folder_name", Offer::Text),
    ("", "iam_endpoint", Offer::Text),
    ("", "impersonate_service_account", Offer::Text),
    ("", "installation", Offer::Text),
    ("", "issuer", Offer::Text),
    ("", "listen", Offer::Text),
    ("", "mount", Offer::Text),
    ("", "namespace", Offer::Text),
    ("", "oauth_endpoint", Offer::Text),
    ("", "policy_arn", Offer::Text),
    ("", "proxy", Offer::Text),
    ("", "region", Offer::Text),
    ("", "role", Offer::Text),
    ("", "role_arn", Offer::Text),
    ("", "role_session_name", Offer::Text),
    ("", "service_account", Offer::Text),
    ("", "sts_endpoint", Offer::Text),
    ("", "timeout", Offer::Text),
    ("", "tls_server_name", Offer::Text),
    ("", "unlock_timeout", Offer::Text),
    ("", "wrap_ttl", Offer::Text),
];

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::offer;
    use crate::cli::Cli;

    #[test]
    fn every_option_has_its_kind_of_value() {
        fn look(command: &Command) {
            let name = command.get_name();
            for argument in command.get_arguments() {
                let is_known = !argument.get_action().takes_values()
                    || !argument.get_possible_values().is_empty();
                let id = argument.get_id().as_str();
                assert!(is_known || offer(name, id).is_some(), "{name}: {id}");
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }
}
