//! The configuration file, read as far as one run needs it.
//!
//! ```toml
//! [defaults]                      # for every run
//! [identity.NAME]                 # who we are: type, and what that type needs
//! [installations.NAME]            # where another installation of Yandex Cloud is
//! [profiles.NAME]                 # a named set of settings; `extends` names another profile
//! [profiles.NAME.kubectl]         # settings of one consumer
//! ```
//!
//! Only the tables that this run uses are checked key by key, so that one profile's mistake does not
//! take the others down.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::Origin;
use super::prune::{self, Gap, Pruned};
use super::value::text_problem;
use super::{Field, Form, Table, installation};
use crate::encoding;
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file::{self, Unread};

/// Ten thousand profiles fit.
const LIMIT: u64 = 4 * 1024 * 1024;

/// What may stand in `[defaults]` and in a profile.
const SETTINGS: &[&str] = &[
    "audience",
    "background_refresh",
    "ca_file",
    "cache",
    "cloud_id",
    "endpoint",
    "folder_id",
    "folder_name",
    "iam_endpoint",
    "iam_token_file",
    "id_token_route",
    "identity",
    "impersonate_service_account",
    "installation",
    "key_file",
    "oauth_endpoint",
    "proxy",
    "service_account",
    "timeout",
    "yc_path",
];

/// The text of a configuration file and where it is.
pub(super) struct Text {
    pub(super) path: PathBuf,
    content: String,
    gaps: Vec<Gap>,
}

impl Text {
    /// Security: it names programs that are run, so it is not taken from a file that others can write.
    pub(super) fn read(path: PathBuf) -> Result<Self, Unread> {
        let bytes = private_file::read_settings(&path, LIMIT)?;
        let content = encoding::decode(bytes).map_err(|cause| {
            Unread::Io(io::Error::new(io::ErrorKind::InvalidData, format!("it {cause}")))
        })?;
        Ok(Self::of(path, content))
    }

    /// A text that need not be in its file.
    pub(super) const fn of(path: PathBuf, content: String) -> Self {
        Self { path, content, gaps: Vec::new() }
    }

    /// What of it a run needs, if that can be told before parsing.
    pub(super) fn pruned(&self, profile: Option<&str>) -> Option<Self> {
        let Pruned { text: content, gaps } = prune::pruned(&self.content, profile)?;
        Some(Self { path: self.path.clone(), content, gaps })
    }

    fn line(&self, at: usize) -> usize {
        let before = &self.content.as_bytes()[..at.min(self.content.len())];
        let gaps = self.gaps.iter().filter(|gap| gap.at <= at);
        let missing: usize = gaps.map(|gap| gap.lines).sum();
        memchr::memchr_iter(b'\n', before).count() + missing + 1
    }

    fn wrong(
        &self,
        span: &Range<usize>,
        problem: impl Into<Message>,
        hint: Option<Message>,
    ) -> Error {
        Error::Config {
            path: self.path.clone(),
            line: self.line(span.start),
            problem: problem.into(),
            hint,
        }
    }
}

/// The parsed file.
pub(super) struct File<'a> {
    source: &'a Text,
    root: DeTable<'a>,
    consumers: &'a [&'a Table],
}

/// One table of settings: `[defaults]` or a profile.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    file: &'a File<'a>,
    table: &'a DeTable<'a>,
    /// How it is called in messages: `profiles.prod`.
    profile: Option<&'a str>,
}

