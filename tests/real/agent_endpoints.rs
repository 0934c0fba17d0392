//! The endpoints of an agent with the AWS SDKs and Google's libraries.

use std::fs;

use super::aws::{Client, access_keys_of_fifty_requests, put_get, set_up};
use super::documents::{Document, filled_in};
use super::free_port;
use super::moto::Moto;
use super::seaweedfs::{BUCKET, SeaweedFs};
use crate::agent::{Agent, file};
use crate::sandbox::{Sandbox, eventually};

/// The clients that support the container endpoint.
const CLIENTS: [Client; 3] = [Client::Cli, Client::Boto3, Client::Rust];

/// Configures clients to get keys from an agent, and returns its arguments.
fn container(sandbox: &mut Sandbox, endpoint: &str, audience: &str) -> Vec<String> {
    set_up(sandbox, endpoint);
    let secret = file(sandbox, "secret");
    let address = format!("127.0.0.1:{}", free_port());
    sandbox.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/"));
    sandbox.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", secret.clone());
    sandbox.set("YC_ID_TOKEN_AWS_ROLE_ARN", SeaweedFs::role_arn("writer"));
    let audience = format!("--audience={audience}");
    let secret = format!("--secret-file={}", secret.display());
    let listen = format!("--listen={address}");
    vec!["--serve=aws-container".into(), listen, secret, audience]
}

fn start<'a>(sandbox: &'a Sandbox, arguments: &[String]) -> Agent<'a> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ready = |sandbox: &Sandbox| sandbox.log().matches("has a new credential").count();
    let before = ready(sandbox);
    let agent = Agent::start(sandbox, &words);
    eventually("the keys are there", || ready(sandbox) > before);
    agent
}

#[test]
fn the_clients_of_aws_store_objects_with_the_keys_of_an_agent() {
    let mut sandbox = Sandbox::new();
    let store = SeaweedFs::with_writer(&sandbox);
    let arguments = container(&mut sandbox, &store.url(), "s3");
    let agent = start(&sandbox, &arguments);
    for client in CLIENTS {
        let text = format!("by {client:?}");
        let outcome = put_get(&sandbox, client, BUCKET, "object", &text);
        assert_eq!(outcome.ok(), format!("{text}\n"));
    }
    assert_eq!(sandbox.token_requests(), (1, 1));
    // Each agent has its own secret.
    let secret = sandbox.home().join("secret");
    let before = fs::read_to_string(&secret).unwrap();
    sandbox.keep_secret(&before);
    agent.terminate().ok();
    assert!(!secret.exists());
    let agent = start(&sandbox, &arguments);
    assert_ne!(fs::read_to_string(&secret).unwrap(), before);
    fs::write(&secret, before).unwrap();
    assert!(!put_get(&sandbox, Client::Boto3, BUCKET, "object", "text").status.success());
    drop(agent);
}

#[test]
fn fifty_requests_of_one_program_are_made_with_the_keys_of_an_agent() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    let arguments = container(&mut sandbox, &moto.url(), "sts.amazonaws.com");
    let agent = start(&sandbox, &arguments);
    assert_eq!(access_keys_of_fifty_requests(&sandbox).len(), 1);
    drop(agent);
}

#[test]
fn the_endpoint_of_the_page_gives_boto3_its_keys() {
    let mut sandbox = Sandbox::new();
    let moto = Moto::start();
    set_up(&mut sandbox, &moto.url());
    let secret = file(&sandbox, "secret");
    let address = format!("127.0.0.1:{}", free_port());
    let page = Document::of("agent");
    let block = filled_in(page.block("toml", "aws-container"), "127.0.0.1:9911", &address);
    let there = "/run/user/1000/yc-id-token/secret";
    sandbox.configure(&filled_in(&block, there, secret.to_str().unwrap()));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/"));
    sandbox.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", secret);
    let agent = start(&sandbox, &[]);
    assert_eq!(access_keys_of_fifty_requests(&sandbox).len(), 1);
    drop(agent);
}
