//! The consumers: the programs that receive a credential, each in its own format. One file or folder each.
//!
//! `Consumer` defines a consumer: its request, the minimum lifetime, and the rendering. `run` obtains and renders the
//! credential, `forecast` predicts that for `status` and `doctor`. Both call the same functions, so a forecast cannot
//! differ from a run.
//!
//! `CredentialCommand` is the interface of commands to the list at the end. Every consumer implements it; so does
//! `exec`, which has the requests of several consumers.
//!
//! A long-running process (`exec`, the agent) keeps a consumer's document fresh: `document` obtains it, and
//! `kept_document` renews it in time.
//!
//! To add a consumer, write its file and name it in the list at the end; CONTRIBUTING.md has an example.

mod claims;
mod command;
mod delivery;
pub mod document;
#[cfg(test)]
#[allow(unreachable_pub, reason = "as a consumer of the list, its `Args` would be reachable")]
mod example;
mod exchange;
mod forecast;
pub mod kept_document;
mod run;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use crate::broker::Request;
use crate::credential::{Cacheable, Credential};
use crate::env::Env;
use crate::error::{Error, Report, Result};
use crate::foreign_text::Message;
use crate::http::{Endpoint, ServerOptions};
use crate::output::Output;
use crate::run::Context;
use crate::settings::schema::PROFILE;
use crate::settings::{Arguments, Field, NamedCommand, Origin, Settings, Table};
use crate::source::IdTokenRequest;

use delivery::Delivery;
pub use forecast::ConsumerForecast;
use run::ConsumerRun;

/// A consumer with its settings: its request and the rendering of the result.
pub(crate) trait Consumer: Sized {
    /// Its name and its own settings.
    const TABLE: &'static Table;

    /// All tables from which its settings are read.
    const TABLES: &'static [&'static Table] = &[Self::TABLE];

    /// Whether people run its command, and see a spinner.
    const FOR_PEOPLE: bool = false;

    /// The part of the whole lifetime that must be left, besides `minimum_lifetime`: 10 means a tenth.
    const MINIMUM_SHARE: Option<u32> = None;

    /// The program that runs its command, if that reads more than standard output on success.
    const READER: Option<&'static OutputReader> = None;

    /// Its command line. A forecast is made for the default.
    type Args: clap::Args + Default;

    /// The credential that it renders.
    type Secret: Cacheable + PartialEq;

    /// The request for that credential.
    type Request<'a>: ConsumerRequest<Secret = Self::Secret>
    where
        Self: 'a;

    /// Whether the settings are for this consumer. Without them there is no forecast.
    fn is_configured(settings: &Settings) -> bool;

    /// Reads and checks its settings, without a request.
    fn open(args: &Self::Args, settings: &Settings, context: Context<'_>) -> Result<Self>;

    /// The audience of its ID tokens. `None` means the ID of the service account.
    fn audience(&self) -> Option<&str>;

    /// Its request: for this ID token, or for a credential in exchange.
    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> Self::Request<'a>;

    /// The minimum lifetime of a rendered credential.
    fn minimum_lifetime(&self) -> Duration;

    /// The server that exchanges its ID tokens.
    fn server(&self) -> Option<Server> {
        None
    }

    /// Settings that work, but not well.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// Exchanges a new ID token at its server, and describes the result; `None` if it has no exchange. The result is
    /// only cached; one that cannot be cached is revoked.
    fn try_exchange(_: Context<'_>) -> Result<Option<Message>> {
        Ok(None)
    }

    /// Renders a credential, with its destination.
    fn render(&self, credential: &Credential<Self::Secret>) -> Result<Delivery>;

    /// Refreshes the credential in the background, after a run has returned one past its soft point.
    fn refresh(args: &Self::Args, context: Context<'_>) -> Result<()> {
        ConsumerRun::<Self>::open(args, context)?.refresh()
    }

    /// Runs its command. Commands that do more than obtain, render and deliver override this.
    fn run(args: &Self::Args, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        ConsumerRun::<Self>::open(args, context)?.run(output)
    }
}

/// A command that returns credentials: those of one consumer, or of several.
pub(crate) trait CredentialCommand {
    /// Its name and its own settings.
    const TABLE: &'static Table;

