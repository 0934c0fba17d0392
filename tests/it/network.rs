//! Every answer, or its absence, gives a result or a two-line error with a fix, within the time limit. A token is never
//! sent to a wrong server.

use std::net::TcpListener;

use yc_id_token_emulator::{Emulator, Fault, Options, Route};

use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";
const TOKEN: &[&str] = &["token", "--audience", AUDIENCE];

fn body(status: u16, content_type: &str, body: &str) -> Fault {
    Fault::Body { status, content_type: content_type.into(), body: body.into() }
}

#[test]
fn answers_that_are_not_from_the_cloud_are_identified() {
    let elsewhere = || Fault::Redirect("http://portal.example/login?secret=1".into());
    for (fault, code, problem, fix) in [
        (Fault::Html, "E_FOREIGN_ANSWER", "answered 200 with a web page", "sign in to the network"),
        (
            body(403, "text/html", "<html>blocked"),
            "E_FOREIGN_ANSWER",
            "answered 403 with a web page",
            "proxy",
        ),
        (
            body(200, "application/json", "[]"),
            "E_FOREIGN_ANSWER",
            "something that is not the protocol's JSON",
            "check the endpoint",
        ),
        (
            body(200, "application/json", "{}"),
            "E_FOREIGN_ANSWER",
            "something that is not the protocol's JSON",
            "check the endpoint",
        ),
        (
            body(404, "text/plain", "404 page not found"),
            "E_FOREIGN_ANSWER",
            "answered 404 with something",
            "check the endpoint",
        ),
        (
            elsewhere(),
            "E_FOREIGN_ANSWER",
            "redirects to portal.example",
            "redirects are not followed",
        ),
        (
            Fault::Oversized(1024 * 1024 + 1),
            "E_FOREIGN_ANSWER",
            "is larger than 1 MiB",
            "check that the endpoint",
        ),
    ] {
        for route in [Route::IamToken, Route::TokenExchange] {
            let sandbox = Sandbox::new();
            sandbox.cloud.always(route, Some(fault.clone()));
            let (message, hint) = sandbox.run(TOKEN).fails(6, code);
            assert!(message.contains(problem), "{message}");
            assert!(hint.contains(fix), "{hint}");
            assert_eq!(sandbox.cloud.count(route), 1, "a retry would not help: {message}");
        }
    }
}

#[test]
fn temporary_server_errors_are_retried() {
    for fault in [
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::Reset,
        Fault::Truncated,
    ] {
        for route in [Route::IamToken, Route::TokenExchange] {
            let sandbox = Sandbox::new();
            let case = format!("{fault:?} of {route:?}");
            sandbox.cloud.script(route, [fault.clone(), fault.clone()]);
            assert_eq!(claims(sandbox.run(TOKEN).ok().trim())["aud"], AUDIENCE, "{case}");
            assert_eq!(sandbox.cloud.count(route), 3, "{case}");
        }
    }
}

#[test]
fn a_failing_server_is_called_three_times() {
    let sandbox = Sandbox::new();
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Status(503)));
    let (message, hint) = sandbox.run(TOKEN).fails(6, "E_UNAVAILABLE");
    assert!(message.contains(" answered 503 ") && message.contains("(request id "), "{message}");
    assert!(hint.starts_with("try again"), "{hint}");
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 3);
}

#[test]
fn retry_after_is_honoured_within_the_deadline_and_reported_beyond_it() {
    let wait =
        |seconds: &str| Fault::StatusWithHeaders(429, vec![("Retry-After".into(), seconds.into())]);
    let sandbox = Sandbox::new();
    sandbox.cloud.script(Route::TokenExchange, [wait("1")]);
    sandbox.run(TOKEN).ok();
    let requested: Vec<_> = sandbox
        .cloud
        .requests()
        .into_iter()
        .filter(|request| request.route == Route::TokenExchange)
        .collect();
    assert!(
        requested[1].at.duration_since(requested[0].at).as_millis() >= 1000,
        "not before the server wants it"
    );

    let sandbox = Sandbox::new();
    sandbox.cloud.always(Route::TokenExchange, Some(wait("3600")));
    let (_, hint) = sandbox.run(TOKEN).fails(6, "E_UNAVAILABLE");
    assert_eq!(hint, "try again in 3600 s");
    assert_eq!(sandbox.cloud.count(Route::TokenExchange), 1);
}

#[test]
fn an_unresponsive_server_costs_only_the_time_limit() {
    for route in [Route::IamToken, Route::TokenExchange] {
        let sandbox = Sandbox::new();
        sandbox.cloud.always(route, Some(Fault::Stall));
        let arguments: Vec<&str> = TOKEN.iter().chain(&["--timeout", "2s"]).copied().collect();
        let (message, hint) = sandbox.run(&arguments).fails(6, "E_TIMEOUT");
        assert!(
            message.contains("no answer from 127.0.0.1:") && message.contains("within 2.0 s"),
            "{message}"
        );
        assert!(hint.contains("--timeout"), "{hint}");
    }
}

#[test]
fn a_refused_connection_is_reported_with_the_address() {
    let mut sandbox = Sandbox::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", format!("http://{free}"));
    let (message, hint) = sandbox.run(TOKEN).fails(6, "E_NETWORK");
    assert!(
        message.ends_with(&format!("cannot connect to {free}: connection refused")),
        "{message}"
    );
    assert_eq!(hint, "start the server, or correct its address");
    sandbox.set("YC_ID_TOKEN_OAUTH_ENDPOINT", "https://no-such-host.invalid");
    let (message, hint) = sandbox.run(TOKEN).fails(6, "E_NETWORK");
    assert!(message.contains("the name no-such-host.invalid cannot be resolved"), "{message}");
    assert!(hint.contains("--proxy"), "{hint}");
}

