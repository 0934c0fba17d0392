//! A profile of Yandex Cloud's CLI, `yc`, and its credentials, from `~/.config/yandex-cloud/config.yaml`.
//!
//! The file belongs to yc and is only read. Its format is not fully documented: the known keys are those of the
//! vendor's "CLI profile properties" and of its plugin for the Serverless Framework, and all others are skipped.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{AuthorizedKey, is_iam_token};
use crate::credential::{IamToken, Secret};
use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::secret_file;
use crate::settings::{list, nearest};
use crate::yaml::{self, Fault, Form, Mark, Node, Pair, get};

const WHAT: &str = "the configuration of yc";

/// Enough for forty profiles, each with the largest key.
const LIMIT: u64 = 256 * 1024;

#[derive(Debug)]
pub struct YcProfile {
    pub name: String,
    pub path: PathBuf,
    pub credentials: YcCredentials,
    pub folder_id: Option<String>,
    pub cloud_id: Option<String>,
    /// The API endpoint, `host:port`, if it is not the default.
    pub endpoint: Option<String>,
}

/// The credentials of a yc profile.
#[derive(Debug)]
pub enum YcCredentials {
    /// An authorized key of a service account.
    AuthorizedKey(AuthorizedKey),
    /// An IAM token. yc does not renew it.
    IamToken(IamToken),
    /// An OAuth token of a user.
    OAuthToken(Secret),
    /// The service account of the machine, from the metadata service.
    InstanceServiceAccount,
    /// A user who logs in to a federation with a browser. Only yc can use the result.
    Federation { id: String },
    /// No credentials. In a virtual machine, yc then uses the service account of the machine.
    None,
}

impl YcProfile {
    /// The path of yc's configuration, on all systems.
    pub fn default_path(home: &Path) -> PathBuf {
        home.join(".config").join("yandex-cloud").join("config.yaml")
    }

    /// Reads the named profile, or the current one, from yc's configuration at `path`.
    pub fn read(path: &Path, name: Option<&str>) -> Result<Self> {
        let content = secret_file::read(WHAT, path, LIMIT).map_err(|error| match error {
            Error::Unreadable { .. } if matches!(path.try_exists(), Ok(false)) => wrong(
                path,
                "does not exist",
                "set yc up with `yc init`, or choose another identity",
            ),
            other => other,
        })?;
        Self::parse(&content, path, name)
    }

    /// Parses the content of yc's configuration, which was read from `path`.
    pub(crate) fn parse(content: &[u8], path: &Path, name: Option<&str>) -> Result<Self> {
        const REPAIR: &str = "correct it, or move it away and run `yc init`";
        let text = std::str::from_utf8(content).map_err(|error| {
            wrong(path, message!("is not UTF-8 text: {}", Cause::new(error)), REPAIR)
        })?;
        let root = yaml::parse_simple(text).map_err(|fault| {
            let Fault { mark: Mark { line, column }, problem } = fault;
            wrong(
                path,
                message!("{problem} (line {line}, column {column})", problem, line, column),
                REPAIR,
            )
        })?;
        let Some(Node { form: Form::Map { pairs: root, .. }, .. }) = root else {
            return Err(wrong(path, "has no profiles", "make one with `yc init`"));
        };
        let name = match name {
            Some(name) => name,
            None => string(&root, "current")
                .map_err(|problem| wrong(path, message!("has {problem}", problem), REPAIR))?
                .ok_or_else(|| {
                    let hint = "choose one with `yc config profile activate NAME`, or name one";
                    wrong(path, "has no `current` profile", hint)
                })?,
        };
        let profiles = match form(&root, "profiles") {
            Some(Form::Map { pairs, .. }) => pairs.as_slice(),
            None | Some(Form::Null) => &[],
            Some(_) => return Err(wrong(path, "has `profiles` that are not a mapping", REPAIR)),
        };
        let settings = match form(profiles, name) {
            Some(Form::Map { pairs, .. }) => pairs.as_slice(),
            // The state after `yc config profile create`.
            Some(Form::Null) => &[],
            Some(_) => {
                let problem =
                    message!("has a profile `{}` that is not a mapping", ForeignText::new(name));
                return Err(wrong(path, problem, REPAIR));
            }
            None => return Err(no_such(path, name, profiles)),
        };
        Self::of(settings, path, name).map_err(|problem| {
            let hint =
                message!("see it with `yc config list --profile {}`", ForeignText::new(name));
            wrong(
                path,
                message!("has a profile `{}` with {problem}", ForeignText::new(name), problem),
                hint,
            )
        })
    }

