//! `docs/mysql.md`: the client library for Python logs in with the page's token at a copy of a server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::Killed;
use super::documents::filled_in;
use super::pages::{ISSUER, Page};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/mysql-python/server.py");

/// The JSON of a statement on the page, between the quotes after `AS`.
fn authentication_string(statement: &str) -> &str {
    statement.split_once("AS '").unwrap().1.rsplit_once('\'').unwrap().0
}

/// Starts a server with the page's user, and returns its port.
fn start(page: &Page) -> (Killed, String) {
    let sandbox = &page.sandbox;
    sandbox.write("configure.py", &page.file("configure.py"));
    let keys = format!("{}/oauth/jwks/keys", sandbox.cloud.url());
    page.type_in("configure.py", &[("https://auth.yandex.cloud/oauth/jwks/keys", &keys)]).ok();
    let statement = page.file("user.sql");
    let mut server = sandbox.other_command("python3");
    server.args([SERVER, "providers.json", authentication_string(&statement), "."]);
    let mut server = Killed(server.stdout(Stdio::piped()).spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (server, port.trim_end().to_owned())
}

#[test]
fn mysqls_client_library_logs_in_with_the_pages_token() {
    let page = Page::of("mysql");
    let (_server, port) = start(&page);
    let ca = page.sandbox.home().join("ca.pem");
    let mut script = page.file("check.py");
    for (printed, had) in [
        ("mysql.example", "127.0.0.1"),
        ("3306", &port),
        ("/etc/ssl/certs/ca-certificates.crt", ca.to_str().unwrap()),
    ] {
        script = filled_in(&script, printed, had);
    }
    page.sandbox.write("check.py", &script);
    assert_eq!(page.type_in("exec --profile=mysql", &[]).ok(), "robot@%\n");

    let token_file = page.token_file();
    let python = || {
        let mut command = page.sandbox.other_command("python3");
        command.arg("check.py").env("MYSQL_TOKEN_FILE", &token_file);
        page.sandbox.finish(command)
    };
    let refused = python().stderr;
    assert!(refused.contains("provided via 'openid_token_file' does not exist"), "{refused}");
    page.type_in("agent --once", &[]).ok();
    assert_eq!(python().ok(), "robot@%\n");

    let other = page.sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = page.sandbox.cloud.add_authorized_key(&other, yc_id_token_emulator::KeySize::Rsa2048);
    let key = page.sandbox.write_secret("other.json", &key.to_json());
    let key_file = format!("--key-file={}", key.display());
    let output = format!("--output={}", token_file.display());
    page.sandbox.run(&["token", "--profile=mysql", &key_file, &output]).ok();
    let refused = python().stderr;
    assert!(refused.contains("Access denied for user 'robot'@"), "{refused}");
}

/// The client `mysql` and the other server of the page are in no package registry.
#[test]
fn the_files_for_mysql_and_starrocks_fit_the_token() {
    let page = Page::of("mysql");
    let token_file = page.token_file();
    page.type_in("agent --once", &[]).ok();
    let options = page.file("my.cnf");
    let option = "authentication-openid-connect-client-id-token-file = ";
    let path = options.lines().find_map(|line| line.strip_prefix(option)).unwrap();
    let token = std::fs::read_to_string(path).unwrap();
    assert_eq!(path, token_file.to_str().unwrap());
    assert!(token.len() < 10 * 1024, "the client reads no longer token");

    let statement = page.file("starrocks-user.sql");
    let trusted: Value = serde_json::from_str(authentication_string(&statement)).unwrap();
    let text = |name: &str| trusted[name].as_str().unwrap();
    assert_eq!(text("jwks_url"), format!("{ISSUER}/oauth/jwks/keys"));
    let user = statement.split('\'').nth(1).unwrap();
    let relying_party =
        page.relying_party(text("required_issuer"), text("required_audience"), user);
    relying_party.check(&token).unwrap();
}
