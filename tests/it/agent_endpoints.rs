//! The endpoints of an agent: their answers, and which clients they serve.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, file};
use crate::fake_sts::FakeSts;
use crate::real::free_port;
use crate::sandbox::{Sandbox, claims, eventually};

/// A status and a body.
pub type Answer = (u16, String);

/// The answer to a raw request.
pub fn exchange(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(head.contains("cache-control: no-store"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// An endpoint on loopback with a secret.
pub struct Loopback {
    pub address: String,
    pub secret: String,
}

impl Loopback {
    pub fn get_with(&self, path: &str, headers: &str) -> Answer {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        exchange(stream, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"))
    }

    pub fn get(&self, path: &str) -> Answer {
        let headers =
            format!("Host: {}\r\nAuthorization: Bearer {}\r\n", self.address, self.secret);
        self.get_with(path, &headers)
    }
}

/// Starts an agent with an endpoint, and waits until it is ready.
fn start<'a>(sandbox: &'a Sandbox, kind: &str, more: &str) -> (Agent<'a>, Loopback) {
    let address = format!("127.0.0.1:{}", free_port());
    let secret_file = file(sandbox, "secret");
    sandbox.configure(&format!(
        "[[agent.endpoints]]\ntype = \"{kind}\"\nlisten = \"{address}\"\nsecret_file = \"~/secret\"\n{more}"
    ));
    let agent = Agent::start(sandbox, &[]);
    eventually("its secret is there", || secret_file.exists());
    assert_eq!(fs::metadata(&secret_file).unwrap().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&secret_file).unwrap();
    sandbox.keep_secret(&secret);
    let endpoint = Loopback { address, secret };
    eventually("it is ready", || endpoint.get("/readyz").0 == 200);
    (agent, endpoint)
}

const AUDIENCES: &str = "audiences = [\"api://a\", \"b\"]\n";

#[test]
fn an_endpoint_returns_tokens_for_the_configured_audiences() {
    let sandbox = Sandbox::new();
    let audience = |token: &str| claims(token)["aud"].as_str().unwrap().to_owned();
    let (agent, endpoint) = start(&sandbox, "token", AUDIENCES);
    let (status, token) = endpoint.get("/?audience=api%3A%2F%2Fa");
    assert_eq!((status, audience(&token)), (200, "api://a".into()));
    assert_eq!(audience(&endpoint.get("/?x=1&audience=b").1), "b");
    assert_eq!(endpoint.get("/").0, 400);
    let (status, body) = endpoint.get("/?audience=c");
    assert_eq!(status, 403);
    assert!(body.contains("not one that the configuration of the agent allows"), "{body}");
    assert_eq!(endpoint.get("/other").0, 404);
    agent.terminate().ok();
    assert!(!sandbox.home().join("secret").exists());
    let in_object = |body: &str, name: &str| {
        audience(serde_json::from_str::<Value>(body).unwrap()[name].as_str().unwrap())
    };
    for (kind, name) in [("github", "value"), ("gcp-url", "id_token")] {
        let (agent, endpoint) = start(&sandbox, kind, AUDIENCES);
        assert_eq!(in_object(&endpoint.get("/?audience=b").1, name), "b");
        agent.terminate().ok();
    }
    let (agent, endpoint) = start(&sandbox, "token", "audiences = [\"only\"]\n");
    assert_eq!(audience(&endpoint.get("/").1), "only");
    agent.terminate().ok();
    assert_eq!(sandbox.token_requests(), (1, 3), "requests are answered from memory");
}

#[test]
fn an_endpoint_returns_keys_in_the_container_format() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    let (agent, endpoint) = start(&sandbox, "aws-container", "");
    let (status, body) = endpoint.get("/");
    let keys: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &keys["AccessKeyId"]), (200, &"ASIA1".into()));
    for name in ["SecretAccessKey", "Token", "Expiration", "AccountId"] {
        assert!(keys[name].is_string(), "{name}: {}", keys[name].is_null());
    }
    // The SDKs send the content of the file unchanged.
    let headers = format!("Host: localhost\r\nAuthorization: {}\r\n", endpoint.secret);
    assert_eq!(endpoint.get_with("/", &headers).0, 200);
    agent.terminate().ok();
}

#[test]
fn a_request_that_is_not_from_a_known_program_is_refused() {
    let sandbox = Sandbox::new();
    let (agent, endpoint) = start(&sandbox, "token", "audiences = [\"a\"]\n");
    let secret = format!("Authorization: Bearer {}\r\n", endpoint.secret);
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        let status = |headers: &str| endpoint.get_with(path, headers).0;
        assert_eq!(status("Host: localhost\r\n"), 401, "{path}");
        assert_eq!(status("Host: localhost\r\nAuthorization: Bearer x\r\n"), 401, "{path}");
        assert_eq!(status(&format!("Host: evil.example\r\n{secret}")), 403, "{path}");
        assert_eq!(status(&secret), 403, "no Host: {path}");
        for header in ["Origin: http://localhost", "Referer: http://127.0.0.1/"] {
            assert_eq!(status(&format!("Host: localhost\r\n{header}\r\n{secret}")), 403, "{path}");
        }
        assert_eq!(status(&format!("Host: localhost\r\n{secret}")), 200, "{path}");
        assert_eq!(status(&format!("Host: localhost\r\nContent-Length: 5\r\n{secret}")), 413);
    }
    let post = format!("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{secret}\r\n");
    assert_eq!(exchange(TcpStream::connect(&endpoint.address).unwrap(), &post).0, 405);
    // A request head without an end is cut off.
    let mut stream = TcpStream::connect(&endpoint.address).unwrap();
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(64 * 1024));
    let _ = stream.write_all(long.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    assert_eq!(endpoint.get("/").0, 200);
    agent.terminate().ok();
}

