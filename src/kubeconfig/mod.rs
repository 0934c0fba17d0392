//! Kubeconfigs: several files read as one, as kubectl does, and each edited in its own text.

mod block;
mod edit;
mod merged;
mod place;

pub(crate) use edit::Document;
pub(crate) use merged::{File, Merged};
pub(crate) use place::Step;
