//! The consumers: the programs that receive a credential, each in its own format. One file or folder each.
//!
//! `Consumer` is what a consumer says of itself: what it requests, how much lifetime must be left of it, and
//! how it is rendered. `run` obtains and renders it, `forecast` says for `status` and `doctor` what a run would
//! do. Both ask the same functions, so a forecast cannot differ from what a run does.
//!
//! To add a consumer, write its file and name it in the list at the end; CONTRIBUTING.md has an example.

mod claims;
mod delivery;
#[cfg(test)]
#[allow(unreachable_pub, reason = "as a consumer of the list, its `Args` would be reachable")]
mod example;
mod exchange;
mod forecast;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use crate::broker::Request;
use crate::credential::{Cacheable, Credential};
use crate::env::Env;
use crate::error::Result;
use crate::foreign_text::Message;
use crate::http::{Endpoint, ServerOptions};
use crate::output::Output;
use crate::run::Context;
use crate::settings::{Arguments, Field, NamedCommand, Origin, Settings, Table};
use crate::source::IdTokenRequest;

use delivery::Delivery;
pub(crate) use forecast::ConsumerForecast;
use run::ConsumerRun;

/// A consumer, with its settings: what it requests, and how that is rendered.
pub(crate) trait Consumer: Sized {
    /// Its name and its own settings.
    const TABLE: &'static Table;

    /// All tables that its settings are read from.
    const TABLES: &'static [&'static Table] = &[Self::TABLE];

    /// Whether people run its command: they see what is waited for.
    const FOR_PEOPLE: bool = false;

    /// The share of its whole lifetime that must be left of a credential, besides `minimum_lifetime`: 10 is a
    /// tenth.
    const MINIMUM_SHARE: Option<u32> = None;

    /// Its command line. A forecast is made for the default one.
    type Args: clap::Args + Default;

    /// What is rendered.
    type Secret: Cacheable + PartialEq;

    /// How that is requested.
    type Request<'a>: ConsumerRequest<Secret = Self::Secret>
    where
        Self: 'a;

    /// Whether the settings are meant for this consumer. Only then is there a forecast.
    fn is_configured(settings: &Settings) -> bool;

    /// Reads and checks its settings. Nothing is requested yet.
    fn open(args: &Self::Args, settings: &Settings, env: &Env) -> Result<Self>;

    /// The audience of its ID tokens. `None` is the ID of the service account.
    fn audience(&self) -> Option<&str>;

    /// What it requests: this ID token, or what it is exchanged for.
    fn request<'a>(&'a self, id_token: IdTokenRequest<'a>) -> Self::Request<'a>;

    /// What must be left of the lifetime of a credential that is rendered.
    fn minimum_lifetime(&self) -> Duration;

    /// The server that it exchanges ID tokens at.
    fn server(&self) -> Option<Server> {
        None
    }

    /// What works with these settings, but not well.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// Renders a credential, and says where that goes.
    fn render(&self, credential: &Credential<Self::Secret>) -> Result<Delivery>;

    /// Runs its command. Only commands that do more than to obtain, render and deliver have their own.
    fn run(args: &Self::Args, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
        ConsumerRun::<Self>::open(args, context)?.run(output)
    }
}

/// A request of a consumer: for an ID token, or for what an ID token is exchanged for.
pub(crate) trait ConsumerRequest: Request {
    /// The ID token that is exchanged, and what must be left of its lifetime.
    fn exchanged(&self) -> Option<(&IdTokenRequest<'_>, Duration)>;
}

impl ConsumerRequest for IdTokenRequest<'_> {
    fn exchanged(&self) -> Option<(&IdTokenRequest<'_>, Duration)> {
        None
    }
}

/// The server of a consumer.
#[derive(Debug)]
pub(crate) struct Server {
    /// How it is called.
    pub(crate) name: &'static str,
    /// Its address.
    pub(crate) endpoint: Endpoint,
    /// How it is reached.
    pub(crate) options: ServerOptions,
    /// What it answers without credentials.
    pub(crate) public: PublicPath,
}

/// A path that a server answers without credentials, with its query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicPath {
    /// The path.
    pub(crate) path: &'static str,
    /// The fields of the query.
    pub(crate) query: &'static [(&'static str, &'static str)],
}

/// Something that works, but not well.
#[derive(Debug)]
pub(crate) struct Warning {
    /// What it is.
    pub(crate) problem: Message,
    /// What to do about it.
    pub(crate) hint: Message,
}

