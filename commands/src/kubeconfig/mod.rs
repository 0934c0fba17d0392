//! Kubeconfigs: several files read as one, as kubectl does, and each edited in its own text.

mod block;
mod document;
mod edit;
mod merged;
mod paths;
mod place;

pub(crate) use document::Document;
pub(crate) use merged::{File, Merged};
pub(crate) use paths::{kubeconfig_paths, kuberc_path};
pub(crate) use place::Step;
