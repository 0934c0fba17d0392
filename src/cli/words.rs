//! Reads a command line without clap.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use super::NAME;
use crate::env::Env;
use crate::error::{Error, ErrorFormat, Result};
use crate::foreign_text::ForeignText;
use crate::message;
use crate::settings::schema::ERROR_FORMAT;
use crate::settings::{by_name, text_problem};

/// Rejects values that an unset variable or a failed `$(…)` of a shell leaves behind: empty ones, and those with
/// invisible characters. Words after `--` belong to another program.
pub(super) fn check_values(arguments: &[OsString]) -> Result<()> {
    let mut name = NAME;
    for word in
        arguments.iter().skip(1).map_while(|word| word.to_str().filter(|word| *word != "--"))
    {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, value),
            _ => (name, word),
        };
        name = if word.len() > 1 && word.starts_with('-') { word } else { NAME };
        if let Some(problem) = text_problem(flag.trim_start_matches('-'), value) {
            return Err(Error::Usage {
                problem: message!("`{}`: the value {problem}", ForeignText::new(flag), problem),
                hint: "check the shell variable or the command that it comes from".into(),
            });
        }
    }
    Ok(())
}

/// `help COMMAND` and `version` as options. No words at all at a terminal mean `--help`.
pub(super) fn help_or_version(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (name, words) = arguments.split_first()?;
    let (first, rest) = match words.split_first() {
        Some((first, rest)) => (first.to_str()?, rest),
        None if io::stdout().is_terminal() => ("", words),
        None => return None,
    };
    let option = match first {
        "" => "-h",
        "help" => "--help",
        "version" => "--version",
        _ => return None,
    };
    Some([std::slice::from_ref(name), rest, &[option.into()]].concat())
}

/// The format of errors, read before the rest of the command line can fail. By default, it is the format of the agent's
/// log, because one program reads both.
pub fn error_format(arguments: &[OsString], env: &Env) -> ErrorFormat {
    let asked_for = last_value(arguments, ERROR_FORMAT.flag)
        .map(str::to_owned)
        .or_else(|| env.get(ERROR_FORMAT.var()))
        .or_else(|| last_value(arguments, "--log-format").map(str::to_owned));
    asked_for.and_then(|name| by_name(&ErrorFormat::ALL, &name)).unwrap_or_default()
}

/// The last value of a flag.
fn last_value<'a>(arguments: &'a [OsString], flag: &str) -> Option<&'a str> {
    let mut last = None;
    let mut arguments = arguments.iter().filter_map(|argument| argument.to_str());
    while let Some(argument) = arguments.next().filter(|argument| *argument != "--") {
        match argument.strip_prefix(flag) {
            Some("") => last = arguments.next(),
            Some(rest) => last = rest.strip_prefix('=').or(last),
            None => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_format_is_found_in_an_invalid_command_line() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let env = Env::Fake(std::collections::HashMap::new());
        assert_eq!(
            error_format(&words(&["x", "--error-format=json", "--nonsense"]), &env),
            ErrorFormat::Json
        );
        assert_eq!(
            error_format(&words(&["x", "--", "--error-format=json"]), &env),
            ErrorFormat::Text
        );
        let log_format = ["x", "agent", "--log-format", "json"];
        assert_eq!(error_format(&words(&log_format), &env), ErrorFormat::Json);
        let both = words(&[&log_format[..], &["--error-format=text"]].concat());
        assert_eq!(error_format(&both, &env), ErrorFormat::Text);
    }
}
