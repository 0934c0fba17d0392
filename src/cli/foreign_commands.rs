//! The commands that users of similar programs type: kubelogin, aws-vault, gcloud, yc, the AWS and Vault CLIs. The hint
//! names the command of this program. A command that this program has is never looked up here.

use crate::foreign_text::Message;

/// The hint for a command that this program does not have.
pub(super) fn hint(words: &str) -> Option<Message> {
    let (_, hint) = rows().find(|(known, _)| known.split(", ").any(|known| known == words))?;
    Some(hint.into())
}

/// The commands of a row, and its hint.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.lines().filter_map(|row| row.split_once(": "))
}

/// Commands without the name of their program, and the hint. It is one text, because every start of the program adjusts
/// the addresses in a table.
const ROWS: &str = "\
login, auth: no login is needed: `yc-id-token setup` sets up an identity and a consumer; for Vault, `yc-id-token vault login` logs in
logout, signout: `yc-id-token cache clear` removes all cached credentials; `yc-id-token vault revoke` revokes a Vault token
get-token, get-credentials, print-access-token, print-identity-token: `yc-id-token token` prints an ID token; `yc-id-token kubectl` prints it as kubectl reads it
iam, create-id-token, create-token, id-token, jwt: `yc-id-token token` prints an ID token
init, configure, install, config init, config create: `yc-id-token setup` writes a profile and the configuration of a consumer
kubeconfig, update-kubeconfig, convert-kubeconfig, k8s, kubernetes: `yc-id-token setup kubectl` adds a user to the kubeconfig
list, ls, profile, config list, config profiles, profiles list: `yc-id-token profiles` lists the profiles; `yc-id-token status` lists what is cached
whoami, get-caller-identity: `yc-id-token token --decode` prints the claims of a token; `yc-id-token doctor` checks the identity
refresh, renew, rotate: every command refreshes by itself; `yc-id-token token --force-refresh` gets a new token now
clear, clean, purge, reset, cache remove, cache delete, cache clean: `yc-id-token cache clear` removes all cached credentials, with `--profile` those of a profile
cache list, cache show, cache ls, show, info: `yc-id-token status` lists what is cached, and explains a profile
revoke, vault logout: `yc-id-token vault revoke` revokes a Vault token
add, import, key add: `yc-id-token key import` stores an authorized key in the keyring; `yc-id-token setup` writes a profile
remove, delete, key delete: `yc-id-token key remove` removes a key from the keyring
credential-process, sts, assume-role: `yc-id-token aws` prints AWS credentials for `credential_process`
env, export, run, shell: `yc-id-token exec` runs a command with credentials in its environment
bao, openbao: `yc-id-token vault` is for OpenBao too
verify, validate, test, diagnose: `yc-id-token doctor` checks everything that a token depends on; `yc-id-token config validate` checks the configuration file
config show, config view, config cat: `yc-id-token config get` prints a key; `yc-id-token status` explains a profile
config use, config use-context, config activate, use, activate, switch: `yc-id-token config set default_profile` sets the profile of runs without `--profile`
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::program;

    /// The row of these words, and the remaining words.
    fn named<'a>(
        mut command: &'a clap::Command,
        words: &'a str,
    ) -> (&'a clap::Command, Vec<&'a str>) {
        let mut words: Vec<&str> = words.split(' ').collect();
        while let Some(next) = words.first().and_then(|word| command.find_subcommand(word)) {
            (command, _) = (next, words.remove(0));
        }
        (command, words)
    }

    #[test]
    fn every_hint_names_real_commands_and_no_row_is_one() {
        let program = program();
        assert_eq!(rows().count(), ROWS.lines().count());
        for (known, hint) in rows() {
            for words in known.split(", ") {
                assert!(!named(&program, words).1.is_empty(), "`{words}` is a command");
            }
            for command in hint.split("`yc-id-token ").skip(1) {
                let words = command.split('`').next().unwrap();
                let (named, rest) = named(&program, words);
                assert_ne!(named.get_name(), program.get_name(), "{hint}");
                let is_option = |word: &str| {
                    named.get_arguments().any(|it| it.get_long() == word.strip_prefix("--"))
                };
                let takes_words = named.get_positionals().next().is_some();
                assert!(rest.iter().all(|word| is_option(word) || takes_words), "{hint}");
            }
        }
    }

    #[test]
    fn no_word_is_in_two_rows() {
        let mut words: Vec<&str> = rows().flat_map(|(known, _)| known.split(", ")).collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
