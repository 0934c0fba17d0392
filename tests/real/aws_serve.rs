//! AWS clients that get their keys from the endpoint of `exec --aws --serve`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::aws::{Client, set_up};
use super::moto::Moto;
use super::seaweedfs::{BUCKET, SeaweedFs};
use super::{aws, peer};
use crate::fake_sts::{Answer, FakeSts};
use crate::sandbox::{Outcome, Sandbox};

/// The clients that support the container endpoint.
const CLIENTS: [Client; 3] = [Client::Cli, Client::Boto3, Client::Rust];

/// Runs a command beside its endpoint.
fn beside(sandbox: &Sandbox, command: &Command) -> Outcome {
    let mut exec = sandbox.command(&["exec", "--aws", "--serve", "--"]);
    exec.arg(command.get_program()).args(command.get_args());
    sandbox.finish(exec)
}

fn boto3(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.other_command(peer("aws-venv/bin/python"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/aws-python/put_get.py");
    command.arg(script).args(arguments);
    command
}

#[test]
fn the_clients_of_aws_store_objects_with_the_keys_of_an_endpoint() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    set_up(&mut sandbox, &store.url());
    sandbox.set("YC_ID_TOKEN_AWS_ROLE_ARN", SeaweedFs::role_arn("writer"));
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "s3");
    // A proxy that is not running, and that no client uses for loopback.
    for name in ["HTTP_PROXY", "http_proxy"] {
        sandbox.set(name, "http://127.0.0.1:9");
    }
    // Keys that clients would prefer.
    sandbox.write(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = wrong\n",
    );
    let file = sandbox.write("object", "text\n");
    for client in CLIENTS {
        let command = match client {
            Client::Cli => {
                let url = format!("s3://{BUCKET}/object");
                let copy = ["s3", "cp", "--only-show-errors", file.to_str().unwrap(), &url];
                assert_eq!(beside(&sandbox, &aws::cli(&sandbox, &copy)).ok(), "");
                aws::cli(&sandbox, &["s3", "cp", "--only-show-errors", &url, "-"])
            }
            Client::Rust => {
                let mut command = sandbox.other_command(peer("aws-rust/debug/aws-rust"));
                command.args([BUCKET, "object", "text"]);
                command
            }
            Client::Boto3 | Client::JavaScript => boto3(&sandbox, &[BUCKET, "object", "text"]),
        };
        assert_eq!(beside(&sandbox, &command).ok(), "text\n", "{client:?}");
    }
}

#[test]
fn a_program_with_boto3_runs_longer_than_its_keys() {
    let mut sandbox = Sandbox::new();
    let sts = FakeSts::start(&mut sandbox);
    sts.script((0..100).map(|_| Answer::Keys(Duration::from_secs(6))));
    let printed = beside(&sandbox, &boto3(&sandbox, &["--rotations", "3"])).ok();
    assert_eq!(printed, "ASIA1\nASIA2\nASIA3\n");
}

#[test]
fn fifty_requests_of_one_program_are_made_with_the_same_keys() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    set_up(&mut sandbox, &moto.url());
    sandbox.set("YC_ID_TOKEN_AWS_ROLE_ARN", SeaweedFs::role_arn("writer"));
    let printed = beside(&sandbox, &boto3(&sandbox, &["--credentials"])).ok();
    assert_eq!(printed.lines().count(), 1, "{printed}");
}
