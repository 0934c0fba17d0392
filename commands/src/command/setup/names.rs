//! Names of new profiles and of the consumers' new entries. A second cluster, AWS profile or server gets a separate
//! profile and entry, so that the first ones never change.

use super::configuration::Configuration;
use super::paths::config_path;
use crate::consumer::TABLES;
use crate::error::Result;
use crate::run::Context;
use crate::settings::Table;
use crate::settings::schema::AUDIENCE;

/// The profile for an entry that has none yet: the first free one of `names`, or else `CONSUMER-NAME`,
/// `CONSUMER-NAME-2` and so on. `is_used` is whether another entry of the consumer uses a profile.
pub(super) fn free_profile(
    context: Context<'_>,
    consumer: &Table,
    names: &[&str],
    is_used: impl Fn(&str) -> bool,
) -> Result<String> {
    let path = config_path(context)?;
    let mut first: Vec<String> = names.iter().map(|name| simple(name)).collect();
    first.retain(|name| !name.is_empty());
    let with_consumer = match first.last() {
        None => consumer.name.to_owned(),
        Some(name) => format!("{}-{name}", consumer.name),
    };
    let numbered = (2..).map(|number| format!("{with_consumer}-{number}"));
    let mut names = first.into_iter().chain([with_consumer.clone()]).chain(numbered);
    loop {
        // The numbers do not end.
        let name = names.next().unwrap_or_default();
        let profile = Configuration::read(path.clone(), name)?;
        if !is_used(&profile.profile) && !is_of_another(&profile, consumer) {
            return Ok(profile.profile);
        }
    }
}

/// Whether an existing profile serves another consumer. A profile for kubectl has an audience, and may have no table.
fn is_of_another(profile: &Configuration, consumer: &Table) -> bool {
    let has_own_audience = consumer.settings.iter().any(|field| field.key == AUDIENCE.key);
    let is_kubectls = has_own_audience
        && profile.original_has(AUDIENCE.key)
        && !profile.original_has(consumer.name);
    let others = TABLES.iter().filter(|table| table.name != consumer.name);
    is_kubectls || others.map(|table| table.name).any(|name| profile.original_has(name))
}

/// The name of a consumer's new entry: `usual`, or `usual-PROFILE` if the entry with that name uses another profile.
pub(super) fn entry_name(usual: &str, used_by: Option<&str>, profile: &str) -> String {
    match used_by {
        Some(other) if other != profile => format!("{usual}-{profile}"),
        Some(_) | None => usual.to_owned(),
    }
}

/// A name that needs no quoting in a command, a file name or a key of TOML.
fn simple(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    name.chars().map(letter).collect::<String>().trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_simple() {
        for (name, expected) in [
            ("prod", "prod"),
            ("eu/b", "eu-b"),
            ("vault.example:8200", "vault-example-8200"),
            ("[::1]", "1"),
            ("кластер", ""),
        ] {
            assert_eq!(simple(name), expected);
        }
        assert_eq!(entry_name("yandex", None, "a"), "yandex");
        assert_eq!(entry_name("yandex", Some("a"), "a"), "yandex");
        assert_eq!(entry_name("yandex", Some("b"), "a"), "yandex-a");
    }
}
