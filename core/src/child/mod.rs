//! Runs other programs: finds and starts them, reads their output within a deadline and a limit, and kills them with
//! this process.
//!
//! Each program has its own process group, which is killed as a whole, no descriptor but the three standard ones, and
//! no core file. A mark in its environment lets this program notice that it runs itself. The commands that `exec`
//! runs for a person have none of this.

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
use crate::error::Cause;
use crate::harden;
pub use descriptors::{close_on_exec, keep_for_command};
pub use find::{is_program, on_path, program};

/// How many bytes of output are read, unless the caller sets another limit. A token has some kilobytes, like a notice
/// or a page of help.
const LIMIT: usize = 256 * 1024;

/// How many bytes of a log on standard error are read and dropped beyond the limit.
const LOG: u64 = 16 * 1024 * 1024;

/// How long a killed program may take to end.
const END: Duration = Duration::from_secs(1);

/// How long output is read after the end of a program, if another process still holds it open.
const GRACE: Duration = Duration::from_millis(300);

/// The result of a program.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Zeroizing<Vec<u8>>,
    /// The beginning of its standard error.
    pub stderr: Zeroizing<Vec<u8>>,
}

/// Why a program has no result. It was killed.
pub enum ChildError {
    /// It printed more than the limit.
    TooMuch,
    /// Its output could not be read.
    UnreadableOutput(Cause),
    /// It was still running at the deadline.
    Late {
        /// The time limit, in seconds.
        budget: f32,
        /// The beginning of its standard error.
        stderr: Zeroizing<Vec<u8>>,
    },
}

/// Which processes are killed, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kill {
    /// When the program is killed, all processes of its group are killed too. When it ends by itself, the others keep
    /// running.
    Group,
    /// All processes of its group are killed, even when the program ends by itself.
    Remains,
    /// Only the program. It may have started the browser of the user.
    Alone,
}

/// A running program, which is killed when this is dropped.
pub struct Running {
    child: Child,
    kill: Kill,
    group: Option<Group>,
    limit: usize,
}

/// Starts a program without a shell. `mark` lists what is being obtained, or is empty: see [`crate::env::WITHIN`].
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
    let group = if kill == Kill::Alone { None } else { Group::of(&child) };
    Ok(Running { child, kill, group, limit: LIMIT })
}

impl Running {
    /// Sets another limit on the output.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        Self { limit: bytes, ..self }
    }

    /// Waits for the program to end, and kills it at the deadline. `input` is written to its standard input, if that
    /// is a pipe.
    pub async fn finish(mut self, input: &[u8], deadline: Deadline) -> Result<Outcome, ChildError> {
        let [mut out, mut err] = [buffer(), buffer()];
        let failure = match timeout(deadline.left(), self.read_outputs(input, &mut out, &mut err))
            .await
        {
            Ok(Ok(status)) => return Ok(Outcome { status, stdout: out, stderr: err }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => ChildError::TooMuch,
            Ok(Err(error)) => ChildError::UnreadableOutput(error.into()),
            Err(_) => ChildError::Late { budget: deadline.budget().as_secs_f32(), stderr: err },
        };
        drop(self.group.take());
        // Dropping it kills it too, but leaves a zombie. A program that waits for a broken disk does not end even
        // when it is killed.
        let _ = timeout(END, self.child.kill()).await;
        Err(failure)
    }

    /// Reads until both outputs are closed, and returns how the program ended. If another process holds them open,
    /// the output of the ended program has been read by then.
    async fn read_outputs(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        err: &mut Vec<u8>,
    ) -> io::Result<ExitStatus> {
        let (stdin, stdout, stderr) =
            (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let limit = self.limit;
        let talk = async {
            let ((), out, err) = tokio::join!(
                write(stdin, input),
                read(stdout, out, limit),
                read_begin(stderr, err, limit)
            );
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
        if self.kill == Kill::Remains {
            drop(self.group.take());
        }
        if let Ok(talked) = timeout(GRACE, talk).await {
            talked?;
            self.leave();
        }
        Ok(status)
    }

    /// Lets other processes of the group keep running, unless they must be killed. They hold neither output nor
    /// descriptors of this process.
    fn leave(&mut self) {
        if self.kill == Kill::Group {
            std::mem::forget(self.group.take());
        }
    }
}

/// A process group that is killed when this is dropped.
///
/// The system reuses its number only after its last process has ended, and not at once.
pub struct Group(#[cfg(unix)] rustix::process::Pid);

impl Group {
    #[cfg(unix)]
    pub fn of(child: &Child) -> Option<Self> {
        rustix::process::Pid::from_raw(child.id()?.cast_signed()).map(Self)
    }

    /// Windows has no process groups.
    #[cfg(windows)]
    pub fn of(_: &Child) -> Option<Self> {
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // All its processes may have ended.
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(self.0, rustix::process::Signal::KILL);
    }
}

/// Security: a buffer that can hold a token without growing, because growing leaves a copy in freed memory.
fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(16 * 1024))
}

/// Reads to the end. If this is dropped, `bytes` has what was read until then.
async fn read(
    pipe: Option<impl AsyncRead + Unpin>,
    bytes: &mut Vec<u8>,
    limit: usize,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while pipe.read_buf(bytes).await? > 0 {
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(())
}

/// Keeps the beginning. The rest is read and discarded, so that the program is not blocked.
async fn read_begin(
    pipe: Option<impl AsyncRead + Unpin>,
    bytes: &mut Vec<u8>,
    limit: usize,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while pipe.read_buf(bytes).await? > 0 {
        bytes.truncate(limit);
        if bytes.len() == limit {
            let rest = tokio::io::copy(&mut pipe.take(LOG), &mut tokio::io::sink()).await?;
            return if rest < LOG { Ok(()) } else { Err(io::ErrorKind::FileTooLarge.into()) };
        }
    }
    Ok(())
}

/// Ignores failures: a program may succeed without reading its input.
async fn write(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
}
