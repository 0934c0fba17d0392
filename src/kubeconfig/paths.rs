//! Where kubectl looks for its files.

use std::path::{Path, PathBuf};

use crate::env::{self, Env};

/// The kubeconfigs: those of `KUBECONFIG`, or else the one in the home folder. If `KUBECONFIG` names no file, kubectl
/// reads none.
pub(crate) fn kubeconfig_paths(env: &Env, home: Option<&Path>) -> Vec<PathBuf> {
    let Some(list) = env.get_os(env::KUBECONFIG) else {
        return home.map(|home| home.join(".kube").join("config")).into_iter().collect();
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// kubectl's preferences, unless they are turned off.
pub(crate) fn kuberc_path(env: &Env, home: Option<&Path>) -> Option<PathBuf> {
    match env.get_os(env::KUBERC) {
        Some(value) if value == "off" => None,
        Some(path) => Some(path.into()),
        None => home.map(|home| home.join(".kube").join("kuberc")),
    }
}
