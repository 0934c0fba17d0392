//! The AWS clients that users have, in the sandbox, where they reach only loopback.

use std::path::Path;
use std::process::Command;

use super::peer;
use crate::sandbox::{Outcome, Sandbox};

/// A real client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Client {
    /// The AWS CLI, version 1.
    Cli,
    Boto3,
    /// It gets credentials only from the `credential_process` of a profile.
    JavaScript,
    Rust,
}

/// Configures the addresses of STS and S3 for every client. Otherwise they would call AWS.
pub fn set_up(sandbox: &mut Sandbox, endpoint: &str) {
    sandbox.set("AWS_ENDPOINT_URL", endpoint);
    sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
    sandbox.set("AWS_REGION", "eu-central-1");
    // The CLI only reads this one.
    sandbox.set("AWS_DEFAULT_REGION", "eu-central-1");
}

/// Makes a client write an object, and print what it then reads back.
pub fn put_get(sandbox: &Sandbox, client: Client, bucket: &str, key: &str, text: &str) -> Outcome {
    let mut command = match client {
        Client::Cli => return put_get_by_cli(sandbox, &format!("s3://{bucket}/{key}"), text),
        Client::Boto3 => boto3(sandbox),
        Client::JavaScript => {
            let mut command = sandbox.other_command(peer("aws-venv/bin/node"));
            command.arg(peer("aws-javascript/put_get.mjs"));
            command
        }
        Client::Rust => sandbox.other_command(peer("aws-rust/debug/aws-rust")),
    };
    command.args([bucket, key, text]);
    sandbox.finish(command)
}

/// The AWS CLI with these arguments, not started yet.
pub fn cli(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.other_command(peer("aws-venv/bin/aws"));
    command.args(arguments);
    command
}

/// The distinct access keys of fifty requests of one program with boto3.
pub fn access_keys_of_fifty_requests(sandbox: &Sandbox) -> Vec<String> {
    let mut command = boto3(sandbox);
    command.arg("--credentials");
    sandbox.finish(command).ok().lines().map(str::to_owned).collect()
}

fn boto3(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.other_command(peer("aws-venv/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/aws-python/put_get.py"));
    command
}

/// The CLI needs two runs. If the first fails, there is no second.
fn put_get_by_cli(sandbox: &Sandbox, url: &str, text: &str) -> Outcome {
    let file = sandbox.write("object", &format!("{text}\n"));
    let copy = |from: &str, to: &str| {
        sandbox.finish(cli(sandbox, &["s3", "cp", "--only-show-errors", from, to]))
    };
    let written = copy(file.to_str().unwrap(), url);
    if written.status.success() { copy(url, "-") } else { written }
}
