//! Certificate authorities from settings: PEM files, folders and text, read as leniently as other programs do. A
//! malformed block is logged and skipped; the others are used.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::debug;

use super::server_options::Authorities;
use crate::env::{self, Env};
use crate::error::{Error, Result, plain, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::private_file;

/// Four times the size of a bundle of all public authorities.
pub(super) const BUNDLE_LIMIT: u64 = 4 * 1024 * 1024;

pub(super) const PEM_CERTIFICATES: &str = "give a file with `-----BEGIN CERTIFICATE-----` blocks";

/// Whether the system's authorities are in files, which variables can replace. macOS and Windows have a store, and
/// ignore the variables.
pub(super) const ARE_IN_FILES: bool = cfg!(not(any(target_os = "macos", windows)));

const FILE: &str = "the certificate authority file";
const FOLDER: &str = "the folder of certificate authorities";

/// The content of a PEM text.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// The numbers, from 1, of malformed certificate blocks.
    malformed: Vec<usize>,
}

impl Bundle {
    /// Reads the blocks of a PEM text (RFC 7468).
    pub(super) fn parse(pem: &[u8]) -> Self {
        let mut bundle = Self::default();
        for (index, certificate) in decoded_blocks(pem).enumerate() {
            match certificate {
                Some(certificate) if is_certificate(&certificate) => {
                    bundle.certificates.push(certificate);
                }
                _ => bundle.malformed.push(index + 1),
            }
        }
        bundle
    }

    /// Why there is no certificate, if there is none.
    pub(super) fn problem(&self) -> Option<Message> {
        match (self.certificates.is_empty(), self.malformed.len()) {
            (false, _) => None,
            (true, 0) => Some("holds no PEM certificate".into()),
            (true, 1) => Some("holds one PEM certificate, which is malformed".into()),
            (true, count) => {
                Some(message!("holds {count} PEM certificates, all of them malformed", count))
            }
        }
    }

    /// Names the skipped blocks, if there are any.
    fn left_out(&self, path: &Path) -> Option<Message> {
        if self.malformed.is_empty() {
            return None;
        }
        let numbers: Vec<Message> =
            self.malformed.iter().map(|number| message!("{number}", number)).collect();
        Some(message!(
            "certificate {} of {} is malformed and skipped",
            Message::join(&numbers, ", "),
            shown(path)
        ))
    }
}

/// The certificate blocks of a PEM text, in their order. `None` is one that is no PEM.
fn decoded_blocks(pem: &[u8]) -> impl Iterator<Item = Option<CertificateDer<'static>>> {
    certificate_blocks(pem).into_iter().map(|block| CertificateDer::from_pem_slice(block).ok())
}

/// The text from each `BEGIN CERTIFICATE` to the next block's beginning.
fn certificate_blocks(pem: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let begins = |at: &usize| pem[*at..].starts_with(BEGIN);
    let starts: Vec<usize> = memchr::memchr_iter(b'-', pem).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([pem.len()]);
    let blocks = starts.iter().zip(ends).map(|(start, end)| &pem[*start..end]);
    blocks.filter(|block| block.starts_with(b"-----BEGIN CERTIFICATE-----")).collect()
}

