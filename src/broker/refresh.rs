//! The refresh in the background: past the soft point a credential is handed out at once, and one
//! detached process obtains the next.
//!
//! It is this program again, with the same command line behind the word `refresh`: it obtains what
//! that command would hand out, and hands it to nobody.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tracing::debug;

use crate::env::{self, Env};
use crate::settings::schema::PROXY;
use crate::{child, current_folder};

/// The word that makes a command line one that only refreshes.
pub const REFRESH: &str = "refresh";

/// How this run would be started again: the words of its command line, without the program's name.
/// They are shared and not copied, since few runs start another.
#[derive(Clone, Debug)]
pub struct Rerun(Arc<[OsString]>);

impl Rerun {
    /// How a run with these words would be started again, where it can be. On Windows it cannot: a new
    /// process has every handle that can be inherited, and so holds open the pipe that the consumer reads
    /// to its end. There, a credential is renewed when it has to be.
    #[must_use]
    pub fn of(arguments: &Arc<[OsString]>) -> Option<Self> {
        cfg!(unix).then(|| Self(Arc::clone(arguments)))
    }

    /// Starts the process that refreshes, and forgets it. That it cannot be started is no failure of
    /// this run, which has a valid credential.
    pub(super) fn start(&self) {
        child::close_on_exec();
        if let Err(error) = self.command().and_then(|mut command| command.spawn()) {
            debug!(%error, "cannot start the refresh in the background");
        } else {
            debug!("refreshing in the background");
        }
    }

    /// Security: a proxy's address can hold a password. Whoever wrote it into a command line has shown
    /// it; we do not do so again, and let the environment carry it.
    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(OsStr::new(REFRESH));
        let mut rest = self.0.iter();
        while let Some(argument) = rest.next() {
            let joined = argument.to_str().and_then(|text| text.strip_prefix("--proxy="));
            if argument == PROXY.flag {
                command.envs(rest.next().map(|proxy| (PROXY.variable, proxy)));
            } else if let Some(proxy) = joined {
                command.env(PROXY.variable, proxy);
            } else {
                command.arg(argument);
            }
        }
        // A library reads these, which knows nothing of the folder that the process leaves.
        for var in [env::SSL_CERT_FILE, env::SSL_CERT_DIR] {
            let path = Env::Real.get_os(var).filter(|path| Path::new(path).is_relative());
            if let Some(path) = path.and_then(|path| std::path::absolute(path).ok()) {
                command.env(var.name, path);
            }
        }
        // Whoever reads our output waits for its end, which must not be that of the refresh.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

/// What the process does first: it leaves the session, and so the terminal and the process group, of the
/// run that started it, and its folder.
pub fn begin_session() {
    #[cfg(unix)]
    let _ = rustix::process::setsid();
    current_folder::leave();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_in_no_command_line_of_ours() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let proxy = "http://me:hunter2@proxy.example";
        for arguments in [
            words(&["token", "--proxy", proxy, "--audience", "k8s"]),
            words(&["token", &format!("--proxy={proxy}"), "--audience", "k8s"]),
        ] {
            let command = Rerun(arguments.into()).command().unwrap();
            let given: Vec<_> = command.get_args().collect();
            assert_eq!(given, ["refresh", "token", "--audience", "k8s"]);
            let variables: Vec<_> = command.get_envs().collect();
            assert_eq!(variables, [("YC_ID_TOKEN_PROXY".as_ref(), Some(proxy.as_ref()))]);
        }
    }
}
