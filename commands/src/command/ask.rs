//! Runs other programs for `doctor` and `setup`: kubectl and the like, for what they print. Nothing that they start
//! outlives them.

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

/// With less time than this, a program is not started.
const LEAST: Duration = Duration::from_millis(50);

/// The kubeconfig of a thousand clusters has some megabytes.
const LIMIT: usize = 32 * 1024 * 1024;

/// At how many braces the JSON of an answer may begin.
const BEGINNINGS: usize = 64;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Silence {
    /// The time limit was over before the program was started.
    NoTime,
    /// The program was still running at the end of this time, and was killed.
    Late(Duration),
    /// It printed more than [`LIMIT`], and was killed.
    TooMuch,
    /// It could not be run, or its output not be read.
    Failed(Cause),
}

/// Runs a program without a terminal. At the end of `limit`, it is killed with all processes that it has started.
pub(super) async fn ask(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    limit: Duration,
) -> Result<Answer, Silence> {
    ask_with(program, arguments, &[], limit).await
}

/// The same, with these variables besides those of this process.
pub(super) async fn ask_with(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    variables: &[(&'static str, String)],
    limit: Duration,
) -> Result<Answer, Silence> {
    if limit < LEAST {
        return Err(Silence::NoTime);
    }
    let prepare = |command: &mut tokio::process::Command| {
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
    };
    let running = child::start(program, "", Kill::Remains, prepare)
        .map_err(|error| Silence::Failed(error.into()))?;
    let outcome = running.with_limit(LIMIT).finish(&[], Deadline::within(limit)).await;
    outcome.map_err(|silence| match silence {
        child::Silence::TooMuch => Silence::TooMuch,
        child::Silence::Unheard(cause) => Silence::Failed(cause),
        child::Silence::Late { .. } => Silence::Late(limit),
    })
}

/// The JSON document of an answer for which `is_it` holds, whatever a wrapper prints before and after it.
pub(super) fn json<T: DeserializeOwned>(answer: &Answer, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let begins = memchr::memchr_iter(b'{', &answer.stdout).take(BEGINNINGS);
    let read = |at: usize| {
        serde_json::Deserializer::from_slice(&answer.stdout[at..]).into_iter().next()?.ok()
    };
    begins.filter_map(read).find(|document| is_it(document))
}

impl Silence {
    /// As the end of a sentence that begins with the program.
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
    fn json_is_found_among_the_words_of_a_wrapper() {
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
        for text in ["", "{", "no json", "{\"kin\": 1}"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