macro_rules! consumers {
    ($($variant:ident => $module:ident;)+) => {
        $(mod $module;)+

        /// The name of a consumer.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum ConsumerName {
            $($variant,)+
        }

        impl ConsumerName {
            /// All names.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The settings of the consumer.
            pub(crate) const fn table(self) -> &'static Table {
                match self { $(Self::$variant => <$module::$variant as Consumer>::TABLE),+ }
            }

            /// Whether the consumer can use these settings, if they are meant for it.
            pub(crate) fn check(self, settings: &Settings, context: Context<'_>) -> Result<()> {
                match self { $(Self::$variant => check::<$module::$variant>(settings, context)),+ }
            }

            /// What a run of the consumer would do with these settings, if they are meant for it.
            pub(crate) fn forecast(self, context: Context<'_>) -> Result<Option<ConsumerForecast>> {
                match self { $(Self::$variant => forecast::forecast::<$module::$variant>(context)),+ }
            }
        }

        /// The command of a consumer.
        #[derive(Debug, Subcommand)]
        pub enum ConsumerCommand {
            $(#[allow(missing_docs, reason = "its module says what it is, and so does its help")] $variant($module::Args),)+
        }

        /// The tables of consumers that may stand in a profile.
        pub const TABLES: &[&Table] = &[$(<$module::$variant as Consumer>::TABLE),+];

        $(
            impl Arguments for $module::Args {
                const TABLES: &'static [&'static Table] = <$module::$variant as Consumer>::TABLES;
            }
        )+

        /// Their commands.
        pub const COMMANDS: &[NamedCommand] =
            &[$(NamedCommand::new::<$module::Args>(stringify!($module))),+];

        impl ConsumerCommand {
            /// Obtains the credential again if it is past its soft point, and renders nothing.
            pub fn refresh(&self, context: Context<'_>) -> Result<()> {
                match self {
                    $(Self::$variant(args) => ConsumerRun::<$module::$variant>::open(args, context)?.refresh()),+
                }
            }

            /// Obtains the credential and delivers it in the consumer's format.
            pub fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
                match self { $(Self::$variant(args) => $module::$variant::run(args, context, output)),+ }
            }
        }
    };
}

fn check<C: Consumer>(settings: &Settings, context: Context<'_>) -> Result<()> {
    if C::is_configured(settings) {
        C::open(&C::Args::default(), settings, context.env)?;
    }
    Ok(())
}

/// The words that a link named after a command stands for, before this first argument.
pub(crate) fn words_of(command: &str, first: Option<&OsString>) -> Vec<OsString> {
    let mut words = vec![command.into()];
    // The `vault` CLI runs its token helper by its path alone.
    if command == vault::settings::TABLE.name && first.is_some_and(|word| vault::is_request(word)) {
        words.push("token-helper".into());
    }
    words
}

/// For `setup` and `doctor`: the formats of other programs' files.
pub(crate) use {
    aws::{
        AUDIENCE as AWS_AUDIENCE, AwsFiles, Ini, Item, Kind, Section, expanded, role_arn_problem,
        settings as aws_settings,
    },
    kubectl::{
        EXTENSION as EXEC_EXTENSION, GROUP as EXEC_GROUP, KubectlPlugin, V1 as EXEC_V1,
        V1BETA1 as EXEC_V1BETA1,
    },
    vault::{HelperInstallation, VaultHelper, settings as vault_settings},
};

#[cfg(feature = "fuzzing")]
pub use {
    aws::{aws_ini, sts_xml},
    kubectl::exec_info,
    vault::vault_hcl,
};

/// The audience of a consumer with a setting for it: the flag of this run, else the consumer's setting, else that of
/// the profile, which may serve other consumers too.
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
    Exec => exec;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Offset, Timestamp};
    use crate::credential::{IdToken, Lifetime, Secret};
    use crate::settings::{Flags, Locations};

    const EXAMPLE: &str = include_str!("example.rs");

    #[test]
    fn the_example_of_contributing_is_a_consumer() {
        let contributing = concat!(env!("CARGO_MANIFEST_DIR"), "/CONTRIBUTING.md");
        let contributing = std::fs::read_to_string(contributing).unwrap();
        assert!(contributing.contains(EXAMPLE), "copy src/consumer/example.rs to CONTRIBUTING.md");

        let (flags, env) = (Flags::default(), Env::Fake([].into()));
        let settings = Settings::without_file(&flags, &env, &Locations::default(), TABLES).unwrap();
        let example = example::Example::open(&example::Args::default(), &settings, &env).unwrap();
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
        // What the list does with it.
        let _: fn(Context<'_>) -> Result<Option<ConsumerForecast>> =
            forecast::forecast::<example::Example>;
        let _: fn(&ConsumerRun<example::Example>) -> Result<()> = ConsumerRun::refresh;
    }
}
