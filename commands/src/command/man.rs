//! `man`: the manual pages, generated from the description of the command line, the settings and the exit statuses.

use std::iter;
use std::path::PathBuf;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::consumer;
use crate::env;
use crate::error::{Error, Exit, Result, shown};
use crate::files::edit::EditedFile;
use crate::foreign_text::Message;
use crate::output::Output;
use crate::settings::schema::COMMON;

const PROGRAM: &str = "yc-id-token";

/// Print the manual page, or write the pages of all commands into a folder
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token man | man -l -
  yc-id-token man --output ~/.local/share/man/man1")]
pub struct Args {
    /// Folder to write a page for each command into
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
    let render = |page: &mut Vec<u8>| {
        man.render_title(page)?;
        man.render_name_section(page)?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
        if command.has_subcommands() {
            man.render_subcommands_section(page)?;
        }
        Ok(())
    };
    render(&mut page).map_err(|error: std::io::Error| Error::Internal(error.into()))?;
    let mut roff = Roff::new();
    for section in sections(command) {
        section.write(&mut roff);
    }
    page.extend_from_slice(roff.render().as_bytes());
    Ok(page)
}

/// The sections that clap knows nothing about.
fn sections(command: &clap::Command) -> Vec<Section> {
    let notes = command.get_after_long_help().or_else(|| command.get_after_help());
    let notes = notes.map(ToString::to_string).unwrap_or_default();
    let is_example = |text: &&str| text.starts_with("Example") || text.starts_with("  ");
    let (examples, notes): (Vec<&str>, Vec<&str>) =
        notes.split("\n\n").filter(|it| !it.starts_with("Exit status,")).partition(is_example);
    let mut sections = vec![
        Section::of("EXIT STATUS", exit_statuses()),
        Section::of("ENVIRONMENT", environment(command)),
        Section::of("FILES", FILES.map(|(path, text)| (path.to_owned(), text.to_owned())).into()),
        Section { heading: "EXAMPLES", body: Body::Literal(examples.join("\n\n")) },
    ];
    if !notes.is_empty() {
        sections.push(Section { heading: "NOTES", body: Body::Text(notes.join("\n\n")) });
    }
    sections.push(Section { heading: "SEE ALSO", body: Body::Text(see_also(command)) });
    sections
}

/// In the usual places of Linux.
const FILES: [(&str, &str); 3] = [
    ("~/.config/yc-id-token/config.toml", "Configuration file with profiles"),
    ("~/.cache/yc-id-token/", "Cached credentials"),
    (
        "~/.local/share/yc-id-token/",
        "List of the keys in the keyring, and what `setup --undo` needs",
    ),
];

fn exit_statuses() -> Vec<(String, String)> {
    let failures = Exit::ALL.iter().map(|(exit, text)| ((*exit as u8).to_string(), (*text).into()));
    iter::once(("0".to_owned(), "Success".to_owned())).chain(failures).collect()
}

/// The variables that the command reads: those of the settings that it has flags for, and on the program's own page
/// those that are no settings too.
fn environment(command: &clap::Command) -> Vec<(String, String)> {
    let tables = consumer::TABLES.iter().copied().chain([&COMMON]);
    let has = |flag: &str| command.get_arguments().any(|it| it.get_id() == flag);
    let fields = tables.flat_map(|table| table.settings).filter(|it| has(it.flag));
    let settings = fields.filter(|it| !it.variable.is_empty()).map(|it| it.var());
    let of_program = env::IDENTITIES.iter().chain(&OTHER_VARIABLES).chain(env::NETWORK);
    let others = of_program.copied().filter(|_| command.get_name() == PROGRAM);
    settings.chain(others).map(|it| (it.name.to_owned(), it.doc.trim().to_owned())).collect()
}

const OTHER_VARIABLES: [env::Var; 5] = [
    env::YC_METADATA_ADDR,
    env::YC_FOLDER_ID,
    env::YC_CLOUD_ID,
    env::NO_COLOR,
    env::CLICOLOR_FORCE,
];

/// The pages of the command above and of those below.
fn see_also(command: &clap::Command) -> String {
    let above = name(command).strip_suffix(command.get_name()).map(|it| it.trim_end_matches('-'));
    let above = above.filter(|it| !it.is_empty()).map(str::to_owned);
    let below = command.get_subcommands().filter(|it| !it.is_hide_set());
    let pages = above.into_iter().chain(below.map(|it| name(it).to_owned()));
    let mut pages: Vec<String> = pages.map(|page| format!("{page}(1)")).collect();
    if command.get_name() != PROGRAM && pages.first().is_none_or(|it| it != "yc-id-token(1)") {
        pages.insert(0, "yc-id-token(1)".to_owned());
    }
    pages.join(", ")
}

/// A section of a page.
struct Section {
    heading: &'static str,
    body: Body,
}

enum Body {
    Terms(Vec<(String, String)>),
    Text(String),
    /// Lines that are shown as they are.
    Literal(String),
}

impl Section {
    const fn of(heading: &'static str, terms: Vec<(String, String)>) -> Self {
        Self { heading, body: Body::Terms(terms) }
    }

    fn write(&self, roff: &mut Roff) {
        roff.control("SH", [self.heading]);
        match &self.body {
            Body::Terms(terms) => {
                for (term, text) in terms {
                    roff.control("TP", []).text([bold(term.as_str())]).text([roman(text.as_str())]);
                }
            }
            Body::Text(text) => {
                for (index, paragraph) in text.split("\n\n").enumerate() {
                    if index > 0 {
                        roff.control("PP", []);
                    }
                    roff.text([roman(paragraph)]);
                }
            }
            Body::Literal(text) => {
                roff.control("nf", []).text([roman(text.as_str())]).control("fi", []);
            }
        }
    }
}
