//! Networks that do not refuse connections but delay or break them: at every stage, a run ends within its time limit,
//! names the stage, and retries only where useful.
//!
//! Only the emulator implements the protocol; these servers implement as little of it as the fault allows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use yc_id_token_emulator::{Fault, Route};

use crate::sandbox::{PROGRAM, Sandbox};

const AUDIENCE: &str = "https://k8s.example";
const TOKEN: &[&str] = &["token", "--audience", AUDIENCE];
/// The same settings with a short time limit.
const HURRIED: &[&str] = &["token", "--audience", AUDIENCE, "--timeout", "2s"];

/// A server on loopback that treats every connection alike.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address, connections }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads until the client disconnects.
fn listen_without_answer(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Resets the connection: Linux does that when a socket with unread data is closed.
fn reset(stream: TcpStream) {
    let _ = stream.peek(&mut [0]);
    drop(stream);
}

/// Sends this, however long it takes.
fn drip(mut stream: TcpStream, text: &str) {
    for byte in text.bytes() {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn read_head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    head
}

/// Runs all cases in parallel, because they mostly wait.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        let test = &test;
        for case in cases {
            scope.spawn(move || test(case));
        }
    });
}

#[test]
fn every_endless_operation_ends_at_the_time_limit() {
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n";
    let late_body = move |mut stream: TcpStream| {
        read_head(&stream);
        let _ = stream.write_all(answer.as_bytes());
        drip(stream, &" ".repeat(4096));
    };
    let late_headers = |stream| {
        read_head(&stream);
        drip(stream, &format!("HTTP/1.1 200 {}", "K".repeat(4096)));
    };
    let cases = [
        ("no handshake", "https", Server::start(listen_without_answer), "no connection to"),
        ("no answer", "http", Server::start(listen_without_answer), "no answer from"),
        ("slow headers", "http", Server::start(late_headers), "no answer from"),
        ("slow body", "http", Server::start(late_body), "no answer from"),
    ];
    each(cases, |(case, scheme, server, stage)| {
        let mut sandbox = Sandbox::new();
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", server.url(scheme));
        let (message, hint) = sandbox.run(HURRIED).fails(6, "E_TIMEOUT");
        assert!(
            message.contains(&format!("{stage} {} within 2.0 s", server.address)),
            "{case}: {message}"
        );
        assert!(hint.contains("--timeout"), "{case}: {hint}");
        assert_eq!(server.connections(), 1, "{case}: one request");
    });
}

#[test]
fn a_broken_connection_is_tried_three_times_at_every_stage() {
    let half_headers = |mut stream: TcpStream| {
        let _ = stream.peek(&mut [0]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-");
        reset(stream);
    };
    let half_body = |mut stream: TcpStream| {
        read_head(&stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n{");
    };
    let cases = [
        ("closed at once", "http", Server::start(drop)),
        ("closed at once", "https", Server::start(drop)),
        ("reset in the handshake", "https", Server::start(reset)),
        ("reset in the request", "http", Server::start(reset)),
        ("reset in the headers", "http", Server::start(half_headers)),
        ("closed in the body", "http", Server::start(half_body)),
    ];
    each(cases, |(case, scheme, server)| {
        let mut sandbox = Sandbox::new();
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", server.url(scheme));
        let (message, hint) = sandbox.run(TOKEN).fails(6, "E_NETWORK");
        assert!(message.contains(&server.address.to_string()), "{case}: {message}");
        assert!(hint.contains("proxy"), "{case}: {hint}");
        assert_eq!(server.connections(), 3, "{case}");
    });
}

#[test]
fn an_answer_that_is_not_http_is_reported_as_such() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "{\"iamToken\":\"t1.x\"}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let server = Server::start(move |mut stream: TcpStream| {
            read_head(&stream);
            let _ = stream.write_all(answer.as_bytes());
        });
        let mut sandbox = Sandbox::new();
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", server.url("http"));
        let (message, hint) = sandbox.run(TOKEN).fails(6, "E_FOREIGN_ANSWER");
        let reported = format!("the server at {} does not speak HTTP", server.address);
        assert!(message.ends_with(&reported), "{answer}: {message}");
        assert!(hint.contains("port"), "{answer}: {hint}");
    }
}

