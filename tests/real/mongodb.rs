//! `docs/mongodb.md`: pymongo logs in with the page's token at a copy of a server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::Killed;
use super::documents::filled_in;
use super::pages::Page;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/mongodb-python/server.py");

/// Starts the server with the page's configuration, and returns its address.
fn start(page: &Page) -> (Killed, String) {
    let configuration = page.file("mongod.conf");
    let (_, providers) = configuration.split_once("oidcIdentityProviders: '").unwrap();
    let providers: Value =
        serde_json::from_str(providers.trim_end().trim_end_matches('\'')).unwrap();
    let provider = &providers[0];
    // Otherwise the server requires a claim with the roles, and a client ID for people.
    assert_eq!(provider["useAuthorizationClaim"], false);
    assert_eq!(provider["supportsHumanFlows"], false);
    let user = format!("{}/{}", provider["authNamePrefix"].as_str().unwrap(), page.sandbox.account);
    let keys = format!("{}/oauth/jwks/keys", page.sandbox.cloud.url());
    let mut server = page.sandbox.other_command("python3");
    server.args([SERVER, &keys, &provider.to_string(), &user]).stdout(Stdio::piped());
    let mut server = Killed(server.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (server, format!("127.0.0.1:{}", port.trim_end()))
}

#[test]
fn pymongo_logs_in_with_the_pages_token() {
    let page = Page::of("mongodb");
    let (_server, address) = start(&page);
    let script = filled_in(&page.file("check.py"), "mongodb.example:27017", &address);
    page.sandbox.write("check.py", &filled_in(&script, "tls=true", "tls=false"));
    let user = format!("yandex-cloud/{}\n", page.sandbox.account);
    assert_eq!(page.type_in("exec --profile=mongodb", &[]).ok(), user);

    let token_file = page.token_file();
    page.type_in("agent --once", &[]).ok();
    let python = |variable: Option<&str>| {
        let mut command = page.sandbox.other_command("python3");
        command.arg("check.py").envs(variable.map(|name| (name, &token_file)));
        page.sandbox.finish(command)
    };
    assert_eq!(python(Some("AZURE_FEDERATED_TOKEN_FILE")).ok(), user);
    let refused = python(None).stderr;
    assert!(refused.contains("No such file or directory: '/var/run/secrets/"), "{refused}");

    let output = format!("--output={}", token_file.display());
    page.sandbox.run(&["token", "--profile=mongodb", "--audience=other", &output]).ok();
    let refused = python(Some("AWS_WEB_IDENTITY_TOKEN_FILE")).stderr;
    assert!(refused.contains("Authentication failed."), "{refused}");
}