fn is_certificate(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

/// Reads the authorities that a server's settings name.
pub(super) fn read(authorities: &Authorities) -> Result<Vec<CertificateDer<'static>>> {
    match authorities {
        Authorities::File(path) => read_file(path),
        Authorities::Folder(path) => read_folder(path),
        Authorities::Text { pem, origin } => {
            let bundle = Bundle::parse(pem.as_bytes());
            match bundle.problem() {
                None => Ok(bundle.certificates),
                Some(problem) => Err(Error::Value {
                    origin: ForeignText::new(origin).into(),
                    problem: message!("the certificate authority {problem}", problem),
                }),
            }
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = private_file::read_plain(path, BUNDLE_LIMIT)
        .map_err(|error| Error::unreadable(FILE, path, error))?;
    let bundle = Bundle::parse(&pem);
    if let Some(problem) = bundle.problem() {
        return Err(Error::IdentityFile {
            what: FILE,
            path: path.into(),
            problem: problem.into(),
            hint: PEM_CERTIFICATES.into(),
        });
    }
    if let Some(left_out) = bundle.left_out(path) {
        debug!("{left_out}");
    }
    Ok(bundle.certificates)
}

/// Reads all files of a folder. Files without certificates are allowed, and pipes are skipped.
fn read_folder(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let entries =
        std::fs::read_dir(path).map_err(|error| Error::unreadable(FOLDER, path, error))?;
    let files = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.is_file())
        .filter_map(|file| private_file::read_plain(&file, BUNDLE_LIMIT).ok());
    let found: Vec<_> = files.flat_map(|pem| Bundle::parse(&pem).certificates).collect();
    if found.is_empty() {
        return Err(Error::IdentityFile {
            what: FOLDER,
            path: path.into(),
            problem: "holds no file with a PEM certificate".into(),
            hint: "give a folder of files with `-----BEGIN CERTIFICATE-----` blocks".into(),
        });
    }
    Ok(found)
}

/// The authorities of `SSL_CERT_FILE` and `SSL_CERT_DIR`, which replace the system's if one is set. Unreadable files
/// are skipped.
pub(super) fn of_environment(env: &Env) -> Option<RootCertStore> {
    if !ARE_IN_FILES {
        return None;
    }
    let (file, folders) = (env.get(env::SSL_CERT_FILE), env.get(env::SSL_CERT_DIR));
    if file.is_none() && folders.is_none() {
        return None;
    }
    let mut found = RootCertStore::empty();
    if let Some(file) = file {
        add_file(&mut found, Path::new(&file));
    }
    for folder in std::env::split_paths(&folders.unwrap_or_default()) {
        found.add_parsable_certificates(read_folder(&folder).unwrap_or_default());
    }
    Some(found)
}

/// The authorities of the system's bundle, which is one file. Empty if there is none.
#[cfg(not(any(target_os = "macos", windows)))]
pub(super) fn of_bundle() -> RootCertStore {
    let mut found = RootCertStore::empty();
    if let Some(file) = openssl_probe::probe().cert_file {
        add_file(&mut found, &file);
    }
    found
}

/// The authorities of the system's folders. They have hundreds of files, and most of these are in the bundle too.
#[cfg(not(any(target_os = "macos", windows)))]
pub(super) fn of_folders() -> RootCertStore {
    let mut found = RootCertStore::empty();
    for folder in openssl_probe::candidate_cert_dirs() {
        found.add_parsable_certificates(read_folder(folder).unwrap_or_default());
    }
    found
}

/// Adds the certificates of a file, and skips malformed ones. They are decoded one by one, because a bundle is large.
fn add_file(found: &mut RootCertStore, path: &Path) {
    let pem = private_file::read_plain(path, BUNDLE_LIMIT).unwrap_or_default();
    found.add_parsable_certificates(decoded_blocks(&pem).flatten());
}

/// Problems of the authorities of `ca_file`, and of those that the environment puts in place of the system's. The
/// other authorities may be enough.
pub(super) fn authority_problems(ca_file: Option<&Path>, env: &Env) -> Vec<Message> {
    let given = ca_file.and_then(|path| {
        Bundle::parse(&private_file::read_plain(path, BUNDLE_LIMIT).ok()?).left_out(path)
    });
    given.into_iter().chain(environment_problem(env)).collect()
}

/// Problems of `SSL_CERT_FILE` and `SSL_CERT_DIR`, which replace the system's authorities (OpenSSL's
/// `SSL_CTX_set_default_verify_paths`).
pub(super) fn environment_problem(env: &Env) -> Option<Message> {
    if !ARE_IN_FILES {
        return None;
    }
    if let Some(file) = env.get(env::SSL_CERT_FILE) {
        let path = Path::new(&file);
        return match private_file::read_plain(path, BUNDLE_LIMIT) {
            Err(error) => Some(message!(
                "SSL_CERT_FILE names {}, which cannot be read: {}",
                shown(path),
                plain(&error)
            )),
            Ok(pem) => {
                let bundle = Bundle::parse(&pem);
                match bundle.problem() {
                    Some(problem) => Some(message!(
                        "SSL_CERT_FILE names {}, which {problem}",
                        shown(path),
                        problem
                    )),
                    None => bundle.left_out(path),
                }
            }
        };
    }
    let folders = env.get(env::SSL_CERT_DIR)?;
    let unusable = |path: &Path| read_folder(path).is_err();
    std::env::split_paths(&folders).all(|path| unusable(&path)).then(|| {
        message!(
            "SSL_CERT_DIR names {}, where no certificate can be read",
            ForeignText::new(&folders)
        )
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of others")]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn certificate(name: &str) -> String {
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn a_malformed_block_does_not_hide_the_others() {
        let good = certificate("good.example");
        let malformed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_base64 = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nMIIB\n";
        for bad in [malformed, no_base64, cut] {
            let bundle = Bundle::parse(format!("{bad}# a comment\n{good}").as_bytes());
            assert_eq!(
                (bundle.certificates.len(), bundle.malformed.clone()),
                (1, vec![1]),
                "{bad}"
            );
            let bundle = Bundle::parse(format!("{good}{bad}").as_bytes());
            assert_eq!(
                (bundle.certificates.len(), bundle.malformed.clone()),
                (1, vec![2]),
                "{bad}"
            );
            assert_eq!(
                bundle.left_out(Path::new("/ca.pem")).unwrap().as_str(),
                "certificate 2 of /ca.pem is malformed and skipped"
            );
            let problem = Bundle::parse(bad.as_bytes()).problem().unwrap();
            assert_eq!(problem.as_str(), "holds one PEM certificate, which is malformed");
        }
    }

    #[test]
    fn a_key_beside_the_certificate_is_ignored() {
        let key = "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n";
        let bundle = Bundle::parse(format!("{key}{}", certificate("a.example")).as_bytes());
        assert_eq!((bundle.certificates.len(), bundle.malformed.len()), (1, 0));
        assert_eq!(Bundle::parse(b"").problem().unwrap().as_str(), "holds no PEM certificate");
    }

    #[test]
    fn a_variable_without_authorities_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("empty.pem"), "").unwrap();
        std::fs::write(path("good.pem"), certificate("good.example")).unwrap();
        let problem = |name: &'static str, value: String| {
            let env = Env::Fake(HashMap::from([(name, value)]));
            environment_problem(&env).map(|problem| problem.to_string()).unwrap_or_default()
        };
        assert!(problem("SSL_CERT_FILE", path("none.pem")).contains("no such file or directory"));
        assert!(problem("SSL_CERT_FILE", path("empty.pem")).ends_with("holds no PEM certificate"));
        assert_eq!(problem("SSL_CERT_FILE", path("good.pem")), "");
        assert!(problem("SSL_CERT_DIR", path("nowhere")).starts_with("SSL_CERT_DIR names"));
    }
}