#[test]
fn the_time_limit_covers_all_attempts() {
    let sandbox = Sandbox::new();
    sandbox.cloud.script(Route::IamToken, [Fault::Reset, Fault::Stall]);
    let (message, _) = sandbox.run(&[TOKEN, &["--timeout", "3s"]].concat()).fails(6, "E_TIMEOUT");
    assert!(message.contains("within 3.0 s"), "{message}");
    assert_eq!(sandbox.cloud.count(Route::IamToken), 2);
}

#[test]
fn an_unresponsive_address_is_skipped_for_the_next_one() {
    // IPv6 comes first and does not respond: the queue of its listener is full, so the system drops new connections.
    let sandbox = Sandbox::with_tls();
    let port: u16 = sandbox.cloud.url().rsplit(':').next().unwrap().parse().unwrap();
    let _dead = DeadAddress::on(port);
    let endpoint = format!("https://cloud.example:{port}");
    let run = |hosts: &str, arguments: &[&str]| {
        let hosts = sandbox.write("hosts", hosts);
        let script = format!(
            "mount --bind {} /etc/hosts && getent ahosts cloud.example | head -n 1 >{}/first && exec {PROGRAM} {}",
            hosts.display(),
            sandbox.home().display(),
            arguments.join(" "),
        );
        let mut shell = sandbox.in_own_namespaces(&["--mount"], &script);
        shell
            .env("YC_ID_TOKEN_CA_FILE", sandbox.home().join("ca.pem"))
            .env("YC_ID_TOKEN_IAM_ENDPOINT", &endpoint)
            .env("YC_ID_TOKEN_OAUTH_ENDPOINT", &endpoint);
        sandbox.finish(shell)
    };
    // The working address has a certificate for another name.
    let (message, _) = run("127.0.0.1 cloud.example\n::1 cloud.example\n", TOKEN).fails(6, "E_TLS");
    assert!(message.contains("is for another name"), "{message}");
    let first = std::fs::read_to_string(sandbox.home().join("first")).unwrap();
    assert!(first.starts_with("::1 "), "the dead address comes first: {first}");

    let (message, _) = run("::1 cloud.example\n", HURRIED).fails(6, "E_TIMEOUT");
    assert!(message.contains(&format!("no connection to cloud.example:{port}")), "{message}");
}

#[test]
fn an_unresponsive_name_server_costs_only_the_time_limit() {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "https://iam.example");
    let resolver = sandbox.write("resolv.conf", "nameserver 127.0.0.1\n");
    // Its socket stays open and is not read, as long as the program runs.
    let silent = sandbox.write(
        "silent.py",
        "import os, socket, sys\n\
         silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         silent.bind(('127.0.0.1', 53))\n\
         silent.set_inheritable(True)\n\
         os.execv(sys.argv[1], sys.argv[1:])\n",
    );
    let script = format!(
        "mount --bind {} /etc/resolv.conf && ip link set lo up && exec {} {} {PROGRAM} {}",
        resolver.display(),
        crate::real::peer("venv/bin/python").display(),
        silent.display(),
        HURRIED.join(" "),
    );
    let shell = sandbox.in_own_namespaces(&["--mount", "--net"], &script);
    let (message, hint) = sandbox.finish(shell).fails(6, "E_TIMEOUT");
    assert!(message.contains("the name iam.example was not looked up within 2.0 s"), "{message}");
    assert!(hint.contains("check the name server"), "{hint}");
}

#[test]
fn an_unresponsive_proxy_costs_only_the_time_limit() {
    each(["http", "https", "socks5", "socks4"], |scheme| {
        let sandbox = Sandbox::with_tls();
        let server = Server::start(listen_without_answer);
        let proxy = server.url(scheme);
        let (message, hint) =
            sandbox.run(&[HURRIED, &["--proxy", &proxy]].concat()).fails(6, "E_TIMEOUT");
        assert!(message.contains("no connection to 127.0.0.1:"), "{scheme}: {message}");
        assert!(hint.contains("the proxy"), "{scheme}: {hint}");
        assert_eq!(sandbox.cloud.connections(), 0);
    });
}