    fn of(settings: &[Pair], path: &Path, name: &str) -> Result<Self, Message> {
        let setting = |key| Ok::<_, Message>(string(settings, key)?.map(ToOwned::to_owned));
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            credentials: credentials(settings, path, name)?,
            folder_id: setting("folder-id")?,
            cloud_id: setting("cloud-id")?,
            endpoint: setting("endpoint")?,
        })
    }

    /// The error for a profile whose login only yc itself can use.
    pub fn needs_yc(&self) -> Error {
        let problem = message!(
            "has a profile `{}` that logs in with a browser, which only yc itself can use",
            ForeignText::new(&self.name)
        );
        let hint = "give `--identity yc-cli`, which runs yc, or choose a profile with a key";
        wrong(&self.path, problem, hint)
    }

    /// The error for a profile without credentials.
    pub fn has_no_credentials(&self) -> Error {
        let name = ForeignText::new(&self.name);
        let hint = message!(
            "run `yc init --profile {name}`; on a machine with a service account, give `--identity metadata`",
            name
        );
        wrong(&self.path, message!("has a profile `{name}` without credentials", name), hint)
    }
}

/// `yc config set` of `token` or `service-account-key` removes the other one.
fn credentials(settings: &[Pair], path: &Path, name: &str) -> Result<YcCredentials, Message> {
    let token = string(settings, "token")?;
    let key = authorized_key(get(settings, "service-account-key"), path, name)?;
    let is_machine = truth(settings, "instance-service-account")?;
    let federation = string(settings, "federation-id")?;
    Ok(match (key, token) {
        (Some(_), Some(_)) => {
            return Err(
                "both a `token` and a `service-account-key`, so the identity is not clear".into()
            );
        }
        (Some(key), None) => YcCredentials::AuthorizedKey(key),
        (None, Some(token)) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            return Err("a `token` that is not a valid one".into());
        }
        (None, Some(token)) => {
            let secret = Secret::new(token.to_owned());
            if is_iam_token(token) {
                YcCredentials::IamToken(IamToken(secret))
            } else {
                YcCredentials::OAuthToken(secret)
            }
        }
        (None, None) if is_machine => YcCredentials::InstanceServiceAccount,
        (None, None) => match federation {
            Some(id) => YcCredentials::Federation { id: id.to_owned() },
            None => YcCredentials::None,
        },
    })
}

/// The key is a mapping. As JSON, it is in the format of `yc iam key create`.
fn authorized_key(
    node: Option<&Node>,
    path: &Path,
    name: &str,
) -> Result<Option<AuthorizedKey>, Message> {
    let Some(node) = node else { return Ok(None) };
    let not_text = || not_text("service-account-key");
    let content = match &node.form {
        Form::Null => return Ok(None),
        Form::Scalar { text, .. } => Zeroizing::new(text.as_bytes().to_vec()),
        Form::Map { .. } => node.json().map_err(|_fault| not_text())?,
        Form::List { .. } | Form::Alias(_) => return Err(not_text()),
    };
    let origin = message!("{} (profile {})", shown(path), ForeignText::new(name));
    match AuthorizedKey::parse(content, Path::new(origin.as_str())) {
        Ok(key) => Ok(Some(key)),
        Err(Error::IdentityFile { problem, .. }) => {
            Err(message!("a `service-account-key` that {problem}", problem))
        }
        Err(other) => Err(message!("a `service-account-key` that cannot be used: {other}", other)),
    }
}

/// A setting with text; `None` if it is missing or empty.
fn string<'a>(settings: &'a [Pair], key: &str) -> Result<Option<&'a str>, Message> {
    match form(settings, key) {
        None | Some(Form::Null) => Ok(None),
        Some(Form::Scalar { text, .. }) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(Form::List { .. } | Form::Map { .. } | Form::Alias(_)) => Err(not_text(key)),
    }
}

fn form<'a>(settings: &'a [Pair], key: &str) -> Option<&'a Form> {
    get(settings, key).map(|node| &node.form)
}

fn truth(settings: &[Pair], key: &str) -> Result<bool, Message> {
    let text = string(settings, key)?.unwrap_or("false").to_ascii_lowercase();
    match text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            Err(message!("an `{key}` that is neither true nor false", key = ForeignText::new(key)))
        }
    }
}

fn not_text(key: &str) -> Message {
    message!("a `{key}` that is not text", key = ForeignText::new(key))
}

/// Security: names are filtered, because a wrong indentation can put any text in the place of a name.
fn no_such(path: &Path, name: &str, profiles: &[Pair]) -> Error {
    let mut names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    names.sort_unstable();
    let has = if names.is_empty() { "none; make one with `yc init`".into() } else { list(&names) };
    let hint = match nearest(name, &names) {
        Some(near) => message!("did you mean `{}`? it has {has}", ForeignText::new(near), has),
        None => message!("it has {has}", has),
    };
    let place = message!("{WHAT} `{}`", shown(path), WHAT);
    Error::NoSuch { what: "profile", name: ForeignText::new(name), place, hint }
}

fn wrong(path: &Path, problem: impl Into<Cause>, hint: impl Into<Message>) -> Error {
    Error::IdentityFile {
        what: WHAT,
        path: path.into(),
        problem: problem.into(),
        hint: hint.into(),
    }
}

#[cfg(test)]
mod tests;
