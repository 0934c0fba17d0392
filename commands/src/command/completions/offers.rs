//! What a shell offers for options and arguments without a fixed list of values in clap. The flag of a setting is
//! described in the setting's row; this list has the other options and the arguments.

use crate::agent::endpoint_names;
use crate::command::explain;
use crate::command::setup::gcp_source_names;
use crate::consumer::TABLES;
use crate::consumer::document::DocumentFormat;
use crate::settings;
use crate::settings::schema::COMMON;

#[derive(Clone, Copy)]
pub(super) enum Offer {
    /// These words, and the names in a table of the configuration file.
    Named(fn() -> Vec<&'static str>, &'static str),
    /// A profile, or a consumer that has one.
    ProfileOrConsumer,
    /// An entry of the kubeconfig, by the name of its list.
    Kubeconfig(&'static str),
    Key,
    ConfigKey,
    /// A value of the key before it.
    ConfigValue,
    /// A file or a folder, which shells complete by themselves.
    Path,
    /// Text that cannot be predicted.
    Text,
}

/// What to offer for a command's option or argument. `None` if this list lacks it.
pub(super) fn offer(command: &str, option: &str) -> Option<Offer> {
    let tables = TABLES.iter().copied().chain([&COMMON]);
    if let Some(field) = tables.flat_map(|table| table.settings).find(|field| field.flag == option)
    {
        return Some(field.offer.into());
    }
    let of_command = OFFERS.iter().find(|(at, name, _)| *at == command && *name == option);
    let of_any = || OFFERS.iter().find(|(at, name, _)| at.is_empty() && *name == option);
    of_command.or_else(of_any).map(|(_, _, offer)| *offer)
}

impl From<settings::Offer> for Offer {
    fn from(offer: settings::Offer) -> Self {
        match offer {
            settings::Offer::Nothing => Self::Text,
            settings::Offer::Words(words) => Self::Named(words, ""),
            settings::Offer::Named(words, table) => Self::Named(words, table),
        }
    }
}

const PROFILE: Offer = Offer::Named(Vec::new, "profiles");

/// The command, or empty for all commands; the option; its values.
const OFFERS: &[(&str, &str, Offer)] = &[
    ("status", "named", PROFILE),
    ("doctor", "named", Offer::ProfileOrConsumer),
    // `setup --name` names a profile, but `key import --name` names a key.
    ("", "name", PROFILE),
    ("import", "name", Offer::Text),
    ("remove", "name", Offer::Key),
    ("read-back", "name", Offer::Key),
    ("", "cluster", Offer::Kubeconfig("clusters")),
    ("", "context", Offer::Kubeconfig("contexts")),
    ("", "user", Offer::Kubeconfig("users")),
    ("explain", "code", Offer::Named(explain::codes, "")),
    ("get", "key", Offer::ConfigKey),
    ("set", "key", Offer::ConfigKey),
    ("set", "value", Offer::ConfigValue),
    ("unset", "key", Offer::ConfigKey),
    ("token-helper", "request", Offer::Named(|| vec!["get", "store", "erase"], "")),
    ("", "ca_cert", Offer::Path),
    ("", "directory", Offer::Path),
    ("", "file", Offer::Path),
    ("", "kubeconfig", Offer::Path),
    ("", "link", Offer::Path),
    ("", "output", Offer::Path),
    ("", "server_config", Offer::Path),
    ("", "report", Offer::Path),
    ("", "accept_subject_token_type", Offer::Text),
    ("", "address", Offer::Text),
    ("", "aws_profile", Offer::Text),
    ("", "command", Offer::Text),
    ("", "serve", Offer::Named(endpoint_names, "")),
    ("", "format", Offer::Named(DocumentFormat::names, "")),
    ("", "group", Offer::Text),
    ("", "issuer", Offer::Text),
    ("", "listen", Offer::Text),
    ("", "mode", Offer::Named(|| vec!["0600", "0400", "0640", "0440"], "")),
    ("", "mount", Offer::Text),
    ("", "namespace", Offer::Text),
    ("", "on_change", Offer::Text),
    ("", "pid_file", Offer::Path),
    ("", "region", Offer::Text),
    ("", "role", Offer::Text),
    ("", "role_arn", Offer::Text),
    ("", "provider", Offer::Text),
    ("", "secret_file", Offer::Path),
    ("", "service_account_email", Offer::Text),
    ("", "signal", Offer::Named(|| vec!["HUP", "USR1", "USR2", "TERM"], "")),
    ("", "source", Offer::Named(gcp_source_names, "")),
    ("", "sts_endpoint", Offer::Text),
    ("", "token_file", Offer::Path),
    ("", "unlock_timeout", Offer::Text),
];

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::offer;
    use crate::command;
    use crate::consumer;
    use crate::settings::NamedCommand;

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
        let named = consumer::COMMANDS.iter().chain(command::COMMANDS);
        let mut program =
            Command::new("yc-id-token").subcommands(named.map(NamedCommand::deferred));
        program.build();
        look(&program);
    }
}
