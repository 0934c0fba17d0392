//! A program that prints a token: run within the deadline, read up to a limit, ended with us.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::clock::Deadline;
use crate::error::plain;

/// A token has some kilobytes; what else a program prints is a notice or a page of help.
const LIMIT: u64 = 256 * 1024;

/// How long a program that is killed may take to end.
const END: Duration = Duration::from_secs(1);

/// What a run has left.
pub(super) struct Outcome {
    pub(super) status: ExitStatus,
    pub(super) stdout: Zeroizing<Vec<u8>>,
    pub(super) stderr: Zeroizing<Vec<u8>>,
}

/// Why a run has left nothing.
pub(super) enum Silence {
    /// It printed more than any token has.
    TooMuch,
    /// It could not be heard, for this reason.
    Unheard(String),
    /// It was not done in time, in seconds.
    Late(f32),
}

/// Lets a command be heard by us alone, ask nobody anything, and end when we do.
pub(super) fn listened_to(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true)
}

/// Waits for a child to end; one that takes too long is killed.
pub(super) async fn wait(mut child: Child, deadline: Deadline) -> Result<Outcome, Silence> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let outcome = async {
        let (stdout, stderr, status) = tokio::try_join!(read(stdout), read(stderr), child.wait())?;
        Ok::<_, io::Error>(Outcome { status, stdout, stderr })
    };
    let silence = match tokio::time::timeout(deadline.left(), outcome).await {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Silence::TooMuch,
        Ok(Err(error)) => Silence::Unheard(plain(&error)),
        Err(_) => Silence::Late(deadline.budget().as_secs_f32()),
    };
    // Dropping it would kill it too, but leave it to be waited for. One that waits for a broken disk does
    // not even end then.
    let _ = tokio::time::timeout(END, child.kill()).await;
    Err(silence)
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    // Security: room from the start for what may be a token, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    if let Some(pipe) = pipe {
        pipe.take(LIMIT + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
