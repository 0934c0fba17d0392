//! AWS's own files, where they run this program (AWS CLI User Guide, "Sourcing credentials with an external process").

use std::path::{Path, PathBuf};

use crate::command::on_path::{is_program, on_path};
use crate::command::own_check::OwnCheck;
use crate::consumer::{AwsFiles, ConsumerName};
use crate::env;
use crate::error::{Exit, shown};
use crate::message;
use crate::settings::schema::PROFILE;

use super::Checks;
use super::entry::{self, Entries, Entry, EntryCheck, LeadsTo, Wording};
use super::launch::{Launch, plain_words};
use super::programs::{Programs, is_ours};
use super::report::Group;
use crate::foreign_text::{ForeignText, Message};

const WORDING: Wording = Wording {
    arguments: "its arguments",
    reader: "AWS",
    fix: "write it as `/usr/local/bin/yc-id-token aws --profile=NAME`",
};

/// Checks the profiles of AWS, and returns those that run this program.
pub(super) fn check(checks: &Checks<'_>, programs: &Programs, group: &mut Group<'_>) -> Entries {
    let mut entries = Entries::default();
    let files = AwsFiles::read(checks.env, checks.locations.home.as_deref());
    let ours: Vec<_> = files.processes.iter().filter(|(_, command)| mentions_us(command)).collect();
    for (process, command) in &ours {
        let place = message!(
            "AWS profile `{}` of {}:{}",
            ForeignText::new(&process.profile),
            shown(&process.path),
            process.line
        );
        let is_on_path = |name: &str| on_path(checks.env, name).is_some();
        let problem = command_problem(command, is_on_path);
        if let Some(Problem { is_bad, text, fix }) = &problem {
            let text = message!("{place}: {text}", place, text);
            if *is_bad {
                group.bad(Exit::Configuration, text, fix);
            } else {
                group.warning(text, fix);
            }
        }
        // A command that cannot be run has settings all the same.
        if problem.as_ref().is_some_and(|problem| problem.is_bad) {
            entries.usable.extend(entry(checks, &place, command).ok().flatten());
        } else {
            match entry(checks, &place, command) {
                Ok(entry) => {
                    let leads_to = entry.as_ref().map(|entry| &entry.leads_to);
                    group.profile = leads_to.and_then(|leads_to| leads_to.profile.clone());
                    let profile = leads_to.map(LeadsTo::shown).unwrap_or_default();
                    if problem.is_none() {
                        group.good(message!("{place} runs yc-id-token{profile}", place, profile));
                    }
                    entries.own_checks.push(EntryCheck {
                        place: place.clone(),
                        profile: group.profile.clone(),
                        check: OwnCheck::aws(&process.profile),
                    });
                    entries.usable.extend(entry);
                }
                Err((problem, fix)) => {
                    group.bad(
                        Exit::Configuration,
                        message!("{place}: {problem}", place, problem),
                        fix,
                    );
                }
            }
        }
        if let Some(keys) = files.keys.iter().find(|keys| keys.profile == process.profile) {
            group.bad(
                Exit::Configuration,
                message!(
                    "{place}: the same profile has keys of its own ({}:{}), which some of AWS's tools prefer",
                    shown(&keys.path),
                    keys.line, place),
                "remove `aws_access_key_id` and `aws_secret_access_key` from that profile",
            );
        }
        group.profile = None;
    }
    for (path, fault) in &files.faults {
        group.bad(
            Exit::Configuration,
            message!("{}:{}: {}", shown(path), fault.line, fault.problem),
            "correct that line: the AWS CLI and boto3 read nothing of the file until then",
        );
    }
    if ours.is_empty() {
        group.good("no profile of AWS runs yc-id-token; `yc-id-token setup aws` makes one");
    } else if checks.env.get_os(env::AWS_ACCESS_KEY_ID).is_some() {
        group.warning(
            "AWS_ACCESS_KEY_ID is set, and takes precedence over every profile",
            "unset AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    match &programs.aws {
        Some(aws) => aws.report(group),
        None if !ours.is_empty() || checks.consumer.is_some() => {
            group.good("the AWS CLI is not on the PATH; the SDKs do not need it");
        }
        None => {}
    }
    entries.is_mentioned = !ours.is_empty();
    entries
}

/// The settings of a command line, if it can be read without a shell and leads to the profile that is named.
fn entry(
    checks: &Checks<'_>,
    place: &Message,
    command: &str,
) -> Result<Option<Entry>, (Message, Message)> {
    // Both mean the same in paths there, and a shell's words have other escapes.
    let line = if cfg!(windows) { command.replace('\\', "/") } else { command.to_owned() };
    let Some(words) = plain_words(&line) else { return Ok(None) };
    let launch = words.split_first().and_then(|(first, rest)| Launch::find(first, rest, |_| false));
    let Some(launch) = launch else { return Ok(None) };
    let Some(arguments) = &launch.arguments else { return Ok(None) };
    let flags = entry::flags(checks, ConsumerName::Aws, &launch.program, arguments, WORDING)?;
    if checks.is_about_another_profile(&flags) {
        return Ok(None);
    }
    let env = entry::environment(checks, &launch, std::iter::empty());
    let profile =
        flags.get(&PROFILE).map(|name| message!(", with profile `{}`,", ForeignText::new(name)));
    let resolved = Entry::resolve(checks, ConsumerName::Aws, place.clone(), flags, env);
    resolved.map(Some).map_err(|error| {
        let hint = error.hint().unwrap_or_else(|| WORDING.fix.into());
        let profile = profile.unwrap_or_default();
        (message!("yc-id-token{profile} fails there: {error}", profile, error), hint)
    })
}

fn mentions_us(command: &str) -> bool {
    command.split(['/', '\\', ' ', '"', '\'']).any(|word| is_ours(Path::new(word)))
}

/// What is wrong with a command line.
struct Problem {
    /// Whether it fails wherever it is run.
    is_bad: bool,
    text: Message,
    fix: Message,
}

/// What is wrong with a command line that some tools pass to a shell and others do not: it must mean the same to
/// both.
fn command_problem(command: &str, is_on_path: impl Fn(&str) -> bool) -> Option<Problem> {
    let example = || WORDING.fix.into();
    let bad = |text: Message, fix: Message| Some(Problem { is_bad: true, text, fix });
    let Some(first) = first_word(command) else {
        return bad("the quotes of `credential_process` do not match".into(), example());
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
        return bad(
            message!(
                "the path `{path}` has spaces, and is not quoted",
                path = ForeignText::new(path)
            ),
            message!("write it as `\"{path}\" …`", path = ForeignText::new(path)),
        );
    }
    bad(message!("`{first}` cannot be run", first = ForeignText::new(&first)), example())
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
        let judged = |command: &str, is_on_path: bool| {
            command_problem(command, |_| is_on_path).map(|problem| problem.is_bad)
        };
        assert_eq!(judged("yc-id-token aws", true), Some(false));
        assert_eq!(judged("yc-id-token aws", false), Some(true));
        assert_eq!(judged("./yc-id-token aws", true), Some(true));
        // A wrapper.
        assert_eq!(judged("env A=b /x/yc-id-token aws", true), None);
        assert_eq!(judged("env A=b /x/yc-id-token aws", false), Some(true));
        assert_eq!(judged("~/yc-id-token aws", true), Some(true));
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