#[test]
fn a_unix_socket_is_private_and_metrics_count_requests() {
    let sandbox = Sandbox::new();
    let socket = sandbox.home().join("socket");
    let listen = format!("unix:{}", socket.display());
    let arguments = ["--serve=token", "--listen", &listen, "--audience=a"];
    let get = |path: &str| {
        let stream = UnixStream::connect(&socket).unwrap();
        exchange(stream, &format!("GET {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n"))
    };
    for _ in 0..2 {
        let agent = Agent::start(&sandbox, &arguments);
        eventually("it listens", || UnixStream::connect(&socket).is_ok());
        eventually("it is ready", || get("/readyz").0 == 200);
        assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
        assert_eq!(claims(&get("/").1)["aud"], "a");
        let (status, metrics) = get("/metrics");
        assert_eq!(status, 200);
        let name = format!("{} a", socket.display());
        for line in [
            format!("yc_id_token_credential_valid{{credential=\"{name}\"}} 1\n"),
            format!("yc_id_token_credential_expiry_timestamp_seconds{{credential=\"{name}\"}} "),
            format!(
                "yc_id_token_requests_total{{endpoint=\"{}\",status=\"200\"}} ",
                socket.display()
            ),
        ] {
            assert!(metrics.contains(&line), "{line}\n{metrics}");
        }
        // Files that a killed agent leaves behind do not matter.
        drop(agent);
        assert!(socket.exists());
    }
    let agent = Agent::start(&sandbox, &arguments);
    eventually("it is ready", || UnixStream::connect(&socket).is_ok());
    let (message, _) = sandbox.run(&[&["agent"], &arguments[..]].concat()).fails(3, "E_CONFIG");
    assert!(message.contains("cannot listen on"), "{message}");
    agent.terminate().ok();
    assert!(!socket.exists());
}

#[test]
fn sighup_changes_the_audiences_of_an_endpoint_and_its_secret() {
    let sandbox = Sandbox::new();
    let (agent, endpoint) = start(&sandbox, "token", "audiences = [\"a\"]\n");
    let secret_file = sandbox.home().join("secret");
    sandbox.configure(&format!(
        "[[agent.endpoints]]\ntype = \"token\"\nlisten = \"{}\"\nsecret_file = \"~/secret\"\naudiences = [\"b\"]\n",
        endpoint.address
    ));
    agent.signal("HUP");
    eventually("the old secret is refused", || endpoint.get("/readyz").0 == 401);
    let secret = fs::read_to_string(&secret_file).unwrap();
    sandbox.keep_secret(&secret);
    let endpoint = Loopback { secret, ..endpoint };
    eventually("it is ready", || endpoint.get("/readyz").0 == 200);
    assert_eq!((endpoint.get("/?audience=a").0, endpoint.get("/?audience=b").0), (403, 200));
    agent.terminate().ok();
    assert!(!secret_file.exists());
}

#[test]
fn an_endpoint_that_others_could_use_is_rejected() {
    let sandbox = Sandbox::new();
    let fails = |table: &str, expected: &str| {
        sandbox.configure(&format!("[[agent.endpoints]]\n{table}\n"));
        let (message, _) = sandbox.run(&["agent"]).fails(3, "E_CONFIG");
        assert!(message.contains(expected), "{message}");
    };
    let (token, secret) = ("type = \"token\"", "secret_file = \"s\"\naudiences = [\"a\"]");
    fails(token, "`listen` is missing");
    fails("listen = \"127.0.0.1:1\"", "`type` is missing");
    fails("type = \"imds\"\nlisten = \"127.0.0.1:1\"", "there is no type `imds` of endpoints");
    for address in ["0.0.0.0:9911", "10.0.0.1:80", "[::]:80"] {
        let table = format!("{token}\n{secret}\nlisten = \"{address}\"");
        fails(&table, "can be reached from other machines");
    }
    fails(&format!("{token}\n{secret}\nlisten = \"localhost\""), "is not an address");
    fails(&format!("{token}\nlisten = \"unix:socket\""), "must be absolute");
    fails(&format!("{token}\nlisten = \"127.0.0.1:9911\""), "set `secret_file`");
    fails(
        &format!("{token}\nsecret_file = \"s\"\nlisten = \"127.0.0.1:9911\""),
        "has no audience: set `audiences`",
    );
    assert_eq!(sandbox.token_requests(), (0, 0));
}
