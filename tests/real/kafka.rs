//! `docs/kafka.md`: librdkafka logs in with the page's token at a broker that implements the part of Kafka's protocol
//! for a login and a request for metadata ("Kafka protocol guide"; RFC 7628 for OAUTHBEARER).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::documents::filled_in;
use super::pages::{Page, RelyingParty};

const BOOTSTRAP: &str = "kafka.example:9093";

const METADATA: i16 = 3;
const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;

/// The newest version of each request that the broker supports.
const VERSIONS: [(i16, i16); 4] =
    [(METADATA, 1), (SASL_HANDSHAKE, 1), (API_VERSIONS, 0), (SASL_AUTHENTICATE, 0)];

const UNSUPPORTED_VERSION: i16 = 35;
const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// Starts a broker, which runs as long as the test, and returns its address.
fn start(relying_party: RelyingParty) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let relying_party = Arc::new(relying_party);
    std::thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let relying_party = Arc::clone(&relying_party);
            std::thread::spawn(move || serve(stream, address.port(), &relying_party));
        }
    });
    address.to_string()
}

fn serve(mut stream: TcpStream, port: u16, relying_party: &RelyingParty) -> Option<()> {
    let mut refusal = String::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).ok()?;
        let api = i16::from_be_bytes(request[..2].try_into().unwrap());
        let version = i16::from_be_bytes(request[2..4].try_into().unwrap());
        let client = usize::from(u16::from_be_bytes(request[8..10].try_into().unwrap()));
        let mut answer = Answer(request[4..8].to_vec());
        match api {
            API_VERSIONS => {
                answer.number(if version == 0 { 0 } else { UNSUPPORTED_VERSION });
                answer.0.extend(4_i32.to_be_bytes());
                for (api, newest) in VERSIONS {
                    for number in [api, 0, newest] {
                        answer.number(number);
                    }
                }
            }
            SASL_HANDSHAKE => {
                answer.number(0);
                answer.0.extend(1_i32.to_be_bytes());
                answer.text("OAUTHBEARER");
            }
            SASL_AUTHENTICATE => {
                // The client acknowledges a refusal, and gets it as an error.
                let is_acknowledged = !refusal.is_empty();
                answer.number(if is_acknowledged { SASL_AUTHENTICATION_FAILED } else { 0 });
                answer.text(&refusal);
                if !is_acknowledged {
                    refusal = login(&request[14 + client..], relying_party).unwrap_or_default();
                }
                answer.0.extend(i32::try_from(refusal.len()).unwrap().to_be_bytes());
                answer.0.extend(refusal.as_bytes());
            }
            METADATA => {
                answer.0.extend([0, 0, 0, 1, 0, 0, 0, 1]);
                answer.text("127.0.0.1");
                answer.0.extend(i32::from(port).to_be_bytes());
                answer.number(-1);
                answer.0.extend([0, 0, 0, 1, 0, 0, 0, 0]);
            }
            other => panic!("request {other} is not known"),
        }
        let length = u32::try_from(answer.0.len()).unwrap();
        stream.write_all(&[&length.to_be_bytes(), &answer.0[..]].concat()).ok()?;
    }
}

/// The refusal of a client's first message.
fn login(message: &[u8], relying_party: &RelyingParty) -> Option<String> {
    let message = std::str::from_utf8(message).unwrap();
    let token = message.strip_prefix("n,,\u{1}auth=Bearer ")?.strip_suffix("\u{1}\u{1}")?;
    let problem = relying_party.check(token).err()?;
    assert!(problem.starts_with("aud is "), "{problem}");
    Some("{\"status\":\"invalid_token\"}".to_owned())
}

struct Answer(Vec<u8>);

impl Answer {
    fn number(&mut self, number: i16) {
        self.0.extend(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len().try_into().unwrap());
        self.0.extend(text.as_bytes());
    }
}

fn properties(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap()).collect()
}

#[test]
fn librdkafka_logs_in_with_the_pages_token() {
    let page = Page::of("kafka");
    let settings = page.file("server.properties");
    let settings = properties(&settings);
    let relying_party = page.relying_party(
        settings["sasl.oauthbearer.expected.issuer"],
        settings["sasl.oauthbearer.expected.audience"],
        &page.sandbox.account,
    );
    let broker = start(relying_party);
    let script = filled_in(&page.file("check.py"), BOOTSTRAP, &broker);
    let script = filled_in(&script, "SASL_SSL", "SASL_PLAINTEXT");
    page.sandbox.write("check.py", &script);
    let printed = page.type_in("exec --profile=kafka", &[]).ok();
    assert!(printed.contains(&broker), "{printed}");

    // The library retries until the time limit.
    page.sandbox.write("check.py", &script.replace("timeout=10", "timeout=1"));
    let mut other = page.sandbox.command(&["exec", "--profile=kafka", "--audience=other"]);
    other.args(["--token-file-env=KAFKA_TOKEN_FILE", "--", "python3", "check.py"]);
    let refused = page.sandbox.finish(other);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(
        refused.stderr.contains("SASL authentication error: {\"status\":\"invalid_token\"}"),
        "{refused:?}"
    );
}

/// Java's client reads the file to its end, and sends what it reads.
#[test]
fn the_properties_for_java_name_the_file_of_the_agent() {
    let page = Page::of("kafka");
    let token_file = page.token_file();
    page.type_in("agent --once", &[]).ok();
    let settings = page.file("client.properties");
    let settings = properties(&settings);
    let url = settings["sasl.oauthbearer.token.endpoint.url"];
    assert_eq!(url, format!("file://{}", token_file.display()));
    let token = std::fs::read_to_string(token_file).unwrap();
    assert_eq!(token.trim(), token);
    let relying_party =
        page.relying_party("https://auth.yandex.cloud", "kafka", &page.sandbox.account);
    relying_party.check(&token).unwrap();
}