#[test]
fn a_failing_proxy_is_distinguished_from_the_server() {
    let unresolved = "http://no-such-proxy.invalid:3128";
    let says = |answer: &'static str| {
        Server::start(move |mut stream| {
            read_head(&stream);
            let _ = stream.write_all(answer.as_bytes());
            listen_without_answer(stream);
        })
    };
    let portal = says("HTTP/1.1 302 Found\r\nlocation: http://portal.example/login\r\n\r\n");
    let login = says("HTTP/1.1 511 Network Authentication Required\r\n\r\n<html>Sign in</html>");
    let no_proxy = Server::start(|mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        listen_without_answer(stream);
    });
    let closed = Server::start(drop);
    let cases = [
        (
            "http://127.0.0.1:1",
            "E_NETWORK",
            "cannot connect to the proxy: connection refused",
            "NO_PROXY",
        ),
        ("socks5://127.0.0.1:1", "E_NETWORK", "cannot connect to the proxy", "NO_PROXY"),
        (unresolved, "E_NETWORK", "cannot connect to the proxy: failed to lookup", "NO_PROXY"),
        (
            &portal.url("http"),
            "E_NETWORK",
            "the proxy did not connect to 127.0.0.1:",
            "lets you reach",
        ),
        (
            &login.url("http"),
            "E_NETWORK",
            "the proxy did not connect to 127.0.0.1:",
            "lets you reach",
        ),
        (&no_proxy.url("http"), "E_NETWORK", "the proxy did not connect to 127.0.0.1:", "address"),
        (
            &no_proxy.url("socks5"),
            "E_NETWORK",
            "closed the connection, or is not a proxy of this kind",
            "`socks5://`",
        ),
        (
            &closed.url("http"),
            "E_NETWORK",
            "closed the connection, or is not a proxy of this kind",
            "the port",
        ),
        (
            &closed.url("socks5"),
            "E_NETWORK",
            "closed the connection, or is not a proxy of this kind",
            "the port",
        ),
        (
            &no_proxy.url("https"),
            "E_TLS",
            "the TLS connection to the proxy failed",
            "`http://host:port`",
        ),
    ];
    each(cases, |(proxy, code, problem, fix)| {
        let sandbox = Sandbox::with_tls();
        let (message, hint) = sandbox.run(&[TOKEN, &["--proxy", proxy]].concat()).fails(6, code);
        assert!(message.contains(problem), "{proxy}: {message}");
        assert!(hint.contains(fix), "{proxy}: {hint}");
        assert_eq!(sandbox.cloud.connections(), 0, "never past the proxy");
    });
}

#[test]
fn a_password_rejected_by_a_proxy_is_not_retried() {
    for status in ["401 Unauthorized", "403 Forbidden", "407 Proxy Authentication Required"] {
        let mut sandbox = Sandbox::new();
        let passwords = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&passwords);
        let server = Server::start(move |mut stream| {
            let head = read_head(&stream).to_lowercase();
            counted
                .fetch_add(head.matches("proxy-authorization: basic ").count(), Ordering::SeqCst);
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
        });
        sandbox.keep_secret("hunter2-hunter2");
        sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", "https://iam.example");
        let proxy = server.url("http").replace("://", "://robot:hunter2-hunter2@");
        sandbox.set("HTTPS_PROXY", proxy);
        for _ in 0..6 {
            let (message, hint) = sandbox.run(TOKEN).fails(6, "E_NETWORK");
            assert!(message.contains("the proxy "), "{message}");
            assert!(hint.contains("password"), "{hint}");
        }
        let passwords = passwords.load(Ordering::SeqCst);
        assert_eq!(passwords, 1, "{status}: not by kubectl's five other runs either");
    }
}

/// An address whose connections never complete.
struct DeadAddress {
    _listener: tokio::net::TcpListener,
    _queued: Vec<TcpStream>,
    _runtime: tokio::runtime::Runtime,
}

impl DeadAddress {
    /// The port of the IPv6 loopback.
    fn on(port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let listener = {
            let _entered = runtime.enter();
            let socket = tokio::net::TcpSocket::new_v6().unwrap();
            socket.bind(address).unwrap();
            socket.listen(0).unwrap()
        };
        // The queue is never emptied, so it fills up.
        let queued = std::iter::from_fn(|| {
            TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok()
        });
        Self { _queued: queued.collect(), _listener: listener, _runtime: runtime }
    }
}