impl<'a> File<'a> {
    pub(super) fn parse(source: &'a Text, consumers: &'a [&'a Table]) -> Result<Self> {
        let root = DeTable::parse(&source.content).map_err(|error| {
            let problem = error.message().lines().collect::<Vec<_>>().join(", ");
            let problem = ForeignText::new(&problem);
            source.wrong(&error.span().unwrap_or_default(), problem, None)
        })?;
        let file = Self { source, root: root.into_inner(), consumers };
        file.check_keys(
            &file.root,
            &["defaults", "identity", "installations", "profiles"],
            "the file",
        )?;
        Ok(file)
    }

    /// The layers of a run, the strongest first: the profile, those it extends, the defaults.
    pub(super) fn layers(&'a self, profile: Option<(&str, &Origin)>) -> Result<Vec<Layer<'a>>> {
        let mut layers: Vec<Layer<'a>> = Vec::new();
        let mut next = match profile {
            Some((name, origin)) => {
                Some(self.profile(name, |problem_place, hint| Error::NoSuch {
                    what: "profile",
                    name: name.to_owned().into(),
                    place: message!("{problem_place} ({origin})", problem_place, origin),
                    hint,
                })?)
            }
            None => None,
        };
        while let Some(layer) = next {
            if layers.iter().any(|earlier| earlier.profile == layer.profile) {
                let span = layer.table.get("extends").map(Spanned::span).unwrap_or_default();
                return Err(self.source.wrong(
                    &span,
                    "profiles extend each other in a circle",
                    None,
                ));
            }
            layers.push(layer);
            next = match layer.text("extends")? {
                Some((parent, span)) => Some(self.profile(&parent, |_, hint| {
                    self.source.wrong(
                        &span,
                        message!(
                            "there is no profile `{parent}` to extend",
                            parent = ForeignText::new(&parent)
                        ),
                        Some(hint),
                    )
                })?),
                None => None,
            };
        }
        if let Some(defaults) = self.root.get("defaults") {
            layers.push(Layer {
                file: self,
                table: self.table(defaults, "defaults")?,
                profile: None,
            });
        }
        for layer in &layers {
            layer.check()?;
        }
        Ok(layers)
    }

    /// The table of a named identity. Its keys are checked by whoever knows its type.
    pub(super) fn identity(&'a self, name: &str) -> Result<Option<Layer<'a>>> {
        self.named("identity", name, "an identity")
    }

    /// The names of all identities.
    pub(super) fn identities(&self) -> Vec<&str> {
        self.names("identity")
    }

    /// The names of all profiles.
    pub(super) fn profiles(&self) -> Vec<String> {
        self.names("profiles").into_iter().map(str::to_owned).collect()
    }

    /// The table of a named installation.
    pub(super) fn installation(&'a self, name: &str) -> Result<Option<Layer<'a>>> {
        let what = "an installation";
        let layer = self.named("installations", name, what)?;
        if let Some(layer) = &layer {
            self.check_keys(layer.table, installation::KEYS, what)?;
        }
        Ok(layer)
    }

    /// The names of all installations.
    pub(super) fn installations(&self) -> Vec<&str> {
        self.names("installations")
    }

    fn named(&'a self, tables: &str, name: &str, what: &str) -> Result<Option<Layer<'a>>> {
        let Some(found) = self.root.get(tables) else {
            return Ok(None);
        };
        let Some(value) = self.table(found, tables)?.get(name) else {
            return Ok(None);
        };
        Ok(Some(Layer { file: self, table: self.table(value, what)?, profile: None }))
    }

    fn profile(
        &'a self,
        name: &str,
        missing: impl FnOnce(Message, Message) -> Error,
    ) -> Result<Layer<'a>> {
        let profiles = self
            .root
            .get("profiles")
            .map(|profiles| self.table(profiles, "profiles"))
            .transpose()?;
        let found = profiles.and_then(|profiles| profiles.get_key_value(name));
        let Some((key, value)) = found else {
            let names = self.names("profiles");
            let hint = match nearest(name, &names) {
                Some(near) => message!("did you mean `{near}`?", near = ForeignText::new(near)),
                None if names.is_empty() => {
                    message!("add a table `[profiles.{name}]` to it", name = ForeignText::new(name))
                }
                None => message!("choose {}", list(&names)),
            };
            return Err(missing(message!("`{}`", shown(&self.source.path)), hint));
        };
        Ok(Layer {
            file: self,
            table: self.table(value, "a profile")?,
            profile: Some(key.get_ref()),
        })
    }

    fn names(&self, table: &str) -> Vec<&str> {
        let table = self.root.get(table).and_then(|value| value.get_ref().as_table());
        table
            .map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect())
            .unwrap_or_default()
    }

    fn table(&self, value: &'a Spanned<DeValue<'a>>, what: &str) -> Result<&'a DeTable<'a>> {
        value.get_ref().as_table().ok_or_else(|| {
            let problem = message!(
                "{what} must be a table, not {}",
                with_article(value.get_ref().type_str()),
                what = ForeignText::new(what)
            );
            self.source.wrong(&value.span(), problem, None)
        })
    }

    fn check_keys(&self, table: &DeTable<'_>, known: &[&str], what: &'static str) -> Result<()> {
        for key in table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let hint = match nearest(key.get_ref(), known) {
                    Some(near) => message!("did you mean `{near}`?", near = ForeignText::new(near)),
                    None => message!("{what} can have {}", list(known), what),
                };
                return Err(self.source.wrong(
                    &key.span(),
                    message!("unknown key `{}`", ForeignText::new(key.get_ref())),
                    Some(hint),
                ));
            }
        }
        Ok(())
    }
}

impl<'a> Layer<'a> {
    /// A text, and its place.
    pub(super) fn text(&self, key: &str) -> Result<Option<(String, Range<usize>)>> {
        let form = match key {
            // `timeout = 20` is as clear as `timeout = "20s"`.
            "timeout" => Form::Time,
            "background_refresh" => Form::Switch,
            _ => Form::Text,
        };
        self.value(key, form)
    }

