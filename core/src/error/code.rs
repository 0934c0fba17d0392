//! Stable codes of errors: what each means, its usual cause, its fix, and its exit status.

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

/// What `explain` prints of a code, and `docs/errors.md` is made of: a sentence or two for each.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    pub meaning: &'static str,
    /// The usual cause.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

macro_rules! codes {
    ($(
        $variant:ident = $name:literal => $exit:ident {
            meaning: $meaning:literal,
            cause: $cause:literal,
            fix: $fix:literal,
        }
    )+) => {
        /// What went wrong, in a form that does not change between versions.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
        pub enum Code {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)+
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

            pub const fn explanation(self) -> Explanation {
                match self {
                    $(Self::$variant => {
                        Explanation { meaning: $meaning, cause: $cause, fix: $fix }
                    })+
                }
            }
        }
    };
}

codes! {
    Internal = "E_INTERNAL" => Internal {
        meaning: "A bug in this program, or a failure of the system that it cannot handle.",
        cause: "An unexpected state, for example a library that fails where it never should.",
        fix: "Run the command again with `-vv`, and report what it prints.",
    }
    System = "E_SYSTEM" => Internal {
        meaning: "The system denies what every run needs, such as file descriptors or sockets.",
        cause: "A limit of the process or the container is too low.",
        fix: "Raise the limit that the message names, for example with `ulimit -n`.",
    }
    Output = "E_OUTPUT" => Internal {
        meaning: "Standard output or a file could not be written.",
        cause: "The reader closed the pipe, the disk is full, or the folder is not writable.",
        fix: "Run the command by hand to see its output, or choose a file in a folder that you can write to.",
    }
    Usage = "E_USAGE" => Usage {
        meaning: "The command line is wrong.",
        cause: "An option is misspelled, is missing its value, or conflicts with another one.",
        fix: "Run the command with `--help`; the hint suggests the nearest name.",
    }
    Config = "E_CONFIG" => Configuration {
        meaning: "The configuration file has a mistake, or lacks a profile, identity or installation that is named.",
        cause: "A misspelled key or name.",
        fix: "Correct the line that the message names; `yc-id-token config validate` lists all mistakes.",
    }
    Value = "E_VALUE" => Configuration {
        meaning: "A setting has a value that it cannot have.",
        cause: "An empty variable, a misspelled choice, or a token where the name of a file belongs.",
        fix: "Correct the setting that the message names; `yc-id-token help COMMAND` lists the values.",
    }
    Unreadable = "E_UNREADABLE" => Configuration {
        meaning: "A file that the settings name cannot be read.",
        cause: "The path is wrong, or its permissions exclude this user.",
        fix: "Check the path and the permissions; relative paths in the configuration start in the folder of that file.",
    }
    Conflict = "E_CONFLICT" => Configuration {
        meaning: "Something that exists already has other values.",
        cause: "`setup` or `install-helper` found an entry or a helper of the same name.",
        fix: "Use `--name` to write another entry, or `--force` to replace the values.",
    }
    Missing = "E_MISSING" => Configuration {
        meaning: "A setting that is needed is missing.",
        cause: "No profile is chosen, or no identity is configured.",
        fix: "Set what the hint names, or choose a profile with `--profile`; `yc-id-token profiles` lists them.",
    }
    Identity = "E_IDENTITY" => Configuration {
        meaning: "The file of an identity cannot be used: it is malformed, or other users can read it.",
        cause: "A truncated key, a file of another kind, or mode 0644.",
        fix: "Run `chmod 600` on the file (Linux, macOS), or create a new key with `yc iam key create`.",
    }
    Expired = "E_EXPIRED" => Configuration {
        meaning: "A token that comes from a file, a variable or a command has expired.",
        cause: "The program that renews the token has stopped, such as the agent, or the token was copied by hand.",
        fix: "Renew the token, or use an identity that renews it, such as `metadata` or an authorized key.",
    }
    Locked = "E_KEYRING_LOCKED" => Configuration {
        meaning: "The system's keyring is locked.",
        cause: "The prompt was not answered, or the process has no session that could show it.",
        fix: "Unlock the keyring and run the command again; without a desktop, use a key file.",
    }
    Keyring = "E_KEYRING" => Configuration {
        meaning: "The system's keyring, which holds the key, cannot be used.",
        cause: "No keyring service is running, D-Bus is out of reach, or the key was removed.",
        fix: "Start the keyring, import the key again with `yc-id-token key import`, or use `--key-file`.",
    }
    Endpoint = "E_ENDPOINT" => Configuration {
        meaning: "The address of a server may not be used.",
        cause: "It uses plain http to another machine, or is malformed.",
        fix: "Use an https address; plain http is accepted on this machine only.",
    }
    ExecInfo = "E_EXEC_INFO" => Configuration {
        meaning: "`KUBERNETES_EXEC_INFO`, which kubectl sets, requests something that is not supported.",
        cause: "A wrong `apiVersion` in the kubeconfig, or a variable that was set by hand.",
        fix: "Set `apiVersion: client.authentication.k8s.io/v1` in the user's `exec`; `yc-id-token doctor kubectl` checks the entry.",
    }
    SourceAuth = "E_SOURCE_AUTH" => Source {
        meaning: "Yandex Cloud rejects the identity (401).",
        cause: "The key was deleted, the token has expired, or the federation does not match the token's claims.",
        fix: "Create a new key or token; `yc-id-token doctor` shows which identity is used.",
    }
    SourceDenied = "E_SOURCE_DENIED" => Source {
        meaning: "Yandex Cloud denies permission (403).",
        cause: "The identity lacks `iam.serviceAccounts.tokenCreator` on the service account.",
        fix: "Grant this role on the service account, also to the account itself; then look at the folder's access policies.",
    }
    SourceNotFound = "E_SOURCE_NOT_FOUND" => Source {
        meaning: "Yandex Cloud does not know the service account, folder or key (404).",
        cause: "A wrong ID or name, or a machine without a service account.",
        fix: "Check `--service-account` and `--folder-id`; `yc-id-token service-accounts` lists those of a folder.",
    }
    SourceRefused = "E_SOURCE_REFUSED" => Source {
        meaning: "Yandex Cloud refuses the request for another reason.",
        cause: "The exchange rejects a parameter, such as the subject token type.",
        fix: "Run `yc-id-token doctor --end-to-end`: it tries the other known ways, and prints the setting that works.",
    }
    SourceToken = "E_SOURCE_TOKEN" => Source {
        meaning: "The token in the answer is not the one that was requested.",
        cause: "A wrong endpoint, or `yc` that uses another account or audience.",
        fix: "Check the endpoints and `--service-account`; if they are right, report it to Yandex Cloud's support.",
    }
    ConsumerAuth = "E_CONSUMER_AUTH" => Consumer {
        meaning: "The server of the consumer, such as AWS STS or Vault, does not accept the ID token.",
        cause: "Its issuer, audience or subject differs from what the server expects.",
        fix: "Compare the claims (`yc-id-token token --decode`) with the trust policy or role that the hint names.",
    }
    ConsumerDenied = "E_CONSUMER_DENIED" => Consumer {
        meaning: "The server of the consumer denies permission.",
        cause: "The AWS role's trust policy does not match, Vault has no JWT method at the mount, or the Vault token's policy is too narrow.",
        fix: "Configure the server as `setup` printed; then compare its conditions with the values in the hint.",
    }
    ConsumerRefused = "E_CONSUMER_REFUSED" => Consumer {
        meaning: "The server of the consumer refuses the request for another reason.",
        cause: "A wrong role, mount or duration.",
        fix: "Follow the hint; `yc-id-token doctor aws` or `yc-id-token doctor vault` checks the settings.",
    }
    ConsumerSealed = "E_CONSUMER_SEALED" => Temporary {
        meaning: "The Vault server is sealed or not initialized.",
        cause: "It was restarted and is not unsealed yet.",
        fix: "Unseal the server, and try again.",
    }
    Foreign = "E_FOREIGN_ANSWER" => Temporary {
        meaning: "The answer is not from the expected server.",
        cause: "A captive portal, an error page of a proxy, or a wrong address.",
        fix: "Open the address in a browser, sign in to the network, or correct the endpoint or proxy.",
    }
    Network = "E_NETWORK" => Temporary {
        meaning: "The server cannot be reached.",
        cause: "No network, a name that is not found, a firewall, or a proxy that is missing.",
        fix: "Run `yc-id-token doctor`: it tests name, connection, proxy and TLS of each server.",
    }
    Tls = "E_TLS" => Temporary {
        meaning: "The certificate of the server is not trusted.",
        cause: "A proxy that inspects TLS, missing certificate authorities, or a wrong clock.",
        fix: "Add the certificate authority with `--ca-file`, or correct the clock.",
    }
    Timeout = "E_TIMEOUT" => Temporary {
        meaning: "The time limit has passed.",
        cause: "A slow network, or a firewall that drops packets.",
        fix: "Try again, or set a longer `--timeout`; `yc-id-token doctor` shows which step is slow.",
    }
    Unavailable = "E_UNAVAILABLE" => Temporary {
        meaning: "The server is busy or broken (429, 5xx).",
        cause: "An outage, or too many requests.",
        fix: "Try again after the time in the hint; if it lasts, report the request ID to the server's support.",
    }
    Lock = "E_LOCK" => Temporary {
        meaning: "Another process has held the lock for the whole time limit.",
        cause: "That process is stopped, or waits for a slow network.",
        fix: "End the process that the message names, or set a longer `--timeout`.",
    }
    Cache = "E_CACHE" => Cache {
        meaning: "The cache that was requested by name cannot be used.",
        cause: "`--cache keyring` without a running or unlocked keyring.",
        fix: "Unlock the keyring, or use `--cache file`.",
    }
    Interrupted = "E_INTERRUPTED" => Interrupted {
        meaning: "A signal, or the end of the program that waited, ended the run (129, 130 or 143).",
        cause: "Ctrl-C, a service manager, or a time limit of the calling program.",
        fix: "Run the command again; nothing is left half done.",
    }
    NotRun = "E_NOT_RUN" => NotRun {
        meaning: "The command after `--` cannot be started.",
        cause: "The file is not executable, or is a script without an interpreter.",
        fix: "Make it executable, or run it by a shell: `sh -c '…'`, on Windows `cmd /c …`.",
    }
    NoCommand = "E_NO_COMMAND" => NoCommand {
        meaning: "The command after `--` does not exist.",
        cause: "It is misspelled, is not on the `PATH`, or is built into a shell.",
        fix: "Check the name; run commands of a shell with `sh -c '…'`, on Windows `cmd /c …`.",
    }
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
