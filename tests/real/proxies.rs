//! Company proxies: with every notation of the address, with TLS interception or a tunnel, with and without a password.
//! A refusal of the proxy is reported as the proxy's, not the cloud's.

use super::free_port;
use super::proxy_servers::{Mitmproxy, Tinyproxy, with_password, with_right_password};
use crate::sandbox::{Outcome, Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";
const TOKEN: &[&str] = &["token", "--force-refresh", "--audience", AUDIENCE];

/// A run with these additional variables.
fn run(sandbox: &Sandbox, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command(&[TOKEN, arguments].concat());
    command.envs(variables.iter().copied());
    sandbox.finish(command)
}

#[track_caller]
fn assert_token(outcome: Outcome) {
    assert_eq!(claims(outcome.ok().trim())["aud"], AUDIENCE);
}

#[test]
fn a_tls_intercepting_proxy_works_once_its_authority_is_trusted() {
    let sandbox = Sandbox::with_tls();
    let proxy = Mitmproxy::open(&sandbox);
    let http = proxy.http();
    let (message, hint) = run(&sandbox, &[("HTTPS_PROXY", &http)], &[]).fails(6, "E_TLS");
    assert!(message.contains("signed by an authority that is not trusted here"), "{message}");
    assert!(hint.contains("--ca-file") && hint.contains("SSL_CERT_FILE"), "{hint}");
    assert_eq!(sandbox.token_requests(), (0, 0), "nothing was sent through it");

    // The cloud's own authority is not trusted here, so a success went through the proxy.
    let ca_file = proxy.ca_file();
    let ca_file = ca_file.to_str().unwrap();
    for (variable, address) in [
        ("HTTPS_PROXY", http.clone()),
        ("HTTPS_PROXY", http.replace("http://", "")),
        ("HTTPS_PROXY", proxy.https()),
        ("https_proxy", http.clone()),
        ("ALL_PROXY", http.clone()),
        ("ALL_PROXY", proxy.socks("socks5")),
        ("all_proxy", proxy.socks("socks5h")),
        ("YC_ID_TOKEN_PROXY", http.clone()),
        ("YC_ID_TOKEN_PROXY", proxy.socks("socks5")),
    ] {
        eprintln!("{variable}={address}");
        assert_token(run(&sandbox, &[(variable, &address), ("SSL_CERT_FILE", ca_file)], &[]));
    }
    assert_token(run(&sandbox, &[], &["--ca-file", ca_file, "--proxy", &http]));
    assert_token(run(&sandbox, &[], &["--ca-file", ca_file, "--proxy", &proxy.https()]));
    let closed = "http://127.0.0.1:1";
    assert_token(run(
        &sandbox,
        &[("HTTPS_PROXY", closed)],
        &["--ca-file", ca_file, "--proxy", &http],
    ));
    sandbox.configure(&format!("[profiles.office]\nproxy = \"{http}\"\nca_file = \"{ca_file}\"\n"));
    assert_token(run(&sandbox, &[], &["--profile=office"]));
}

#[test]
fn servers_in_no_proxy_are_reached_directly() {
    let mut sandbox = Sandbox::with_tls();
    let proxy = Mitmproxy::open(&sandbox);
    // The proxy's authority is not trusted here, so a success went around it.
    sandbox.set("SSL_CERT_FILE", sandbox.home().join("ca.pem"));
    sandbox.set("HTTPS_PROXY", proxy.http());
    for (variable, hosts) in [("NO_PROXY", "127.0.0.1"), ("no_proxy", "example.com, 127.0.0.0/8")] {
        assert_token(run(&sandbox, &[(variable, hosts)], &[]));
        assert_token(run(&sandbox, &[(variable, hosts)], &["--proxy", &proxy.http()]));
    }
    run(&sandbox, &[("NO_PROXY", "127.0.0.2,localhost")], &[]).fails(6, "E_TLS");
    let url = sandbox.cloud.url().replace("127.0.0.1", "localhost");
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", url.clone());
    sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", url);
    for hosts in ["localhost", ".localhost", "*"] {
        assert_token(run(&sandbox, &[("NO_PROXY", hosts)], &[]));
        assert_token(run(&sandbox, &[("NO_PROXY", hosts)], &["--proxy", &proxy.http()]));
    }
    run(&sandbox, &[("NO_PROXY", "ocalhost")], &[]).fails(6, "E_TLS");
}

#[test]
fn only_the_proxy_gets_its_password() {
    let sandbox = Sandbox::with_tls();
    let proxy = Mitmproxy::closed(&sandbox);
    let ca_file = proxy.ca_file();
    let trust = ("SSL_CERT_FILE", ca_file.to_str().unwrap());
    for address in [proxy.http(), proxy.https(), proxy.socks("socks5"), proxy.socks("socks5h")] {
        eprintln!("{address}");
        let right = with_right_password(&address);
        assert_token(run(&sandbox, &[trust, ("HTTPS_PROXY", &right)], &[]));
        assert_token(run(&sandbox, &[trust], &["--proxy", &right]));
        for wrong in [&with_password(&address, "hunter3"), &address] {
            let (message, hint) =
                run(&sandbox, &[trust, ("ALL_PROXY", wrong)], &[]).fails(6, "E_NETWORK");
            assert!(message.contains("the proxy requires a user and a password"), "{message}");
            assert!(hint.contains("`http://user:password@host:port`"), "{hint}");
            run(&sandbox, &[trust], &["--proxy", wrong]).fails(6, "E_NETWORK");
        }
    }
}

#[test]
fn a_proxy_that_cannot_connect_differs_from_a_server_error() {
    let mut sandbox = Sandbox::with_tls();
    let proxy = Mitmproxy::open(&sandbox);
    sandbox.set("SSL_CERT_FILE", proxy.ca_file());
    let closed = format!("127.0.0.1:{}", free_port());
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", format!("https://{closed}"));
    for address in [proxy.http(), proxy.socks("socks5")] {
        let (message, hint) = run(&sandbox, &[("ALL_PROXY", &address)], &[]).fails(6, "E_NETWORK");
        let problem = format!("the proxy did not connect to {closed}");
        assert!(message.contains(&problem), "{message}");
        assert!(hint.starts_with("check that the proxy lets you reach"), "{hint}");
    }
}

#[test]
fn a_tunnelling_proxy_needs_no_trust_and_its_errors_are_shown() {
    let mut sandbox = Sandbox::with_tls();
    sandbox.set("SSL_CERT_FILE", sandbox.home().join("ca.pem"));
    for secret in ["hunter2-hunter2", "hunter3-hunter3"] {
        sandbox.keep_secret(secret);
    }
    let port = sandbox.cloud.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Tinyproxy::start("hunter2-hunter2", port);
    let right = with_password(&proxy.http(), "hunter2-hunter2");
    assert_token(run(&sandbox, &[("HTTPS_PROXY", &right)], &[]));
    assert_token(run(&sandbox, &[], &["--proxy", &right]));

    let (message, _) = run(&sandbox, &[("HTTPS_PROXY", &proxy.http())], &[]).fails(6, "E_NETWORK");
    assert!(message.contains("the proxy requires a user and a password"), "{message}");
    // It answers 401 to a wrong password, as a server would.
    let wrong = with_password(&proxy.http(), "hunter3-hunter3");
    let (message, hint) = run(&sandbox, &[("HTTPS_PROXY", &wrong)], &[]).fails(6, "E_NETWORK");
    assert!(message.contains("the proxy did not connect to 127.0.0.1:"), "{message}");
    assert!(hint.contains("the user and password"), "{hint}");

    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "https://iam.example:8443");
    let (message, _) = run(&sandbox, &[("HTTPS_PROXY", &right)], &[]).fails(6, "E_NETWORK");
    assert!(message.contains("the proxy did not connect to iam.example:8443"), "{message}");
}
