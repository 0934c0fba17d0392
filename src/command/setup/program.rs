//! By which name other programs find this one.

use std::path::PathBuf;

use crate::command::on_path::on_path as find;
use crate::env::Env;
use crate::error::{Cause, Error, Result, shown};
use crate::message;

const NAME: &str = "yc-id-token";

/// The name by which a shell finds this program, if it does; else its path.
pub(super) fn command(env: &Env) -> Result<String> {
    if on_path(env).is_some() { Ok(NAME.into()) } else { path(env) }
}

/// The path of this program: the one on the `PATH`, which outlives an update where that is a link.
pub(super) fn path(env: &Env) -> Result<String> {
    let path = match on_path(env) {
        Some(path) => path,
        None => ourselves()?,
    };
    path.to_str().map(str::to_owned).ok_or_else(|| Error::Usage {
        problem: message!("the path of this program, `{}`, is not UTF-8", shown(&path)),
        hint: "install it somewhere else".into(),
    })
}

/// Whether there is a program of this name on the `PATH`.
pub(super) fn is_on_path(env: &Env, name: &str) -> bool {
    find(env, name).is_some()
}

/// This program's place on the `PATH`, if what a shell finds there is this one.
fn on_path(env: &Env) -> Option<PathBuf> {
    let found = find(env, NAME)?;
    let same = found.canonicalize().ok()? == ourselves().ok()?.canonicalize().ok()?;
    same.then_some(found)
}

fn ourselves() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| {
        Error::Internal(Cause::from(error).context("cannot find this program's file"))
    })
}
