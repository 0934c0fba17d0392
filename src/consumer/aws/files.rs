//! Both of AWS's own files, as far as they say who runs helpers, and who has keys of its own: for `doctor`.

use std::path::{Path, PathBuf};

use crate::env::{self, Env, Var};
use crate::private_file;

use super::config_file::{LIMIT, expanded};
use super::ini::{Fault, Ini, Kind, Section};

/// What AWS's own files say of all profiles.
#[derive(Debug, Default)]
pub(crate) struct AwsFiles {
    /// The profiles that get their keys from a program.
    pub(crate) processes: Vec<Process>,
    /// The profiles that have keys of their own.
    pub(crate) keys: Vec<Keys>,
    /// The lines for which botocore rejects a whole file.
    pub(crate) faults: Vec<(PathBuf, Fault)>,
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
    /// Reads both. A file that cannot be read is skipped.
    pub(crate) fn read(env: &Env, home: Option<&Path>) -> Self {
        let mut files = Self::default();
        let config = path(env, env::AWS_CONFIG_FILE, home, ".aws/config");
        let credentials = path(env, env::AWS_SHARED_CREDENTIALS_FILE, home, ".aws/credentials");
        if let Some(path) = config {
            files.add(&path, |section| section.name(Kind::Profile));
        }
        if let Some(path) = credentials {
            // Names are bare there.
            files.add(&path, |section| Some(section.header.trim().to_owned()));
        }
        files
    }

    fn add(&mut self, path: &Path, profile: impl Fn(&Section<'_>) -> Option<String>) {
        let Ok(bytes) = private_file::read_plain(path, LIMIT) else { return };
        // Security: this can hold keys, so it is wiped.
        let bytes = zeroize::Zeroizing::new(bytes);
        let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        let ini = Ini::parse(&text);
        for section in &ini.sections {
            let Some(profile) = profile(section) else { continue };
            for item in &section.items {
                let (profile, path, line) =
                    (profile.clone(), path.to_owned(), item.lines.start + 1);
                if item.is("credential_process") {
                    let command = item.plain_value().to_owned();
                    self.processes.push(Process { profile, command, path, line });
                } else if item.is("aws_access_key_id") {
                    self.keys.push(Keys { profile, path, line });
                }
            }
        }
        self.faults.extend(ini.faults.into_iter().map(|fault| (path.to_owned(), fault)));
    }
}

fn path(env: &Env, var: Var, home: Option<&Path>, place: &str) -> Option<PathBuf> {
    match env.get_os(var) {
        Some(path) => Some(expanded(PathBuf::from(path), home)),
        None => Some(home?.join(place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_and_keys_are_found_in_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let (config, credentials) = (folder.path().join("config"), folder.path().join("keys"));
        let text = "[default]\nregion=x\n[profile \"a b\"]\n# credential_process = /no\n  credential_process : /p/x aws # ours\n  s3 =\n    aws_access_key_id = no\n[services x]\ncredential_process = /no\n[plain]\naws_access_key_id=AKIA\nregion\n";
        private_file::write(&config, text.as_bytes()).unwrap();
        private_file::write(&credentials, b"[a b]\n\taws_access_key_id: AKIA\n").unwrap();
        let env = Env::Fake(std::collections::HashMap::from([
            ("AWS_CONFIG_FILE", config.to_str().unwrap().to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap().to_owned()),
        ]));
        let files = AwsFiles::read(&env, None);
        let [process] = &files.processes[..] else { panic!("{files:?}") };
        assert_eq!((&*process.profile, &*process.command, process.line), ("a b", "/p/x aws", 5));
        let [keys] = &files.keys[..] else { panic!("{files:?}") };
        assert_eq!((&*keys.profile, keys.line), ("a b", 2));
        let [(path, fault)] = &files.faults[..] else { panic!("{files:?}") };
        assert_eq!((path, fault.line), (&config, 12));
    }
}
