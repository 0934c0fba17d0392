//! `config`: shows, changes and checks the configuration file. Comments are kept.

mod document;
mod edit;
mod key;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use toml_edit::Item;

pub(super) use document::{Document, parse, set, value_of};
pub(super) use key::keys;

use super::setup::config_path;
use crate::agent;
use crate::consumer::ConsumerName;
use crate::env::Env;
use crate::error::{Error, Exit, Result, shown};
use crate::foreign_text::Message;
use crate::message;
use crate::output::Output;
use crate::run::Context;
use crate::settings::schema::PROFILE;
use crate::settings::{Kind, Offer, Settings, problems};
use key::Key;

/// Read, change or check the configuration file
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  yc-id-token config path
  yc-id-token config set default_profile prod
  yc-id-token config set audience https://k8s.example --profile prod
  yc-id-token config get profiles.prod.audience
  yc-id-token config edit
  yc-id-token config validate

A key is default_profile, defaults.KEY, profiles.NAME.KEY, or one of a consumer: profiles.NAME.CONSUMER.KEY. \
With `--profile NAME`, omit `profiles.NAME.`.")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the path of the configuration file
    #[command(after_help = "Example:
  cat \"$(yc-id-token config path)\"")]
    Path,
    /// Print the value of a key
    #[command(after_help = "Examples:
  yc-id-token config get default_profile
  yc-id-token config get kubectl.api_version --profile prod")]
    Get {
        /// Key, such as profiles.prod.audience
        key: String,
    },
    /// Set a key, and create the file and the profile if they are missing
    #[command(after_help = "Examples:
  yc-id-token config set default_profile prod
  yc-id-token config set profiles.prod.key_file ~/key.json
  yc-id-token config set defaults.kubectl.profile prod

A relative path starts in the current folder, and is written as an absolute path.")]
    Set {
        /// Key, such as profiles.prod.audience
        key: String,
        /// Value, or several for a list
        #[arg(required = true)]
        value: Vec<String>,
    },
    /// Remove a key
    #[command(after_help = "Example:
  yc-id-token config unset profiles.prod.audience")]
    Unset {
        /// Key, such as profiles.prod.audience
        key: String,
    },
    /// Edit the file with VISUAL or EDITOR, and check it before it is written
    #[command(after_help = "Examples:
  yc-id-token config edit
  EDITOR='code --wait' yc-id-token config edit

The editor opens a private copy. A file with mistakes is not written; on a terminal, you can edit it again.")]
    Edit,
    /// Check the whole file, and report every mistake
    #[command(after_help = "Example:
  yc-id-token config validate --config config.toml")]
    Validate,
}

impl Args {
    pub(super) fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        // A variable that sets the profile must not change which key is edited.
        let profile = context.flags.get(&PROFILE);
        match &self.action {
            Action::Path => output.say(&shown(&config_path(context)?).into())?,
            Action::Get { key } => get(&Key::read(key, profile)?, context, output)?,
            Action::Set { key, value } => {
                let key = Key::read(key, profile)?;
                let value = key.value(value)?;
                let mut document = Document::read(config_path(context)?)?;
                set(document.table_mut(&key.tables())?, &key.name, value);
                write(document, context, output)?;
            }
            Action::Unset { key } => {
                let key = Key::read(key, profile)?;
                let mut document = Document::read(config_path(context)?)?;
                if item(&document, &key).is_none() {
                    return Err(not_set(&key, document.path()));
                }
                document.table_mut(&key.tables())?.remove(&key.name);
                write(document, context, output)?;
            }
            Action::Edit => edit::edit(context, output)?,
            Action::Validate => return validate(context, output),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a shell offers for the value of a key; `None` for an unknown key.
pub(super) fn offer(key: &str, profile: Option<&str>) -> Option<Offer> {
    let field = Key::read(key, profile).ok()?.field;
    Some(match field.kind {
        Kind::Bool | Kind::Switch => Offer::Words(|| vec!["true", "false"]),
        Kind::Text
        | Kind::Path
        | Kind::File
        | Kind::Key
        | Kind::Proxy
        | Kind::Time
        | Kind::Words
        | Kind::Count => field.offer,
    })
}

fn get(key: &Key, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let document = Document::read(config_path(context)?)?;
    let Some(item) = item(&document, key) else { return Err(not_set(key, document.path())) };
    let text = match (item.as_str(), item.as_array()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(words)) => words
            .iter()
            .map(|word| word.as_str().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n"),
        (None, None) => item.to_string().trim().to_owned(),
    };
    output.document((text + "\n").as_bytes())
}

fn item<'a>(document: &'a Document, key: &Key) -> Option<&'a Item> {
    document.original_table(&key.tables())?.get(&key.name)
}

