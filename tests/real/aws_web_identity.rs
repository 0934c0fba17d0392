//! AWS clients that exchange the ID token themselves, from a file of `token --output` or an agent.

use std::fs;
use std::path::Path;

use super::aws::{Client, access_keys_of_fifty_requests, cli, put_get, set_up};
use super::moto::Moto;
use super::seaweedfs::{BUCKET, SeaweedFs};
use crate::agent::{Agent, file};
use crate::sandbox::{Sandbox, eventually};

/// The clients that support `AWS_WEB_IDENTITY_TOKEN_FILE`.
const CLIENTS: [Client; 3] = [Client::Cli, Client::Boto3, Client::Rust];

/// Writes a token for an audience to the file that the clients are configured with, to assume a role.
fn sign_in(sandbox: &mut Sandbox, endpoint: &str, audience: &str, role: &str) {
    let file = sandbox.home().join("aws.jwt");
    sandbox.may_hold_secrets(&file);
    let output = format!("--output={}", file.display());
    let audience = format!("--audience={audience}");
    assert_eq!(sandbox.run(&["token", &audience, &output]).ok(), "");
    look_for(sandbox, endpoint, &file, role);
}

/// Configures the clients with a token file, to assume a role.
fn look_for(sandbox: &mut Sandbox, endpoint: &str, file: &Path, role: &str) {
    set_up(sandbox, endpoint);
    sandbox.set("AWS_WEB_IDENTITY_TOKEN_FILE", file);
    sandbox.set("AWS_ROLE_ARN", SeaweedFs::role_arn(role));
    sandbox.set("AWS_ROLE_SESSION_NAME", "robot");
}

#[test]
fn the_clients_of_aws_store_objects_with_a_token_file() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    sign_in(&mut sandbox, &store.url(), "s3", "writer");
    for client in CLIENTS {
        let text = format!("by {client:?}");
        let outcome = put_get(&sandbox, client, BUCKET, "object", &text);
        assert_eq!(outcome.ok(), format!("{text}\n"));
    }
    assert_eq!(sandbox.token_requests(), (1, 1));
}

#[test]
fn the_clients_of_aws_store_objects_with_the_file_of_an_agent() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    let token = file(&sandbox, "aws.jwt");
    look_for(&mut sandbox, &store.url(), &token, "writer");
    let arguments = ["--audience=s3", "--file", token.to_str().unwrap()];
    for refresh in [&[][..], &["--force-refresh"]] {
        let before = fs::read_to_string(&token).unwrap_or_default();
        let agent = Agent::start(&sandbox, &[&arguments[..], refresh].concat());
        eventually("the agent has written it", || {
            fs::read_to_string(&token).is_ok_and(|token| token != before)
        });
        for client in CLIENTS {
            let text = format!("by {client:?}, {refresh:?}");
            let outcome = put_get(&sandbox, client, BUCKET, "object", &text);
            assert_eq!(outcome.ok(), format!("{text}\n"));
        }
        sandbox.run(&[&["agent", "check"], &arguments[..]].concat()).ok();
        agent.terminate().ok();
    }
}

#[test]
fn the_clients_of_aws_work_with_an_issuer_over_tls() {
    let mut sandbox = Sandbox::with_tls();
    sandbox.set("YC_ID_TOKEN_CA_FILE", sandbox.home().join("ca.pem"));
    let store = SeaweedFs::with_writer(&sandbox);
    sign_in(&mut sandbox, &store.url(), "s3", "writer");
    assert_eq!(put_get(&sandbox, Client::Rust, BUCKET, "object", "text").ok(), "text\n");
}

#[test]
fn fifty_requests_of_one_program_are_made_with_one_set_of_credentials() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    sign_in(&mut sandbox, &moto.url(), "s3", "writer");
    assert_eq!(access_keys_of_fifty_requests(&sandbox).len(), 1);
}

#[test]
fn a_token_for_another_audience_or_account_is_rejected() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    for (audience, role) in [("elsewhere", "writer"), ("s3", "other")] {
        sign_in(&mut sandbox, &store.url(), audience, role);
        for client in CLIENTS {
            let outcome = put_get(&sandbox, client, BUCKET, "object", "text");
            assert!(!outcome.status.success(), "{client:?}: {outcome:?}");
            assert!(outcome.stderr.contains("AccessDenied"), "{client:?}: {outcome:?}");
        }
    }
}

#[test]
fn a_role_gives_no_right_to_another_bucket() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    sign_in(&mut sandbox, &store.url(), "s3", "writer");
    let outcome = sandbox.finish(cli(&sandbox, &["s3", "mb", "s3://another"]));
    assert!(outcome.stderr.contains("AccessDenied"), "{outcome:?}");
}

#[test]
fn the_cli_gets_its_identity_from_aws() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    sign_in(&mut sandbox, &moto.url(), "s3", "writer");
    let identity = ["sts", "get-caller-identity", "--query=Arn", "--output=text"];
    let arn = sandbox.finish(cli(&sandbox, &identity)).ok();
    assert_eq!(arn, "arn:aws:sts::123456789012:assumed-role/writer/robot\n");
}