#[test]
fn a_token_that_a_server_repeats_is_not_printed() {
    for route in [Route::IamToken, Route::TokenExchange] {
        let sandbox = Sandbox::new();
        sandbox.cloud.always(route, Some(Fault::EchoSecret));
        let (message, _) = sandbox.run(TOKEN).fails(4, "E_SOURCE_REFUSED");
        assert!(message.contains("[redacted]"), "{message}");
    }
}

#[test]
fn tls_is_verified_and_the_ca_file_is_trusted() {
    let mut sandbox = Sandbox::with_tls();
    let (message, hint) = sandbox.run(TOKEN).fails(6, "E_TLS");
    assert!(message.contains("signed by an authority that is not trusted here"), "{message}");
    assert!(hint.contains("--ca-file"), "{hint}");
    assert_eq!(sandbox.token_requests(), (0, 0), "no byte was sent");
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--ca-file", "ca.pem"]).copied().collect();
    assert_eq!(claims(sandbox.run(&arguments).ok().trim())["aud"], AUDIENCE);
    sandbox.set("SSL_CERT_FILE", sandbox.home().join("ca.pem"));
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--force-refresh"]).copied().collect();
    sandbox.run(&arguments).ok();

    for (content, problem) in [
        ("", "holds no PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n", "is malformed"),
    ] {
        sandbox.write("bad.pem", content);
        let arguments: Vec<&str> =
            TOKEN.iter().chain(&["--force-refresh", "--ca-file", "bad.pem"]).copied().collect();
        let (message, _) = sandbox.run(&arguments).fails(3, "E_IDENTITY");
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn a_wrong_certificate_name_and_missing_tls_are_distinguished() {
    let mut sandbox = Sandbox::with_tls();
    sandbox.set("SSL_CERT_FILE", sandbox.home().join("ca.pem"));
    let elsewhere = sandbox.cloud.url().replace("127.0.0.1", "127.0.0.2");
    // A server on all loopback addresses, whose certificate is not for this one.
    let wide = Emulator::start_with(Options {
        tls: true,
        address: "0.0.0.0:0".parse().unwrap(),
        ..Options::default()
    })
    .unwrap();
    sandbox.write("ca.pem", wide.ca_pem().unwrap());
    let port = wide.url().rsplit(':').next().unwrap();
    let other_name = format!("https://127.0.0.2:{port}");
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", other_name);
    let (message, _) = sandbox.run(TOKEN).fails(6, "E_TLS");
    assert!(message.contains("its certificate is for another name"), "{message}");
    drop(elsewhere);

    let plain = Emulator::start().unwrap();
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", plain.url().replace("http://", "https://"));
    let (_, hint) = sandbox.run(TOKEN).fails(6, "E_TLS");
    assert!(hint.contains("check that the endpoint speaks TLS"), "{hint}");
}

#[test]
fn plain_http_to_other_machines_is_rejected_before_sending() {
    let mut sandbox = Sandbox::new();
    for (variable, what) in [
        ("YC_ID_TOKEN_IAM_ENDPOINT", "IAM endpoint"),
        ("YC_ID_TOKEN_OAUTH_ENDPOINT", "OAuth endpoint"),
    ] {
        let kept = sandbox.cloud.url().to_owned();
        sandbox.set(variable, "http://iam.example");
        let (message, hint) = sandbox.run(TOKEN).fails(3, "E_ENDPOINT");
        assert!(
            message.starts_with(&format!("the {what} `http://iam.example/` is plain http")),
            "{message}"
        );
        assert!(hint.contains("https://"), "{hint}");
        sandbox.set(variable, kept);
    }
    assert_eq!(sandbox.token_requests(), (0, 0));
}

#[test]
fn requests_to_this_machine_use_no_proxy() {
    let mut sandbox = Sandbox::new();
    for variable in
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        sandbox.set(variable, "http://127.0.0.1:1");
    }
    sandbox.run(TOKEN).ok();
}

#[test]
fn https_uses_the_proxy_and_no_proxy_is_honoured() {
    let mut sandbox = Sandbox::with_tls();
    sandbox.set("SSL_CERT_FILE", sandbox.home().join("ca.pem"));
    sandbox.set("HTTPS_PROXY", "http://user:hunter2-hunter2@127.0.0.1:1");
    sandbox.keep_secret("hunter2-hunter2");
    sandbox.run(TOKEN).fails(6, "E_NETWORK");
    sandbox.set("NO_PROXY", "127.0.0.1");
    sandbox.run(TOKEN).ok();
    let (message, _) =
        sandbox.run(&["token", "--proxy", "ftp://hunter2-hunter2@x"]).fails(2, "E_USAGE");
    assert!(message.contains("the proxy is not of the form"), "{message}");
}

#[test]
fn both_connections_are_opened_at_once_when_both_are_needed() {
    let mut sandbox = Sandbox::with_tls();
    sandbox.set("SSL_CERT_FILE", sandbox.home().join("ca.pem"));
    // While IAM processes the request, the connection to the OAuth server is opened.
    sandbox.cloud.always(Route::IamToken, Some(Fault::Stall));
    let child = sandbox
        .command(TOKEN)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    crate::sandbox::eventually("two connections", || sandbox.cloud.connections() == 2);
    assert_eq!(sandbox.token_requests().1, 0, "connected, and no request sent yet");
    let mut child = child;
    child.kill().unwrap();
    child.wait().unwrap();

    let sandbox = Sandbox::new();
    sandbox.run(TOKEN).ok();
    assert_eq!(sandbox.cloud.connections(), 2, "and that connection is the one that is used");
    assert_eq!(sandbox.cloud.requests().len(), 2);
}
