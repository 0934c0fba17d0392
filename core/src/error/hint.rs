//! Hints: how to fix each error.

use super::{Error, shown};
use crate::foreign_text::Message;
use crate::message;

const HAS_XDG_FOLDERS: bool = cfg!(all(unix, not(target_os = "macos")));

/// How to store the cache in another folder. Windows has no variable for its folder.
pub const MOVE_CACHE: &str = if cfg!(windows) {
    "make the folder that `yc-id-token cache path` prints writable"
} else if HAS_XDG_FOLDERS {
    "set HOME or XDG_CACHE_HOME to a folder of yours"
} else {
    "set HOME to a folder of yours"
};

/// How to get a folder for permanent data.
pub const SET_DATA_FOLDER: &str = if cfg!(windows) {
    "set USERPROFILE"
} else if HAS_XDG_FOLDERS {
    "set HOME or XDG_DATA_HOME"
} else {
    "set HOME"
};

impl Error {
    /// How to fix it, in one line.
    pub fn hint(&self) -> Option<Message> {
        let hint = match self {
            Self::Internal(_) => "run it again with `-vv` and report what it prints".into(),
            Self::Stdout(_) => "the program that reads the output closed it; run the command by hand to see it".into(),
            Self::OutputFile { .. } => "choose a file in a folder that you can write to".into(),
            Self::Unreadable { what, .. } => message!("check that {what} exists and that you can read it", what),
            Self::Value { .. } => "see the `--help` of the command for the values it can have".into(),
            Self::NoIdentity { .. } => {
                "give `--key-file` with an authorized key, or `--identity yc-cli` where `yc` is set up, or set YC_IAM_TOKEN, or run it on a machine with a service account".into()
            }
            Self::Unavailable { retry_after: Some(wait), .. } => message!("try again in {} s", wait.as_secs().max(1)),
            Self::Unavailable { .. } => "try again; if it persists, report the request id to the cloud's support".into(),
            Self::LockTimeout { lock, .. } => {
                message!(
                    "end that process, or give more time with `--timeout`; the lock is `{}`",
                    shown(lock)
                )
            }
            Self::Interrupted { .. } => "run it again; nothing has been left half done".into(),
            Self::Cache(_) => message!("give `--cache none`, or {MOVE_CACHE}", MOVE_CACHE),
            Self::Endpoint { hint, .. }
            | Self::ExecInfo { hint, .. }
            | Self::Usage { hint, .. }
            | Self::NoSuch { hint, .. }
            | Self::Conflict { hint, .. }
            | Self::Invalid { hint, .. }
            | Self::Configuration { hint, .. }
            | Self::System { hint, .. }
            | Self::Missing { hint, .. }
            | Self::IdentityFile { hint, .. }
            | Self::Keyring { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Unreached { hint, .. }
            | Self::WrongToken { hint, .. } => hint.clone(),
            Self::Command { .. } if cfg!(windows) => {
                "give a command that can be run after `--`; a shell's own commands need the shell: `cmd /c …`".into()
            }
            Self::Command { .. } => "give a command that can be run after `--`; a shell's own commands need the shell: `sh -c '…'`".into(),
            Self::Config { hint, .. } => {
                hint.clone().unwrap_or_else(|| "correct that line of the file".into())
            }
            Self::Remembered { hint, .. } => return hint.clone(),
        };
        Some(hint)
    }
}
