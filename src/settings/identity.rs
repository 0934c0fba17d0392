//! Who we are towards Yandex Cloud, as the settings say it: a kind of identity, with or without what
//! it needs (`keyring:NAME`), or the name of an `[identity.NAME]` of the configuration file.

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
pub enum IdentitySetting {
    /// An authorized key from this place, or else in what Yandex's own variable holds.
    AuthorizedKey(Option<KeySource>),
    /// An authorized key that was imported into the keyring under this name.
    Keyring(String),
    /// An IAM token in this file, or else in the environment.
    IamToken(Option<PathBuf>),
    /// An OAuth token in this file, or else in the environment.
    OauthToken(Option<PathBuf>),
    /// The service account of this machine.
    Metadata,
    /// What this profile of the `yc` CLI's configuration has, or else its current one.
    YcProfile(Option<String>),
    /// Whoever the `yc` CLI is, with this profile or else its current one.
    YcCli(Option<String>),
    /// A workload of elsewhere that a service account trusts.
    Federated(FederatedSetting),
}

/// A workload identity federation, as the settings name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FederatedSetting {
    /// Where the external token is.
    pub token: ExternalTokenSetting,
    /// The ID of the service account to act as; `None` is the one whose ID token is wanted.
    pub service_account: Option<String>,
}

/// Where an external token is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExternalTokenSetting {
    /// In a file that someone keeps fresh.
    File(PathBuf),
    /// GitHub gives it to a job of Actions, for this audience or else the owner's URL.
    GithubActions(Option<String>),
    /// A command prints it.
    Command(Vec<String>),
}

/// Where a pod finds a projected token, unless it is said.
const KUBERNETES_TOKEN_FILE: &str = "/var/run/secrets/yandex.cloud/token";

/// A kind of identity: its name, the key of its table that can stand behind a colon, its other keys.
struct Kind {
    name: &'static str,
    argument: Option<&'static str>,
    others: &'static [&'static str],
}

const fn kind(
    name: &'static str,
    argument: Option<&'static str>,
    others: &'static [&'static str],
) -> Kind {
    Kind { name, argument, others }
}

const KINDS: &[Kind] = &[
    kind("authorized-key", Some("key_file"), &[]),
    kind("keyring", Some("key"), &[]),
    kind("iam-token", Some("iam_token_file"), &[]),
    kind("oauth-token", Some("oauth_token_file"), &[]),
    kind("metadata", None, &[]),
    kind("yc-profile", Some("yc_profile"), &[]),
    kind("yc-cli", Some("yc_profile"), &[]),
    kind("token-file", Some("token_file"), &["service_account"]),
    kind("kubernetes", Some("token_file"), &["service_account"]),
    kind("github-actions", Some("token_audience"), &["service_account"]),
    kind("token-command", None, &["token_command", "service_account"]),
];

/// The names of all kinds.
#[must_use]
pub fn identity_kinds() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// Whether a text names a kind of identity, with or without what it needs.
#[must_use]
pub fn is_identity_kind(text: &str) -> bool {
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    KINDS.iter().any(|kind| kind.name == name)
}

/// What is said of an identity besides its kind.
enum Details<'a> {
    /// Behind the colon.
    Argument { text: Option<&'a str>, origin: &'a Origin },
    /// In its table.
    Table(Layer<'a>),
}

