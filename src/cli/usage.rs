//! Errors of the command line: what clap rejects, as an error with a hint.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{NAME, foreign_commands};
use crate::error::Error;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::schema::COMMON;

/// The error for a command line that clap rejects.
pub(super) fn error(mut error: clap::Error) -> Error {
    let usage = match error.remove(ContextKind::Usage) {
        Some(usage) => usage.to_string(),
        // Help has no context. If it replaces an error, its usage is one of its lines.
        None => error.render().to_string(),
    };
    let usage = line(&usage);
    let command = command(usage).collect::<Vec<_>>().join(" ");
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
    let known = foreign_command(&command, &error).or_else(|| without_effect(&command, &error));
    let hint = known.or_else(|| suggestion(&mut error)).unwrap_or_else(help);
    // Without usage and suggestions, clap's text is the problem, after a label and before its own hint.
    let text = error.render().to_string();
    let problem = text.split("\n\n").next().unwrap_or_default();
    let problem = problem.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    Error::Usage { problem: ForeignText::new(&problem).into(), hint }
}

/// The line with the usage in a help or an error.
pub(super) fn line(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or(NAME)
}

/// The names of the command in its usage, from that of the program on.
pub(super) fn command(usage: &str) -> impl Iterator<Item = &str> {
    usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-']))
}

/// What is meant by a command that other programs have.
fn foreign_command(command: &str, error: &clap::Error) -> Option<Message> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let words = format!("{command} {word}");
    foreign_commands::hint(words.strip_prefix(NAME)?.trim_start())
}

/// For a common option that the command does not take.
fn without_effect(command: &str, error: &clap::Error) -> Option<Message> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let field = COMMON.settings.iter().find(|field| is_unknown && field.flag == flag)?;
    let command = ForeignText::new(command.strip_prefix(NAME)?.trim_start());
    Some(message!("leave it out: `{}` has no effect on `{command}`", field.flag, command))
}

/// What was probably meant, if clap has a suggestion.
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
    fn a_common_option_without_effect_is_an_error() {
        for words in
            [["yc-id-token", "man", "--audience=x"], ["yc-id-token", "profiles", "--identity=x"]]
        {
            let hint = parse_words(&words).unwrap_err().hint().unwrap();
            let flag = words[2].trim_end_matches("=x");
            let expected = format!("leave it out: `{flag}` has no effect on `{}`", words[1]);
            assert_eq!(hint.as_str(), expected);
        }
        let before = ["yc-id-token", "--audience", "x", "profiles"];
        assert!(matches!(parse_words(&before), Ok(Invocation::Run(_))));
    }

    #[test]
    fn a_mistyped_flag_is_one_line_and_a_suggestion() {
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
