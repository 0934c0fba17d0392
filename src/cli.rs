//! The command line: from its words to the command that runs, and from an error to its report.
//!
//! `description` describes the commands to clap, `words` reads what is known before clap parses the words, `usage`
//! turns what clap rejects into an error, `foreign_commands` knows the commands of similar programs, and `again`
//! completes the commands in hints.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{FromArgMatches as _, Subcommand};

use crate::broker::{Purpose, REFRESH, Rerun, begin_session};
use crate::clock::{Clock, Deadline};
use crate::command::{self, Housekeeping};
use crate::consumer::{self, ConsumerCommand};
use crate::env::{self, Env};
use crate::error::{Code, Error, ErrorFormat, Report, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::keyring::forbid_prompts;
use crate::log;
use crate::message;
use crate::output::Output;
use crate::pipe;
use crate::run::Context;
use crate::settings::schema::{COMMON, ERROR_FORMAT, LOG_FILE, TIMEOUT, VERBOSE};
use crate::settings::{
    EMPTY, Field, Flags, Locations, Table, by_name, expand_home, list, parse_duration,
    unchosen_profiles,
};

mod again;
mod description;
mod foreign_commands;
mod usage;
mod words;

pub use description::program;
use description::{commands, described, described_for, named_command};
pub use words::error_format;
use words::{check_values, help_or_version};

const NAME: &str = "yc-id-token";

#[derive(Debug)]
pub struct Cli {
    command: Command,
    flags: Flags,
    /// The tables of the command's own settings.
    tables: &'static [&'static Table],
    /// The words that were parsed.
    arguments: Arc<[OsString]>,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one in a run")]
enum Command {
    #[command(flatten)]
    Consumer(ConsumerCommand),
    #[command(flatten)]
    Housekeeping(Housekeeping),
}

#[derive(Debug)]
pub enum Invocation {
    Run(Box<Cli>),
    /// Refresh in the background the credential that a command prints.
    Refresh(Box<Cli>),
    /// Print help or the version.
    Print(String),
    /// Complete one of these words for a shell.
    Complete(Vec<OsString>),
}

/// Parses a command line. Its first word is the program's name: `yc-id-token-kubectl` is `yc-id-token kubectl`, and
/// `yc-id-token-linux-amd64` is `yc-id-token`.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation> {
    let mut arguments = of_link(arguments);
    if arguments.get(1).is_some_and(|word| word == "--") {
        return Ok(Invocation::Complete(arguments.split_off(2)));
    }
    check_values(&arguments)?;
    let refresh = arguments.get(1).is_some_and(|word| word == REFRESH);
    if refresh {
        arguments.remove(1);
    }
    match Cli::read(&arguments) {
        Ok(cli) => {
            let cli = Box::new(cli);
            Ok(if refresh { Invocation::Refresh(cli) } else { Invocation::Run(cli) })
        }
        Err(error) if error.kind() == ErrorKind::DisplayVersion => {
            Ok(Invocation::Print(error.render().to_string()))
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Ok(Invocation::Print(help(&error, &arguments)))
        }
        // Looked for only here: a cache hit must not pay for it.
        Err(error) => match help_or_version(&arguments) {
            Some(arguments) => parse(arguments),
            None => Err(usage::error(error)),
        },
    }
}

/// The help that clap found to be requested. Only the whole description has the order of the commands and the groups
/// of the options.
fn help(request: &clap::Error, arguments: &[OsString]) -> String {
    let text = request.render().to_string();
    let program = program();
    let names = usage::command(usage::line(&text)).skip(1);
    let command = names.fold(&program, |it, name| it.find_subcommand(name).unwrap_or(it));
    let mut command = command.clone();
    let is_long = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--help");
    let help = if is_long { command.render_long_help() } else { command.render_help() };
    help.to_string()
}

/// The command line with the command that the link's name contains.
fn of_link(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if let Some(link) = arguments.first() {
        let words = consumer::words_of_helper(Path::new(link), arguments.get(1));
        let words = words.or_else(|| Some(vec![named_command(link)?.into()]));
        arguments.splice(1..1, words.into_iter().flatten());
    }
    arguments
}

/// The report of an error of this command line. The commands in its hint can be pasted.
pub fn report(error: &Error, arguments: impl Iterator<Item = OsString>) -> Report {
    let mut report = Report::of(error);
    let arguments = of_link(arguments.collect());
    report.hint = report.hint.map(|hint| completed(&hint, &arguments));
    report
}

