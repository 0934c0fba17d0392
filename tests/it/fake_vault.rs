//! A Vault on loopback that returns a token for every login, or a scripted error: of a cluster, a gateway or another
//! version, which a real server does not return on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_server::{FakeServer, Reply, Request};
use crate::sandbox::Sandbox;

/// All tokens begin like this.
const TOKEN: &str = "hvs.CAESIJlWh2dGVzdHRva2Vu";

/// The answer to one request.
pub enum Answer {
    /// A token with these fields of `auth` changed; or the details of a token, for a lookup.
    Auth(Value),
    /// A refusal: HTTP status and error.
    Refusal(u16, &'static str),
    /// A refusal with one more header.
    RefusalWith(u16, &'static str, (&'static str, String)),
    /// These bytes, and the end of the connection.
    Bytes(String),
}

/// A running server. It stops when dropped.
pub struct FakeVault {
    server: FakeServer,
    script: Arc<Mutex<VecDeque<Answer>>>,
}

impl FakeVault {
    /// Starts a server, and configures a sandbox to log in there.
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let script = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&script);
        let server = FakeServer::start(move |request, number| {
            answer(request, number, shared.lock().unwrap().pop_front())
        });
        sandbox.keep_secret(TOKEN);
        sandbox.set("VAULT_ADDR", server.url());
        sandbox.set("YC_ID_TOKEN_VAULT_ROLE", "robot");
        Self { server, script }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers the next requests like this, one each; then as usual.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().extend(answers);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// The number of logins.
    pub fn logins(&self) -> usize {
        self.requests().iter().filter(|request| request.line.contains("/login ")).count()
    }

    /// The last part of each request's path.
    pub fn request_paths(&self) -> Vec<String> {
        let path = |request: &Request| request.line.split(' ').nth(1).unwrap().to_owned();
        let last = |path: String| path.rsplit('/').next().unwrap().to_owned();
        self.requests().iter().map(|request| last(path(request))).collect()
    }

    /// The ID token of the last login.
    pub fn jwt(&self) -> String {
        let requests = self.requests();
        let login = requests.iter().rfind(|request| request.line.contains("/login ")).unwrap();
        let body: Value = serde_json::from_str(&login.body).unwrap();
        body["jwt"].as_str().unwrap().to_owned()
    }

    /// The number of connections.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }
}

/// The token in the answer to the request with this number.
pub fn token(number: usize) -> String {
    format!("{TOKEN}{number}")
}

fn answer(request: &Request, number: usize, scripted: Option<Answer>) -> Reply {
    let (status, headers, body) = match scripted.unwrap_or(Answer::Auth(json!({}))) {
        Answer::Auth(changes) => (200, vec![], granted(request, number, &changes)),
        Answer::Refusal(status, error) => (status, vec![], json!({ "errors": [error] })),
        Answer::RefusalWith(status, error, header) => {
            (status, vec![header], json!({ "errors": [error] }))
        }
        Answer::Bytes(bytes) => return Reply::Bytes(bytes.into_bytes()),
    };
    let status = if request.line.contains("/revoke-self ") && status == 200 { 204 } else { status };
    let body = if status == 204 { String::new() } else { body.to_string() };
    Reply::Answer { status, headers, body }
}

fn granted(request: &Request, number: usize, changes: &Value) -> Value {
    if request.line.contains("/lookup-self ") {
        return json!({ "data": { "ttl": 1234, "expire_time": "2030-01-01T00:00:00Z" } });
    }
    if let Some(life) = request.headers.get("x-vault-wrap-ttl") {
        let ttl: u64 = life.trim_end_matches('s').parse().unwrap();
        return json!({ "auth": null, "wrap_info": { "token": token(number), "accessor": "a", "ttl": ttl } });
    }
    let mut auth = json!({
        "client_token": token(number),
        "accessor": format!("accessor-{number}"),
        "policies": ["default", "reader"],
        "metadata": { "role": "robot" },
        "lease_duration": 1200,
        "renewable": true,
        "token_type": "service",
        "num_uses": 0,
    });
    for (key, value) in changes.as_object().unwrap() {
        auth[key] = value.clone();
    }
    json!({ "lease_duration": 0, "auth": auth, "wrap_info": null })
}
