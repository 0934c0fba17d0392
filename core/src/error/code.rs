//! Stable codes of errors, and the exit status of each.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Error;

macro_rules! exits {
    ($(#[doc = $doc:literal] $variant:ident = $status:literal,)+) => {
        /// How a run ended, for scripts: the process's exit status.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[repr(u8)]
        pub enum Exit {
            $(#[doc = $doc] $variant = $status,)+
        }

        impl Exit {
            /// All of them, each with its meaning, for the help and the manual.
            pub const ALL: &[(Self, &str)] = &[$((Self::$variant, $doc.trim_ascii())),+];
        }
    };
}

exits! {
    /// Internal error, or the output cannot be written
    Internal = 1,
    /// Wrong command line
    Usage = 2,
    /// Wrong configuration, or a file that it names cannot be used
    Configuration = 3,
    /// Refused by Yandex Cloud
    Source = 4,
    /// Refused by the consumer's server, such as AWS STS or Vault
    Consumer = 5,
    /// Temporary failure: network, time limit, or a server that is unavailable
    Temporary = 6,
    /// The cache that is set with `--cache` cannot be used
    Cache = 7,
    /// `exec`: the command cannot be started
    NotRun = 126,
    /// `exec`: the command is not found
    NoCommand = 127,
    /// Interrupted by a signal: 128 and its number, here SIGINT
    Interrupted = 130,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal => $exit:ident;)+) => {
        /// What went wrong, in a form that does not change between versions.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Code {
            /// All codes, in the order of this page.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it is printed.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The exit status that goes with it.
            pub const fn exit(self) -> Exit {
                match self { $(Self::$variant => Exit::$exit),+ }
            }
        }
    };
}

codes! {
    /// A bug, or the system refused something it should not.
    Internal = "E_INTERNAL" => Internal;
    /// The system denies what every run needs: descriptors, sockets.
    System = "E_SYSTEM" => Internal;
    /// Standard output or the output file could not be written.
    Output = "E_OUTPUT" => Internal;
    /// The command line is wrong.
    Usage = "E_USAGE" => Usage;
    /// The configuration file cannot be read, or something in it is wrong.
    Config = "E_CONFIG" => Configuration;
    /// A setting has a value that it cannot have.
    Value = "E_VALUE" => Configuration;
    /// A file that the settings name cannot be read.
    Unreadable = "E_UNREADABLE" => Configuration;
    /// Something that exists already is different, and would have to be replaced.
    Conflict = "E_CONFLICT" => Configuration;
    /// A setting that is needed is missing.
    Missing = "E_MISSING" => Configuration;
    /// The file of an identity cannot be used: absent, malformed, or open to others.
    Identity = "E_IDENTITY" => Configuration;
    /// A token that was given, in a file or by a command, has expired.
    Expired = "E_EXPIRED" => Configuration;
    /// The system's keyring waits for a person to unlock it.
    Locked = "E_KEYRING_LOCKED" => Configuration;
    /// The system's keyring, which holds a key, cannot be used.
    Keyring = "E_KEYRING" => Configuration;
    /// An endpoint may not be used.
    Endpoint = "E_ENDPOINT" => Configuration;
    /// `KUBERNETES_EXEC_INFO` requests something that is not supported.
    ExecInfo = "E_EXEC_INFO" => Configuration;
    /// Yandex Cloud rejects the identity (401).
    SourceAuth = "E_SOURCE_AUTH" => Source;
    /// Yandex Cloud denies permission (403).
    SourceDenied = "E_SOURCE_DENIED" => Source;
    /// Yandex Cloud does not know the service account (404).
    SourceNotFound = "E_SOURCE_NOT_FOUND" => Source;
    /// Yandex Cloud refused in another way.
    SourceRefused = "E_SOURCE_REFUSED" => Source;
    /// The token that came back is not the one that was asked for.
    SourceToken = "E_SOURCE_TOKEN" => Source;
    /// The consumer's server does not accept the ID token.
    ConsumerAuth = "E_CONSUMER_AUTH" => Consumer;
    /// The consumer's server denies permission.
    ConsumerDenied = "E_CONSUMER_DENIED" => Consumer;
    /// The consumer's server refused in another way.
    ConsumerRefused = "E_CONSUMER_REFUSED" => Consumer;
    /// The consumer's server is sealed or not initialized.
    ConsumerSealed = "E_CONSUMER_SEALED" => Temporary;
    /// What answered does not speak the protocol: a captive portal, a proxy's page, a wrong address.
    Foreign = "E_FOREIGN_ANSWER" => Temporary;
    /// The server could not be reached.
    Network = "E_NETWORK" => Temporary;
    /// The server's certificate is not trusted.
    Tls = "E_TLS" => Temporary;
    /// There was no answer in time.
    Timeout = "E_TIMEOUT" => Temporary;
    /// The server is busy or broken (429, 5xx).
    Unavailable = "E_UNAVAILABLE" => Temporary;
    /// Another process holds the lock and does not finish.
    Lock = "E_LOCK" => Temporary;
    /// The configured cache cannot be used.
    Cache = "E_CACHE" => Cache;
    /// A signal, or the end of the program that waited, ended the run.
    Interrupted = "E_INTERRUPTED" => Interrupted;
    /// The command that was to be run could not be started.
    NotRun = "E_NOT_RUN" => NotRun;
    /// There is no such command.
    NoCommand = "E_NO_COMMAND" => NoCommand;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error {
    pub const fn code(&self) -> Code {
        match self {
            Self::Internal(_) => Code::Internal,
            Self::System { .. } => Code::System,
            Self::Stdout(_) | Self::OutputFile { .. } => Code::Output,
            Self::Usage { .. } => Code::Usage,
            Self::Unreadable { .. } => Code::Unreadable,
            Self::Value { .. } | Self::Invalid { .. } => Code::Value,
            Self::Config { .. } | Self::Configuration { .. } | Self::NoSuch { .. } => Code::Config,
            Self::Conflict { .. } => Code::Conflict,
            Self::Missing { .. } | Self::NoIdentity { .. } => Code::Missing,
            Self::IdentityFile { .. } => Code::Identity,
            Self::Endpoint { .. } => Code::Endpoint,
            Self::ExecInfo { .. } => Code::ExecInfo,
            Self::Refused { code, .. }
            | Self::Unreached { code, .. }
            | Self::WrongToken { code, .. }
            | Self::Command { code, .. }
            | Self::Keyring { code, .. }
            | Self::Remembered { code, .. } => *code,

            Self::Unavailable { .. } => Code::Unavailable,
            Self::LockTimeout { .. } => Code::Lock,
            Self::Interrupted { .. } => Code::Interrupted,
            Self::Cache(_) => Code::Cache,
        }
    }

    /// The process's exit status: that of the code; for a signal, 128 and its number, as shells have it.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Interrupted { signal, .. } => 128 + u8::try_from(*signal).unwrap_or(0),
            _ => self.code().exit() as u8,
        }
    }
}
