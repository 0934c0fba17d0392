//! The AWS configuration, where its profiles run this program (AWS CLI User Guide, "Sourcing credentials with an
//! external process").

use crate::command::on_path::on_path;
use crate::command::own_check::OwnCheck;
use crate::consumer::{AwsFiles, ConsumerName};
use crate::env;
use crate::error::{Exit, shown};
use crate::message;

use super::Checks;
use super::command_line::{CommandLine, Problem, mentions_this_program};
use super::entry::{Entries, EntryCheck, Target, Wording};
use super::programs::Programs;
use super::report::Group;
use crate::foreign_text::ForeignText;

const WORDING: Wording = Wording {
    arguments: "its arguments",
    reader: "AWS",
    fix: "write it as `/usr/local/bin/yc-id-token aws --profile=NAME`",
};

/// Checks the profiles of AWS, and returns those that run this program.
pub(super) fn check(checks: &Checks<'_>, programs: &Programs, group: &mut Group<'_>) -> Entries {
    let mut entries = Entries::default();
    let files = AwsFiles::read(checks.env, checks.locations.home.as_deref());
    let own: Vec<_> =
        files.processes.iter().filter(|(_, command)| mentions_this_program(command)).collect();
    for (process, command) in &own {
        let place = message!(
            "AWS profile `{}` of {}:{}",
            ForeignText::new(&process.profile),
            shown(&process.path),
            process.line
        );
        let is_on_path = |name: &str| on_path(checks.env, name).is_some();
        let line = CommandLine {
            consumer: ConsumerName::Aws,
            key: "credential_process",
            line: command,
            takes_quotes: true,
            wording: WORDING,
        };
        let problem = line.problem(is_on_path);
        if let Some(Problem { is_bad, text, fix }) = &problem {
            let text = message!("{place}: {text}", place, text);
            if *is_bad {
                group.bad(Exit::Configuration, text, fix);
            } else {
                group.warning(text, fix);
            }
        }
        // The settings are checked even if the command cannot be run.
        if problem.as_ref().is_some_and(|problem| problem.is_bad) {
            entries.usable.extend(line.entry(checks, &place, None).ok().flatten());
        } else {
            match line.entry(checks, &place, None) {
                Ok(entry) => {
                    let target = entry.as_ref().map(|entry| &entry.target);
                    group.profile = target.and_then(|target| target.profile.clone());
                    let profile = target.map(Target::shown).unwrap_or_default();
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
                    "{place}: the same profile also has access keys ({}:{}), which some AWS tools prefer",
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
            "correct that line: until then, the AWS CLI and boto3 cannot read the file",
        );
    }
    if own.is_empty() {
        group.good("no AWS profile runs yc-id-token; `yc-id-token setup aws` adds one");
    } else if checks.env.get_os(env::AWS_ACCESS_KEY_ID).is_some() {
        group.warning(
            "AWS_ACCESS_KEY_ID is set, and takes precedence over AWS_PROFILE and the default profile",
            "unset AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    match &programs.aws {
        Some(aws) => aws.report(group),
        None if !own.is_empty() || checks.consumer.is_some() => {
            group.good("the AWS CLI is not on the PATH; the SDKs do not need it");
        }
        None => {}
    }
    entries.is_mentioned = !own.is_empty();
    entries
}
