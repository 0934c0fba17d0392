//! The command line: global options and the list of subcommands.

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
    EMPTY, Field, Flags, Locations, NamedCommand, Table, by_name, expand_home, list,
    parse_duration, unchosen_profiles, with_flags,
};

mod again;
mod usage;
mod words;

use words::check_values;
pub use words::error_format;

const NAME: &str = "yc-id-token";

const ABOUT: &str = "Credential helper: OIDC ID tokens of Yandex Cloud service accounts, for kubectl, AWS, Vault and whatever else trusts OIDC";

const NOTES: &str = "Examples:
  yc-id-token setup kubectl
  yc-id-token token --key-file key.json --audience https://k8s.example --decode

Every option can be set by a variable of its name, such as YC_ID_TOKEN_KEY_FILE, or in a profile of the \
configuration file. Yandex's own YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE and YC_METADATA_ADDR are read where nothing else says \
who we are.

Exit status: 0 ok, 1 internal or output, 2 usage, 3 configuration, 4 refused by Yandex Cloud, 5 refused by the consumer's server, 6 temporary, 7 a cache that was asked for by name; \
`exec` ends as its command does.";

/// A command line that was understood.
#[derive(Debug)]
pub struct Cli {
    command: Command,
    flags: Flags,
    /// The tables of the command's own settings.
    tables: &'static [&'static Table],
    /// The words that this was read from.
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

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation {
    Run(Box<Cli>),
    /// To refresh, in the background, what a command hands out.
    Refresh(Box<Cli>),
    /// To print help or the version.
    Print(String),
    /// To tell a shell how one of these words can go on.
    Complete(Vec<OsString>),
}

/// Reads a command line, its first part being the name that the program was called by:
/// `yc-id-token-kubectl` is `yc-id-token kubectl`, and `yc-id-token-linux-amd64` is `yc-id-token`.
pub fn parse(mut arguments: Vec<OsString>) -> Result<Invocation> {
    if let Some(command) = arguments.first().and_then(named_command) {
        let words = consumer::words_of(&command, arguments.get(1));
        arguments.splice(1..1, words);
    }
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
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(Invocation::Print(error.render().to_string()))
        }
        Err(error) => Err(usage::error(error)),
    }
}

/// The description of the whole command line.
pub fn program() -> clap::Command {
    let mut program = described(&[]);
    program.build();
    program
}

/// The description of the command line, as far as these words need it. Where the first of them names a command,
/// that one is meant: to describe the others takes longer than a cache hit.
fn described(words: &[OsString]) -> clap::Command {
    let program = clap::Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(NOTES)
        .max_term_width(100)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true);
    if let [first, rest @ ..] = words
        && let Some(named) = commands().find(|command| first == command.name)
    {
        return program.subcommand(named.followed_by(rest));
    }
    let program = program.subcommands(commands().map(NamedCommand::deferred));
    let mut program = with_flags(program, &COMMON);
    // The program's own help says what each command is for.
    let may_ask_for_help = |word: &OsString| {
        let word = word.as_encoded_bytes();
        word.starts_with(b"-") && word.contains(&b'h')
    };
    if words.iter().any(may_ask_for_help) {
        program.build();
    }
    program
}

fn commands() -> impl Iterator<Item = &'static NamedCommand> {
    consumer::COMMANDS.iter().chain(command::COMMANDS)
}

fn named_command(program: &OsString) -> Option<String> {
    let name = Path::new(program).file_stem()?.to_str()?;
    let command = name.strip_prefix(NAME)?.strip_prefix('-')?;
    commands().any(|known| known.name == command).then(|| command.to_owned())
}

/// What is printed of an error of this command line: its hint can be pasted.
pub fn report(error: &Error, arguments: impl Iterator<Item = OsString>) -> Report {
    let mut report = Report::of(error);
    let arguments: Vec<OsString> = arguments.collect();
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
        let mut matches = described(words).try_get_matches_from(arguments)?;
        let named = commands().find(|command| Some(command.name) == matches.subcommand_name());
        let tables: &[&Table] = named.map_or(&[], |command| command.tables);
        let flags = Flags::read(&matches, tables);
        let command = Command::from_arg_matches_mut(&mut matches)?;
        Ok(Self { command, flags, tables, arguments: words.into() })
    }

    /// Runs the command, and tells the exit status of a run that did not fail.
    pub fn run(&self, env: &Env, output: &mut Output<'_>) -> Result<ExitCode> {
        let locations = &Locations::of_system();
        self.begin(env, locations)?;
        match &self.command {
            Command::Consumer(consumer) => {
                let purpose = Purpose::Answer(Rerun::of(&self.arguments));
                let ran = consumer.run(self.context(env, locations, &purpose), output);
                ran.map_err(|error| self.with_profiles(error, env, locations))
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

    /// The same error. The hint of one about something missing names the profiles, if none is chosen.
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

    /// Refreshes what the command hands out, in a session of its own.
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

    /// Tells a shell how one of these words can go on.
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
        // What the profile says of it is not known before the file is read.
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
        log::start(verbosity, log_file.as_deref(), service_log.unwrap_or_default())
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

    /// What a flag or a variable sets, of a setting that counts before the configuration file is read.
    fn text(&self, env: &Env, field: &Field) -> Option<String> {
        self.flags.get(field).map(str::to_owned).or_else(|| env.get(field.var()))
    }
}

/// Refuses an empty value of a variable that counts before the settings are resolved, which refuses the others.
fn check_variables(env: &Env) -> Result<()> {
    let fields = COMMON.settings.iter().filter(|field| !field.is_in_file);
    let mut variables = fields.map(Field::var).chain([env::IAM_TOKEN, env::OAUTH_TOKEN]);
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
    fn the_command_line_is_sound() {
        described(&[]).debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{path}");
            // What the program runs for itself is not for people.
            for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
                look(command, &path);
            }
        }
        look(&program(), "");
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
    fn a_link_named_after_vault_is_a_token_helper_and_the_command_too() {
        let words = |words: &[&str]| match parse_words(words) {
            Ok(Invocation::Run(cli)) => cli.arguments.to_vec(),
            other => panic!("not run: {other:?}"),
        };
        let helper = "/opt/bin/yc-id-token-vault";
        assert_eq!(words(&[helper, "get"]), ["vault", "token-helper", "get"]);
        assert_eq!(words(&[helper, "token", "--role=r"]), ["vault", "token", "--role=r"]);
    }

    #[test]
    fn every_command_that_is_described_is_read() {
        let listed: Vec<&str> = commands().map(|command| command.name).collect();
        let read = Command::augment_subcommands(clap::Command::new(NAME));
        let read: Vec<&str> = read.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(listed, read);
    }

    #[test]
    fn a_flag_stands_before_the_command_or_behind_it() {
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
    fn the_name_of_a_consumer_can_be_a_value() {
        let words = ["yc-id-token", "--profile", "token", "kubectl", "--audience", "aws"];
        let Ok(Invocation::Run(cli)) = parse_words(&words) else { panic!("not run") };
        assert!(matches!(cli.command, Command::Consumer(ConsumerCommand::Kubectl(_))));
        assert_eq!(cli.flags.get(&PROFILE), Some("token"));
        assert_eq!(cli.flags.get(&AUDIENCE), Some("aws"));
    }
}