impl Resolver<'_> {
    /// `identity`, `key_file` and `iam_token_file` say the same thing in three ways. The strongest
    /// origin that has one of them decides; within one origin, a file is more exact than a name.
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
                    .map(|key| key.map(|key| IdentitySetting::AuthorizedKey(Some(key))))
                    .or_else(|| {
                        token.map(|token| token.map(|file| IdentitySetting::IamToken(Some(file))))
                    })),
            };
        };
        // A bare kind says what a file is for, wherever that file is named.
        match named.value.as_str() {
            "authorized-key" => {
                if let Some(key) = key_file {
                    return Ok(Some(key.map(|key| IdentitySetting::AuthorizedKey(Some(key)))));
                }
            }
            "iam-token" => {
                if let Some(token) = token_file {
                    return Ok(Some(token.map(|file| IdentitySetting::IamToken(Some(file)))));
                }
            }
            name => {
                if let Some(key) = key_file.filter(|_| key_decides) {
                    let name = ForeignText::new(name);
                    return Err(at_once(
                        &message!("the identity `{name}` ({})", named.origin, name),
                        &message!("a key file ({})", key.origin),
                    ));
                }
            }
        }
        self.named_identity(named).map(Some)
    }

    fn named_identity(&self, named: Setting<String>) -> Result<Setting<IdentitySetting>> {
        let Setting { value: name, origin } = named;
        let (kind_name, argument) = match name.split_once(':') {
            Some((kind, argument)) => (kind, Some(argument).filter(|text| !text.is_empty())),
            None => (name.as_str(), None),
        };
        if let Some(kind) = KINDS.iter().find(|kind| kind.name == kind_name) {
            if argument.is_some() && kind.argument.is_none() {
                return Err(super::unfit(
                    origin,
                    message!("the identity `{}` has nothing behind a colon", kind.name),
                ));
            }
            let details = Details::Argument { text: argument, origin: &origin };
            let value = kind.read(&details, self.home)?;
            return Ok(Setting { value, origin });
        }
        let found = self.file.map(|file| file.identity(&name)).transpose()?.flatten();
        let Some(layer) = found else {
            let mut known = identity_kinds();
            known.extend(self.file.map(File::identities).unwrap_or_default());
            let hint = names::nearest(&name, &known).map_or_else(
                || message!("choose {}", names::list(&known)),
                |near| message!("did you mean `{near}`?", near = ForeignText::new(near)),
            );
            // Security: somebody may have given a key or a token here, which a log must not repeat.
            return Err(Error::NoSuch {
                what: "identity",
                name: ForeignText::path(Path::new(&name)),
                place: message!("the configuration ({origin})", origin),
                hint,
            });
        };
        let Some((type_name, span)) = layer.text("type")? else {
            return Err(
                layer.lacks("type", message!("it is one of {}", names::list(&identity_kinds())))
            );
        };
        let Some(kind) = KINDS.iter().find(|kind| kind.name == type_name) else {
            let hint = names::nearest(&type_name, &identity_kinds()).map_or_else(
                || names::list(&identity_kinds()),
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
        let value = kind.read(&Details::Table(layer), self.home)?;
        Ok(Setting { value, origin })
    }
}

impl Kind {
    /// What can stand in a table of this kind.
    fn keys(&self) -> Vec<&'static str> {
        let mut keys = vec!["type"];
        keys.extend(self.argument);
        keys.extend(self.others);
        keys
    }

    fn read(&self, details: &Details<'_>, home: Option<&Path>) -> Result<IdentitySetting> {
        let text = |key: &str| self.text(details, key);
        let path = |key: &str| Ok(text(key)?.map(|text| details.path(&text, home)));
        let needed = |key: &'static str, what: &'static str| {
            text(key)?.ok_or_else(|| self.lacks(details, key, what))
        };
        let federated = |token| {
            Ok(IdentitySetting::Federated(FederatedSetting {
                token,
                service_account: text("service_account")?,
            }))
        };
        Ok(match self.name {
            "authorized-key" => {
                let file = path("key_file")?;
                if file.is_none() && matches!(details, Details::Table(_)) {
                    return Err(self.lacks(details, "key_file", "the file of the authorized key"));
                }
                IdentitySetting::AuthorizedKey(file.map(KeySource::File))
            }
            "keyring" => IdentitySetting::Keyring(needed("key", "the name of an imported key")?),
            "iam-token" => IdentitySetting::IamToken(path("iam_token_file")?),
            "oauth-token" => IdentitySetting::OauthToken(path("oauth_token_file")?),
            "yc-profile" => IdentitySetting::YcProfile(text("yc_profile")?),
            "yc-cli" => IdentitySetting::YcCli(text("yc_profile")?),
            "token-file" => {
                let file = needed("token_file", "the file of the external token")?;
                federated(ExternalTokenSetting::File(details.path(&file, home)))?
            }
            "kubernetes" => federated(ExternalTokenSetting::File(
                path("token_file")?.unwrap_or_else(|| KUBERNETES_TOKEN_FILE.into()),
            ))?,
            "github-actions" => {
                federated(ExternalTokenSetting::GithubActions(text("token_audience")?))?
            }
            "token-command" => {
                let words = match details {
                    Details::Table(layer) => layer.words("token_command")?,
                    Details::Argument { .. } => Vec::new(),
                };
                if words.is_empty() {
                    let what = "the command that prints the token";
                    return Err(self.lacks(details, "token_command", what));
                }
                federated(ExternalTokenSetting::Command(details.command(words, home)))?
            }
            _ => IdentitySetting::Metadata,
        })
    }

    fn text(&self, details: &Details<'_>, key: &str) -> Result<Option<String>> {
        match details {
            Details::Argument { text, .. } => {
                Ok(text.filter(|_| self.argument == Some(key)).map(str::to_owned))
            }
            Details::Table(layer) => Ok(layer.value(key, ValueKind::Text)?.map(|(text, _)| text)),
        }
    }

    fn lacks(&self, details: &Details<'_>, key: &'static str, what: &'static str) -> Error {
        let name = self.name;
        match details {
            Details::Table(layer) => layer.lacks(key, message!("give {what}", what)),
            Details::Argument { origin, .. } => Error::Missing {
                problem: message!(
                    "the identity `{name}` ({origin}) does not say {what}",
                    name,
                    origin,
                    what
                ),
                hint: match self.argument {
                    Some(_) => message!("write it as `{name}:…`", name),
                    None => message!(
                        "make a table `[identity.NAME]` of type `{name}` with `{key}`",
                        name,
                        key
                    ),
                },
            },
        }
    }
}

impl Details<'_> {
    /// A path. In the file, `~/` is the home folder, and a relative one starts where the file is.
    /// The words of a command, the first of which can be a path. A mere name is looked for on the `PATH`.
    fn command(&self, mut words: Vec<String>, home: Option<&Path>) -> Vec<String> {
        if let Some(program) = words.first_mut()
            && program.contains(std::path::is_separator)
        {
            *program = self.path(program, home).to_string_lossy().into_owned();
        }
        words
    }

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