/// A hint whose commands have the options of this command line.
fn completed(hint: &Message, arguments: &[OsString]) -> Message {
    if !again::has_command(hint) {
        return hint.clone();
    }
    again::complete(hint, arguments, &program())
}

impl Cli {
    fn read(arguments: &[OsString]) -> clap::error::Result<Self> {
        let words = arguments.get(1..).unwrap_or_default();
        let parsed = described_for(words).try_get_matches_from(arguments);
        // Help and errors need the flags that are missing here.
        let mut matches = parsed.or_else(|_| described(words).try_get_matches_from(arguments))?;
        let named = commands().find(|command| Some(command.name) == matches.subcommand_name());
        let tables: &[&Table] = named.map_or(&[], |command| command.tables);
        let flags = Flags::read(&matches, tables);
        let command = Command::from_arg_matches_mut(&mut matches)?;
        Ok(Self { command, flags, tables, arguments: words.into() })
    }

    /// Runs the command, and returns the exit status of a successful run.
    pub fn run(&self, env: &Env, output: &mut Output<'_>) -> Result<ExitCode> {
        let locations = &Locations::of_system();
        self.begin(env, locations)?;
        match &self.command {
            Command::Consumer(consumer) => {
                let purpose = Purpose::Answer(Rerun::of(&self.arguments));
                let ran = consumer.run(self.context(env, locations, &purpose), output);
                ran.or_else(|error| {
                    let error = self.with_profiles(error, env, locations);
                    let reader = consumer.reader();
                    let Some(reader) = reader.filter(|reader| (reader.reads_failure)(&error, env))
                    else {
                        return Err(error);
                    };
                    let words = [NAME.into()].into_iter().chain(self.arguments.iter().cloned());
                    let document = (reader.failure_document)(&report(&error, words));
                    output.document(document.as_bytes()).map(|()| ExitCode::SUCCESS)
                })
            }
            Command::Housekeeping(command) => {
                let context = self.context(env, locations, &Purpose::Answer(None));
                let complete = |hint: &Message, more: &[OsString]| {
                    let words = [&[NAME.into()], more, &*self.arguments].concat();
                    completed(hint, &words)
                };
                command.run(context, program, &complete, output)
            }
        }
    }

    /// The same error. If a setting is missing and no profile is selected, the hint lists the profiles.
    fn with_profiles(&self, error: Error, env: &Env, locations: &Locations) -> Error {
        if error.code() != Code::Missing {
            return error;
        }
        let names = unchosen_profiles(&self.flags, env, locations, consumer::TABLES, self.tables);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if names.is_empty() {
            return error;
        }
        error.with_hint(&message!("or choose a profile with `--profile`: {}", list(&names)))
    }

    /// Refreshes what the command prints, in a new session.
    pub fn refresh(&self, env: &Env) -> Result<ExitCode> {
        begin_session();
        forbid_prompts();
        let locations = &Locations::of_system();
        self.begin(env, locations)?;
        if let Command::Consumer(consumer) = &self.command {
            consumer.refresh(self.context(env, locations, &Purpose::Refresh))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints the completions of one of these words for a shell.
    pub fn complete(words: &[OsString], env: &Env, output: &mut Output<'_>) -> Result<ExitCode> {
        command::complete(&program(), words, env, &Locations::of_system(), output)
            .map(|()| ExitCode::SUCCESS)
    }

    fn context<'a>(
        &'a self,
        env: &'a Env,
        locations: &'a Locations,
        purpose: &'a Purpose,
    ) -> Context<'a> {
        Context {
            flags: &self.flags,
            env,
            locations,
            clock: Clock::System,
            purpose,
            consumers: consumer::TABLES,
            for_people: false,
        }
    }

