//! The paths of kubectl's files.

use std::path::{Path, PathBuf};

use crate::env::{self, Env};

/// The kubeconfigs: those of `KUBECONFIG`, or else the one in the home folder. If `KUBECONFIG` names no file, kubectl
/// reads none.
pub(crate) fn kubeconfig_paths(env: &Env, home: Option<&Path>) -> Vec<PathBuf> {
    let Some(list) = env.get_os(env::KUBECONFIG) else {
        return in_home(env, home, "config").into_iter().collect();
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
        None => in_home(env, home, "kuberc"),
    }
}

fn in_home(env: &Env, home: Option<&Path>, name: &str) -> Option<PathBuf> {
    let on_windows = if cfg!(windows) { home_on_windows(env) } else { None };
    let home = on_windows.or_else(|| home.map(Path::to_owned))?;
    Some(home.join(".kube").join(name))
}

/// The home folder as kubectl finds it on Windows (client-go, `util/homedir`): the first that has a kubeconfig, or else
/// the first that exists.
fn home_on_windows(env: &Env) -> Option<PathBuf> {
    let named = |var| env.get_os(var).map(PathBuf::from);
    let (home, profile) = (named(env::HOME), named(env::USERPROFILE));
    let drive = env.get_os(env::HOMEDRIVE).zip(env.get_os(env::HOMEPATH)).map(|(drive, path)| {
        let mut folder = drive;
        folder.push(path);
        PathBuf::from(folder)
    });
    let has_file = |home: &&PathBuf| home.join(".kube").join("config").exists();
    let with_file = [&home, &drive, &profile].into_iter().flatten().find(has_file);
    let mut existing = [&home, &profile, &drive].into_iter().flatten().filter(|home| home.exists());
    with_file.or_else(|| existing.next()).cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use super::*;

    #[test]
    fn the_home_folder_of_kubectl_on_windows_is_the_one_with_a_kubeconfig() {
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let env = Env::Fake(HashMap::from([
            ("HOME", text("absent")),
            ("HOMEDRIVE", folder.path().to_str().unwrap().to_owned()),
            ("HOMEPATH", "/drive".to_owned()),
            ("USERPROFILE", text("profile")),
        ]));
        assert_eq!(home_on_windows(&env), None);

        fs::create_dir_all(folder.path().join("drive/.kube")).unwrap();
        fs::create_dir(folder.path().join("profile")).unwrap();
        assert_eq!(home_on_windows(&env), Some(folder.path().join("profile")));

        fs::create_dir(folder.path().join("drive/.kube/config")).unwrap();
        assert_eq!(home_on_windows(&env), Some(folder.path().join("drive")));
    }
}
