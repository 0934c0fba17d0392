//! The command line: global options and the list of subcommands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::broker::{Purpose, REFRESH, Rerun, begin_session};
use crate::clock::{Clock, Deadline};
use crate::command::{self, Housekeeping};
use crate::consumer::{self, ConsumerCommand};
use crate::env::{self, Env};
use crate::error::{Error, ErrorFormat, Report, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::keyring::forbid_prompts;
use crate::log;
use crate::message;
use crate::output::Output;
use crate::pipe;
use crate::run::Context;
use crate::settings::{EMPTY, Flags, Locations, by_name, expand_home, parse_duration};

mod again;
mod words;

use words::check_values;
pub use words::error_format;

const NAME: &str = "yc-id-token";

const NOTES: &str = "Examples:
  yc-id-token setup kubectl
  yc-id-token token --key-file key.json --audience https://k8s.example --decode

Every option can be set by a variable of its name, such as YC_ID_TOKEN_KEY_FILE, or in a profile of the \
configuration file. Yandex's own YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE and YC_METADATA_ADDR are read where nothing else says \
who we are.

Exit status: 0 ok, 1 internal or output, 2 usage, 3 configuration, 4 refused by Yandex Cloud, 5 refused by the consumer's server, 6 temporary, 7 a cache that was asked for by name; \
`exec` ends as its command does.";

/// Credential helper: OIDC ID tokens of Yandex Cloud service accounts, for kubectl, AWS, Vault and whatever else trusts OIDC
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = NOTES, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: Flags,
    /// The words that this was read from.
    #[arg(skip)]
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
    /// To run a command.
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
    match parse_consumer(&arguments).map_or_else(|| Cli::try_parse_from(&arguments), Ok) {
        Ok(mut cli) => {
            cli.arguments = arguments.drain(1..).collect();
            let cli = Box::new(cli);
            Ok(if refresh { Invocation::Refresh(cli) } else { Invocation::Run(cli) })
        }
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(Invocation::Print(error.render().to_string()))
        }
        Err(error) => Err(usage(&error)),
    }
}

/// Reads the command line of a consumer, knowing that consumer only: to describe all commands takes
/// longer than to answer from the cache. What is understood so means the same to the whole program, but that
/// a consumer's own options may stand before its name too; what is not, and help, is left to that.
fn parse_consumer(arguments: &[OsString]) -> Option<Cli> {
    let named = |word: &OsString| {
        ConsumerCommand::read_alone(word.to_str()?, arguments, <Flags as Args>::augment_args)
    };
    let (consumer, mut matches) = arguments.iter().skip(1).find_map(named)?;
    let flags = Flags::from_arg_matches_mut(&mut matches).ok()?;
    // To take them apart takes a tenth of a cache hit, and the process ends soon.
    std::mem::forget(matches);
    Some(Cli { command: Command::Consumer(consumer), flags, arguments: Arc::default() })
}

fn named_command(program: &OsString) -> Option<String> {
    let name = Path::new(program).file_stem()?.to_str()?;
    let command = name.strip_prefix(NAME)?.strip_prefix('-')?;
    <Command as Subcommand>::has_subcommand(command).then(|| command.to_owned())
}

fn usage(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or(NAME);
    let is_word = |word: &&str| !word.starts_with(['[', '<', '-']);
    let command = usage.split(' ').take_while(is_word).collect::<Vec<_>>().join(" ");
    let help = || {
        let help = message!("see `{} --help`", ForeignText::new(&command));
        // Such a command is followed by another program's command line.
        if usage.contains(" -- ") {
            message!("put `--` before the command; {help}", help)
        } else {
            help
        }
    };
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::Usage { problem: "a command is missing".into(), hint: help() };
    }
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let beginning_with = |start| paragraphs.iter().find_map(|text| text.strip_prefix(start));
    let tip = beginning_with("tip: ").map(|tip| ForeignText::new(tip).into());
    Error::Usage {
        problem: ForeignText::new(beginning_with("error: ").unwrap_or_default()).into(),
        hint: tip.unwrap_or_else(help),
    }
}