    fn begin(&self, env: &Env, locations: &Locations) -> Result<()> {
        check_variables(env)?;
        self.check_error_format(env)?;
        // The profile's value is not known before the file is read.
        let timeout = self.text(env, &TIMEOUT);
        if let Some(timeout) = timeout.and_then(|timeout| parse_duration(&timeout)) {
            pipe::set_deadline(Deadline::within(timeout));
        }
        let verbosity = match env.get(VERBOSE.var()) {
            Some(level) if self.flags.verbosity() == 0 => {
                level.parse().ok().ok_or_else(|| Error::Value {
                    origin: VERBOSE.variable.into(),
                    problem: "must be a number from 0 to 3".into(),
                })?
            }
            _ => self.flags.verbosity(),
        };
        let service_log = match &self.command {
            Command::Housekeeping(command) => command.service_log(),
            Command::Consumer(_) => None,
        };
        let verbosity = verbosity.max(service_log.is_some().into());
        let log_file = self.flags.get_os(&LOG_FILE).map(OsStr::to_owned);
        let log_file = log_file.or_else(|| env.get_os(LOG_FILE.var())).map(PathBuf::from);
        let log_file = log_file.map(|path| expand_home(&path, locations.home.as_deref()));
        let is_silent = log_file.is_none() && self.merges_stderr(env);
        let verbosity = if is_silent { 0 } else { verbosity };
        log::start(verbosity, log_file.as_deref(), service_log.unwrap_or_default())
    }

    /// Whether the program that runs this one treats standard error as part of the answer.
    fn merges_stderr(&self, env: &Env) -> bool {
        match &self.command {
            Command::Consumer(consumer) => {
                consumer.reader().is_some_and(|reader| (reader.merges_stderr)(env))
            }
            Command::Housekeeping(_) => false,
        }
    }

    fn check_error_format(&self, env: &Env) -> Result<()> {
        match self.text(env, &ERROR_FORMAT) {
            Some(other) if by_name(&ErrorFormat::ALL, &other).is_none() => Err(Error::Usage {
                problem: message!(
                    "`{other}` is not an error format",
                    other = ForeignText::new(&other)
                ),
                hint: "give `text` or `json`".into(),
            }),
            _ => Ok(()),
        }
    }

    /// The value from a flag or variable of a setting that is needed before the configuration file is read.
    fn text(&self, env: &Env, field: &Field) -> Option<String> {
        self.flags.get(field).map(str::to_owned).or_else(|| env.get(field.var()))
    }
}

