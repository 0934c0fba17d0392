//! An STS on loopback that refuses requests as AWS does, with the errors of its API reference, which other servers of
//! the protocol do not share. It can return any answer, down to the bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::fake_server::{self, FakeServer, Reply};
use crate::sandbox::Sandbox;

/// All secret keys begin like this, and all session tokens.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+";
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEOr+";

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    /// The form's fields.
    pub fields: BTreeMap<String, String>,
}

/// The answer to one request.
pub enum Answer {
    /// Keys with this lifetime.
    Keys(Duration),
    /// A refusal: HTTP status, code and message.
    Refusal(u16, &'static str, &'static str),
    /// These bytes, and the end of the connection.
    Bytes(String),
}

/// A running server. It stops when dropped.
pub struct FakeSts {
    server: FakeServer,
    script: Arc<Mutex<VecDeque<Answer>>>,
}

impl FakeSts {
    /// Starts a server, and configures a sandbox to assume a role there.
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let script = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&script);
        let server = FakeServer::start(move |request, number| {
            answer(&Request::read(request), number, shared.lock().unwrap().pop_front())
        });
        for secret in [SECRET, SESSION_TOKEN] {
            sandbox.keep_secret(secret);
        }
        let sts = Self { server, script };
        sandbox.set("YC_ID_TOKEN_AWS_STS_ENDPOINT", sts.url());
        sandbox.set("YC_ID_TOKEN_AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/robot");
        sts
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers the next requests like this, one each; then with keys of the requested lifetime.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().extend(answers);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests().iter().map(Request::read).collect()
    }

    /// The number of requests.
    pub fn count(&self) -> usize {
        self.server.requests().len()
    }

    /// The number of connections.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }
}

impl Request {
    fn read(request: &fake_server::Request) -> Self {
        let fields = form_fields(&request.body);
        Self { line: request.line.clone(), headers: request.headers.clone(), fields }
    }
}

fn answer(request: &Request, number: usize, scripted: Option<Answer>) -> Reply {
    let requested = request.fields.get("DurationSeconds").and_then(|text| text.parse().ok());
    let answer = scripted.unwrap_or(Answer::Keys(Duration::from_secs(requested.unwrap_or(3600))));
    let (status, body) = match answer {
        Answer::Keys(life) => (200, keys(request, number, life)),
        Answer::Refusal(status, code, message) => (status, refusal(code, message)),
        Answer::Bytes(bytes) => return Reply::Bytes(bytes.into_bytes()),
    };
    let headers =
        vec![("content-type", "text/xml".into()), ("x-amzn-requestid", format!("r-{number}"))];
    Reply::Answer { status, headers, body }
}

/// The fields of a form (`application/x-www-form-urlencoded`).
pub fn form_fields(body: &str) -> BTreeMap<String, String> {
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// Keys that identify the request they answer.
fn keys(request: &Request, number: usize, life: Duration) -> String {
    let name = request.fields.get("RoleSessionName").map_or("none", String::as_str);
    let expires_at = timestamp(SystemTime::now() + life);
    format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/robot/{name}</Arn><AssumedRoleId>AROA:{name}</AssumedRoleId></AssumedRoleUser>
    <Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>{SECRET}{number}</SecretAccessKey><SessionToken>{SESSION_TOKEN}{number}</SessionToken><Expiration>{expires_at}</Expiration></Credentials>
    <SourceIdentity/>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>r-{number}</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#
    )
}

fn refusal(code: &str, message: &str) -> String {
    format!(
        r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-refused</RequestId></ErrorResponse>"#
    )
}

fn timestamp(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    yc_id_token::clock::Timestamp::from_unix_seconds(seconds.try_into().unwrap()).to_string()
}
