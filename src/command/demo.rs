//! `demo`: the whole main job against the emulator, with no cloud account.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use super::emulator::not_started;
use crate::clock::{Clock, Deadline};
use crate::emulator::{Emulator, KeySize, Options, Route};
use crate::error::{Error, Result, plain};
use crate::http::{Endpoint, Http, Request};
use crate::output::Output;
use crate::private_file;

const AUDIENCE: &str = "https://k8s.example";

/// Show the main job against an emulated cloud: nothing to set up, nothing left behind
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
        let emulator = Emulator::start(Options::default()).map_err(|error| not_started(&error))?;
        let account = emulator.add_service_account("robot", "b1gemulated");
        say(
            output,
            &format!(
                "1. An emulated Yandex Cloud runs at {}, with service account {account}.",
                emulator.url()
            ),
        )?;

        let home = tempfile::tempdir().map_err(|error| failed(&plain(&error)))?;
        let key_file = home.path().join("key.json");
        let key = emulator.add_authorized_key(&account, KeySize::Rsa2048);
        private_file::write(&key_file, key.to_json().as_bytes())
            .map_err(|error| failed(&plain(&error)))?;
        say(output, &format!("2. Its authorized key is in {}.", key_file.display()))?;

        say(
            output,
            &format!("3. kubectl's exec plugin: yc-id-token kubectl --audience {AUDIENCE}"),
        )?;
        let (first, took) = run_plugin(&emulator, home.path(), &key_file)?;
        say(
            output,
            &format!(
                "\n{first}\n\n   from {} requests to the cloud, in {}.",
                requests(&emulator),
                millis(took)
            ),
        )?;

        emulator.clear_requests();
        let (second, took) = run_plugin(&emulator, home.path(), &key_file)?;
        if second != first || requests(&emulator) != 0 {
            return Err(failed("the second run was not answered from the cache"));
        }
        say(
            output,
            &format!(
                "4. The same again: answered from the cache, 0 requests, in {}, process start included.",
                millis(took)
            ),
        )?;

        let key_id = verify(&emulator, &first)?;
        say(
            output,
            &format!(
                "5. The token's signature is good by key `{key_id}` of {}.",
                emulator.jwks_url()
            ),
        )?;
        say(output, "\nTry it yourself: `yc-id-token emulator` keeps such a cloud running.")
    }
}

/// Runs this program as kubectl would, in a home of its own.
fn run_plugin(emulator: &Emulator, home: &Path, key_file: &Path) -> Result<(String, Duration)> {
    let program = std::env::current_exe().map_err(|error| failed(&plain(&error)))?;
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
    let result = command.output().map_err(|error| failed(&plain(&error)))?;
    let took = began.elapsed();
    if !result.status.success() {
        return Err(failed(String::from_utf8_lossy(&result.stderr).trim()));
    }
    Ok((String::from_utf8_lossy(&result.stdout).trim().to_owned(), took))
}

fn requests(emulator: &Emulator) -> usize {
    emulator.count(Route::IamToken) + emulator.count(Route::TokenExchange)
}

/// Checks the token of an `ExecCredential` as an API server does, and tells the key it is signed with.
fn verify(emulator: &Emulator, exec_credential: &str) -> Result<String> {
    let answer: Value =
        serde_json::from_str(exec_credential).map_err(|_| failed("the answer is not JSON"))?;
    let token =
        answer["status"]["token"].as_str().ok_or_else(|| failed("the answer holds no token"))?;
    let (signed, signature) =
        token.rsplit_once('.').ok_or_else(|| failed("the token is not a JWT"))?;
    let header: Value = decoded(token.split('.').next().unwrap_or_default())
        .and_then(|header| serde_json::from_slice(&header).ok())
        .ok_or_else(|| failed("the token has no header"))?;
    let keys = fetch_keys(emulator)?;
    let key = keys["keys"]
        .as_array()
        .and_then(|keys| keys.iter().find(|key| key["kid"] == header["kid"]));
    let key = key.ok_or_else(|| failed("the token's key is not published"))?;
    let component = |name: &str| {
        key[name].as_str().and_then(decoded).ok_or_else(|| failed("a published key is damaged"))
    };
    let public = RsaPublicKeyComponents { n: component("n")?, e: component("e")? };
    let signature = decoded(signature).ok_or_else(|| failed("the token is not signed"))?;
    public
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .map_err(|_| failed("the token's signature is wrong"))?;
    Ok(header["kid"].as_str().unwrap_or_default().to_owned())
}

fn fetch_keys(emulator: &Emulator) -> Result<Value> {
    let what = "the issuer's keys";
    let deadline = Deadline::within(Duration::from_secs(5));
    let http = Http::new(Clock::System, deadline, None, None);
    let client = http.client(&Endpoint::parse("issuer", emulator.url())?, what)?;
    let path = emulator.jwks_url().trim_start_matches(emulator.url()).to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&plain(&error)))?;
    let reply = runtime.block_on(client.send(&Request::get(what, &path)))?;
    serde_json::from_slice(&reply.body).map_err(|_| failed("the issuer's keys are not JSON"))
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn say(output: &mut Output<'_>, text: &str) -> Result<()> {
    output.write(format!("{text}\n").as_bytes())
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn failed(why: &str) -> Error {
    Error::Internal(format!("the demo failed: {why}"))
}
