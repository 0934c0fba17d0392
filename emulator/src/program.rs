//! The program: a cloud with one service account, and the variables that connect a client to it, until Ctrl-C.
//!
//! `yc-id-token-emulator` and `yc-id-token emulator` both use this. They differ in how they print.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{Emulator, KeySize, Options, StartError};

/// Emulate Yandex Cloud IAM, its OIDC issuer and the metadata service on loopback
///
/// It creates a service account with an authorized key, prints the settings for yc-id-token and its
/// consumers, and runs until it is interrupted.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Args {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve HTTPS with a new certificate authority
    #[arg(long)]
    tls: bool,
    /// Issuer (`iss`) of the ID tokens [default: the URL of the emulator]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Folder for the key and the certificate authority [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
    /// Serve the ID of the service account in the metadata service (not documented by Yandex Cloud)
    #[arg(long)]
    metadata_names_account: bool,
    /// Only `subject_token_type` that the token exchange accepts [default: urn:yandex-cloud:token-type:subject_id]
    #[arg(long, value_name = "URN")]
    accept_subject_token_type: Option<String>,
}

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The emulator could not be started.
    #[error("the emulator does not start")]
    Start(#[source] StartError),
    /// The key, the certificate authority, or the folder for them could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The signals that end the program cannot be waited for.
    #[error("cannot wait for Ctrl-C")]
    Wait(#[source] io::Error),
}

/// An emulator that runs for a user at a terminal.
pub struct Running {
    emulator: Emulator,
    account: String,
    key: PathBuf,
    ca: Option<PathBuf>,
    metadata_names_account: bool,
    runtime: Runtime,
    signals: Signals,
    /// Deletes the folder with the key when dropped.
    _temporary: Option<TempDir>,
}

impl Args {
    /// Starts the emulator and writes its files. Only this user can read them.
    pub fn start(&self) -> Result<Running, Error> {
        // First, so that no signal ends the program before its files are removed.
        let (runtime, signals) = listen().map_err(Error::Wait)?;
        let options = Options {
            address: self.listen,
            tls: self.tls,
            issuer: self.issuer.clone(),
            ..Options::default()
        };
        let emulator = Emulator::start_with(options).map_err(Error::Start)?;
        let account = emulator.add_service_account("robot", "b1gemulated");
        emulator.attach_to_instance(Some(&account));
        emulator.name_attached_account(self.metadata_names_account);
        if let Some(accepted) = &self.accept_subject_token_type {
            emulator.accept_subject_token_type(accepted);
        }

        let (folder, temporary) = match &self.directory {
            Some(folder) => {
                make_folder(folder).map_err(|source| unwritten(folder, source))?;
                (folder.clone(), None)
            }
            None => {
                let temporary =
                    TempDir::new().map_err(|source| unwritten(&std::env::temp_dir(), source))?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let key = folder.join("key.json");
        write(&key, &emulator.add_authorized_key(&account, KeySize::Rsa2048).to_json())?;
        let ca = emulator.ca_pem().map(|pem| (folder.join("ca.pem"), pem));
        let ca = ca.map(|(path, pem)| write(&path, pem).map(|()| path)).transpose()?;
        let metadata_names_account = self.metadata_names_account;
        Ok(Running {
            emulator,
            account,
            key,
            ca,
            metadata_names_account,
            runtime,
            signals,
            _temporary: temporary,
        })
    }
}

impl Running {
    /// The lines to print: the emulator's address, and the variables to export.
    pub fn instructions(&self) -> Vec<String> {
        let url = self.emulator.url();
        let mut lines = vec![
            format!("Yandex Cloud's identity side runs at {url} until you press Ctrl-C."),
            String::new(),
            format!("Issuer           {}", self.emulator.issuer()),
            format!("Key set (JWKS)   {}", self.emulator.jwks_url()),
            format!("Service account  {}", self.account),
            String::new(),
            "Point yc-id-token at it with:".into(),
            format!("  export YC_ID_TOKEN_IAM_ENDPOINT={url}"),
            format!("  export YC_ID_TOKEN_OAUTH_ENDPOINT={url}"),
            format!("  export YC_ID_TOKEN_KEY_FILE={}", quoted(&self.key)),
        ];
        lines.push(match &self.ca {
            Some(ca) => format!("  export YC_ID_TOKEN_CA_FILE={}", quoted(ca)),
            None => {
                let address = url.trim_start_matches("http://");
                let account = if self.metadata_names_account {
                    String::new()
                } else {
                    format!(" YC_ID_TOKEN_SERVICE_ACCOUNT={}", self.account)
                };
                format!("or, as a machine with a service account, without the key: export YC_METADATA_ADDR={address}{account}")
            }
        });
        lines.push("Then try:".into());
        lines.push("  yc-id-token token --audience https://k8s.example --decode".into());
        lines
    }

    /// Runs until Ctrl-C or SIGTERM, then stops the emulator and deletes the temporary folder.
    pub fn wait(mut self) {
        self.runtime.block_on(self.signals.received());
    }
}

/// Starts listening for the signals that end the program.
fn listen() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = runtime.block_on(async { Signals::listen() })?;
    Ok((runtime, signals))
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn received(&mut self) {
        self.0.recv().await;
    }
}

/// Creates the folder, closed to other users, unless it exists.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file of mode 0600 atomically.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(folder)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.persist(path).map_err(|error| error.error)
        })
        .map(drop)
        .map_err(|source| unwritten(path, source))
}

fn unwritten(path: &Path, source: io::Error) -> Error {
    Error::Write { path: path.into(), source }
}

/// A path as one word of a POSIX shell.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~@%:,=".contains(c);
    if path.chars().all(plain) {
        path.into_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("/home/me/key.json")), "/home/me/key.json");
        assert_eq!(quoted(Path::new("/home/a b/it's.json")), r"'/home/a b/it'\''s.json'");
    }
}