/// What is printed of an error of this command line: its hint can be pasted.
#[must_use]
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
    let mut program = Cli::command();
    // So that options of the whole program are options of each command too.
    program.build();
    again::complete(hint, arguments, &program)
}

impl Cli {
    /// Runs the command, and tells the exit status of a run that did not fail.
    pub fn run(&self, env: &Env, output: &mut Output<'_>) -> Result<ExitCode> {
        self.begin(env)?;
        let locations = &Locations::of_system();
        match &self.command {
            Command::Consumer(consumer) => {
                let purpose = Purpose::Answer(Rerun::of(&self.arguments));
                consumer.run(self.context(env, locations, &purpose), output)
            }
            Command::Housekeeping(command) => {
                let context = self.context(env, locations, &Purpose::Answer(None));
                let complete = |hint: &Message, more: &[OsString]| {
                    let words = [&[NAME.into()], more, &*self.arguments].concat();
                    completed(hint, &words)
                };
                command.run(context, Self::command, &complete, output)
            }
        }
    }

    /// Refreshes what the command hands out, in a session of its own.
    pub fn refresh(&self, env: &Env) -> Result<ExitCode> {
        begin_session();
        forbid_prompts();
        self.begin(env)?;
        if let Command::Consumer(consumer) = &self.command {
            let locations = &Locations::of_system();
            consumer.refresh(self.context(env, locations, &Purpose::Refresh))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Tells a shell how one of these words can go on.
    pub fn complete(words: &[OsString], env: &Env, output: &mut Output<'_>) -> Result<ExitCode> {
        command::complete(Self::command(), words, env, output).map(|()| ExitCode::SUCCESS)
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

    fn begin(&self, env: &Env) -> Result<()> {
        check_variables(env)?;
        self.check_error_format(env)?;
        // What the profile says of it is not known before the file is read.
        let timeout = self.flags.timeout.clone().or_else(|| env.get(env::TIMEOUT));
        if let Some(timeout) = timeout.and_then(|timeout| parse_duration(&timeout)) {
            pipe::set_deadline(Deadline::within(timeout));
        }
        let verbosity = match env.get(env::VERBOSE) {
            Some(level) if self.flags.verbose == 0 => {
                level.parse().ok().ok_or_else(|| Error::Value {
                    origin: env::VERBOSE.name.into(),
                    problem: "must be a number from 0 to 3".into(),
                })?
            }
            _ => self.flags.verbose,
        };
        let log_file =
            self.flags.log_file.clone().or_else(|| env.get_os(env::LOG_FILE).map(PathBuf::from));
        let log_file = log_file.map(|path| expand_home(&path, Locations::home().as_deref()));
        log::start(verbosity, log_file.as_deref())
    }

    fn check_error_format(&self, env: &Env) -> Result<()> {
        let given = self.flags.error_format.clone().or_else(|| env.get(env::ERROR_FORMAT));
        match given {
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
}

/// Refuses an empty value of those variables that are no rows of the settings. Those are checked when they
/// are read.
fn check_variables(env: &Env) -> Result<()> {
    let variables = [
        env::CONFIG,
        env::LOG_FILE,
        env::VERBOSE,
        env::ERROR_FORMAT,
        env::IAM_TOKEN,
        env::OAUTH_TOKEN,
    ];
    let is_blank = |value: OsString| value.to_str().is_some_and(|value| value.trim().is_empty());
    match variables.into_iter().find(|var| env.given(*var).is_some_and(is_blank)) {
        Some(var) => Err(Error::Value { origin: var.name.into(), problem: EMPTY.into() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Invocation> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
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
        look(&Cli::command(), "");
    }

    #[test]
    fn a_mistyped_command_is_guessed() {
        for (words, guess) in [
            (vec!["yc-id-token", "kubectll"], "kubectl"),
            (vec!["yc-id-token", "vault", "logn"], "login"),
            (vec!["yc-id-token", "setup", "kubctl"], "kubectl"),
            (vec!["yc-id-token", "completion"], "completions"),
        ] {
            let hint = parse_words(&words).unwrap_err().hint().unwrap();
            assert!(hint.contains(&format!("'{guess}'")), "{words:?}: {hint}");
        }
    }

    #[test]
    fn a_link_named_after_a_command_runs_it() {
        let Ok(Invocation::Run(cli)) =
            parse_words(&["/opt/bin/yc-id-token-kubectl", "--profile", "prod"])
        else {
            panic!("not run");
        };
        assert!(matches!(cli.command, Command::Consumer(ConsumerCommand::Kubectl(_))));
        assert_eq!(cli.flags.profile.as_deref(), Some("prod"));
    }

    #[test]
    fn a_file_named_after_a_platform_or_a_version_is_the_whole_program() {
        for name in ["yc-id-token-linux-amd64", "yc-id-token-v1.2.3-darwin-arm64.bin"] {
            let Ok(Invocation::Print(text)) = parse_words(&[name, "--version"]) else {
                panic!("not printed");
            };
            assert!(text.starts_with("yc-id-token "), "{text}");
        }
        for command in Cli::command().get_subcommands() {
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
    fn a_consumer_alone_is_read_as_the_whole_program_would() {
        for line in [
            "token",
            "token --audience a --format=json",
            "--audience a token --format json -vv",
            "kubectl --profile=prod --api-version v1",
            "--profile kubectl kubectl",
            "--profile aws token --identity vault",
            "aws --role-arn r --policy-arn p --policy-arn q --sts-fips --force-refresh",
            "exec --aws -- kubectl --profile x token",
            "exec --aws --profile p -- env",
            "vault token --wrap-ttl 60s --role r",
            "vault --role r token --cache none",
            "--timeout 5s vault exec --revoke -- vault token",
            "vault token-helper get",
            "vault login --service-account token",
        ] {
            let words: Vec<OsString> =
                ["yc-id-token"].into_iter().chain(line.split(' ')).map(Into::into).collect();
            let alone = parse_consumer(&words).map(|cli| format!("{cli:?}"));
            let whole = Cli::try_parse_from(&words).map(|cli| format!("{cli:?}"));
            assert_eq!(alone.as_deref(), whole.as_deref().ok(), "{line}");
        }
        for wrong in ["vault", "vault nonsense", "token extra", "kubectl --help", "--profile token"]
        {
            let words: Vec<OsString> =
                ["yc-id-token"].into_iter().chain(wrong.split(' ')).map(Into::into).collect();
            assert!(parse_consumer(&words).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_name_of_a_consumer_can_be_a_value() {
        let words = ["yc-id-token", "--profile", "token", "kubectl", "--audience", "aws"];
        let Ok(Invocation::Run(cli)) = parse_words(&words) else { panic!("not run") };
        assert!(matches!(cli.command, Command::Consumer(ConsumerCommand::Kubectl(_))));
        assert_eq!(cli.flags.profile.as_deref(), Some("token"));
        assert_eq!(cli.flags.audience.as_deref(), Some("aws"));
    }

    #[test]
    fn a_mistyped_flag_is_one_line_and_a_suggestion() {
        let error = parse_words(&["yc-id-token", "token", "--audiance", "x"]).unwrap_err();
        assert_eq!(error.to_string(), "unexpected argument '--audiance' found");
        assert_eq!(error.hint().unwrap(), "a similar argument exists: '--audience'");
        let error = parse_words(&["yc-id-token"]).unwrap_err();
        assert_eq!(error.to_string(), "a command is missing");
        assert_eq!(error.hint().unwrap(), "see `yc-id-token --help`");
        let error = parse_words(&["yc-id-token", "setup"]).unwrap_err();
        assert_eq!(error.hint().unwrap(), "see `yc-id-token setup --help`");
    }
}
