//! The configuration for the administrator of the consumer's server: printed as instructions, or written to the file of
//! `--server-config`.

use std::path::Path;

use super::Setup;
use super::changes::{FileChange, FileKind};
use super::trust::Trust;
use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::Message;
use crate::message;

/// Marks a file that this program wrote and may replace.
pub(super) const MARK: &str = "Written by `yc-id-token setup`";

pub(super) struct ServerSide {
    pub(super) heading: &'static str,
    /// The instructions to print.
    pub(super) printed: Message,
    /// The content of the file.
    pub(super) content: Message,
    pub(super) use_as: Use,
}

/// The purpose of the file.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Use {
    Script,
    AuthenticationConfiguration,
}

impl ServerSide {
    /// Prints the instructions, and the file if one is requested.
    pub(super) fn present(
        &self,
        trust: &Trust,
        setup: &Setup<'_>,
    ) -> Result<(Message, Option<FileChange>)> {
        let Some(path) = &setup.common.server_config else {
            let Self { heading, printed, .. } = self;
            let shell = match self.use_as {
                Use::Script if cfg!(windows) => ", in a shell such as Git Bash",
                Use::Script | Use::AuthenticationConfiguration => "",
            };
            let note = &trust.note;
            return Ok((
                message!("# {heading}{shell}\n{note}\n{printed}", heading, shell, note, printed),
                None,
            ));
        };
        let path = std::path::absolute(path).map_err(|cause| Error::unwritten(path, cause))?;
        let file = EditedFile::open("the configuration of the server", &path)?;
        if file.exists() && !file.text().is_empty() && !file.text().contains(MARK) {
            setup.overwrite_conflict(message!(
                "`{}` exists and is not a file that `--server-config` wrote",
                shown(&path)
            ))?;
        }
        let change =
            FileChange::new(FileKind::Server, file, self.text(trust).to_string(), |_| Ok(()));
        Ok((message!("# {}\n{}", self.heading, self.usage(&path)), Some(change)))
    }

    fn text(&self, trust: &Trust) -> Message {
        let note = trust.note.replaced("\n", &"\n# ".into());
        let (start, options) = match self.use_as {
            Use::Script => ("#!/bin/sh\n", "set -eu\n"),
            Use::AuthenticationConfiguration => ("", ""),
        };
        let content = &self.content;
        message!("{start}# {MARK}. {note}\n{options}{content}", start, MARK, note, options, content)
    }

    fn usage(&self, path: &Path) -> Message {
        let path = shown(path).quoted();
        match self.use_as {
            Use::Script => message!(
                "An administrator of the server runs `sh {path}`, in a shell in which the commands in it work.\n",
                path
            ),
            Use::AuthenticationConfiguration => message!(
                "The API server needs `--authentication-config={path}`. The command at the top of the file gives rights to the user.\n",
                path
            ),
        }
    }
}
