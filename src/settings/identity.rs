//! The `identity` setting: a kind of identity, with or without its argument (`keyring:NAME`), or the name
//! of an `[identity.NAME]` table of the configuration file.
//!
//! Each kind is one row below. Reading, `status`, completion and `setup` follow that row; what a kind does
//! is in its file of `source::identity`.

use std::path::{Path, PathBuf};

use super::file::File;
use super::layer::Layer;
use super::names;
use super::resolve::{Resolver, expand_home, resolve_path};
use super::{KeySource, Kind as ValueKind, Origin, Setting};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

/// An identity as the settings name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentitySetting {
    pub kind: IdentityKind,
    /// What follows the colon, or the value of the kind's own key in a table.
    pub argument: Option<IdentityArgument>,
    /// Of a federation: the ID of the service account to act as, if a table sets it.
    pub service_account: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdentityArgument {
    /// Where an authorized key is.
    Key(KeySource),
    /// A file that holds a token.
    File(PathBuf),
    /// A name or an audience.
    Text(String),
    /// A command and its arguments.
    Command(Vec<String>),
}

/// What a kind of identity is called, and what it takes.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// What its argument is, and its key in a table.
    argument: Option<(ArgumentForm, &'static str)>,
    /// What the argument is, for the error where it is required and missing.
    required: Option<&'static str>,
    /// Whether a table can set the service account to act as.
    is_federation: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum ArgumentForm {
    /// The file of an authorized key. Outside of a table, a variable can hold the key instead.
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
    ($($(#[$doc:meta])* $kind:ident = $row:expr,)+) => {
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum IdentityKind {
            $($(#[$doc])* $kind,)+
        }

        impl IdentityKind {
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => $row,)+
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
    /// A federation: GitHub gives the external OIDC token to a job of Actions, for an audience.
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

    /// Whether its argument is the path of a file.
    pub const fn takes_file(self) -> bool {
        matches!(self.row().argument, Some((ArgumentForm::Key | ArgumentForm::File, _)))
    }
}

impl IdentitySetting {
    /// An identity that needs no more than its argument.
    pub const fn new(kind: IdentityKind, argument: Option<IdentityArgument>) -> Self {
        Self { kind, argument, service_account: None }
    }

    const fn key(key: KeySource) -> Self {
        Self::new(IdentityKind::AuthorizedKey, Some(IdentityArgument::Key(key)))
    }

    const fn iam_token_file(file: PathBuf) -> Self {
        Self::new(IdentityKind::IamToken, Some(IdentityArgument::File(file)))
    }

    /// The file that it reads, if it reads one.
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

    /// The file that it reads a secret of its own from, which only this user may read.
    pub fn secret_file(&self) -> Option<&Path> {
        self.file().filter(|_| !self.kind.row().is_federation)
    }

    /// Its argument, where that is a text.
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
            // Its arguments may hold a secret.
            Some(IdentityArgument::Command(words)) => {
                ForeignText::new(words.first().map_or("", String::as_str))
            }
        };
        message!("{kind}:{argument}", kind, argument)
    }
}

/// Where the argument and the other keys of an identity are.
enum Details<'a> {
    /// After the colon.
    Argument { text: Option<&'a str>, origin: &'a Origin },
    /// In its table.
    Table(Layer<'a>),
}

impl Resolver<'_> {
    /// `identity`, `key_file` and `iam_token_file` all set the identity. The strongest origin that has one
    /// of them decides; within one origin, a file wins over a name.
    pub(super) fn identity(
        &self,
        named: Option<Setting<String>>,
        key_file: Option<Setting<KeySource>>,
        token_file: Option<Setting<PathBuf>>,
    ) -> Result<Option<Setting<IdentitySetting>>> {
        let origins = [
            named.as_ref().map(|setting| &setting.origin),
            key_file.as_ref().map(|setting| &setting.origin),
            token_file.as_ref().map(|setting| &setting.origin),
        ];
        let ranks = origins.into_iter().flatten().map(|origin| self.rank(origin));
        let Some(strongest) = ranks.min() else { return Ok(None) };
        let decides = |origin: &Origin| self.rank(origin) == strongest;
        let key_decides = key_file.as_ref().is_some_and(|key| decides(&key.origin));
        let token_decides = token_file.as_ref().is_some_and(|token| decides(&token.origin));
        let Some(named) = named.filter(|named| decides(&named.origin)) else {
            let key = key_file.filter(|_| key_decides);
            let token = token_file.filter(|_| token_decides);
            return match (key, token) {
                (Some(key), Some(token)) => Err(at_once(
                    &message!("a key file ({})", key.origin),
                    &message!("an IAM token file ({})", token.origin),
                )),
                (key, token) => Ok(key
                    .map(|key| key.map(IdentitySetting::key))
                    .or_else(|| token.map(|token| token.map(IdentitySetting::iam_token_file)))),
            };
        };
        // A bare kind decides what a file is for, even one that a weaker origin names.
        let kind = IdentityKind::named(&named.value);
        if kind == Some(IdentityKind::AuthorizedKey) {
            if let Some(key) = key_file {
                return Ok(Some(key.map(IdentitySetting::key)));
            }
        } else if kind == Some(IdentityKind::IamToken) {
            if let Some(token) = token_file {
                return Ok(Some(token.map(IdentitySetting::iam_token_file)));
            }
        } else if let Some(key) = key_file.filter(|_| key_decides) {
            return Err(at_once(
                &message!("the identity `{}` ({})", ForeignText::new(&named.value), named.origin),
                &message!("a key file ({})", key.origin),
            ));
        }
        self.named_identity(named).map(Some)
    }

    fn named_identity(&self, named: Setting<String>) -> Result<Setting<IdentitySetting>> {
        let Setting { value: name, origin } = named;
        if let Some((kind, argument)) = IdentityKind::read(&name) {
            if argument.is_some() && !kind.takes_argument() {
                return Err(super::unfit(
                    origin,
                    message!("the identity `{}` has nothing behind a colon", kind.name()),
                ));
            }
            let details = Details::Argument { text: argument, origin: &origin };
            let value = kind.setting(&details, self.home)?;
            return Ok(Setting { value, origin });
        }
        let found = self.file.map(|file| file.identity(&name)).transpose()?.flatten();
        let Some(layer) = found else {
            let mut known = IdentityKind::names();
            known.extend(self.file.map(File::identities).unwrap_or_default());
            let hint = names::nearest(&name, &known).map_or_else(
                || message!("choose {}", names::list(&known)),
                |near| message!("did you mean `{near}`?", near = ForeignText::new(near)),
            );
            // Security: a key or a token given here by mistake must not be repeated in a log.
            return Err(Error::NoSuch {
                what: "identity",
                name: ForeignText::path(Path::new(&name)),
                place: message!("the configuration ({origin})", origin),
                hint,
            });
        };
        let Some((type_name, span)) = layer.text("type")? else {
            return Err(layer
                .lacks("type", message!("it is one of {}", names::list(&IdentityKind::names()))));
        };
        let Some(kind) = IdentityKind::named(&type_name) else {
            let hint = names::nearest(&type_name, &IdentityKind::names()).map_or_else(
                || names::list(&IdentityKind::names()),
                |near| message!("did you mean `{near}`?", near = ForeignText::new(near)),
            );
            return Err(layer.wrong(
                &span,
                message!(
                    "there is no type `{type_name}` of identity",
                    type_name = ForeignText::new(&type_name)
                ),
                Some(hint),
            ));
        };
        layer.check_identity(&kind.keys())?;
        let value = kind.setting(&Details::Table(layer), self.home)?;
        Ok(Setting { value, origin })
    }
}

impl IdentityKind {
    /// Whether an argument can follow a colon.
    const fn takes_argument(self) -> bool {
        matches!(
            self.row().argument,
            Some((ArgumentForm::Key | ArgumentForm::File | ArgumentForm::Text, _))
        )
    }

    fn keys(self) -> Vec<&'static str> {
        let mut keys = vec!["type"];
        keys.extend(self.row().argument.map(|(_, key)| key));
        keys.extend(self.row().is_federation.then_some("service_account"));
        keys
    }

    fn setting(self, details: &Details<'_>, home: Option<&Path>) -> Result<IdentitySetting> {
        let row = self.row();
        let argument = match row.argument {
            Some((form, key)) => details.argument(form, key, home)?,
            None => None,
        };
        if argument.is_none()
            && let (Some((form, key)), Some(what)) = (row.argument, row.required)
            && (form != ArgumentForm::Key || matches!(details, Details::Table(_)))
        {
            return Err(self.lacks(details, key, what));
        }
        let service_account = match details {
            Details::Table(layer) => layer.value("service_account", ValueKind::Text)?,
            Details::Argument { .. } => None,
        };
        Ok(IdentitySetting {
            kind: self,
            argument,
            service_account: service_account.map(|(text, _)| text),
        })
    }

    fn lacks(self, details: &Details<'_>, key: &'static str, what: &'static str) -> Error {
        let name = self.name();
        match details {
            Details::Table(layer) => layer.lacks(key, message!("give {what}", what)),
            Details::Argument { origin, .. } => Error::Missing {
                problem: message!(
                    "the identity `{name}` ({origin}) does not say {what}",
                    name,
                    origin,
                    what
                ),
                hint: if self.takes_argument() {
                    message!("write it as `{name}:…`", name)
                } else {
                    message!(
                        "make a table `[identity.NAME]` of type `{name}` with `{key}`",
                        name,
                        key
                    )
                },
            },
        }
    }
}

impl Details<'_> {
    fn argument(
        &self,
        form: ArgumentForm,
        key: &'static str,
        home: Option<&Path>,
    ) -> Result<Option<IdentityArgument>> {
        let text = || match self {
            Self::Argument { text, .. } => Ok(text.map(str::to_owned)),
            Self::Table(layer) => Ok(layer.value(key, ValueKind::Text)?.map(|(text, _)| text)),
        };
        Ok(match form {
            ArgumentForm::Key => {
                text()?.map(|text| IdentityArgument::Key(KeySource::File(self.path(&text, home))))
            }
            ArgumentForm::File => {
                text()?.map(|text| IdentityArgument::File(self.path(&text, home)))
            }
            ArgumentForm::Text => text()?.map(IdentityArgument::Text),
            ArgumentForm::Command => {
                let words = match self {
                    Self::Table(layer) => layer.words(key)?,
                    Self::Argument { .. } => Vec::new(),
                };
                (!words.is_empty()).then(|| IdentityArgument::Command(self.command(words, home)))
            }
        })
    }

    /// The words of a command. The first can be a path; a mere name is looked up in `PATH`.
    fn command(&self, mut words: Vec<String>, home: Option<&Path>) -> Vec<String> {
        if let Some(program) = words.first_mut()
            && program.contains(std::path::is_separator)
        {
            *program = self.path(program, home).to_string_lossy().into_owned();
        }
        words
    }

    /// A path. In the file, `~/` is the home folder, and a relative one starts in the file's folder.
    fn path(&self, text: &str, home: Option<&Path>) -> PathBuf {
        match self {
            Self::Argument { origin, .. } => match origin.folder() {
                Some(folder) => resolve_path(text, folder, home),
                None => expand_home(Path::new(text), home),
            },
            Self::Table(layer) => resolve_path(text, layer.folder(), home),
        }
    }
}

fn at_once(one: &Message, other: &Message) -> Error {
    Error::Usage {
        problem: message!("{one} and {other} are given at once", one, other),
        hint: "give one of them".into(),
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
