//! The background refresh: past the soft point a credential is returned at once, and one detached process
//! obtains the next.
//!
//! That process is this program with the same command line after the word `refresh`: it obtains what the
//! command would return, and discards it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tracing::debug;

use crate::env::{self, Env};
use crate::settings::schema::PROXY;
use crate::{child, current_folder};

/// The first word of a command line that only refreshes.
pub const REFRESH: &str = "background-refresh";

/// The arguments to run this command again. They are shared, because few runs start another process.
#[derive(Clone, Debug)]
pub struct Rerun(Arc<[OsString]>);

impl Rerun {
    /// How to run a command with these arguments again. `None` on Windows, where a new process inherits every handle
    /// and so keeps the consumer's pipe open. There, a credential is refreshed at its hard point.
    pub fn of(arguments: &Arc<[OsString]>) -> Option<Self> {
        cfg!(unix).then(|| Self(Arc::clone(arguments)))
    }

    /// Starts the process that refreshes, and does not wait for it. Errors are only logged: this run has a
    /// valid credential.
    pub(super) fn start(&self) {
        child::close_on_exec();
        if let Err(error) = self.command().and_then(|mut command| command.spawn()) {
            debug!(%error, "cannot start the background refresh");
        } else {
            debug!("refreshing in the background");
        }
    }

    /// Security: the address of a proxy can contain a password. It is passed in the environment, because other users
    /// can read the arguments of a process.
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
        // A library reads these variables, and the process leaves the folder that relative paths start from.
        for var in [env::SSL_CERT_FILE, env::SSL_CERT_DIR] {
            let path = Env::Real.get_os(var).filter(|path| Path::new(path).is_relative());
            if let Some(path) = path.and_then(|path| std::path::absolute(path).ok()) {
                command.env(var.name, path);
            }
        }
        // The program that reads this run's output waits until every writer has closed it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

/// Leaves the session (and so the terminal and the process group) of the run that started this process, and
/// its folder.
pub fn begin_session() {
    #[cfg(unix)]
    let _ = rustix::process::setsid();
    current_folder::leave();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_password_is_not_in_the_arguments_of_a_refresh() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let proxy = "http://me:hunter2@proxy.example";
        for arguments in [
            words(&["token", "--proxy", proxy, "--audience", "k8s"]),
            words(&["token", &format!("--proxy={proxy}"), "--audience", "k8s"]),
        ] {
            let command = Rerun(arguments.into()).command().unwrap();
            let given: Vec<_> = command.get_args().collect();
            assert_eq!(given, ["background-refresh", "token", "--audience", "k8s"]);
            let variables: Vec<_> = command.get_envs().collect();
            assert_eq!(variables, [("YC_ID_TOKEN_PROXY".as_ref(), Some(proxy.as_ref()))]);
        }
    }
}
