//! `man`: the manual pages, generated from the description of the command line.

use std::path::PathBuf;

use clap_mangen::Man;

use crate::error::{Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::Message;
use crate::output::Output;

const PROGRAM: &str = "yc-id-token";

/// Print the manual page, or write those of all commands into a folder
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token man | man -l -
  yc-id-token man --output ~/.local/share/man/man1")]
pub struct Args {
    /// Folder that gets a page for each command
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(&self, program: &clap::Command, output: &mut Output<'_>) -> Result<()> {
        let Some(folder) = &self.output else {
            return output.document(&page(program)?);
        };
        std::fs::create_dir_all(folder).map_err(|error| Error::unwritten(folder, error))?;
        let mut written = Vec::new();
        for command in with_subcommands(program) {
            let path = folder.join(format!("{}.1", name(command)));
            let page = String::from_utf8_lossy(&page(command)?).into_owned();
            EditedFile::open("the manual page", &path)?.replace(&page, |_| Ok(()))?;
            written.push(shown(&path).into());
        }
        output.say(&Message::join(&written, "\n"))
    }
}

/// A command and its visible subcommands, recursively.
fn with_subcommands(command: &clap::Command) -> Vec<&clap::Command> {
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    std::iter::once(command).chain(subcommands.flat_map(with_subcommands)).collect()
}

/// `yc-id-token-vault-login`.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(name(command).to_owned()).manual(PROGRAM);
    // Without a date, the page is reproducible.
    let man = man.date(" ").source(concat!("yc-id-token ", env!("CARGO_PKG_VERSION")));
    man.render(&mut page).map_err(|error| Error::Internal(error.into()))?;
    // The text after the help consists of examples, except on the program's own page.
    let heading = if command.get_name() == PROGRAM { ".SH NOTES" } else { ".SH EXAMPLES" };
    Ok(String::from_utf8_lossy(&page).replace(".SH EXTRA", heading).into_bytes())
}
