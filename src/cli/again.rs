//! Completes the commands in hints with the user's options, so that they can be pasted.

use std::ffi::OsString;

use clap::Command;

use super::NAME;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// Options that change how a run works, not what it obtains. The address of a proxy may contain a password.
const NOT_REPEATED: [&str; 6] =
    ["error-format", "format", "log-file", "output", "proxy", "timeout"];

/// Whether a hint contains a command of this program.
pub(super) fn has_command(hint: &Message) -> bool {
    hint.as_str().contains(&format!("`{NAME} "))
}

/// A hint whose commands also have the options of this command line that they accept.
pub(super) fn complete(hint: &Message, arguments: &[OsString], program: &Command) -> Message {
    let begin = format!("`{NAME} ");
    let mut completed = hint.clone();
    let mut from = 0;
    while let Some(start) = completed.as_str()[from..].find(&begin).map(|at| from + at) {
        let first_word = start + begin.len();
        let Some(end) = completed.as_str()[first_word..].find('`').map(|at| first_word + at) else {
            break;
        };
        let added = options_for(&completed.as_str()[first_word..end], arguments, program);
        completed = completed.with_inserted(end, &added);
        from = end + added.len() + 1;
    }
    completed
}

/// The options of a command line that a command in a hint accepts and does not have yet.
fn options_for(hinted: &str, arguments: &[OsString], program: &Command) -> Message {
    let words: Vec<&str> = hinted.split(' ').collect();
    let (command, depth) = named(program, &words);
    if depth == 0 || words.contains(&"--help") {
        return Message::default();
    }
    let is_hinted = |name: &str| {
        words.iter().any(|word| {
            word.strip_prefix("--").is_some_and(|word| word.split('=').next() == Some(name))
        })
    };
    let options = given(arguments, command).into_iter();
    let options = options.filter(|(name, _)| !is_hinted(name)).map(|(name, value)| {
        message!(" --{}={}", ForeignText::new(&name), ForeignText::new(&value).quoted())
    });
    Message::join(&options.collect::<Vec<_>>(), "")
}

/// The deepest command that the words name, and its depth.
fn named<'a>(program: &'a Command, words: &[&str]) -> (&'a Command, usize) {
    let (mut command, mut depth) = (program, 0);
    while let Some(next) = words.get(depth).and_then(|word| command.find_subcommand(word)) {
        (command, depth) = (next, depth + 1);
    }
    (command, depth)
}

/// The options with a value of a command line that a command accepts.
fn given(arguments: &[OsString], command: &Command) -> Vec<(String, String)> {
    let takes = |name: &str| {
        let mut options = command.get_arguments();
        options.any(|option| {
            option.get_long() == Some(name)
                && option.get_action().takes_values()
                && !NOT_REPEATED.contains(&name)
        })
    };
    let mut words = arguments.iter().skip(1).map_while(|word| word.to_str());
    let mut options = Vec::new();
    while let Some(word) = words.next().filter(|word| *word != "--") {
        let Some(option) = word.strip_prefix("--") else { continue };
        match option.split_once('=') {
            Some((name, value)) if takes(name) => options.push((name.into(), value.into())),
            None if takes(option) => {
                options.extend(words.next().map(|value| (option.into(), value.into())));
            }
            _ => {}
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::super::program;
    use super::*;

    fn completed(hint: &'static str, line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        complete(&hint.into(), &words, &program()).to_string()
    }

    #[test]
    fn a_command_in_a_hint_has_the_options_of_the_run() {
        for (hint, line, expected) in [
            (
                "get one with `yc-id-token vault login`",
                "yc-id-token vault status --profile vault",
                "get one with `yc-id-token vault login --profile=vault`",
            ),
            (
                "get one with `yc-id-token vault login`",
                "yc-id-token --config=/a/it's.toml vault status --address https://v.example -vv --json",
                "get one with `yc-id-token vault login --config='/a/it'\\''s.toml' --address=https://v.example`",
            ),
            (
                "`yc-id-token setup aws` or `yc-id-token cache path`",
                "yc-id-token aws --profile=p --sts-fips --timeout 5s",
                "`yc-id-token setup aws --profile=p` or `yc-id-token cache path`",
            ),
            (
                "`yc-id-token vault login --profile=x`",
                "yc-id-token vault status --profile=p",
                "`yc-id-token vault login --profile=x`",
            ),
            (
                "see `yc-id-token --help`",
                "yc-id-token vault --profile p",
                "see `yc-id-token --help`",
            ),
            (
                "`yc-id-token config set audience A`",
                "yc-id-token token --profile=p --service-account=a",
                "`yc-id-token config set audience A --profile=p`",
            ),
            ("see `vault status`", "yc-id-token vault --profile p", "see `vault status`"),
            ("`yc-id-token token`", "yc-id-token exec -- x --profile p", "`yc-id-token token`"),
            (
                "an open ` and `yc-id-token token",
                "yc-id-token token --profile p",
                "an open ` and `yc-id-token token",
            ),
        ] {
            assert_eq!(completed(hint, line), expected, "{line}");
        }
    }

    #[test]
    fn no_secret_of_a_proxy_is_repeated() {
        let hint =
            completed("`yc-id-token token`", "yc-id-token token --proxy=http://me:hunter2@p");
        assert_eq!(hint, "`yc-id-token token`");
    }
}
