//! An STS on loopback that refuses as AWS does: the table of errors of its API reference, which the
//! other servers that speak the protocol do not share. What it answers can be anything, down to the
//! bytes.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::sandbox::Sandbox;

/// All secret keys begin like this, and all session tokens.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+";
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEOr+";

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    /// The form's fields.
    pub fields: BTreeMap<String, String>,
}

/// What is answered to one request.
pub enum Answer {
    /// Keys of this life.
    Keys(Duration),
    /// A refusal: HTTP status, code and message.
    Refusal(u16, &'static str, &'static str),
    /// This, to the byte, and the end of the connection.
    Bytes(String),
}

/// A running server. It stops when dropped.
pub struct FakeSts {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    requests: Vec<Request>,
    connections: usize,
    stopped: bool,
}

impl FakeSts {
    /// Starts a server, and sets a sandbox up to assume a role there.
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                if shared.lock().unwrap().stopped {
                    return;
                }
                shared.lock().unwrap().connections += 1;
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        for secret in [SECRET, SESSION_TOKEN] {
            sandbox.keep_secret(secret);
        }
        let sts = Self { address, state };
        sandbox.set("YC_ID_TOKEN_AWS_STS_ENDPOINT", sts.url());
        sandbox.set("YC_ID_TOKEN_AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/robot");
        sts
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests like this, one each; then with keys of the life that is asked for.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().script.extend(answers);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

impl Drop for FakeSts {
    fn drop(&mut self) {
        self.state.lock().unwrap().stopped = true;
        // So that the thread that waits for connections sees it.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader) {
        let (answer, number) = {
            let mut state = state.lock().unwrap();
            state.requests.push(request.clone());
            (state.script.pop_front(), state.requests.len())
        };
        let asked = request.fields.get("DurationSeconds").and_then(|text| text.parse().ok());
        let answer = answer.unwrap_or(Answer::Keys(Duration::from_secs(asked.unwrap_or(3600))));
        let (status, body) = match answer {
            Answer::Keys(life) => (200, keys(&request, number, life)),
            Answer::Refusal(status, code, message) => (status, refusal(code, message)),
            Answer::Bytes(bytes) => {
                let _ = stream.write_all(bytes.as_bytes());
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nx-amzn-requestid: r-{number}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let fields = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    Some(Request { line: line.trim().to_owned(), headers, fields })
}

/// `application/x-www-form-urlencoded`.
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

/// Keys that tell of the request that they answer.
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
