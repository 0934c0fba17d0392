//! Profiles in AWS's own files that run a helper, or have their own keys, for `doctor`.

use std::path::{Path, PathBuf};

use crate::env::{self, Env};

use super::config_file::{aws_file, read_text};
use super::ini::{Fault, Ini, Kind, Section};

/// The profiles in AWS's own files.
#[derive(Debug, Default)]
pub struct AwsFiles {
    /// The command lines of the profiles that get their keys from a program.
    pub processes: Vec<(Place, String)>,
    /// Places of keys in profiles. The keys themselves are not read.
    pub keys: Vec<Place>,
    /// The lines for which botocore rejects the whole file.
    pub faults: Vec<(PathBuf, Fault)>,
}

/// A line of a profile, counted from 1.
#[derive(Debug)]
pub struct Place {
    pub profile: String,
    pub path: PathBuf,
    pub line: usize,
}

impl AwsFiles {
    /// Reads both files. A file that cannot be read is skipped.
    pub fn read(env: &Env, home: Option<&Path>) -> Self {
        let mut files = Self::default();
        let config = aws_file(env, env::AWS_CONFIG_FILE, home, "config");
        let credentials = aws_file(env, env::AWS_SHARED_CREDENTIALS_FILE, home, "credentials");
        if let Some(path) = config {
            files.add(&path, |section| section.name(Kind::Profile));
        }
        if let Some(path) = credentials {
            // In this file, headers are profile names without a prefix.
            files.add(&path, |section| Some(section.header.trim().to_owned()));
        }
        files
    }

    fn add(&mut self, path: &Path, profile: impl Fn(&Section<'_>) -> Option<String>) {
        let Some(text) = read_text(path) else { return };
        let ini = Ini::parse(&text);
        for section in &ini.sections {
            let Some(profile) = profile(section) else { continue };
            for item in &section.items {
                let (path, line) = (path.to_owned(), item.lines.start + 1);
                let place = Place { profile: profile.clone(), path, line };
                if item.is("credential_process") {
                    self.processes.push((place, item.plain_value().to_owned()));
                } else if item.is("aws_access_key_id") {
                    self.keys.push(place);
                }
            }
        }
        self.faults.extend(ini.faults.into_iter().map(|fault| (path.to_owned(), fault)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_file;

    #[test]
    fn helpers_and_keys_are_found_in_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let (config, credentials) = (folder.path().join("config"), folder.path().join("keys"));
        let text = "[default]\nregion=x\n[profile \"a b\"]\n# credential_process = /no\n  credential_process : /p/x aws # a comment\n  s3 =\n    aws_access_key_id = no\n[services x]\ncredential_process = /no\n[plain]\naws_access_key_id=AKIA\nregion\n";
        private_file::write(&config, text.as_bytes()).unwrap();
        private_file::write(&credentials, b"[a b]\n\taws_access_key_id: AKIA\n").unwrap();
        let env = Env::Fake(std::collections::HashMap::from([
            ("AWS_CONFIG_FILE", config.to_str().unwrap().to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap().to_owned()),
        ]));
        let files = AwsFiles::read(&env, None);
        let [(process, command)] = &files.processes[..] else { panic!("{files:?}") };
        assert_eq!((&*process.profile, &**command, process.line), ("a b", "/p/x aws", 5));
        let [keys] = &files.keys[..] else { panic!("{files:?}") };
        assert_eq!((&*keys.profile, keys.line), ("a b", 2));
        let [(path, fault)] = &files.faults[..] else { panic!("{files:?}") };
        assert_eq!((path, fault.line), (&config, 12));
    }
}
