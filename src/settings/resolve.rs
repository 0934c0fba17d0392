//! The look-up: flag, variable, profile and those it extends, defaults; and who we are, which can be
//! said in three ways.

use std::path::{Path, PathBuf};

use super::file::{self, File, Layer};
use super::{Flags, Form, IdentitySetting, Origin, Setting, Table};
use crate::env::{self, Env, Var};
use crate::error::{Error, Result};

/// Looks settings up, the strongest origin first.
pub(super) struct Resolver<'a> {
    pub(super) env: &'a Env,
    pub(super) home: Option<&'a Path>,
    pub(super) file: Option<&'a File<'a>>,
    pub(super) layers: &'a [Layer<'a>],
}

impl Resolver<'_> {
    pub(super) fn text(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<String>>> {
        if let Some(setting) = flag(value, flag_name).or_else(|| variable(self.env, var)) {
            return Ok(Some(setting));
        }
        for layer in self.layers {
            if let Some((text, span)) = layer.text(key)? {
                return Ok(Some(Setting { value: text, origin: layer.origin(&span) }));
            }
        }
        Ok(None)
    }

    /// A path. In the file, `~/` is the home folder, and a relative one starts where the file is.
    pub(super) fn path(
        &self,
        key: &str,
        value: Option<&String>,
        flag_name: &'static str,
        var: Var,
    ) -> Result<Option<Setting<PathBuf>>> {
        if let Some(setting) = flag(value, flag_name).or_else(|| variable(self.env, var)) {
            return Ok(Some(Setting { value: setting.value.into(), origin: setting.origin }));
        }
        for layer in self.layers {
            if let Some((text, span)) = layer.text(key)? {
                return Ok(Some(Setting {
                    value: resolve_path(&text, layer.folder(), self.home),
                    origin: layer.origin(&span),
                }));
            }
        }
        Ok(None)
    }

    pub(super) fn consumer(
        &self,
        tables: &[&Table],
    ) -> Result<Vec<(&'static str, &'static str, Setting<String>)>> {
        let mut found = Vec::new();
        for (table, field) in
            tables.iter().flat_map(|table| table.settings.iter().map(|field| (table.name, field)))
        {
            if let Some(setting) = variable(self.env, field.var) {
                found.push((table, field.key, setting));
                continue;
            }
            for layer in self.layers {
                if let Some((mut value, span)) = layer.consumer_value(table, field)? {
                    if field.form == Form::Path {
                        let path = resolve_path(&value, layer.folder(), self.home);
                        value = path.to_string_lossy().into_owned();
                    }
                    found.push((table, field.key, Setting { value, origin: layer.origin(&span) }));
                    break;
                }
            }
        }
        Ok(found)
    }

    /// `identity`, `key_file` and `iam_token_file` say the same thing in three ways. The strongest
    /// origin that has one of them decides; within one origin, a file is more exact than a name.
    pub(super) fn identity(&self, flags: &Flags) -> Result<Option<Setting<IdentitySetting>>> {
        let named = self.text("identity", flags.identity.as_ref(), "--identity", env::IDENTITY)?;
        let key_file =
            self.path("key_file", flags.key_file.as_ref(), "--key-file", env::KEY_FILE)?;
        let token_file = self.path(
            "iam_token_file",
            flags.iam_token_file.as_ref(),
            "--iam-token-file",
            env::IAM_TOKEN_FILE,
        )?;
        let candidates = [
            named.as_ref().map(|s| &s.origin),
            key_file.as_ref().map(|s| &s.origin),
            token_file.as_ref().map(|s| &s.origin),
        ];
        let Some(strongest) =
            candidates.into_iter().flatten().map(|origin| self.rank(origin)).min()
        else {
            return Ok(None);
        };
        let decides = |origin: &Origin| self.rank(origin) == strongest;
        let from_key = |setting: Setting<PathBuf>| Setting {
            value: IdentitySetting::AuthorizedKey { file: setting.value },
            origin: setting.origin,
        };
        let from_token = |setting: Setting<PathBuf>| Setting {
            value: IdentitySetting::IamTokenFile { file: setting.value },
            origin: setting.origin,
        };
        match (named.filter(|named| decides(&named.origin)), key_file, token_file) {
            (_, Some(key), Some(token)) if decides(&key.origin) && decides(&token.origin) => {
                Err(Error::Usage {
                    problem: format!(
                        "a key file ({}) and an IAM token file ({}) are given at once",
                        key.origin, token.origin
                    ),
                    hint: "give one of them".into(),
                })
            }
            (Some(named), Some(key), _)
                if decides(&key.origin) && named.value != "authorized-key" =>
            {
                Err(Error::Usage {
                    problem: format!(
                        "the identity `{}` ({}) and a key file ({}) are given at once",
                        named.value, named.origin, key.origin
                    ),
                    hint: "give one of them".into(),
                })
            }
            (Some(named), key, _) if named.value == "authorized-key" => match key {
                Some(key) => Ok(Some(from_key(key))),
                None => match self.env.get_os(env::YC_SERVICE_ACCOUNT_KEY_FILE) {
                    Some(file) => Ok(Some(Setting {
                        value: IdentitySetting::AuthorizedKey { file: file.into() },
                        origin: named.origin,
                    })),
                    None => Err(Error::Missing {
                        problem: format!(
                            "the identity `authorized-key` ({}) needs a key file, and none is set",
                            named.origin
                        ),
                        hint: "give `--key-file`".into(),
                    }),
                },
            },
            (Some(named), _, token) if named.value == "iam-token" => Ok(Some(token.map_or(
                Setting { value: IdentitySetting::IamToken, origin: named.origin },
                from_token,
            ))),
            (Some(named), _, _) if named.value == "metadata" => {
                Ok(Some(Setting { value: IdentitySetting::Metadata, origin: named.origin }))
            }
            (Some(named), _, _) => match named.value.strip_prefix("keyring:") {
                Some(name) => {
                    let value = IdentitySetting::Keyring { name: name.to_owned() };
                    Ok(Some(Setting { value, origin: named.origin }))
                }
                None => self.named_identity(named).map(Some),
            },
            (None, Some(key), _) if decides(&key.origin) => Ok(Some(from_key(key))),
            (None, _, token) => Ok(token.map(from_token)),
        }
    }

    /// The place of an origin in the order of precedence.
    fn rank(&self, origin: &Origin) -> usize {
        match origin {
            Origin::Flag(_) => 0,
            Origin::Variable(_) => 1,
            Origin::Profile { profile, .. } => {
                2 + self
                    .layers
                    .iter()
                    .position(|layer| layer.is_profile(profile))
                    .unwrap_or(self.layers.len())
            }
            Origin::Defaults { .. } => 3 + self.layers.len(),
            Origin::Shared { .. } => 4 + self.layers.len(),
            Origin::BuiltIn => 5 + self.layers.len(),
        }
    }

    fn named_identity(&self, named: Setting<String>) -> Result<Setting<IdentitySetting>> {
        let Setting { value: name, origin } = named;
        let found = self.file.map(|file| file.identity(&name)).transpose()?.flatten();
        let Some(layer) = found else {
            let mut known = vec!["authorized-key", "iam-token", "metadata"];
            known.extend(self.file.map(File::identities).unwrap_or_default());
            let hint = file::nearest(&name, &known).map_or_else(
                || format!("there are {}", file::list(&known)),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(Error::NoSuch {
                what: "identity",
                name,
                place: format!("the configuration ({origin})"),
                hint,
            });
        };
        let file_at = |key: &str| -> Result<Option<PathBuf>> {
            let found = layer.text(key)?;
            Ok(found.map(|(text, _)| resolve_path(&text, layer.folder(), self.home)))
        };
        let kinds = ["authorized-key", "iam-token", "metadata"];
        let Some((kind, span)) = layer.text("type")? else {
            return Err(layer.lacks("type", format!("it is one of {}", file::list(&kinds))));
        };
        let value = match kind.as_str() {
            "authorized-key" => match file_at("key_file")? {
                Some(file) => IdentitySetting::AuthorizedKey { file },
                None => {
                    return Err(
                        layer.lacks("key_file", "name the file of the authorized key".into())
                    );
                }
            },
            "iam-token" => file_at("iam_token_file")?
                .map_or(IdentitySetting::IamToken, |file| IdentitySetting::IamTokenFile { file }),
            "metadata" => IdentitySetting::Metadata,
            other => {
                let hint = file::nearest(other, &kinds)
                    .map_or_else(|| file::list(&kinds), |near| format!("did you mean `{near}`?"));
                return Err(layer.wrong(
                    &span,
                    format!("there is no type `{other}` of identity"),
                    Some(hint),
                ));
            }
        };
        Ok(Setting { value, origin })
    }
}

pub(super) fn flag(value: Option<&String>, name: &'static str) -> Option<Setting<String>> {
    value
        .filter(|value| !value.is_empty())
        .map(|value| Setting { value: value.clone(), origin: Origin::Flag(name) })
}

pub(super) fn variable(env: &Env, var: Var) -> Option<Setting<String>> {
    env.get(var).map(|value| Setting { value, origin: Origin::Variable(var.name) })
}

/// A path with a leading `~/` resolved, and a relative one taken from `base`.
fn resolve_path(path: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}
