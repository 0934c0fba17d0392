//! A program that prints a token: run within the deadline, read up to a limit, ended with us.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::clock::Deadline;
use crate::error::plain;
use crate::foreign_text::Message;

/// A token has some kilobytes; what else a program prints is a notice or a page of help.
const LIMIT: usize = 256 * 1024;

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
    Unheard(Message),
    /// It was not done in time.
    Late {
        /// The time, in seconds.
        budget: f32,
        /// What it had said until then.
        stderr: Zeroizing<Vec<u8>>,
    },
}

/// Lets a command be heard by us alone, ask nobody anything, and end when we do.
pub(super) fn listened_to(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true)
}

/// Waits for a child to end; one that takes too long is killed.
pub(super) async fn wait(mut child: Child, deadline: Deadline) -> Result<Outcome, Silence> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let [mut out, mut err] = [room(), room()];
    let ended =
        async { tokio::try_join!(read(stdout, &mut out), read(stderr, &mut err), child.wait()) };
    let silence = match tokio::time::timeout(deadline.left(), ended).await {
        Ok(Ok(((), (), status))) => return Ok(Outcome { status, stdout: out, stderr: err }),
        Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Silence::TooMuch,
        Ok(Err(error)) => Silence::Unheard(plain(&error)),
        Err(_) => Silence::Late { budget: deadline.budget().as_secs_f32(), stderr: err },
    };
    // Dropping it would kill it too, but leave it to be waited for. One that waits for a broken disk does
    // not even end then.
    let _ = tokio::time::timeout(END, child.kill()).await;
    Err(silence)
}

/// Security: as much as a token needs from the start, so that growing leaves no copy of it behind.
fn room() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(16 * 1024))
}

/// What has been read when this is dropped stays in `bytes`.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while pipe.read_buf(bytes).await? > 0 {
        if bytes.len() > LIMIT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(())
}