fn not_set(key: &Key, path: &Path) -> Error {
    Error::Missing {
        problem: message!("`{}` is not set in `{}`", key.shown(), shown(path)),
        hint: "see `yc-id-token config --help` for the keys, and `yc-id-token status PROFILE` for all that a profile sets".into(),
    }
}

/// Writes the file, unless the change introduces a mistake.
fn write(document: Document, context: Context<'_>, output: &mut Output<'_>) -> Result<()> {
    let (before, after) = (document.original_text(), document.text());
    let mistakes = new_mistakes(context, document.path(), before, &after)?;
    if let Some(mistake) = mistakes.into_iter().next() {
        return Err(refused(mistake));
    }
    let path = document.path().to_owned();
    let (file, text) = document.into_change();
    if text == file.text() {
        return output.say(&message!("{} already has this value", shown(&path)));
    }
    file.replace(&text, |text| parse(&path, text).map(drop))?;
    output.say(&message!("written {}", shown(&path)))
}

/// The mistakes in a text that the old text did not have.
fn new_mistakes(
    context: Context<'_>,
    path: &Path,
    before: &str,
    after: &str,
) -> Result<Vec<Error>> {
    let mistakes = |text: &str| find_problems(context, path, Some(text.to_owned()));
    let known = mistakes(before)?;
    let is_new = |mistake: &Error| !known.iter().any(|other| is_same(other, mistake));
    Ok(mistakes(after)?.into_iter().filter(is_new).collect())
}

/// The error for a mistake that a change would introduce.
fn refused(mistake: Error) -> Error {
    let Error::Config { path, line, problem, hint } = mistake else {
        return mistake.with_hint(&"nothing has been changed".into());
    };
    let hint = hint.unwrap_or_else(|| "give another value".into());
    let hint = Some(message!("{hint}; nothing has been changed", hint));
    Error::Config { path, line, problem, hint }
}

/// Whether two mistakes are the same, on whatever line.
fn is_same(one: &Error, other: &Error) -> bool {
    match (one, other) {
        (Error::Config { problem: one, .. }, Error::Config { problem: other, .. }) => one == other,
        _ => one.to_string() == other.to_string(),
    }
}

fn validate(context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
    let path = config_path(context)?;
    let problems = find_problems(context, &path, None)?;
    if problems.is_empty() {
        output.say(&message!("{} is valid", shown(&path)))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.say(&Message::join(&problem_lines(&problems), "\n"))?;
    Ok(ExitCode::from(Exit::Configuration as u8))
}

/// Each problem with its hint, followed by their number.
fn problem_lines(problems: &[Error]) -> Vec<Message> {
    let mut lines: Vec<Message> = Vec::new();
    for problem in problems {
        lines.push(problem.with_code());
        lines.extend(problem.hint().map(|hint| message!("  hint: {hint}", hint)));
    }
    let noun = if problems.len() == 1 { "problem" } else { "problems" };
    lines.push(message!("{} {noun}", problems.len(), noun));
    lines
}

/// Every mistake in the file, or in a text that is not written yet.
fn find_problems(context: Context<'_>, path: &Path, text: Option<String>) -> Result<Vec<Error>> {
    // Missing settings can come from flags and variables, and mistakes in other programs' files do not count.
    let in_file = |error: &Error| matches!(error, Error::Config { path: at, .. } if at == path);
    let check = |settings: &Settings| {
        let context = Context { env: &Env::Fake(HashMap::new()), ..context };
        let checked = ConsumerName::ALL.iter().map(|name| name.check(settings, context, false));
        checked.filter_map(Result::err).filter(in_file).collect()
    };
    let mut flags = context.flags.clone();
    flags.unwritten = text.clone().map(|text| (path.to_owned(), text));
    let env = &Env::Fake(HashMap::new());
    let mut of_agent = agent::check_tables(Context { flags: &flags, env, ..context });
    of_agent.retain(in_file);
    problems(path, text, context.locations, context.consumers, &check, of_agent)
}
