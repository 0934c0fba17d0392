//! The `identity` setting: a kind of identity, with or without its argument (`keyring:NAME`), or the name
//! of an `[identity.NAME]` table of the configuration file.
//!
//! Each kind is one row below, which `read`, `status`, completion and `setup` follow. The code of a kind is in its
//! file of `source::identity`.

mod read;

use std::path::{Path, PathBuf};

use super::KeySource;
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// An identity, as configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentitySetting {
    pub kind: IdentityKind,
    /// The text after the colon, or the value of the kind's own key in a table.
    pub argument: Option<IdentityArgument>,
    /// For a federation: the ID of the service account to act as, if a table sets it.
    pub service_account: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdentityArgument {
    /// Where an authorized key is.
    Key(KeySource),
    /// A file with a token.
    File(PathBuf),
    /// A name or an audience.
    Text(String),
    /// A command and its arguments.
    Command(Vec<String>),
}

/// The name of a kind, and its argument.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// The kind of its argument, and the key in a table.
    argument: Option<(ArgumentForm, &'static str)>,
    /// A description of the argument, for the error if it is required and missing.
    required: Option<&'static str>,
    /// Whether a table can set the service account to act as.
    is_federation: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum ArgumentForm {
    /// The file of an authorized key. Outside of a table, a variable can contain the key instead.
    Key,
    File,
    Text,
    /// A list of words, which needs a table.
    Command,
}

impl Row {
    const fn of(name: &'static str) -> Self {
        Self { name, argument: None, required: None, is_federation: false }
    }

    const fn takes(self, form: ArgumentForm, key: &'static str) -> Self {
        Self { argument: Some((form, key)), ..self }
    }

    const fn requires(self, what: &'static str) -> Self {
        Self { required: Some(what), ..self }
    }

    const fn federation(self) -> Self {
        Self { is_federation: true, ..self }
    }
}

macro_rules! identity_kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $row:expr,)+) => {
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum IdentityKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl IdentityKind {
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => $row,)+
                }
            }

            /// What it is, for the reference.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($doc),+),)+
                }
            }
        }
    };
}

identity_kinds! {
    /// An authorized key in a file, on standard input or in a variable.
    AuthorizedKey = Row::of("authorized-key")
        .takes(ArgumentForm::Key, "key_file")
        .requires("the file of the authorized key"),
    /// An authorized key that was imported into the keyring.
    Keyring = Row::of("keyring")
        .takes(ArgumentForm::Text, "key")
        .requires("the name of an imported key"),
    /// An IAM token in a file or a variable.
    IamToken = Row::of("iam-token").takes(ArgumentForm::File, "iam_token_file"),
    /// An OAuth token in a file or a variable.
    OauthToken = Row::of("oauth-token").takes(ArgumentForm::File, "oauth_token_file"),
    /// The service account of this machine.
    Metadata = Row::of("metadata"),
    /// The credentials of a profile of the `yc` CLI, or of its current one.
    YcProfile = Row::of("yc-profile").takes(ArgumentForm::Text, "yc_profile"),
    /// The `yc` CLI itself, with a profile or its current one.
    YcCli = Row::of("yc-cli").takes(ArgumentForm::Text, "yc_profile"),
    /// A federation: the external OIDC token is in a file.
    TokenFile = Row::of("token-file")
        .takes(ArgumentForm::File, "token_file")
        .requires("the file of the external token")
        .federation(),
    /// A federation: the external OIDC token is the projected one of a pod.
    Kubernetes = Row::of("kubernetes").takes(ArgumentForm::File, "token_file").federation(),
    /// A federation: GitHub issues the external OIDC token to a job of Actions, for an audience.
    GithubActions = Row::of("github-actions")
        .takes(ArgumentForm::Text, "token_audience")
        .federation(),
    /// A federation: a command prints the external OIDC token.
    TokenCommand = Row::of("token-command")
        .takes(ArgumentForm::Command, "token_command")
        .requires("the command that prints the token")
        .federation(),
}

impl IdentityKind {
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Reads `kind` or `kind:argument`.
    pub fn read(text: &str) -> Option<(Self, Option<&str>)> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument).filter(|text| !text.is_empty())),
            None => (text, None),
        };
        Self::named(name).map(|kind| (kind, argument))
    }

    pub const fn name(self) -> &'static str {
        self.row().name
    }

    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|kind| kind.name()).collect()
    }

    /// Whether it cannot do without its argument.
    pub const fn requires_argument(self) -> bool {
        self.row().required.is_some()
    }

    /// Whether its argument is the path of a file.
    pub const fn takes_file(self) -> bool {
        matches!(self.row().argument, Some((ArgumentForm::Key | ArgumentForm::File, _)))
    }
}

impl IdentitySetting {
    /// An identity with only an argument.
    pub const fn new(kind: IdentityKind, argument: Option<IdentityArgument>) -> Self {
        Self { kind, argument, service_account: None }
    }

    const fn key(key: KeySource) -> Self {
        Self::new(IdentityKind::AuthorizedKey, Some(IdentityArgument::Key(key)))
    }

    const fn iam_token_file(file: PathBuf) -> Self {
        Self::new(IdentityKind::IamToken, Some(IdentityArgument::File(file)))
    }

    /// The file that it reads, if any.
    pub fn file(&self) -> Option<&Path> {
        match &self.argument {
            Some(IdentityArgument::Key(KeySource::File(file)) | IdentityArgument::File(file)) => {
                Some(file)
            }
            Some(
                IdentityArgument::Key(KeySource::Stdin | KeySource::Text(_))
                | IdentityArgument::Text(_)
                | IdentityArgument::Command(_),
            )
            | None => None,
        }
    }

    /// The file with a secret of its own, which only this user may read.
    pub fn secret_file(&self) -> Option<&Path> {
        self.file().filter(|_| !self.kind.row().is_federation)
    }

    /// Its argument, if that is text.
    pub fn text(&self) -> Option<&str> {
        match &self.argument {
            Some(IdentityArgument::Text(text)) => Some(text),
            Some(
                IdentityArgument::Key(_) | IdentityArgument::File(_) | IdentityArgument::Command(_),
            )
            | None => None,
        }
    }

    /// `kind:argument`, as `status` shows it.
    pub fn shown(&self) -> Message {
        let kind = self.kind.name();
        let argument = match &self.argument {
            None => return kind.into(),
            Some(IdentityArgument::Key(KeySource::Stdin)) => "-".into(),
            Some(IdentityArgument::Key(KeySource::Text(_))) => "(its content)".into(),
            Some(IdentityArgument::Key(KeySource::File(file)) | IdentityArgument::File(file)) => {
                ForeignText::path(file)
            }
            Some(IdentityArgument::Text(text)) => ForeignText::new(text),
            // Its arguments may contain a secret.
            Some(IdentityArgument::Command(words)) => {
                ForeignText::new(words.first().map_or("", String::as_str))
            }
        };
        message!("{kind}:{argument}", kind, argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_shows_an_identity_without_secrets() {
        for (argument, shown) in [
            (None, "authorized-key"),
            (Some(IdentityArgument::Key(KeySource::Stdin)), "authorized-key:-"),
            (
                Some(IdentityArgument::Key(KeySource::File("{\"private_key\": 1}".into()))),
                "authorized-key:[redacted]",
            ),
            (
                Some(IdentityArgument::Command(vec!["print".into(), "--password=x".into()])),
                "authorized-key:print",
            ),
        ] {
            let setting = IdentitySetting::new(IdentityKind::AuthorizedKey, argument);
            assert_eq!(setting.shown(), shown);
        }
    }
}