    /// All tables from which its settings are read.
    const TABLES: &'static [&'static Table];

    /// See [`Consumer::READER`].
    const READER: Option<&'static OutputReader> = None;

    /// Its command line.
    type Args;

    /// Checks these settings, if they are for this command or `is_meant` is set. Sends no request.
    fn check(settings: &Settings, context: Context<'_>, is_meant: bool) -> Result<()>;

    /// The forecast of a run, if the settings are for this command.
    fn forecast(context: Context<'_>) -> Result<Option<ConsumerForecast>>;

    /// Tests the exchange at its server, if it has one.
    fn try_exchange(_: Context<'_>) -> Result<Option<Message>> {
        Ok(None)
    }

    /// Refreshes the credential in the background, after a run has returned one past its soft point.
    fn refresh(args: &Self::Args, context: Context<'_>) -> Result<()>;

    /// Obtains the credentials and delivers them.
    fn run(args: &Self::Args, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode>;
}

impl<C: Consumer> CredentialCommand for C {
    const TABLE: &'static Table = C::TABLE;
    const TABLES: &'static [&'static Table] = C::TABLES;
    const READER: Option<&'static OutputReader> = C::READER;

    type Args = C::Args;

    fn check(settings: &Settings, context: Context<'_>, is_meant: bool) -> Result<()> {
        if is_meant || C::is_configured(settings) {
            C::open(&C::Args::default(), settings, context)?;
        }
        Ok(())
    }

    fn forecast(context: Context<'_>) -> Result<Option<ConsumerForecast>> {
        forecast::forecast::<C>(context)
    }

    fn try_exchange(context: Context<'_>) -> Result<Option<Message>> {
        <C as Consumer>::try_exchange(context)
    }

    fn refresh(args: &C::Args, context: Context<'_>) -> Result<()> {
        <C as Consumer>::refresh(args, context)
    }

    fn run(args: &C::Args, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        <C as Consumer>::run(args, context, output)
    }
}

/// A program that reads failures from standard output, and standard error as a part of it.
#[derive(Debug)]
pub struct OutputReader {
    /// Whether it merges both in this run. Then no log is written to standard error: the program would fail, and
    /// might show the credential in its error.
    pub merges_stderr: fn(&Env) -> bool,
    /// Whether it reads this failure from standard output.
    pub reads_failure: fn(&Error, &Env) -> bool,
    /// The document for such a failure.
    pub failure_document: fn(&Report) -> String,
}

/// A request of a consumer: for an ID token, or for a credential in exchange for one.
pub(crate) trait ConsumerRequest: Request {
    /// The ID token for the exchange, and its minimum lifetime.
    fn exchanged(&self) -> Option<(&IdTokenRequest<'_>, Duration)>;
}

impl ConsumerRequest for IdTokenRequest<'_> {
    fn exchanged(&self) -> Option<(&IdTokenRequest<'_>, Duration)> {
        None
    }
}

#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub endpoint: Endpoint,
    pub options: ServerOptions,
    /// A path that it answers without credentials.
    pub public: PublicPath,
}

/// A path that a server answers without credentials, with its query.
#[derive(Clone, Copy, Debug)]
pub struct PublicPath {
    pub path: &'static str,
    pub query: &'static [(&'static str, &'static str)],
}

#[derive(Debug)]
pub struct Warning {
    pub problem: Message,
    pub hint: Message,
}

macro_rules! consumers {
    ($($variant:ident => $module:ident;)+) => {
        $(mod $module;)+

        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum ConsumerName {
            $($variant,)+
        }

        impl ConsumerName {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn table(self) -> &'static Table {
                match self { $(Self::$variant => <$module::$variant as CredentialCommand>::TABLE),+ }
            }

            /// Checks these settings, if they are for the consumer or `is_meant` is set.
            pub fn check(self, settings: &Settings, context: Context<'_>, is_meant: bool) -> Result<()> {
                match self { $(Self::$variant => <$module::$variant as CredentialCommand>::check(settings, context, is_meant)),+ }
            }

            /// The forecast of a run with these settings, if they are for the consumer.
            pub fn forecast(self, context: Context<'_>) -> Result<Option<ConsumerForecast>> {
                match self { $(Self::$variant => <$module::$variant as CredentialCommand>::forecast(context)),+ }
            }

            /// Exchanges a new ID token at the consumer's server, and describes the result; `None` without an
            /// exchange.
            pub fn try_exchange(self, context: Context<'_>) -> Result<Option<Message>> {
                match self { $(Self::$variant => <$module::$variant as CredentialCommand>::try_exchange(context)),+ }
            }
        }

        /// The command of a consumer.
        #[derive(Debug, Subcommand)]
        pub enum ConsumerCommand {
            $($variant($module::Args),)+
        }

        /// The tables of consumers in profiles.
        pub const TABLES: &[&Table] = &[$(<$module::$variant as CredentialCommand>::TABLE),+];

        $(
            impl Arguments for $module::Args {
                const TABLES: &'static [&'static Table] = <$module::$variant as CredentialCommand>::TABLES;
            }
        )+

        pub const COMMANDS: &[NamedCommand] =
            &[$(NamedCommand::new::<$module::Args>(stringify!($module))),+];

        impl ConsumerCommand {
            /// Refreshes the credential in the background, after a run has returned one past its soft point.
            pub fn refresh(&self, context: Context<'_>) -> Result<()> {
                match self {
                    $(Self::$variant(args) => <$module::$variant as CredentialCommand>::refresh(args, context)),+
                }
            }

            /// Obtains the credentials and delivers them.
            pub fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
                match self { $(Self::$variant(args) => <$module::$variant as CredentialCommand>::run(args, context, output)),+ }
            }

            /// The program that runs the command, if that reads more than standard output on success.
            pub const fn reader(&self) -> Option<&'static OutputReader> {
                match self { $(Self::$variant(_) => <$module::$variant as CredentialCommand>::READER),+ }
            }
        }
    };
}

