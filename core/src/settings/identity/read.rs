//! Reads the identity of a run: which setting decides it, and its argument, after a colon or in a table of the
//! configuration file.

use std::path::{Path, PathBuf};

use super::{ArgumentForm, IdentityArgument, IdentityKind, IdentitySetting};
use crate::error::{Error, Result};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::settings::file::File;
use crate::settings::layer::Layer;
use crate::settings::resolve::{Resolver, expand_home, resolve_path};
use crate::settings::{KeySource, Kind as ValueKind, Origin, Setting, invalid_value, names};

/// Where the argument and the other keys of an identity are.
enum Details<'a> {
    /// After the colon.
    Argument { text: Option<&'a str>, origin: &'a Origin },
    /// In its table.
    Table(Layer<'a>),
}

impl Resolver<'_> {
    /// `identity`, `key_file` and `iam_token_file` all set the identity. The strongest origin with one of them
    /// decides; within one origin, a file has precedence over a name.
    pub(in crate::settings) fn identity(
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
        // A bare kind decides how a file is used, even one that a weaker origin names.
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
                return Err(invalid_value(
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
            // Security: a key or a token that is set here by mistake must not be repeated in a log.
            return Err(Error::NoSuch {
                what: "identity",
                name: ForeignText::path(Path::new(&name)),
                place: message!("the configuration ({origin})", origin),
                hint,
            });
        };
        let Some((type_name, span)) = layer.text("type")? else {
            return Err(layer.missing_key(
                "type",
                message!("it is one of {}", names::list(&IdentityKind::names())),
            ));
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
    pub const fn takes_argument(self) -> bool {
        matches!(
            self.row().argument,
            Some((ArgumentForm::Key | ArgumentForm::File | ArgumentForm::Text, _))
        )
    }

    /// The keys of its table.
    pub fn keys(self) -> Vec<&'static str> {
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
            return Err(self.missing_key(details, key, what));
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

    fn missing_key(self, details: &Details<'_>, key: &'static str, what: &'static str) -> Error {
        let name = self.name();
        match details {
            Details::Table(layer) => layer.missing_key(key, message!("give {what}", what)),
            Details::Argument { origin, .. } => Error::Missing {
                problem: message!(
                    "the identity `{name}` ({origin}) needs {what}",
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

    /// The words of a command. The first can be a path; a name is searched in `PATH`.
    fn command(&self, mut words: Vec<String>, home: Option<&Path>) -> Vec<String> {
        if let Some(program) = words.first_mut()
            && program.contains(std::path::is_separator)
        {
            *program = self.path(program, home).to_string_lossy().into_owned();
        }
        words
    }

    /// A path. In the file, `~/` is the home folder, and a relative path is relative to the file's folder.
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
        problem: message!("{one} and {other} are both set", one, other),
        hint: "give one of them".into(),
    }
}
