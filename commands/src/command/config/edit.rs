//! `config edit`: opens the user's editor on a private copy of the configuration file. The file itself is only written
//! if the result is valid, so it is never left half edited.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::super::setup::config_path;
use super::super::signals::HeldSignals;
use super::super::terminal::Terminal;
use super::{new_mistakes, parse, problem_lines};
use crate::env::{self, Env};
use crate::error::{Cause, Error, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::{ForeignText, Message};
use crate::harden;
use crate::message;
use crate::output::Output;
use crate::private_file;
use crate::run::Context;
use crate::shell;

/// The name of the copy. The editor recognises the format by its extension.
const COPY: &str = "config.toml";

/// The text of a file that does not exist yet.
const TEMPLATE: &str = r#"# Configuration of yc-id-token, for example:
# default_profile = "prod"
#
# [profiles.prod]
# key_file = "~/key.json"
# audience = "https://k8s.example"
"#;

pub(super) fn edit(context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let path = config_path(context)?;
    let file = EditedFile::open("the configuration file", &path)?;
    file.check_writable()?;
    let editor = Editor::find(context.env)?;
    let before = if file.exists() { file.text() } else { TEMPLATE };
    let folder = private_file::make_temporary_folder(&std::env::temp_dir());
    let folder = folder.map_err(|cause| Error::unwritten(std::env::temp_dir(), cause))?;
    let copy = folder.path().join(COPY);
    private_file::write(&copy, before.as_bytes())
        .map_err(|cause| Error::unwritten(&copy, cause))?;
    loop {
        let edited = editor.open(&copy).and_then(|()| EditedFile::open("the edited copy", &copy));
        let edited = match edited {
            Ok(edited) => edited,
            Err(error) => return Err(not_written(&error, folder, before)),
        };
        let text = edited.text();
        if text == before {
            return output.say(&message!("nothing has been changed in {}", shown(&path)));
        }
        let mistakes = new_mistakes(context, &path, before, text)?;
        let Some(first) = mistakes.first() else {
            let written = file.replace(text, |text| parse(&path, text).map(drop));
            written.map_err(|error| not_written(&error, folder, before))?;
            return output.say(&message!("written {}", shown(&path)));
        };
        if !Terminal::find().is_some_and(|terminal| is_edited_again(terminal, &mistakes)) {
            return Err(not_written(first, folder, before));
        }
    }
}

fn is_edited_again(terminal: Terminal, mistakes: &[Error]) -> bool {
    terminal.say(&Message::join(&problem_lines(mistakes), "\n"));
    terminal.agrees(&"edit it again".into())
}

/// The same error, for a file that was not written. An edited copy is left in place, and the hint names it.
fn not_written(error: &Error, folder: TempDir, before: &str) -> Error {
    let copy = folder.path().join(COPY);
    let kept = std::fs::read(&copy).is_ok_and(|text| text != before.as_bytes()).then(|| {
        let _folder = folder.keep();
        message!("; the edited text is in `{}`", shown(&copy))
    });
    error.with_hint(&message!("nothing has been changed{}", kept.unwrap_or_default()))
}

struct Editor {
    program: String,
    arguments: Vec<String>,
}

impl Editor {
    fn find(env: &Env) -> Result<Self> {
        let set =
            [env::VISUAL, env::EDITOR].into_iter().find_map(|var| Some((var.name, env.get(var)?)));
        let usual = cfg!(windows).then(|| ("the editor", "notepad".to_owned()));
        let Some((origin, line)) = set.or(usual) else {
            return Err(Error::Missing {
                problem: "no editor is set".into(),
                hint: "set EDITOR, such as `EDITOR=nano`, or edit the file that `yc-id-token config path` prints".into(),
            });
        };
        let mut words = words(&line).unwrap_or_default().into_iter();
        let Some(program) = words.next() else {
            return Err(Error::Invalid {
                problem: message!("{origin}: `{}` is no command", ForeignText::new(&line), origin),
                hint: "give a program and its arguments, and close every quotation mark".into(),
            });
        };
        Ok(Self { program, arguments: words.collect() })
    }

    /// Waits until the user closes the editor. Signals are for the editor meanwhile.
    fn open(&self, copy: &Path) -> Result<()> {
        let failed = |cause: Cause| Error::Invalid {
            problem: message!(
                "cannot edit with `{}`: {cause}",
                ForeignText::new(&self.program),
                cause
            ),
            hint: "set EDITOR to an editor that waits until the file is closed".into(),
        };
        let _held = HeldSignals::hold();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(copy);
        let status = harden::with_original_limits(|| command.status());
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(message!("it ended with {status}", status).into())),
            Err(error) => Err(failed(error.into())),
        }
    }
}

/// Splits a command into words without a shell. The path of a program can contain spaces. `None` if a quotation mark is
/// not closed.
fn words(line: &str) -> Option<Vec<String>> {
    if Path::new(line).is_file() {
        return Some(vec![line.to_owned()]);
    }
    // On Windows, `\` separates folders.
    let line = if cfg!(windows) { line.replace('\\', "/") } else { line.to_owned() };
    shell::words(&line)
}