/// The arguments that the name of a link stands for, if it is the name of a token helper, which the `vault` CLI runs
/// without options.
pub fn words_of_helper(link: &Path, first: Option<&OsString>) -> Option<Vec<OsString>> {
    let profile = vault::profile_in_name(link)?;
    let mut words = vec![vault::settings::TABLE.name.into()];
    if first.is_some_and(|word| vault::is_request(word)) {
        words.push("token-helper".into());
    }
    if !profile.is_empty() {
        words.push(format!("{}={profile}", PROFILE.flag).into());
    }
    Some(words)
}

/// The formats of other programs' files, for `setup` and `doctor`.
pub use {
    aws::{
        AUDIENCE as AWS_AUDIENCE, AwsFiles, CREDENTIAL_KEYS, Ini, Item, Kind, Section, expanded,
        role_arn_problem, settings as aws_settings,
    },
    gcp::{
        Configuration as GcpConfiguration, CredentialFile, OVERRIDING as GCP_OVERRIDING, Provider,
        TokenSource, VARIABLES as GCP_VARIABLES, email_problem, provider_problem,
        settings as gcp_settings,
    },
    kubectl::{
        EXTENSION as EXEC_EXTENSION, GROUP as EXEC_GROUP, KubectlPlugin, V1 as EXEC_V1,
        V1BETA1 as EXEC_V1BETA1,
    },
    vault::{Helper, HelperInstallation, VaultHelper, settings as vault_settings},
};

#[cfg(feature = "fuzzing")]
pub use {
    aws::{aws_ini, sts_xml},
    gcp::gcp_credential_file,
    kubectl::exec_info,
    vault::vault_hcl,
};

/// The audience of a consumer with its own setting for it: the flag of this run, otherwise the consumer's setting,
/// otherwise that of the profile, which may be for other consumers too.
fn audience(settings: &Settings, own: &Field) -> Option<String> {
    let general = settings.audience.clone();
    let by_flag = general.clone().filter(|audience| matches!(audience.origin, Origin::Flag(_)));
    by_flag.or_else(|| settings.own(own)).or(general).map(|audience| audience.value)
}

consumers! {
    Token => token;
    Kubectl => kubectl;
    Aws => aws;
    Vault => vault;
    Gcp => gcp;
    Exec => exec;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Purpose;
    use crate::clock::{Clock, Offset, Timestamp};
    use crate::credential::{IdToken, Lifetime, Secret};
    use crate::env::Env;
    use crate::settings::{Flags, Locations};

    const EXAMPLE: &str = include_str!("example.rs");

    #[test]
    fn the_example_in_contributing_is_a_consumer() {
        let contributing = concat!(env!("CARGO_MANIFEST_DIR"), "/../CONTRIBUTING.md");
        let contributing = std::fs::read_to_string(contributing).unwrap();
        assert!(
            contributing.contains(EXAMPLE),
            "copy core/src/consumer/example.rs to CONTRIBUTING.md"
        );

        let context = Context {
            flags: &Flags::default(),
            env: &Env::Fake([].into()),
            locations: &Locations::default(),
            clock: Clock::System,
            purpose: &Purpose::Answer(None),
            consumers: TABLES,
            for_people: false,
        };
        let Context { flags, env, locations, .. } = context;
        let settings = Settings::without_file(flags, env, locations, TABLES).unwrap();
        let example = example::Example::open(&example::Args::default(), &settings, context);
        let example = example.unwrap();
        let obtained = Timestamp::from_unix_seconds(0);
        let lifetime = Lifetime::new(
            obtained.into(),
            obtained.plus(Duration::from_secs(60)),
            Offset::default(),
        );
        let secret = IdToken(Secret::new("e30.e30.c2ln".into()));
        let Ok(Delivery::Print(document)) = example.render(&Credential { secret, lifetime }) else {
            panic!("not printed");
        };
        let expected = "{\"expiry\":\"1970-01-01T00:01:00Z\",\"token\":\"e30.e30.c2ln\"}\n";
        assert_eq!(std::str::from_utf8(&document).unwrap(), expected);
        // The same call as in the list.
        let _: fn(Context<'_>) -> Result<Option<ConsumerForecast>> =
            forecast::forecast::<example::Example>;
        let _: fn(&ConsumerRun<example::Example>) -> Result<()> = ConsumerRun::refresh;
    }
}
