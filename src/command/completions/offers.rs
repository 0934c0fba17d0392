//! What a shell offers for the values of options and arguments for which clap knows no possible values. A setting's
//! row says it for its flag; the list here has the options that are no settings.

use crate::agent::endpoint_names;
use crate::consumer::TABLES;
use crate::consumer::document::DocumentFormat;
use crate::settings;
use crate::settings::schema::COMMON;

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
    /// A key of the configuration file.
    ConfigKey,
    /// One of these.
    Words(fn() -> Vec<&'static str>),
    /// A file or a folder: shells complete those by themselves.
    Path,
    /// Text that cannot be predicted.
    Text,
}

/// What the value of a command's option or argument is. `None` if this table lacks it.
pub(super) fn offer(command: &str, option: &str) -> Option<Offer> {
    let tables = TABLES.iter().copied().chain([&COMMON]);
    if let Some(field) = tables.flat_map(|table| table.settings).find(|field| field.flag == option)
    {
        return Some(match field.offer {
            settings::Offer::Nothing => Offer::Text,
            settings::Offer::Profiles => Offer::Profile,
            settings::Offer::Words(words) => Offer::Words(words),
        });
    }
    let of_command = OFFERS.iter().find(|(at, name, _)| *at == command && *name == option);
    let of_any = || OFFERS.iter().find(|(at, name, _)| at.is_empty() && *name == option);
    of_command.or_else(of_any).map(|(_, _, offer)| *offer)
}

/// Command, or none for all; option; its value.
const OFFERS: &[(&str, &str, Offer)] = &[
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
    ("get", "key", Offer::ConfigKey),
    ("set", "key", Offer::ConfigKey),
    ("set", "value", Offer::Text),
    ("unset", "key", Offer::ConfigKey),
    ("token-helper", "request", Offer::Words(|| vec!["get", "store", "erase"])),
    ("", "ca_cert", Offer::Path),
    ("", "directory", Offer::Path),
    ("", "file", Offer::Path),
    ("", "kubeconfig", Offer::Path),
    ("", "link", Offer::Path),
    ("", "output", Offer::Path),
    ("", "address", Offer::Text),
    ("", "aws_profile", Offer::Text),
    ("", "command", Offer::Text),
    ("", "serve", Offer::Words(endpoint_names)),
    ("", "format", Offer::Words(DocumentFormat::names)),
    ("", "group", Offer::Text),
    ("", "issuer", Offer::Text),
    ("", "listen", Offer::Text),
    ("", "mode", Offer::Words(|| vec!["0600", "0400", "0640", "0440"])),
    ("", "mount", Offer::Text),
    ("", "namespace", Offer::Text),
    ("", "on_change", Offer::Text),
    ("", "pid_file", Offer::Path),
    ("", "region", Offer::Text),
    ("", "role", Offer::Text),
    ("", "role_arn", Offer::Text),
    ("", "secret_file", Offer::Path),
    ("", "signal", Offer::Words(|| vec!["HUP", "USR1", "USR2", "TERM"])),
    ("", "sts_endpoint", Offer::Text),
    ("", "unlock_timeout", Offer::Text),
];

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::offer;
    use crate::cli::program;

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
        look(&program());
    }
}
