//! A command line in a consumer's file that runs this program: a `credential_process` of AWS, the `command` of an
//! executable of Google. Some of the consumer's tools pass it to a shell and others split it themselves, so it must
//! mean the same to all of them.

use std::path::{Path, PathBuf};

use super::Checks;
use super::entry::{self, Entry, Wording};
use super::launch::{Launch, plain_words};
use super::programs::is_this_program;
use crate::command::on_path::is_program;
use crate::consumer::ConsumerName;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::schema::PROFILE;

#[derive(Clone, Copy)]
pub(super) struct CommandLine<'a> {
    pub(super) consumer: ConsumerName,
    /// The name of its key in the file.
    pub(super) key: &'static str,
    pub(super) line: &'a str,
    /// Whether all tools read quotes as a shell does.
    pub(super) takes_quotes: bool,
    pub(super) wording: Wording,
}

/// A problem with a command line.
pub(super) struct Problem {
    /// Whether the command always fails.
    pub(super) is_bad: bool,
    pub(super) text: Message,
    pub(super) fix: Message,
}

/// Whether a command line contains this program.
pub(super) fn mentions_this_program(command: &str) -> bool {
    command.split(['/', '\\', ' ', '"', '\'']).any(|word| is_this_program(Path::new(word)))
}

impl CommandLine<'_> {
    /// The settings of the command line, if it can be read without a shell and uses the profile to check. `variable` is
    /// one that the consumer sets.
    pub(super) fn entry(
        self,
        checks: &Checks<'_>,
        place: &Message,
        variable: Option<(String, String)>,
    ) -> Result<Option<Entry>, (Message, Message)> {
        let Self { consumer, line, wording, .. } = self;
        // On Windows, both mean the same in paths, and `\` is an escape only in a shell's words.
        let line = if cfg!(windows) { line.replace('\\', "/") } else { line.to_owned() };
        let Some(words) = plain_words(&line) else { return Ok(None) };
        let launch =
            words.split_first().and_then(|(first, rest)| Launch::find(first, rest, |_| false));
        let Some(launch) = launch else { return Ok(None) };
        let Some(arguments) = &launch.arguments else { return Ok(None) };
        let flags = entry::flags(checks, consumer, &launch.program, arguments, wording)?;
        if checks.is_about_another_profile(&flags) {
            return Ok(None);
        }
        let env = entry::environment(checks, &launch, variable.into_iter());
        let profile = flags
            .get(&PROFILE)
            .map(|name| message!(", with profile `{}`,", ForeignText::new(name)));
        let resolved = Entry::resolve(checks, consumer, place.clone(), flags, env);
        resolved.map(Some).map_err(|error| {
            let hint = error.hint().unwrap_or_else(|| wording.fix.into());
            let profile = profile.unwrap_or_default();
            (message!("yc-id-token{profile} fails there: {error}", profile, error), hint)
        })
    }

    pub(super) fn problem(self, is_on_path: impl Fn(&str) -> bool) -> Option<Problem> {
        let Self { line: command, takes_quotes, wording, .. } = self;
        let example = || wording.fix.into();
        let bad = |text: Message, fix: Message| Some(Problem { is_bad: true, text, fix });
        if !takes_quotes && command.contains(['"', '\'', '\\']) {
            return bad(
                message!(
                    "quotes and backslashes do not mean the same to all of {}",
                    wording.reader
                ),
                example(),
            );
        }
        let Some(first) = first_word(command) else {
            return bad(message!("the quotes of `{}` do not match", self.key), example());
        };
        let path = PathBuf::from(&first);
        if is_program(&path) && path.is_absolute() {
            return None;
        }
        if first.starts_with('~') || first.contains('$') {
            return bad(
                message!(
                    "`{first}` is not expanded, as no shell reads it",
                    first = ForeignText::new(&first)
                ),
                example(),
            );
        }
        if path.components().count() == 1 && is_on_path(&first) {
            // The path of a system's wrapper, such as `env`, is in every PATH.
            return is_this_program(&path).then(|| Problem {
                is_bad: false,
                text: message!(
                    "`{first}` is not a full path, and a program that runs it may have another PATH",
                    first = ForeignText::new(&first)
                ),
                fix: example(),
            });
        }
        if path.components().count() == 1 {
            return bad(
                message!("`{first}` is not on the PATH", first = ForeignText::new(&first)),
                example(),
            );
        }
        // The longest part of the line that is a program, with the spaces in its path.
        let ends = command.match_indices(' ').map(|(at, _)| at).chain([command.len()]);
        let with_spaces = ends.map(|end| &command[..end]).find(|path| is_program(Path::new(path)));
        if let Some(path) = with_spaces {
            let path = ForeignText::new(path);
            return if takes_quotes {
                bad(
                    message!("the path `{path}` has spaces, and is not quoted", path = path),
                    message!("write it as `\"{path}\" …`", path = path),
                )
            } else {
                bad(
                    message!("the path `{path}` has spaces, at which the command is split", path),
                    "make a link to the program whose path has no spaces, and name that".into(),
                )
            };
        }
        bad(message!("`{first}` cannot be run", first = ForeignText::new(&first)), example())
    }
}

/// The first word, as `shlex` and a shell read it; `None` if a quote is not closed.
fn first_word(command: &str) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    for c in command.trim_start().chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ' | '\t') => break,
            (_, c) => word.push(c),
        }
    }
    quote.is_none().then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_on_the_path_is_at_most_a_warning() {
        let wording = Wording { arguments: "", reader: "", fix: "" };
        let judged_with = |line: &str, is_on_path: bool, takes_quotes: bool| {
            let line =
                CommandLine { consumer: ConsumerName::Aws, key: "", line, takes_quotes, wording };
            line.problem(|_| is_on_path).map(|problem| problem.is_bad)
        };
        let judged = |line: &str, is_on_path: bool| judged_with(line, is_on_path, true);
        assert_eq!(judged("yc-id-token aws", true), Some(false));
        assert_eq!(judged("yc-id-token aws", false), Some(true));
        assert_eq!(judged("./yc-id-token aws", true), Some(true));
        // A wrapper.
        assert_eq!(judged("env A=b /x/yc-id-token aws", true), None);
        assert_eq!(judged("env A=b /x/yc-id-token aws", false), Some(true));
        assert_eq!(judged("~/yc-id-token aws", true), Some(true));
        assert_eq!(judged("'yc-id-token' aws", true), Some(false));
        assert_eq!(judged_with("'yc-id-token' aws", true, false), Some(true));
    }

    #[test]
    fn a_command_is_read_with_and_without_a_shell() {
        for (command, first) in [
            ("/p/x aws", Some("/p/x")),
            ("\"/p q/x\" aws", Some("/p q/x")),
            ("'/p q/x' aws", Some("/p q/x")),
            ("/p\\ q/x aws", Some("/p\\")),
            ("\"/p aws", None),
        ] {
            assert_eq!(first_word(command).as_deref(), first, "{command}");
        }
        for own in ["/p/yc-id-token aws", "~/bin/yc-id-token aws", "\"/a b/yc-id-token\" aws"] {
            assert!(mentions_this_program(own), "{own}");
        }
        assert!(!mentions_this_program("/p/other --for yc-id-tokens"));
    }
}
