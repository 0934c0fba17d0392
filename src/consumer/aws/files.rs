//! Both of AWS's own files, as far as they say who runs helpers, and who has keys of its own: for `doctor`.

use std::path::{Path, PathBuf};

use crate::env::{self, Env, Var};
use crate::private_file;

use super::config_file::{LIMIT, expanded, without_comment};

/// What AWS's own files say of all profiles.
#[derive(Debug, Default)]
pub(crate) struct AwsFiles {
    /// The profiles that get their keys from a program.
    pub(crate) processes: Vec<Process>,
    /// The profiles that have keys of their own.
    pub(crate) keys: Vec<Keys>,
}

/// A profile that gets its keys from a program.
#[derive(Debug)]
pub(crate) struct Process {
    /// The profile.
    pub(crate) profile: String,
    /// The command line.
    pub(crate) command: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

/// Where a profile has keys of its own. The keys are not read.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The profile.
    pub(crate) profile: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

impl AwsFiles {
    /// Reads both. What cannot be read or understood is passed over.
    pub(crate) fn read(env: &Env, home: Option<&Path>) -> Self {
        let mut files = Self::default();
        for (var, place) in [
            (env::AWS_CONFIG_FILE, ".aws/config"),
            (env::AWS_SHARED_CREDENTIALS_FILE, ".aws/credentials"),
        ] {
            if let Some(path) = path(env, var, home, place) {
                files.add(&path);
            }
        }
        files
    }

    fn add(&mut self, path: &Path) {
        let Ok(bytes) = private_file::read_plain(path, LIMIT) else { return };
        // Security: this can hold keys, so it is wiped.
        let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        drop(zeroize::Zeroizing::new(bytes));
        let mut profile = None;
        for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text)) {
            if let Some(section) = text.strip_prefix('[') {
                profile = section.split_once(']').and_then(|(name, _)| profile_of(name.trim()));
                continue;
            }
            let (Some(profile), Some((name, value))) = (&profile, text.split_once('=')) else {
                continue;
            };
            // What is indented belongs to another key.
            if text.starts_with([' ', '\t', '#', ';']) {
                continue;
            }
            let (profile, path) = (profile.clone(), path.to_owned());
            match name.trim().to_ascii_lowercase().as_str() {
                "credential_process" => {
                    let command = without_comment(value).to_owned();
                    self.processes.push(Process { profile, command, path, line });
                }
                "aws_access_key_id" => self.keys.push(Keys { profile, path, line }),
                _ => {}
            }
        }
    }
}

fn path(env: &Env, var: Var, home: Option<&Path>, place: &str) -> Option<PathBuf> {
    match env.get_os(var) {
        Some(path) => Some(expanded(PathBuf::from(path), home)),
        None => Some(home?.join(place)),
    }
}

/// The profile that a section is: with `profile` in front in one of the files, without it in the other.
fn profile_of(section: &str) -> Option<String> {
    let other = ["services ", "sso-session ", "plugins"];
    if other.iter().any(|kind| section.starts_with(kind)) {
        return None;
    }
    let name = section.strip_prefix("profile ").unwrap_or(section);
    Some(name.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_and_keys_are_found_in_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let text = "[default]\nregion=x\n[profile \"a b\"]\n# credential_process = /no\ncredential_process = /p/x aws # ours\ns3 =\n  aws_access_key_id = no\n[services x]\ncredential_process = /no\n[plain]\naws_access_key_id=AKIA\n";
        private_file::write(&path, text.as_bytes()).unwrap();
        let mut files = AwsFiles::default();
        files.add(&path);
        let [process] = &files.processes[..] else { panic!("{files:?}") };
        assert_eq!((&*process.profile, &*process.command, process.line), ("a b", "/p/x aws", 5));
        let [keys] = &files.keys[..] else { panic!("{files:?}") };
        assert_eq!((&*keys.profile, keys.line), ("plain", 11));
    }
}
