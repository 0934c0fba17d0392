//! A command line in a consumer's file that runs this program: a `credential_process` of AWS, the `command` of an
//! executable of Google. Some of the consumer's tools pass it to a shell and others split it themselves, so it must
//! mean the same to all.

use std::path::{Path, PathBuf};

use super::Checks;
use super::entry::{self, Entry, Wording};
use super::launch::{Launch, plain_words};
use super::programs::is_ours;
use crate::command::on_path::is_program;
use crate::consumer::ConsumerName;
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::schema::PROFILE;

#[derive(Clone, Copy)]
pub(super) struct CommandLine<'a> {
    pub(super) consumer: ConsumerName,
    /// What it is called in the file.
    pub(super) key: &'static str,
    pub(super) line: &'a str,
    /// Whether all tools read quotes as a shell does.
    pub(super) takes_quotes: bool,
    pub(super) wording: Wording,
}

/// What is wrong with a command line.
pub(super) struct Problem {
    /// Whether it fails wherever it is run.
    pub(super) is_bad: bool,
    pub(super) text: Message,
    pub(super) fix: Message,
}

/// Whether a command line has this program among its words.
pub(super) fn mentions_us(command: &str) -> bool {
    command.split(['/', '\\', ' ', '"', '\'']).any(|word| is_ours(Path::new(word)))
}

impl CommandLine<'_> {
    /// Its settings, if it can be read without a shell and leads to the profile that is named. The consumer sets the
    /// variable for it.
    pub(super) fn entry(
        self,
        checks: &Checks<'_>,
        place: &Message,
        variable: Option<(String, String)>,
    ) -> Result<Option<Entry>, (Message, Message)> {
        let Self { consumer, line, wording, .. } = self;
        // Both mean the same in paths there, and a shell's words have other escapes.
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

    /// What is wrong with it.
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
            // What a wrapper of the system is called is the same on every PATH.
            return is_ours(&path).then(|| Problem {
                is_bad: false,
                text: message!(
                    "`{first}` is no full path, and a program that runs it can have another PATH",
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
        // The part of it that is a program, with the spaces in its path.
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

/// The first word, as `shlex` and a shell read it; none if a quote is not closed.
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
    fn a_command_that_is_found_by_name_is_a_warning_at_most() {
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
    fn a_command_is_read_as_by_a_shell_and_without_one() {
        for (command, first) in [
            ("/p/x aws", Some("/p/x")),
            ("\"/p q/x\" aws", Some("/p q/x")),
            ("'/p q/x' aws", Some("/p q/x")),
            ("/p\\ q/x aws", Some("/p\\")),
            ("\"/p aws", None),
        ] {
            assert_eq!(first_word(command).as_deref(), first, "{command}");
        }
        for ours in ["/p/yc-id-token aws", "~/bin/yc-id-token aws", "\"/a b/yc-id-token\" aws"] {
            assert!(mentions_us(ours), "{ours}");
        }
        assert!(!mentions_us("/p/other --for yc-id-tokens"));
    }
}
