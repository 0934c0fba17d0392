//! `docs/envoy.md`: a real Envoy with the page's configuration, which fetches the issuer's keys over TLS.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use yc_id_token_emulator::{KeySize, Options};

use super::documents::filled_in;
use super::pages::{ISSUER, Page};
use super::{Killed, free_port, http_get, http_with, peer};
use crate::fake_server::{FakeServer, Reply};
use crate::sandbox::eventually;

/// Starts Envoy in front of a service, with the page's configuration. The port is where it listens.
fn start(page: &Page, port: u16, service: &FakeServer) -> Killed {
    let sandbox = &page.sandbox;
    let port_of = |url: &str| url.rsplit(':').next().unwrap().to_owned();
    let issuer = format!("127.0.0.1, port_value: {} }}", port_of(sandbox.cloud.url()));
    let ca: PathBuf = sandbox.home().join("ca.pem");
    let mut text = page.file("envoy.yaml");
    for (printed, had) in [
        ("port_value: 10000", &*format!("port_value: {port}")),
        ("port_value: 8000", &*format!("port_value: {}", port_of(&service.url()))),
        ("auth.yandex.cloud, port_value: 443 }", &*issuer),
        ("sni: auth.yandex.cloud", "sni: localhost"),
        ("exact: auth.yandex.cloud", "exact: localhost"),
        ("/etc/ssl/certs/ca-certificates.crt", ca.to_str().unwrap()),
    ] {
        text = filled_in(&text, printed, had);
    }
    sandbox.write("envoy.yaml", &text);
    let mut envoy = Command::new(peer("envoy/envoy"));
    envoy.args(["-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"]);
    envoy.current_dir(sandbox.home()).stdin(Stdio::null());
    envoy.stdout(Stdio::null()).stderr(Stdio::null());
    let envoy = Killed(envoy.spawn().unwrap());
    eventually("Envoy listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    envoy
}

#[test]
fn envoy_accepts_only_the_pages_token() {
    let options = Options { tls: true, issuer: Some(ISSUER.to_owned()), ..Options::default() };
    let mut page = Page::with_options("envoy", options);
    let ca = page.sandbox.write("ca.pem", page.sandbox.cloud.ca_pem().unwrap());
    page.sandbox.set("YC_ID_TOKEN_CA_FILE", ca);
    let service = FakeServer::start(|_, _| Reply::Answer {
        status: 200,
        headers: Vec::new(),
        body: "the service".to_owned(),
    });
    let port = free_port();
    let _envoy = start(&page, port, &service);
    let port = port.to_string();

    let here = [("10000", &*port)];
    assert_eq!(page.type_in("--write-out", &here).ok(), "Jwt is missing (401)\n");
    assert_eq!(page.type_in("--format=curl", &here).ok(), "the service");
    let received = service.requests();
    assert_eq!(received.len(), 1);
    assert!(
        !received[0].headers.contains_key("authorization"),
        "the service does not get the token"
    );

    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let answer = |token: &str| {
        let header = format!("Bearer {}", token.trim_end());
        http_with(address, "GET", "/", &[("authorization", &header)], "").unwrap()
    };
    let other_audience = page.sandbox.run(&["token", "--profile=envoy", "--audience=other"]).ok();
    assert_eq!(answer(&other_audience), (403, "Audiences in Jwt are not allowed".to_owned()));
    let other = page.sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = page.sandbox.cloud.add_authorized_key(&other, KeySize::Rsa2048);
    let key = page.sandbox.write_secret("other.json", &key.to_json());
    let key_file = format!("--key-file={}", key.display());
    let other_account = page.sandbox.run(&["token", "--profile=envoy", &key_file]).ok();
    assert_eq!(answer(&other_account), (401, "Jwt verification fails".to_owned()));
    assert_eq!(http_get(address, "/").0, 401);
    assert_eq!(service.requests().len(), 1);
}
