//! `agent check`: verifies that all credentials of an agent can be used, in files and at its endpoints.

use std::fs;

use yc_id_token_emulator::{Fault, Route};

use crate::agent::{Agent, file};
use crate::real::free_port;
use crate::sandbox::{Sandbox, eventually};

/// A sandbox with an endpoint on loopback, and its address.
fn with_endpoint() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let address = format!("127.0.0.1:{}", free_port());
    file(&sandbox, "secret");
    sandbox.configure(&format!(
        "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"{address}\"\nsecret_file = \"~/secret\"\naudiences = [\"a\", \"b\"]\n"
    ));
    (sandbox, address)
}

#[test]
fn check_queries_the_endpoints_of_the_agent() {
    let (sandbox, address) = with_endpoint();
    let check = || sandbox.run(&["agent", "check"]);
    let (message, _) = check().fails(6, "E_NETWORK");
    assert!(message.ends_with("secret`: no such file or directory"), "{message}");

    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(403)));
    let agent = Agent::start(&sandbox, &[]);
    let refused = || sandbox.log().matches("E_SOURCE_DENIED").count();
    eventually("both audiences are refused", || refused() >= 2);
    let (message, hint) = check().fails(3, "E_EXPIRED");
    let expected =
        format!("`{address}`: 0 of 2 credentials are valid; `{address} a`: E_SOURCE_DENIED");
    assert!(message.contains(&expected), "{message}");
    assert!(hint.contains("check the agent's log"), "{hint}");

    sandbox.cloud.always(Route::TokenExchange, None);
    eventually("it is ready", || check().status.success());
    let requested = sandbox.token_requests();
    assert_eq!(check().ok(), "");
    assert_eq!(sandbox.token_requests(), requested, "no other server is called");

    let secret = fs::read_to_string(sandbox.home().join("secret")).unwrap();
    sandbox.keep_secret(&secret);
    fs::write(sandbox.home().join("secret"), "another").unwrap();
    let (message, _) = check().fails(6, "E_FOREIGN_ANSWER");
    assert!(message.contains("send the secret of the endpoint"), "{message}");
    fs::write(sandbox.home().join("secret"), secret).unwrap();
    drop(agent);
    let (message, _) = check().fails(6, "E_NETWORK");
    assert!(message.contains("connection refused"), "{message}");
}

#[test]
fn check_queries_a_unix_socket_given_by_flags() {
    let sandbox = Sandbox::new();
    let listen = format!("unix:{}", sandbox.home().join("socket").display());
    let arguments = ["--serve=token", "--listen", &listen, "--audience=a"];
    let check = || sandbox.run(&[&["agent", "check"], &arguments[..]].concat());
    check().fails(6, "E_NETWORK");
    let agent = Agent::start(&sandbox, &arguments);
    eventually("it is ready", || check().status.success());
    assert_eq!(check().ok(), "");
    agent.terminate().ok();
    check().fails(6, "E_NETWORK");
}

#[test]
fn check_fails_where_another_program_listens() {
    let (sandbox, _) = with_endpoint();
    sandbox.write_secret("secret", "secret");
    let address = sandbox.cloud.url().strip_prefix("http://").unwrap().to_owned();
    sandbox.configure(&format!(
        "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"{address}\"\nsecret_file = \"~/secret\"\naudiences = [\"a\"]\n"
    ));
    sandbox.run(&["agent", "check"]).fails(6, "E_FOREIGN_ANSWER");
}
