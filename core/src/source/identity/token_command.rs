//! A command that prints the OIDC token of a workload, such as `gcloud auth print-identity-token`.

use std::path::Path;
use std::process::ExitStatus;

use tokio::process::Command;

use crate::child::{self, ChildError, Kill, Outcome};
use crate::clock::Deadline;
use crate::credential::Secret;
use crate::error::{Cause, Code, Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// Runs a command without a shell, and returns its output.
pub(super) async fn output(words: &[String], mark: &str, deadline: Deadline) -> Result<Secret> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| Error::Internal("a command without a word".into()))?;
    let prepare = |command: &mut Command| _ = command.args(arguments);
    let started = child::start(Path::new(program), mark, Kill::Group, prepare);
    let running = started.map_err(|error| Error::IdentityFile {
        what: "the program of `token_command`",
        path: program.into(),
        problem: Cause::from(error).context("cannot be run"),
        hint: "give its path; no shell is used to find it".into(),
    })?;
    let Outcome { status, stdout, stderr } =
        running.finish(&[], deadline).await.map_err(|silence| silent(program, silence))?;
    if !status.success() {
        return Err(failed(program, status, &stderr));
    }
    let text = std::str::from_utf8(&stdout).unwrap_or_default().trim();
    Ok(Secret::new(text.to_owned()))
}

fn what(program: &str) -> Message {
    message!("the external token of `{program}`", program = ForeignText::new(program))
}

fn failed(program: &str, status: ExitStatus, stderr: &[u8]) -> Error {
    let reason = message!("it ended with {status}{}", stderr_line(stderr), status);
    Error::Refused {
        what: what(program),
        code: Code::SourceAuth,
        reason,
        request_id: None,
        hint: "run `token_command` in a terminal".into(),
    }
}

fn silent(program: &str, silence: ChildError) -> Error {
    let (code, problem) = match silence {
        ChildError::TooMuch => (Code::Foreign, "it prints far more than a token".into()),
        ChildError::UnreadableOutput(cause) => {
            (Code::Foreign, cause.context("its output cannot be read"))
        }
        ChildError::Late { budget, stderr } => (
            Code::Timeout,
            message!("it did not finish within {budget:.1} s{}", stderr_line(&stderr), budget)
                .into(),
        ),
    };
    let hint = "run `token_command` in a terminal; give more time with `--timeout`".into();
    Error::Unreached { what: what(program), code, problem, hint }
}

/// The last line, where programs print the reason.
fn stderr_line(stderr: &[u8]) -> Message {
    let stderr = String::from_utf8_lossy(stderr);
    let last = stderr.lines().rev().map(ForeignText::sentence).find(|line| !line.is_empty());
    last.map(|stderr_line| message!("; on standard error: {stderr_line}", stderr_line))
        .unwrap_or_default()
}
