//! `demo`: gets an ID token from the emulator twice and verifies it. It needs no cloud account.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use yc_id_token_emulator::{Emulator, KeySize, Route};

use super::emulator::not_started;
use crate::clock::{Clock, Deadline};
use crate::error::{Cause, Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::http::Http;
use crate::jwt;
use crate::message;
use crate::output::Output;
use crate::private_file;
use crate::runtime;
use crate::source::Issuer;

const AUDIENCE: &str = "https://k8s.example";

/// Show how it works with an emulated cloud, without any setup
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  yc-id-token demo")]
pub struct Args {}

impl Args {
    #[expect(
        clippy::unused_self,
        reason = "every command is run by its arguments, and this one has none"
    )]
    pub(super) fn run(&self, output: &mut Output<'_>) -> Result<()> {
        let emulator = Emulator::start().map_err(|error| not_started(&error))?;
        let account = emulator.add_service_account("robot", "b1gemulated");
        output.say(&message!(
            "1. An emulated Yandex Cloud runs at {}, with service account {}.",
            ForeignText::new(emulator.url()),
            ForeignText::new(&account)
        ))?;

        let home = tempfile::tempdir().map_err(failed)?;
        let key_file = home.path().join("key.json");
        let key = emulator.add_authorized_key(&account, KeySize::Rsa2048);
        private_file::write(&key_file, key.to_json().as_bytes()).map_err(failed)?;
        output.say(&message!("2. Its authorized key is in {}.", shown(&key_file)))?;

        output.say(&message!(
            "3. kubectl's exec plugin: yc-id-token kubectl --audience {AUDIENCE}\n",
            AUDIENCE
        ))?;
        let (first, took) = run_plugin(&emulator, home.path(), &key_file)?;
        // The output of the plugin. The token is valid only in this emulated cloud.
        output.document(format!("{first}\n").as_bytes())?;
        output.say(&message!(
            "\n   from {} requests to the cloud, in {}.",
            requests(&emulator),
            millis(took)
        ))?;

        emulator.clear_requests();
        let (second, took) = run_plugin(&emulator, home.path(), &key_file)?;
        if second != first || requests(&emulator) != 0 {
            return Err(failed("the second run was not answered from the cache"));
        }
        output.say(&message!(
            "4. The same again: answered from the cache, 0 requests, in {}, process start included.",
            millis(took)
        ))?;

        let key_id = verify(&emulator, &first)?;
        output.say(&message!(
            "5. The token's signature is good by key `{}` of {}.",
            ForeignText::new(&key_id),
            ForeignText::new(&emulator.jwks_url())
        ))?;
        // Only a build with the emulator has that command, and another build may be on the PATH.
        let program = std::env::current_exe().map_err(failed)?;
        output.say(&message!(
            "\nTry it yourself: `{} emulator` keeps such a cloud running.",
            shown(&program).quoted()
        ))
    }
}

/// Runs this program as kubectl would, in a separate home folder.
fn run_plugin(emulator: &Emulator, home: &Path, key_file: &Path) -> Result<(String, Duration)> {
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command
        .args(["kubectl", "--audience", AUDIENCE])
        .env_clear()
        .env("HOME", home)
        .env("LOCALAPPDATA", home)
        .env("APPDATA", home)
        .env("YC_ID_TOKEN_KEY_FILE", key_file)
        .env("YC_ID_TOKEN_IAM_ENDPOINT", emulator.url())
        .env("YC_ID_TOKEN_OAUTH_ENDPOINT", emulator.url());
    let began = Instant::now();
    let result = command.output().map_err(failed)?;
    let took = began.elapsed();
    if !result.status.success() {
        return Err(failed(Message::from(ForeignText::output(&result.stderr))));
    }
    Ok((String::from_utf8_lossy(&result.stdout).trim().to_owned(), took))
}

fn requests(emulator: &Emulator) -> usize {
    emulator.count(Route::IamToken) + emulator.count(Route::TokenExchange)
}

/// Verifies the token of an `ExecCredential` as an API server does, and returns the ID of its key.
fn verify(emulator: &Emulator, exec_credential: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(exec_credential)
        .map_err(|error| failed(message!("the answer is not JSON: {}", Cause::new(error))))?;
    let token =
        answer["status"]["token"].as_str().ok_or_else(|| failed("the answer holds no token"))?;
    let deadline = Deadline::within(Duration::from_secs(5));
    let http = Http::new(Clock::System, deadline, None, None);
    let issuer = runtime::finish(Issuer::fetch(emulator.issuer(), &http))?;
    jwt::verify(token, &issuer.keys).map_err(failed)
}

fn millis(duration: Duration) -> Message {
    message!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn failed(why: impl Into<Cause>) -> Error {
    Error::Internal(why.into().context("cannot run the demo"))
}
