//! Kubeconfigs: several files read as one, as kubectl does, and each edited in its own text.

mod edit;
mod merged;
mod tree;

pub(crate) use edit::{Document, Step};
pub(crate) use merged::{File, Merged};
pub(crate) use tree::Fault;
