//! Other programs that this one runs: found, started, listened to within the deadline, and ended with us.
//!
//! A program of a helper's kind has a process group of its own, which is killed as a whole, and no
//! descriptor but the three standard ones. A mark in its environment lets this program notice that it is
//! run by itself. The commands that `exec` runs for a person have none of this.

mod descriptors;
mod find;

use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::clock::Deadline;
use crate::env;
use crate::error::plain;
use crate::foreign_text::Message;
use crate::harden;
pub use descriptors::{close_on_exec, hand_on};
pub use find::{is_program, on_path};

/// A token has some kilobytes; what else a program prints is a notice or a page of help.
const LIMIT: usize = 256 * 1024;

/// A program that logs all it does may say this much more beside the token.
const TALK: u64 = 16 * 1024 * 1024;

/// How long a program that is killed may take to end.
const END: Duration = Duration::from_secs(1);

/// How long the output of a program that has ended is read, if another process still holds it open.
const GRACE: Duration = Duration::from_millis(300);

/// What a run has left.
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Zeroizing<Vec<u8>>,
    /// What it said.
    pub stderr: Zeroizing<Vec<u8>>,
}

/// Why a run has left nothing.
pub enum Silence {
    /// It printed more than any token has, or said more than any program has to say.
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

/// What is killed when a program is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kill {
    /// The program, and all that it has started.
    Group,
    /// The program alone. What it has started may be the browser that a person uses.
    Alone,
}

/// A program that runs, and is killed when this is dropped.
pub struct Running {
    child: Child,
    group: Option<Group>,
}

/// Starts a program without a shell. `mark` says what is being obtained: see [`crate::env::WITHIN`].
pub fn start(
    program: &Path,
    mark: &str,
    kill: Kill,
    prepare: impl FnOnce(&mut Command),
) -> io::Result<Running> {
    let mut command = Command::new(find::program(program)?);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    prepare(&mut command);
    if !mark.is_empty() {
        command.env(env::WITHIN.name, mark);
    }
    #[cfg(unix)]
    command.process_group(0);
    descriptors::close_on_exec();
    harden::children();
    let child = command.spawn()?;
    let group = if kill == Kill::Group { Group::of(&child) } else { None };
    Ok(Running { child, group })
}

impl Running {
    /// Waits for the program to end; one that takes too long is killed. `input` is for its standard input,
    /// if that is a pipe.
    pub async fn finish(mut self, input: &[u8], deadline: Deadline) -> Result<Outcome, Silence> {
        let [mut out, mut err] = [room(), room()];
        let silence = match timeout(deadline.left(), self.hear(input, &mut out, &mut err)).await {
            Ok(Ok(status)) => return Ok(Outcome { status, stdout: out, stderr: err }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Silence::TooMuch,
            Ok(Err(error)) => Silence::Unheard(plain(&error)),
            Err(_) => Silence::Late { budget: deadline.budget().as_secs_f32(), stderr: err },
        };
        drop(self.group.take());
        // Dropping it would kill it too, but leave it to be waited for. One that waits for a broken disk does
        // not even end then.
        let _ = timeout(END, self.child.kill()).await;
        Err(silence)
    }

    /// Reads until both outputs are closed, and tells how the program ended. Where it has ended, and a
    /// process that it left behind holds them open, what it printed is there already.
    async fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        err: &mut Vec<u8>,
    ) -> io::Result<ExitStatus> {
        let (stdin, stdout, stderr) =
            (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let talk = async {
            let ((), out, err) =
                tokio::join!(write(stdin, input), read(stdout, out), read_begin(stderr, err));
            out.and(err)
        };
        let mut talk = pin!(talk);
        let status = tokio::select! {
            talked = &mut talk => {
                talked?;
                let status = self.child.wait().await?;
                self.leave();
                return Ok(status);
            }
            status = self.child.wait() => status?,
        };
        if let Ok(talked) = timeout(GRACE, talk).await {
            talked?;
            self.leave();
        }
        Ok(status)
    }

    /// Lets what the program has left behind live. It holds nothing of ours.
    fn leave(&mut self) {
        if let Some(group) = self.group.take() {
            std::mem::forget(group);
        }
    }
}

/// A process group that is killed when this is dropped.
///
/// The system does not use its number again as long as a process is in it, and not at once after that.
pub struct Group(#[cfg(unix)] rustix::process::Pid);

impl Group {
    /// The group that a program was started as the first process of.
    #[cfg(unix)]
    #[must_use]
    pub fn of(child: &Child) -> Option<Self> {
        rustix::process::Pid::from_raw(child.id()?.cast_signed()).map(Self)
    }

    /// Windows has none.
    #[cfg(windows)]
    #[must_use]
    pub fn of(_: &Child) -> Option<Self> {
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // There may be none of it any more.
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(self.0, rustix::process::Signal::KILL);
    }
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

/// What a program says beyond the limit is read, so that it can go on, and dropped; one that never stops is
/// not waited for.
async fn read_begin(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while pipe.read_buf(bytes).await? > 0 {
        bytes.truncate(LIMIT);
        if bytes.len() == LIMIT {
            let rest = tokio::io::copy(&mut pipe.take(TALK), &mut tokio::io::sink()).await?;
            return if rest < TALK { Ok(()) } else { Err(io::ErrorKind::FileTooLarge.into()) };
        }
    }
    Ok(())
}

/// A program that reads nothing and ends well has its reasons.
async fn write(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
}
