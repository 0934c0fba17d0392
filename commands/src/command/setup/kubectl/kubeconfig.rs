//! The kubeconfig that `setup` edits: all files that kubectl merges, and the one that gets new entries.
//!
//! The edit is not made by kubectl, which would drop comments and unknown fields. The installed kubectl only
//! checks the new text.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::check::Check;
use crate::command::on_path::on_path;
use crate::command::setup::changes::{FileChange, FileKind};
use crate::command::setup::paths::refuse_pipe;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::files::edit::EditedFile;
use crate::kubeconfig::{Document, File, Merged, Step, kubeconfig_paths};
use crate::message;
use crate::settings::Locations;
use crate::yaml::Fault;

const WHAT: &str = "the kubeconfig";

/// The merged files, one of which is edited.
pub(super) struct Kubeconfig {
    merged: Merged,
    /// The index of the file to edit.
    target: usize,
    file: EditedFile,
    kubectl: Option<PathBuf>,
}

impl Kubeconfig {
    /// Reads the file `named`, or those of KUBECONFIG, or the default one.
    pub(super) fn read(named: Option<&Path>, env: &Env, home: Option<&Path>) -> Result<Self> {
        let paths = match named {
            Some(path) => vec![path.to_owned()],
            None => default_paths(env, home)?,
        };
        let origin = if named.is_some() { "--kubeconfig" } else { env::KUBECONFIG.name };
        let mut opened = Vec::new();
        for path in &paths {
            refuse_pipe(origin, path)?;
            opened.push(EditedFile::open(WHAT, path)?);
        }
        // kubectl writes new entries to the first file that exists, or to the last.
        let target = opened.iter().position(EditedFile::exists).unwrap_or(opened.len() - 1);
        let document = |file: &EditedFile| {
            let document = Document::parse(file.text().to_owned());
            let document = document.map_err(|fault| unparsable(file.path(), &fault))?;
            Ok(File { path: file.path().to_owned(), document })
        };
        let files = opened.iter().map(document).collect::<Result<_>>()?;
        let kubectl = on_path(env, "kubectl");
        Ok(Self { merged: Merged { files }, target, file: opened.swap_remove(target), kubectl })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) const fn merged(&self) -> &Merged {
        &self.merged
    }

    /// Sets a key of the map at `place` in the file.
    pub(super) fn set(&mut self, place: &[Step<'_>], key: &str, value: &Value) -> Result<()> {
        let edited = self.document().set(place, key, value);
        edited.map_err(|fault| not_editable(self.path(), &fault))
    }

    /// Appends an item to a list of the file.
    pub(super) fn append(&mut self, list: &str, item: &Value) -> Result<()> {
        let is_new = !self.file.exists() || self.file.text().trim().is_empty();
        if is_new && self.document().value().is_null() {
            for (key, value) in [("apiVersion", "v1"), ("kind", "Config")] {
                self.set(&[], key, &json!(value))?;
            }
        }
        let edited = self.document().append(list, item);
        edited.map_err(|fault| not_editable(self.path(), &fault))
    }

    fn document(&mut self) -> &mut Document {
        &mut self.merged.files[self.target].document
    }

    /// The change of the file. `user` must be in the new text.
    pub(super) fn change(mut self, user: &str) -> FileChange {
        let document = self.document();
        let (expected, new_text) = (document.value().clone(), document.text().to_owned());
        let path = self.path().to_owned();
        let entry = self.merged.entry("users", "user", user).filter(|entry| entry.file == path);
        let exec = entry.map(|entry| entry.value["exec"].clone());
        let check = self.kubectl.zip(exec).map(|(program, exec)| Check {
            program,
            path: path.clone(),
            before: self.file.text().to_owned(),
            user: user.to_owned(),
            exec,
        });
        // The text is verified again when it is written; running kubectl once is enough.
        let is_checked = Cell::new(false);
        FileChange::new(FileKind::Kubeconfig, self.file, new_text, move |text| {
            let read =
                Document::parse(text.to_owned()).map_err(|fault| unparsable(&path, &fault))?;
            if *read.value() != expected {
                return Err(Error::Internal("the kubeconfig reads back differently".into()));
            }
            if is_checked.replace(true) {
                return Ok(());
            }
            check.as_ref().map_or(Ok(()), |check| check.run(text, &expected))
        })
    }
}

fn unparsable(path: &Path, fault: &Fault) -> Error {
    fault_at(path, fault, "correct that line; nothing has been changed")
}

fn not_editable(path: &Path, fault: &Fault) -> Error {
    let hint = "write that part as `kubectl config view --raw` prints it; nothing has been changed";
    fault_at(path, fault, hint)
}

fn fault_at(path: &Path, fault: &Fault, hint: &'static str) -> Error {
    Error::Config {
        path: path.to_owned(),
        line: fault.mark.line,
        problem: message!("the kubeconfig {}", fault.problem),
        hint: Some(hint.into()),
    }
}

/// The names of clusters, users or contexts, for shell completion.
pub(in crate::command) fn kubeconfig_names(
    named: Option<&Path>,
    env: &Env,
    locations: &Locations,
    list: &str,
) -> Result<Vec<String>> {
    let kubeconfig = Kubeconfig::read(named, env, locations.home.as_deref())?;
    Ok(kubeconfig.merged.names(list).into_iter().map(str::to_owned).collect())
}

fn default_paths(env: &Env, home: Option<&Path>) -> Result<Vec<PathBuf>> {
    let paths = kubeconfig_paths(env, home);
    if !paths.is_empty() {
        return Ok(paths);
    }
    Err(match env.get_os(env::KUBECONFIG) {
        Some(_) => Error::Value {
            origin: env::KUBECONFIG.name.into(),
            problem: "it names no file, so that kubectl reads none; name one, or unset it".into(),
        },
        None => Error::Missing {
            problem: "there is no home folder for the kubeconfig".into(),
            hint: "give `--kubeconfig`".into(),
        },
    })
}
