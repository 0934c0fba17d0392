//! What a shell offers for options and arguments without a fixed list of values in clap. The flag of a setting is
//! described in the setting's row; this file has the other options and the arguments.

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

/// What to offer for a command's option or argument. `None` if this file lacks it.
pub(super) fn offer(command: &str, option: &str) -> Option<Offer> {
    let tables = TABLES.iter().copied().chain([&COMMON]);
    if let Some(field) = tables.flat_map(|table| table.settings).find(|field| field.flag == option)
    {
        return Some(field.offer.into());
    }
    other(command, option)
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

/// The values of what is not the flag of a setting.
fn other(command: &str, option: &str) -> Option<Offer> {
    Some(match (command, option) {
        ("doctor", "named") => Offer::ProfileOrConsumer,
        ("import", "name") => Offer::Text,
        ("remove" | "read-back", "name") => Offer::Key,
        ("status", "named") | (_, "name") => Offer::Named(Vec::new, "profiles"),
        (_, "cluster") => Offer::Kubeconfig("clusters"),
        (_, "context") => Offer::Kubeconfig("contexts"),
        (_, "user") => Offer::Kubeconfig("users"),
        ("explain", "code") => Offer::Named(explain::codes, ""),
        ("get" | "set" | "unset", "key") => Offer::ConfigKey,
        ("set", "value") => Offer::ConfigValue,
        ("token-helper", "request") => Offer::Named(|| vec!["get", "store", "erase"], ""),
        (_, "format") => Offer::Named(DocumentFormat::names, ""),
        (_, "mode") => Offer::Named(|| vec!["0600", "0400", "0640", "0440"], ""),
        (_, "serve") => Offer::Named(endpoint_names, ""),
        (_, "signal") => Offer::Named(|| vec!["HUP", "USR1", "USR2", "TERM"], ""),
        (_, "source") => Offer::Named(gcp_source_names, ""),
        (
            _,
            "ca_cert" | "directory" | "file" | "kubeconfig" | "link" | "output" | "pid_file"
            | "report" | "secret_file" | "server_config" | "token_file",
        ) => Offer::Path,
        (
            _,
            "accept_subject_token_type"
            | "address"
            | "aws_profile"
            | "command"
            | "group"
            | "issuer"
            | "listen"
            | "mount"
            | "namespace"
            | "on_change"
            | "provider"
            | "region"
            | "role"
            | "role_arn"
            | "service_account_email"
            | "sts_endpoint"
            | "unlock_timeout",
        ) => Offer::Text,
        _ => return None,
    })
}

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
