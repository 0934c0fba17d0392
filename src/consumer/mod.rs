//! The consumers: who is handed a credential, and in which format. One file a consumer: its
//! arguments, its own settings, its least life, its format.
//!
//! To add one, write its file and name it in the list below.

mod exchange;
mod plan;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Result;
use crate::output::Output;
use crate::run::Context;
use crate::settings::{Arguments, NamedCommand, Origin, Settings, Table};

macro_rules! consumers {
    ($($variant:ident => $module:ident;)+) => {
        $(mod $module;)+

        /// The command of a consumer.
        #[derive(Debug, Subcommand)]
        pub enum Consumer {
            $(#[allow(missing_docs, reason = "its module says what it is, and so does its help")] $variant($module::Args),)+
        }

        /// The tables of consumers that may stand in a profile.
        pub const TABLES: &[&Table] = &[$(&$module::TABLE),+];

        $(impl Arguments for $module::Args {})+

        /// Their commands.
        pub const COMMANDS: &[NamedCommand] =
            &[$(NamedCommand::new::<$module::Args>(stringify!($module))),+];

        impl Consumer {
            /// Gets the credential anew if it is past its soft point, and hands it to nobody.
            pub fn refresh(&self, context: Context<'_>) -> Result<()> {
                match self { $(Self::$variant(arguments) => arguments.refresh(context)),+ }
            }

            /// Gets the credential and writes it in the consumer's format.
            pub fn run(&self, context: Context<'_>, output: &mut Output<'_>) -> Result<ExitCode> {
                match self { $(Self::$variant(arguments) => arguments.run(context, output).map(Ending::exit_code)),+ }
            }
        }
    };
}

/// What a program by the name of a command is to run, if its first argument is this one.
pub(crate) fn words_of(command: &str, first: Option<&OsString>) -> Vec<OsString> {
    let mut words = vec![command.into()];
    // The `vault` CLI can be told the path of its token helper and nothing else.
    if command == vault::TABLE.name && first.is_some_and(|word| vault::is_request(word)) {
        words.push("token-helper".into());
    }
    words
}

/// How a run ends that did not fail: most with success, one that runs a command as that does.
trait Ending {
    fn exit_code(self) -> ExitCode;
}

impl Ending for () {
    fn exit_code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Ending for ExitCode {
    fn exit_code(self) -> ExitCode {
        self
    }
}

/// What `setup` and `doctor` have to know of the files of others.
pub(crate) use {
    aws::{AwsFiles, Ini, Item, Kind, Section, expanded},
    kubectl::{
        EXTENSION as EXEC_EXTENSION, GROUP as EXEC_GROUP, KubectlPlugin, V1 as EXEC_V1,
        V1BETA1 as EXEC_V1BETA1, versions as exec_versions,
    },
    token::FORMATS,
    vault::{HelperInstallation, VaultHelper},
};

pub use plan::{Plan, Server, plans};

#[cfg(feature = "fuzzing")]
pub use {
    aws::{aws_ini, sts_xml},
    kubectl::exec_info,
    vault::vault_hcl,
};

/// The audience of a consumer that has its own: what this run is told, else what is said for the
/// consumer, else for the profile, which may serve other consumers too.
fn audience(settings: &Settings, table: &Table) -> Option<String> {
    let general = settings.audience.clone();
    let told = general.clone().filter(|audience| matches!(audience.origin, Origin::Flag(_)));
    told.or_else(|| settings.consumer(table, "audience", None, "--audience"))
        .or(general)
        .map(|audience| audience.value)
}

consumers! {
    Token => token;
    Kubectl => kubectl;
    Aws => aws;
    Vault => vault;
    Exec => exec;
}
