//! Errors of the command line: what clap rejects, as an error with a hint.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{NAME, foreign_commands};
use crate::error::Error;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// The error for a command line that clap rejects.
pub(super) fn error(mut error: clap::Error) -> Error {
    let usage = match error.remove(ContextKind::Usage) {
        Some(usage) => usage.to_string(),
        // Help has no context. If it replaces an error, its usage is one of its lines.
        None => error.render().to_string(),
    };
    let usage = usage.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or(NAME);
    let is_word = |word: &&str| !word.starts_with(['[', '<', '-']);
    let command = usage.split(' ').take_while(is_word).collect::<Vec<_>>().join(" ");
    let help = || {
        let help = message!("see `{} --help`", ForeignText::new(&command));
        // Such a command is followed by another program's command line.
        if usage.contains(" -- ") {
            message!("put `--` before the command; {help}", help)
        } else {
            help
        }
    };
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::Usage { problem: "a command is missing".into(), hint: help() };
    }
    let foreign = foreign_command(&command, &error);
    let hint = foreign.or_else(|| suggestion(&mut error)).unwrap_or_else(help);
    // Without usage and suggestions, clap's text is the problem, between a label and clap's own hint.
    let text = error.render().to_string();
    let problem = text.split("\n\n").next().unwrap_or_default();
    let problem = problem.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    Error::Usage { problem: ForeignText::new(&problem).into(), hint }
}

/// The hint for a command of a similar program.
fn foreign_command(command: &str, error: &clap::Error) -> Option<Message> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let words = format!("{command} {word}");
    foreign_commands::hint(words.strip_prefix(NAME)?.trim_start())
}

/// clap's suggestion, if it has one.
fn suggestion(error: &mut clap::Error) -> Option<Message> {
    let kinds = [
        (ContextKind::SuggestedSubcommand, "subcommand"),
        (ContextKind::SuggestedArg, "argument"),
        (ContextKind::SuggestedValue, "value"),
    ];
    let similar = kinds.map(|(kind, noun)| match error.remove(kind)? {
        ContextValue::Strings(names) if names.len() > 1 => {
            let names = ForeignText::new(&names.join("', '"));
            Some(message!("some similar {noun}s exist: '{names}'", noun, names))
        }
        name => {
            let name = ForeignText::new(&name.to_string());
            Some(message!("a similar {noun} exists: '{name}'", noun, name))
        }
    });
    let other = match error.remove(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(texts)) => texts.first().map(ToString::to_string),
        _ => None,
    };
    similar.into_iter().flatten().next().or_else(|| Some(ForeignText::new(&other?).into()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::cli::{Invocation, parse};
    use crate::error::Result;

    fn parse_words(words: &[&str]) -> Result<Invocation> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_mistyped_command_gets_a_suggestion() {
        for (words, guess) in [
            (vec!["yc-id-token", "kubectll"], "kubectl"),
            (vec!["yc-id-token", "vault", "logn"], "login"),
            (vec!["yc-id-token", "setup", "kubctl"], "kubectl"),
            (vec!["yc-id-token", "completion"], "completions"),
        ] {
            let hint = parse_words(&words).unwrap_err().hint().unwrap();
            assert!(hint.contains(&format!("'{guess}'")), "{words:?}: {hint}");
        }
    }

    #[test]
    fn a_mistyped_flag_gets_one_line_and_a_suggestion() {
        let error = parse_words(&["yc-id-token", "token", "--audiance", "x"]).unwrap_err();
        assert_eq!(error.to_string(), "unexpected argument '--audiance' found");
        assert_eq!(error.hint().unwrap(), "a similar argument exists: '--audience'");
        let error = parse_words(&["yc-id-token"]).unwrap_err();
        assert_eq!(error.to_string(), "a command is missing");
        assert_eq!(error.hint().unwrap(), "see `yc-id-token --help`");
        let error = parse_words(&["yc-id-token", "setup"]).unwrap_err();
        assert_eq!(error.hint().unwrap(), "see `yc-id-token setup --help`");
    }
}
