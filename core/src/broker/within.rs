//! Detects nested runs: a program that gets a token for this run may run this program again, for the same token. A
//! mark in its environment lists what is being obtained, to stop the recursion.

use std::cell::RefCell;

use crate::error::{Error, Result};
use crate::foreign_text::Message;
use crate::message;

#[derive(Debug, Default)]
pub(super) struct Within {
    /// What the runs that started this one are obtaining.
    outer: Vec<String>,
    own: RefCell<Vec<String>>,
}

/// Marks something as being obtained, until this is dropped.
#[derive(Debug)]
pub struct UnderWay<'a> {
    within: &'a Within,
    name: String,
}

impl Within {
    pub(super) fn of(mark: &str) -> Self {
        let names = mark.split(',').filter(|name| !name.is_empty());
        Self { outer: names.map(str::to_owned).collect(), own: RefCell::default() }
    }

    pub(super) fn mark(&self) -> String {
        [&self.outer[..], &self.own.borrow()[..]].concat().join(",")
    }

    /// Whether this request is not part of another one.
    pub(super) fn is_outermost(&self) -> bool {
        self.own.borrow().len() <= 1
    }

    pub(super) fn begin(&self, name: &str, what: &Message) -> Result<UnderWay<'_>> {
        if self.outer.iter().any(|outer| outer == name) {
            return Err(Error::Configuration {
                problem: message!(
                    "cannot get {what}: the program that it runs requests the same",
                    what
                ),
                hint: "give the program of `token_command`, `yc_path` or `token_helper` another identity: it has the variables of this run, such as YC_ID_TOKEN_PROFILE".into(),
            });
        }
        self.own.borrow_mut().push(name.to_owned());
        Ok(UnderWay { within: self, name: name.to_owned() })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut own = self.within.own.borrow_mut();
        if let Some(at) = own.iter().position(|name| *name == self.name) {
            own.remove(at);
        }
    }
}