    /// A value of a consumer's own table, as text, and its place.
    pub(super) fn consumer_value(
        &self,
        table: &str,
        field: &Field,
    ) -> Result<Option<(String, Range<usize>)>> {
        let Some(value) = self.table.get(table) else {
            return Ok(None);
        };
        let table = self.file.table(value, table)?;
        Layer { table, ..*self }.value(field.key, field.form)
    }

    pub(super) fn value(&self, key: &str, form: Form) -> Result<Option<(String, Range<usize>)>> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = form.read(value).map_err(|(span, found)| {
            let (wanted, example) = form.described();
            let problem = message!(
                "`{key}` must be {wanted}, not {}",
                with_article(found),
                key = ForeignText::new(key),
                wanted
            );
            self.wrong(
                &span,
                problem,
                Some(message!(
                    "write it as `{key} = {example}`",
                    key = ForeignText::new(key),
                    example
                )),
            )
        })?;
        if form != Form::Words
            && let Some(problem) = text_problem(key, &text)
        {
            return Err(self.wrong(
                &value.span(),
                message!("`{key}` {problem}", key = ForeignText::new(key), problem),
                None,
            ));
        }
        Ok(Some((text, value.span())))
    }

    /// A list of words, which can have line breaks in them; empty if there is none.
    pub(super) fn words(&self, key: &str) -> Result<Vec<String>> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let texts = match value.get_ref() {
            DeValue::Array(words) => words.iter().map(|word| Form::Text.read(word)).collect(),
            _ => Form::Text.read(value).map(|word| vec![word]),
        };
        texts.map_err(|(span, found)| {
            let problem = message!(
                "`{key}` must be a list of strings, not {}",
                with_article(found),
                key = ForeignText::new(key)
            );
            self.wrong(
                &span,
                problem,
                Some(message!("write it as `{key} = [\"…\"]`", key = ForeignText::new(key))),
            )
        })
    }

    /// The origin of what stands at a place of the file.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let source = self.file.source;
        match self.profile {
            Some(profile) => Origin::Profile {
                profile: profile.into(),
                path: source.path.clone(),
                line: source.line(span.start),
            },
            None => Origin::Defaults { path: source.path.clone(), line: source.line(span.start) },
        }
    }

    /// Whether this table of an identity has no keys but these.
    pub(super) fn check_identity(&self, keys: &[&str]) -> Result<()> {
        self.file.check_keys(self.table, keys, "an identity of this type")
    }

    /// Whether this is the table of the profile `name`.
    pub(super) fn is_profile(&self, name: &str) -> bool {
        self.profile == Some(name)
    }

    /// An error about what stands at a place of the file.
    pub(super) fn wrong(
        &self,
        span: &Range<usize>,
        problem: impl Into<Message>,
        hint: Option<Message>,
    ) -> Error {
        self.file.source.wrong(span, problem, hint)
    }

    /// The error for a key that the table must have.
    pub(super) fn lacks(&self, key: &'static str, hint: impl Into<Message>) -> Error {
        let span = self.table.keys().next().map(Spanned::span).unwrap_or_default();
        self.wrong(&span, message!("`{key}` is missing", key), Some(hint.into()))
    }

    /// The folder that relative paths in the file start from.
    pub(super) fn folder(&self) -> &'a Path {
        self.file.source.path.parent().unwrap_or(Path::new("."))
    }

    fn check(&self) -> Result<()> {
        let mut known: Vec<&str> = SETTINGS.to_vec();
        known.extend(self.file.consumers.iter().map(|consumer| consumer.name));
        if self.profile.is_some() {
            known.push("extends");
        }
        self.file.check_keys(self.table, &known, "it")?;
        for consumer in self.file.consumers {
            if let Some(value) = self.table.get(consumer.name) {
                let keys: Vec<&str> = consumer.settings.iter().map(|field| field.key).collect();
                self.file.check_keys(self.file.table(value, consumer.name)?, &keys, "it")?;
            }
        }
        Ok(())
    }
}

/// The known name that was probably meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let similarity = |candidate: &&str| strsim::jaro_winkler(name, candidate);
    let best = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(&best) > 0.8).then_some(best)
}

/// Names to choose from, for a message.
#[must_use]
pub fn list(names: &[&str]) -> Message {
    let quoted = |name: &&str| message!("`{}`", ForeignText::new(name));
    let shown: Vec<Message> = names.iter().take(20).map(quoted).collect();
    match &shown[..] {
        _ if names.len() > 20 => message!("{} or others", Message::join(&shown, ", ")),
        [rest @ .., last] if !rest.is_empty() => {
            message!("{} or {last}", Message::join(rest, ", "), last)
        }
        _ => Message::join(&shown, ", "),
    }
}

fn with_article(kind: &'static str) -> Message {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    message!("{article} {kind}", article, kind)
}
