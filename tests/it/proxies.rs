//! The configured proxy is used as kubectl and curl would use it. An unusable proxy is an error, never ignored.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::sandbox::{PROGRAM, Sandbox, claims};

const TOKEN: &[&str] = &["token", "--audience", "https://k8s.example"];

/// A proxy that refuses with this answer, and records its requests.
struct Refusing {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Refusing {
    fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                let mut head = String::new();
                let mut reader = BufReader::new(&stream);
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                kept.lock().unwrap().push(head);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, heads }
    }

    fn credentials(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let lines = heads.iter().flat_map(|head| head.lines());
        lines
            .filter(|line| line.to_lowercase().starts_with("proxy-authorization"))
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn user_and_password_reach_the_proxy_unchanged() {
    for (written, encoded) in [
        ("user:p@ss-hunter2", "dXNlcjpwQHNzLWh1bnRlcjI="),
        ("DOM\\user:hunter2-x", "RE9NXHVzZXI6aHVudGVyMi14"),
        ("user:hunter2 [1]", "dXNlcjpodW50ZXIyIFsxXQ=="),
        ("user:hunter2-слово", "dXNlcjpodW50ZXIyLdGB0LvQvtCy0L4="),
        ("user:p%40ss-hunter2", "dXNlcjpwQHNzLWh1bnRlcjI="),
    ] {
        let proxy = Refusing::start("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        let mut sandbox = Sandbox::new();
        sandbox.keep_secret("hunter2");
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "https://iam.example");
        sandbox.set("HTTPS_PROXY", format!("http://{written}@{}", proxy.address));
        sandbox.run(TOKEN).fails(6, "E_NETWORK");
        assert_eq!(proxy.credentials(), [encoded], "{written}");
    }
}

#[test]
fn an_invalid_proxy_variable_is_an_error() {
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        for value in ["ftp://robot:hunter2@proxy.example", "http://", "http://proxy:99999", "a b"] {
            let mut sandbox = Sandbox::with_tls();
            sandbox.set("YC_ID_TOKEN_CA_FILE", sandbox.home().join("ca.pem"));
            sandbox.keep_secret("hunter2");
            sandbox.set(variable, value);
            let (message, _) = sandbox.run(TOKEN).fails(3, "E_VALUE");
            assert!(message.contains(variable), "{message}");
            assert!(message.contains("is not the address of a proxy"), "{message}");
            assert_eq!(sandbox.cloud.connections(), 0, "{variable}={value}");
            let report = sandbox.run(&["doctor", "--audience", "k8s"]).stdout;
            assert!(report.contains("is not the address of a proxy"), "{report}");
        }
    }
}

#[test]
fn no_proxy_matches_servers_as_in_kubectl() {
    for (list, is_direct) in [
        ("127.0.0.1:PORT", true),
        ("127.0.0.1", true),
        ("127.0.0.0/8", true),
        ("*", true),
        ("example, 127.0.0.1:PORT", true),
        ("127.0.0.1:1", false),
        ("10.0.0.0/8", false),
        ("example", false),
    ] {
        let mut sandbox = Sandbox::with_tls();
        sandbox.set("YC_ID_TOKEN_CA_FILE", sandbox.home().join("ca.pem"));
        sandbox.set("HTTPS_PROXY", "http://127.0.0.1:1");
        let port = sandbox.cloud.url().rsplit(':').next().unwrap().to_owned();
        sandbox.set("NO_PROXY", list.replace("PORT", &port));
        let outcome = sandbox.run(TOKEN);
        if is_direct {
            assert_eq!(claims(outcome.ok().trim())["aud"], "https://k8s.example", "{list}");
        } else {
            outcome.fails(6, "E_NETWORK");
        }
    }
}

#[test]
fn a_proxy_without_basic_is_reported_with_its_methods() {
    let proxy = Refusing::start(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\ncontent-length: 0\r\n\r\n",
    );
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "https://iam.example");
    sandbox.set("HTTPS_PROXY", format!("http://{}", proxy.address));
    let (message, hint) = sandbox.run(TOKEN).fails(6, "E_NETWORK");
    assert!(message.contains("it offers Negotiate, NTLM"), "{message}");
    assert!(hint.contains("cntlm"), "{hint}");
}

#[test]
fn a_socks5_name_failure_hints_at_resolution_by_the_proxy() {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "https://no-such-server.invalid");
    sandbox.set("HTTPS_PROXY", "socks5://127.0.0.1:1");
    let (message, hint) = sandbox.run(TOKEN).fails(6, "E_NETWORK");
    assert!(message.contains("no-such-server.invalid cannot be resolved"), "{message}");
    assert!(hint.contains("`socks5h://"), "{hint}");
}

#[test]
fn an_unreachable_socks_proxy_is_reported_with_the_cause() {
    for scheme in ["socks5", "socks5h", "socks4", "socks4a"] {
        let sandbox = Sandbox::with_tls();
        let proxy = format!("{scheme}://127.0.0.1:1");
        let (message, _) =
            sandbox.run(&[TOKEN, &["--proxy", &proxy]].concat()).fails(6, "E_NETWORK");
        assert!(
            message.contains("cannot connect to the proxy: connection refused"),
            "{scheme}: {message}"
        );
    }
}

#[test]
fn localhost_is_always_this_machine() {
    let sandbox = Sandbox::new();
    let endpoint = sandbox.cloud.url().replace("127.0.0.1", "localhost");
    let hosts = sandbox.write("hosts", "192.0.2.1 localhost\n");
    let script = format!(
        "mount --bind {} /etc/hosts && getent hosts localhost >{}/found && exec {PROGRAM} {}",
        hosts.display(),
        sandbox.home().display(),
        TOKEN.join(" "),
    );
    let mut shell = sandbox.in_own_namespaces(&["--mount"], &script);
    shell.env("YC_ID_TOKEN_IAM_ENDPOINT", &endpoint).env("YC_ID_TOKEN_OAUTH_ENDPOINT", &endpoint);
    sandbox.finish(shell).ok();
    let found = std::fs::read_to_string(sandbox.home().join("found")).unwrap();
    assert!(found.starts_with("192.0.2.1"), "{found}");
}
