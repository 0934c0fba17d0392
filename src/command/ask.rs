//! Questions to external programs: what they print, within a time and a length, and nothing of them left behind.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::child::Group;
use crate::error::plain;
use crate::foreign_text::Message;
use crate::message;

/// A question with less time than this is not worth a process.
const LEAST: Duration = Duration::from_millis(50);

/// The kubeconfig of a thousand clusters has some megabytes.
const LIMIT: usize = 32 * 1024 * 1024;

/// At how many braces the JSON of an answer may begin.
const BEGINNINGS: usize = 64;

/// What a program answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: ExitStatus,
    pub(super) stdout: Zeroizing<Vec<u8>>,
    pub(super) stderr: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Silence {
    /// The time limit was over before the question.
    NoTime,
    /// The program was still running when its time was over, and was killed.
    Late(Duration),
    /// It printed more than any answer has, and was killed.
    TooMuch,
    /// It could not be run or read.
    Failed(Message),
}

/// Runs a program without a terminal. When its time is over, it is killed with all that it has started.
pub(super) async fn ask(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    limit: Duration,
) -> Result<Answer, Silence> {
    if limit < LEAST {
        return Err(Silence::NoTime);
    }
    let failed = |error: io::Error| Silence::Failed(plain(&error));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let answered = async {
        let ended = async {
            let status = child.wait().await;
            // What it has started would otherwise hold its output open.
            drop(group);
            status
        };
        tokio::try_join!(ended, read(stdout), read(stderr))
    };
    match tokio::time::timeout(limit, answered).await {
        Ok(Ok((status, stdout, stderr))) => Ok(Answer { status, stdout, stderr }),
        Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Err(Silence::TooMuch),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(Silence::Late(limit)),
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let Some(mut pipe) = pipe else { return Ok(bytes) };
    while pipe.read_buf(&mut *bytes).await? > 0 {
        if bytes.len() > LIMIT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(bytes)
}

impl Answer {
    /// The JSON document on stdout that `is_it`, whatever a wrapper prints before and after it.
    pub(super) fn json<T: DeserializeOwned>(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let begins = memchr::memchr_iter(b'{', &self.stdout).take(BEGINNINGS);
        let read = |at: usize| {
            serde_json::Deserializer::from_slice(&self.stdout[at..]).into_iter().next()?.ok()
        };
        begins.filter_map(read).find(|document| is_it(document))
    }
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

    use super::*;

    #[test]
    fn json_is_found_among_the_words_of_a_wrapper() {
        use std::os::unix::process::ExitStatusExt as _;
        let read = |stdout: &str| {
            let answer = Answer {
                status: ExitStatus::from_raw(0),
                stdout: Zeroizing::new(stdout.as_bytes().to_vec()),
                stderr: Zeroizing::default(),
            };
            answer.json(|value: &Value| value.get("kind").is_some())
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
