//! Runs other programs, such as kubectl, and reads their output, for `doctor` and `setup`. A program and everything it
//! starts are killed at the time limit.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

pub(super) use crate::child::Outcome as Answer;
use crate::child::{self, Kill};
use crate::clock::Deadline;
use crate::error::Cause;
use crate::foreign_text::Message;
use crate::message;

/// A program is not started with less time than this.
const MINIMUM_TIME: Duration = Duration::from_millis(50);

/// The kubeconfig of a thousand clusters has some megabytes.
const LIMIT: usize = 32 * 1024 * 1024;

/// How many opening braces are tried as the start of the JSON document.
const MAX_JSON_STARTS: usize = 64;

/// Why there is no output.
#[derive(Clone, Debug)]
pub(super) enum NoAnswer {
    /// The time limit was over before the program was started.
    NoTime,
    /// The program was still running at the end of this time, and was killed.
    Late(Duration),
    /// It printed more than [`LIMIT`], and was killed.
    TooMuch,
    /// It could not be run, or its output could not be read.
    Failed(Cause),
}

/// Runs a program without a terminal. At the end of `limit`, it is killed with all processes that it has started.
pub(super) async fn query(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    limit: Duration,
) -> Result<Answer, NoAnswer> {
    query_with(program, arguments, &[], limit).await
}

/// Runs a program with additional variables.
pub(super) async fn query_with(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    variables: &[(&'static str, String)],
    limit: Duration,
) -> Result<Answer, NoAnswer> {
    if limit < MINIMUM_TIME {
        return Err(NoAnswer::NoTime);
    }
    let prepare = |command: &mut tokio::process::Command| {
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
    };
    let running = child::start(program, "", Kill::Remains, prepare)
        .map_err(|error| NoAnswer::Failed(error.into()))?;
    let outcome = running.with_limit(LIMIT).finish(&[], Deadline::within(limit)).await;
    outcome.map_err(|reason| match reason {
        child::ChildError::TooMuch => NoAnswer::TooMuch,
        child::ChildError::UnreadableOutput(cause) => NoAnswer::Failed(cause),
        child::ChildError::Late { .. } => NoAnswer::Late(limit),
    })
}

/// The first JSON document in the output for which `is_it` holds. A wrapper may print other text around it.
pub(super) fn json<T: DeserializeOwned>(answer: &Answer, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let begins = memchr::memchr_iter(b'{', &answer.stdout).take(MAX_JSON_STARTS);
    let read = |at: usize| {
        serde_json::Deserializer::from_slice(&answer.stdout[at..]).into_iter().next()?.ok()
    };
    begins.filter_map(read).find(|document| is_it(document))
}

impl NoAnswer {
    /// The end of a sentence that begins with the program's name.
    pub(super) fn describe(&self) -> Message {
        match self {
            Self::NoTime => "was not run, as the time limit is over".into(),
            Self::Late(limit) => {
                message!("did not answer within {:.1} s and was killed", limit.as_secs_f32())
            }
            Self::TooMuch => "printed more than 32 MB and was killed".into(),
            Self::Failed(cause) => message!("cannot be run: {cause}", cause),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::Value;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn json_is_found_in_the_output_of_a_wrapper() {
        use std::os::unix::process::ExitStatusExt as _;
        use std::process::ExitStatus;
        let read = |stdout: &str| {
            let answer = Answer {
                status: ExitStatus::from_raw(0),
                stdout: Zeroizing::new(stdout.as_bytes().to_vec()),
                stderr: Zeroizing::default(),
            };
            json(&answer, |value: &Value| value.get("kind").is_some())
        };
        for text in [
            "{\"kind\": 1}",
            "kubectl for {team}\n{\n  \"kind\": 1\n}\nbye {}\n",
            "{\"level\": \"info\"}\n{\"kind\": 1}",
            "Welcome! {\"kind\": 1}",
        ] {
            assert_eq!(read(text).unwrap()["kind"], 1, "{text}");
        }
        for text in ["", "{", "no json", "{\"other\": 1}"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
