//! `emulator`: Yandex Cloud's identity side on loopback, for trying out a trust policy without a cloud.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::emulator::{Emulator, KeySize, Options, StartError};
use crate::error::{Cause, Error, Result, plain, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::output::Output;
use crate::private_file;

/// Run Yandex Cloud IAM, its OIDC issuer and the metadata service on loopback
///
/// It makes a service account with an authorized key, prints how to point this program and its
/// consumers at it, and runs until it is interrupted.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: on the same address and with the same key whenever it is started
  yc-id-token emulator --listen 127.0.0.1:8080 --directory ~/emulated-cloud")]
pub struct Args {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve https, with a certificate authority of its own
    #[arg(long)]
    tls: bool,
    /// Issuer (`iss`) of the ID tokens [default: its own address]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Folder for the key and the certificate authority [default: a new one for temporary files]
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        let options = Options {
            address: self.listen,
            tls: self.tls,
            issuer: self.issuer.clone(),
            ..Options::default()
        };
        let emulator = Emulator::start(options).map_err(|error| not_started(&error))?;
        let account = emulator.add_service_account("robot", "b1gemulated");
        emulator.attach_to_instance(Some(&account));
        let temporary;
        let folder = if let Some(folder) = &self.directory {
            private_file::make_own_folder(folder).map_err(|error| unwritten(folder, &error))?;
            folder.as_path()
        } else {
            temporary =
                tempfile::tempdir().map_err(|error| unwritten(&std::env::temp_dir(), &error))?;
            temporary.path()
        };
        let url = ForeignText::new(emulator.url());
        let mut lines = vec![
            message!("Yandex Cloud's identity side runs at {url} until you press Ctrl-C.\n", url),
            message!("Issuer           {}", ForeignText::new(emulator.issuer())),
            message!("Key set (JWKS)   {}", ForeignText::new(&emulator.jwks_url())),
            message!("Service account  {}\n", ForeignText::new(&account)),
            "Point yc-id-token at it with:".into(),
            message!("  export YC_ID_TOKEN_IAM_ENDPOINT={url}", url),
            message!("  export YC_ID_TOKEN_OAUTH_ENDPOINT={url}", url),
        ];
        let key = folder.join("key.json");
        write(&key, &emulator.add_authorized_key(&account, KeySize::Rsa2048).to_json())?;
        lines.push(message!("  export YC_ID_TOKEN_KEY_FILE={}", shown(&key).quoted()));
        if let Some(ca) = emulator.ca_pem() {
            let file = folder.join("ca.pem");
            write(&file, ca)?;
            lines.push(message!("  export YC_ID_TOKEN_CA_FILE={}", shown(&file).quoted()));
        } else {
            let address = ForeignText::new(emulator.url().trim_start_matches("http://"));
            lines.push(message!("or, as a machine with a service account, without the key: export YC_METADATA_ADDR={address}", address));
        }
        lines.push("Then try:".into());
        lines.push("  yc-id-token token --audience https://k8s.example --decode".into());
        output.say(&Message::join(&lines, "\n"))?;
        wait_for_interrupt()
    }
}

/// The error for an emulator that does not start.
pub(super) fn not_started(error: &StartError) -> Error {
    let error = ForeignText::new(&error.to_string());
    Error::Internal(message!("the emulator does not start: {error}", error).into())
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    private_file::write(path, text.as_bytes()).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &std::path::Path, error: &std::io::Error) -> Error {
    Error::OutputFile { path: path.into(), cause: plain(error).into() }
}

fn wait_for_interrupt() -> Result<()> {
    let refused = |error: std::io::Error| {
        Error::Internal(Cause::from(error).context("cannot wait for Ctrl-C"))
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
    runtime.block_on(interrupted()).map_err(refused)
}

#[cfg(unix)]
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    // Ended either way, the temporary folder with the key goes.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    std::future::poll_fn(|context| {
        if terminated.poll_recv(context).is_ready() || interrupted.poll_recv(context).is_ready() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    Ok(())
}

#[cfg(not(unix))]
async fn interrupted() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
