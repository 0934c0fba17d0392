//! What AWS's own files say of us (AWS CLI User Guide, "Sourcing credentials with an external process").

use std::path::{Path, PathBuf};

use crate::command::on_path::is_program;
use crate::consumer::AwsFiles;
use crate::env;
use crate::error::{Exit, shown};
use crate::message;

use super::Patient;
use super::programs::{Programs, is_ours};
use super::report::Group;
use crate::foreign_text::{ForeignText, Message};

pub(super) fn check(patient: &Patient<'_>, programs: &Programs, group: &mut Group<'_>) {
    let files = AwsFiles::read(patient.env, patient.locations.home.as_deref());
    let ours: Vec<_> =
        files.processes.iter().filter(|process| mentions_us(&process.command)).collect();
    for process in &ours {
        let place = message!(
            "profile `{}`, {}:{}",
            ForeignText::new(&process.profile),
            shown(&process.path),
            process.line
        );
        match command_problem(&process.command) {
            Some((problem, fix)) => {
                group.bad(Exit::Configuration, message!("{place}: {problem}", place, problem), fix);
            }
            None => group.good(message!("{place} runs yc-id-token", place)),
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
    } else if patient.env.get_os(env::AWS_ACCESS_KEY_ID).is_some() {
        group.doubt(
            "AWS_ACCESS_KEY_ID is set, and wins over every profile",
            "unset AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    match &programs.aws {
        Some(aws) => group.good(aws.describe()),
        None if !ours.is_empty() || patient.consumer.is_some() => {
            group.good("the AWS CLI is not on the PATH; SDKs do without");
        }
        None => {}
    }
}

fn mentions_us(command: &str) -> bool {
    command.split(['/', '\\', ' ', '"', '\'']).any(|word| is_ours(Path::new(word)))
}

/// What is wrong with a command line that no shell reads, or one: it must mean the same to both.
fn command_problem(command: &str) -> Option<(Message, Message)> {
    let example = || "write it as `/usr/local/bin/yc-id-token aws --profile=NAME`".into();
    let Some(first) = first_word(command) else {
        return Some(("the quotes of `credential_process` do not match".into(), example()));
    };
    let path = PathBuf::from(&first);
    if is_program(&path) && path.is_absolute() {
        return None;
    }
    if first.starts_with('~') || first.contains('$') {
        return Some((
            message!(
                "`{first}` is taken as it is: no shell reads it",
                first = ForeignText::new(&first)
            ),
            example(),
        ));
    }
    if !path.is_absolute() && is_ours(&path) {
        return Some((
            message!(
                "`{first}` is no full path, and who runs it may have another PATH",
                first = ForeignText::new(&first)
            ),
            example(),
        ));
    }
    // The part of it that is a program, with the spaces in its path.
    let ends = command.match_indices(' ').map(|(at, _)| at).chain([command.len()]);
    let with_spaces = ends.map(|end| &command[..end]).find(|path| is_program(Path::new(path)));
    if let Some(path) = with_spaces {
        return Some((
            message!(
                "the path `{path}` has spaces, and is not quoted",
                path = ForeignText::new(path)
            ),
            message!("write it as `\"{path}\" …`", path = ForeignText::new(path)),
        ));
    }
    Some((message!("`{first}` cannot be run", first = ForeignText::new(&first)), example()))
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
