//! The command or path by which other programs' configurations run this program.

use std::path::PathBuf;

use crate::command::on_path::on_path as find;
use crate::env::Env;
use crate::error::{Cause, Error, Result, shown};
use crate::message;

const NAME: &str = "yc-id-token";

/// The bare name if this program is on the `PATH`, else its path.
pub(super) fn command(env: &Env) -> Result<String> {
    if on_path(env).is_some() { Ok(NAME.into()) } else { path(env) }
}

/// The path of this program. The one on the `PATH` is preferred: if it is a link, it survives an update.
pub(super) fn path(env: &Env) -> Result<String> {
    let path = match on_path(env) {
        Some(path) => path,
        None => current_exe()?,
    };
    path.to_str().map(str::to_owned).ok_or_else(|| Error::Usage {
        problem: message!("the path of this program, `{}`, is not UTF-8", shown(&path)),
        hint: "install it somewhere else".into(),
    })
}

pub(super) fn is_on_path(env: &Env, name: &str) -> bool {
    find(env, name).is_some()
}

/// The path of this program on the `PATH`, if the first program with its name there is this one.
fn on_path(env: &Env) -> Option<PathBuf> {
    let found = find(env, NAME)?;
    let same = found.canonicalize().ok()? == current_exe().ok()?.canonicalize().ok()?;
    same.then_some(found)
}

fn current_exe() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| {
        Error::Internal(Cause::from(error).context("cannot find this program's file"))
    })
}
