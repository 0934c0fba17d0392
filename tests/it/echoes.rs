//! A secret that a server, a file or a kubeconfig repeats, in any encoding, is not printed by the program.

use std::fs;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::fake_server::{FakeServer, Reply, Request};
use crate::sandbox::Sandbox;

/// The encodings in which a server can repeat a request.
const FORMS: [fn(&str) -> String; 9] = [
    |token| token.to_owned(),
    |token| token[..60].to_owned(),
    |token| token[token.len() - 90..token.len() - 40].to_owned(),
    str::to_uppercase,
    |token| BASE64_STANDARD.encode(token),
    escaped,
    |token| in_pieces(token, 40, "\n"),
    |token| in_pieces(token, 10, " "),
    |token| in_pieces(token, 12, "\u{200b}"),
];

/// The parts of an answer that can contain it.
const PLACES: [fn(&str) -> Reply; 5] = [
    |text| answer(400, "x-request-id", text, &json!({ "code": 3, "message": text })),
    |text| {
        answer(
            403,
            "www-authenticate",
            text,
            &json!({ "message": text, "details": [{ "requestId": text }] }),
        )
    },
    |text| answer(401, "location", text, &json!({ "error": text, "error_description": text })),
    |text| answer(302, "location", text, &json!(text)),
    |text| answer(200, "content-type", text, &json!({ "iamToken": text, "expiresAt": text })),
];

fn escaped(token: &str) -> String {
    let bytes: Vec<String> = token.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

fn in_pieces(token: &str, length: usize, between: &str) -> String {
    let pieces = token.as_bytes().chunks(length).map(String::from_utf8_lossy);
    pieces.collect::<Vec<_>>().join(between)
}

fn answer(status: u16, header: &'static str, text: &str, body: &serde_json::Value) -> Reply {
    let one_line = text.replace('\n', " ");
    let headers = vec![(header, one_line.clone()), ("x-request-id", one_line)];
    Reply::Answer { status, headers, body: body.to_string() }
}

/// The assertion in a request.
fn assertion(request: &Request) -> String {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    body["jwt"].as_str().unwrap().to_owned()
}

/// Whether a text contains a usable part of a secret.
fn has_part_of(text: &str, written: &str) -> bool {
    let characters: Vec<char> = written.chars().filter(|c| !c.is_whitespace()).collect();
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    characters.windows(24).any(|part| text.contains(&part.iter().collect::<String>()))
}

#[test]
fn secrets_that_a_server_repeats_in_any_encoding_are_hidden() {
    for place in PLACES {
        for form in FORMS {
            let mut sandbox = Sandbox::new();
            let sent = Arc::new(Mutex::new(Vec::new()));
            let shared = Arc::clone(&sent);
            let server = FakeServer::start(move |request, _| {
                let token = assertion(request);
                shared.lock().unwrap().extend([token.clone(), form(&token)]);
                place(&form(&token))
            });
            sandbox.set("YC_ID_TOKEN_IAM_ENDPOINT", server.url());
            sandbox.set("YC_ID_TOKEN_AUDIENCE", "k8s");
            let failed = sandbox.run(&["token", "-vvv"]);
            assert!(!failed.status.success(), "{failed:?}");
            let [status, as_json] = [&["status"][..], &["status", "--json"]]
                .map(|arguments| sandbox.run(arguments).stdout);
            assert!(status.contains("failed") && as_json.contains("failed"), "{status}");
            for text in [&failed.stderr, &status, &as_json, &sandbox.log()] {
                for written in sent.lock().unwrap().iter() {
                    assert!(!has_part_of(text, written), "{written}:\n{text}");
                }
            }
        }
    }
}

#[test]
fn a_cache_file_with_a_forged_name_is_not_shown() {
    let sandbox = Sandbox::new();
    sandbox.cloud.always(
        yc_id_token_emulator::Route::IamToken,
        Some(yc_id_token_emulator::Fault::Status(503)),
    );
    sandbox.run(&["token", "--audience=k8s"]);
    let folder = fs::read_dir(sandbox.cache_folder()).unwrap().map(|entry| entry.unwrap().path());
    let memo = folder.into_iter().find(|path| path.to_string_lossy().ends_with(".failure"));
    let name = "t1.9euelZrPmJuVkpmMlc2Lz5yRz8qPmJuVkpmMlc2Lz5yR\u{1b}[2J.v1.failure";
    fs::copy(memo.unwrap(), sandbox.cache_folder().join(name)).unwrap();
    for arguments in [&["status"][..], &["status", "--json"]] {
        let shown = sandbox.run(arguments).ok();
        assert!(shown.contains("failed") && !shown.contains("9euelZ"), "{shown}");
    }
}

#[test]
fn a_diff_shows_no_secret_of_several_lines() {
    let sandbox = Sandbox::new();
    let secret = "hunter2-of-a-person";
    sandbox.keep_secret(secret);
    let kubeconfig = sandbox.write_secret(
        ".kube/config",
        &format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: https://127.0.0.1:1}}\nusers:\n- name: o\n  user:\n    username: me\n    password: >-\n      {secret}\n"
        ),
    );
    let shown = sandbox.run(&["setup", "kubectl", "--print", "--offline", "--audience=k8s"]).ok();
    assert!(
        shown.contains("+- name: yandex\n") && shown.contains("    password: [redacted]\n"),
        "{shown}"
    );
    assert!(!shown.contains(secret), "{shown}");
    assert!(fs::read_to_string(kubeconfig).unwrap().contains(secret));
}
