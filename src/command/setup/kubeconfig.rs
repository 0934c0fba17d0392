//! The kubeconfig that `setup` writes: the files that kubectl reads together, and the one of them that gets
//! new entries.
//!
//! kubectl does not write it. It drops comments and unknown fields, and what answers to its name need not be
//! kubectl. It only checks the new text, where there is one that can.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::change::Change;
use super::kubectl_check::Check;
use super::paths::refuse_pipe;
use crate::command::on_path::on_path;
use crate::env::{self, Env};
use crate::error::{Error, Result};
use crate::files::edit::EditedFile;
use crate::kubeconfig::{Document, File, Merged, Step};
use crate::message;
use crate::settings::Locations;
use crate::yaml::Fault;

const WHAT: &str = "the kubeconfig";

/// The files, and one of them to write.
pub(super) struct Kubeconfig {
    merged: Merged,
    /// The place among them of the one to write.
    own: usize,
    file: EditedFile,
    program: Option<PathBuf>,
}

impl Kubeconfig {
    /// Reads the file that is named, or else those of KUBECONFIG, or else the usual one.
    pub(super) fn read(named: Option<&Path>, env: &Env) -> Result<Self> {
        let paths = match named {
            Some(path) => vec![path.to_owned()],
            None => usual_paths(env)?,
        };
        let origin = if named.is_some() { "--kubeconfig" } else { env::KUBECONFIG.name };
        let mut opened = Vec::new();
        for path in &paths {
            refuse_pipe(origin, path)?;
            opened.push(EditedFile::open(WHAT, path)?);
        }
        // kubectl writes new entries to the first file that exists, or to the last.
        let own = opened.iter().position(EditedFile::exists).unwrap_or(opened.len() - 1);
        let document = |file: &EditedFile| {
            let document = Document::parse(file.text().to_owned());
            let document = document.map_err(|fault| broken(file.path(), &fault))?;
            Ok(File { path: file.path().to_owned(), document })
        };
        let files = opened.iter().map(document).collect::<Result<_>>()?;
        let program = on_path(env, "kubectl");
        Ok(Self { merged: Merged { files }, own, file: opened.swap_remove(own), program })
    }

    /// The file to write.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) const fn merged(&self) -> &Merged {
        &self.merged
    }

    /// Sets a key of what is at a place of the file.
    pub(super) fn set(&mut self, place: &[Step<'_>], key: &str, value: &Value) -> Result<()> {
        let edited = self.document().set(place, key, value);
        edited.map_err(|fault| unfit(self.path(), &fault))
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
        edited.map_err(|fault| unfit(self.path(), &fault))
    }

    fn document(&mut self) -> &mut Document {
        &mut self.merged.files[self.own].document
    }

    /// The change of the file. `user` is the one that must be in it.
    pub(super) fn change(mut self, user: &str) -> Change {
        let document = self.document();
        let (wanted, text) = (document.value().clone(), document.text().to_owned());
        let path = self.path().to_owned();
        let before = self.file.text().to_owned();
        let entry = self.merged.entry("users", "user", user);
        let exec =
            entry.filter(|entry| entry.file == path).map(|entry| entry.value["exec"].clone());
        let check = self.program.zip(exec).map(|(program, exec)| Check {
            program,
            path: path.clone(),
            before,
            user: user.to_owned(),
            exec,
        });
        // The text is verified before anything is written, and again then.
        let was_asked = Cell::new(false);
        Change::new(self.file, text, move |text| {
            let read = Document::parse(text.to_owned()).map_err(|fault| broken(&path, &fault))?;
            if *read.value() != wanted {
                return Err(Error::Internal("the kubeconfig reads back differently".into()));
            }
            if was_asked.replace(true) {
                return Ok(());
            }
            check.as_ref().map_or(Ok(()), |check| check.run(text, &wanted))
        })
        .locked()
    }
}

fn broken(path: &Path, fault: &Fault) -> Error {
    fault_at(path, fault, "correct that line; nothing has been changed")
}

fn unfit(path: &Path, fault: &Fault) -> Error {
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

/// The names of clusters, users or contexts, for a shell to offer.
pub(in crate::command) fn kubeconfig_names(
    named: Option<&Path>,
    env: &Env,
    list: &str,
) -> Result<Vec<String>> {
    let kubeconfig = Kubeconfig::read(named, env)?;
    Ok(kubeconfig.merged.names(list).into_iter().map(str::to_owned).collect())
}

fn usual_paths(env: &Env) -> Result<Vec<PathBuf>> {
    let list = env.get_os(env::KUBECONFIG).unwrap_or_default();
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() && !list.is_empty() {
        return Err(Error::Value {
            origin: env::KUBECONFIG.name.into(),
            problem: "it names no file, so that kubectl reads none; name one, or unset it".into(),
        });
    }
    if paths.is_empty() {
        let home = Locations::home().ok_or_else(|| Error::Missing {
            problem: "there is no home folder for the kubeconfig".into(),
            hint: "give `--kubeconfig`".into(),
        })?;
        paths.push(home.join(".kube").join("config"));
    }
    Ok(paths)
}