/// Rejects an empty variable of a setting that is needed before the settings are resolved. The resolution rejects the
/// others.
fn check_variables(env: &Env) -> Result<()> {
    let fields = COMMON.settings.iter().filter(|field| !field.is_in_file);
    let mut variables = fields.map(|field| field.var()).chain([env::IAM_TOKEN, env::OAUTH_TOKEN]);
    let is_blank = |value: OsString| value.to_str().is_some_and(|value| value.trim().is_empty());
    match variables.find(|var| env.given(*var).is_some_and(is_blank)) {
        Some(var) => Err(Error::Value { origin: var.name.into(), problem: EMPTY.into() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::schema::{AUDIENCE, FORCE_REFRESH, PROFILE};

    fn parse_words(words: &[&str]) -> Result<Invocation> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_link_named_after_a_command_runs_it() {
        let Ok(Invocation::Run(cli)) =
            parse_words(&["/opt/bin/yc-id-token-kubectl", "--profile", "prod"])
        else {
            panic!("not run");
        };
        assert!(matches!(cli.command, Command::Consumer(ConsumerCommand::Kubectl(_))));
        assert_eq!(cli.flags.get(&PROFILE), Some("prod"));
    }

    #[test]
    fn the_short_help_leaves_out_what_the_long_help_has() {
        let print = |line: &str| match parse_words(&line.split(' ').collect::<Vec<_>>()) {
            Ok(Invocation::Print(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        for (line, command, is_long) in [
            ("yc-id-token -h", "yc-id-token", false),
            ("yc-id-token --help", "yc-id-token", true),
            ("yc-id-token --profile token vault -h", "yc-id-token vault", false),
            ("yc-id-token vault token --help", "yc-id-token vault token", true),
            ("yc-id-token help setup kubectl", "yc-id-token setup kubectl", true),
            ("yc-id-token-kubectl -h", "yc-id-token kubectl", false),
        ] {
            let help = print(line);
            assert!(help.contains(&format!("\nUsage: {command} [OPTIONS]")), "{line}: {help}");
            assert_eq!(help.contains("--oauth-endpoint"), is_long, "{line}: {help}");
        }
    }

    #[test]
    fn a_file_named_after_a_platform_or_a_version_is_the_whole_program() {
        for name in ["yc-id-token-linux-amd64", "yc-id-token-v1.2.3-darwin-arm64.bin"] {
            let Ok(Invocation::Print(text)) = parse_words(&[name, "--version"]) else {
                panic!("not printed");
            };
            assert!(text.starts_with("yc-id-token "), "{text}");
        }
        for command in program().get_subcommands() {
            let name = OsString::from(format!("{NAME}-{}", command.get_name()));
            assert_eq!(named_command(&name).as_deref(), Some(command.get_name()));
        }
    }

    #[test]
    fn a_link_named_after_vault_is_a_token_helper_and_a_command() {
        let words = |words: &[&str]| match parse_words(words) {
            Ok(Invocation::Run(cli)) => cli.arguments.to_vec(),
            other => panic!("not run: {other:?}"),
        };
        let helper = "/opt/bin/yc-id-token-vault";
        assert_eq!(words(&[helper, "get"]), ["vault", "token-helper", "get"]);
        assert_eq!(words(&[helper, "token", "--role=r"]), ["vault", "token", "--role=r"]);
        let helper = "/opt/bin/yc-id-token-vault-prod.eu";
        let profile = "--profile=prod.eu";
        assert_eq!(words(&[helper, "get"]), ["vault", "token-helper", profile, "get"]);
        assert_eq!(words(&[helper, "login"]), ["vault", profile, "login"]);
    }

    #[test]
    fn every_described_command_is_parsed() {
        let listed: Vec<&str> = commands().map(|command| command.name).collect();
        let read = Command::augment_subcommands(clap::Command::new(NAME));
        let read: Vec<&str> = read.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(listed, read);
    }

    #[test]
    fn flags_work_before_and_after_the_command() {
        let flags = |line: &str| {
            let words: Vec<&str> = ["yc-id-token"].into_iter().chain(line.split(' ')).collect();
            match parse_words(&words) {
                Ok(Invocation::Run(cli)) => cli.flags,
                other => panic!("{line}: {other:?}"),
            }
        };
        for (line, profile) in [
            ("token --profile a", Some("a")),
            ("--profile a token", Some("a")),
            ("--profile a token --profile b", Some("b")),
            ("--profile kubectl kubectl", Some("kubectl")),
            ("vault --profile a --role r token", Some("a")),
            ("vault token --profile a", Some("a")),
            ("--profile a vault --profile b token --profile c", Some("c")),
            ("setup kubectl --profile a", Some("a")),
            ("setup --profile a kubectl", Some("a")),
            ("exec --aws -- kubectl --profile x token", None),
            ("vault login --service-account token", None),
        ] {
            assert_eq!(flags(line).get(&PROFILE), profile, "{line}");
        }
        let both = flags("--force-refresh -v status --timeout 5s");
        assert_eq!(both.get(&FORCE_REFRESH), Some("true"));
        assert_eq!(both.get(&TIMEOUT), Some("5s"));
        assert_eq!((both.verbosity(), flags("status -vv").verbosity()), (1, 2));
    }

    #[test]
    fn a_line_means_the_same_if_only_its_own_flags_are_described() {
        for line in [
            "token",
            "token --profile=a -v --decode",
            "token --profile --audience --audience b",
            "vault --role r -vv token --force-refresh --role s",
            "exec --aws --timeout 5s -- kubectl --profile x -v token",
            "agent --config agent.toml check",
            "setup kubectl --context c --profile a --dry-run",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let tables = commands().find(|command| words[0] == command.name).unwrap().tables;
            let read = |program: clap::Command| {
                let line = [&[NAME.into()], &words[..]].concat();
                let mut matches = program.try_get_matches_from(line).ok()?;
                let flags = Flags::read(&matches, tables);
                Some(format!("{flags:?} {:?}", Command::from_arg_matches_mut(&mut matches).ok()?))
            };
            assert_eq!(read(described_for(&words)), read(described(&words)), "{line}");
        }
    }

    #[test]
    fn the_name_of_a_consumer_can_be_a_value() {
        let words = ["yc-id-token", "--profile", "token", "kubectl", "--audience", "aws"];
        let Ok(Invocation::Run(cli)) = parse_words(&words) else { panic!("not run") };
        assert!(matches!(cli.command, Command::Consumer(ConsumerCommand::Kubectl(_))));
        assert_eq!(cli.flags.get(&PROFILE), Some("token"));
        assert_eq!(cli.flags.get(&AUDIENCE), Some("aws"));
    }
}
