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
use crate::session::Context;
use crate::settings::{Origin, Settings, Table};

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

        impl Consumer {
            /// The command line of one consumer, without those of the others, as far as these arguments
            /// need it.
            pub(crate) fn command_line(name: &str, arguments: &[OsString]) -> Option<clap::Command> {
                match name {
                    $(stringify!($module) => {
                        let name = stringify!($module);
                        let command = <$module::Args as clap::Args>::augment_args(clap::Command::new(name));
                        Some(narrowed(name, command, arguments))
                    })+
                    _ => None,
                }
            }

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

/// A command with one of its own commands, the one that is named: to tell each of ten of every option that
/// holds for all takes longer than the rest of a cache hit.
fn narrowed(name: &'static str, command: clap::Command, arguments: &[OsString]) -> clap::Command {
    let Some(named) = arguments.iter().find_map(|word| command.find_subcommand(word)) else {
        return command;
    };
    let narrow = clap::Command::new(name).args(command.get_arguments().cloned());
    let narrow = narrow.subcommand(named.clone());
    // To take it apart takes longer still, and the process ends soon.
    std::mem::forget(command);
    narrow
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

pub(crate) use aws::AwsFiles;
pub use plan::{Plan, Server, plans};
pub(crate) use vault::VaultHelper;

#[cfg(feature = "fuzzing")]
pub use {aws::sts_xml, kubectl::exec_info};

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
