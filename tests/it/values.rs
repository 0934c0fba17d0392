//! A value means the same wherever it comes from, and a secret in the wrong place is never printed.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use crate::sandbox::{Sandbox, claims};

const TOKEN: &[&str] = &["token", "--audience=k8s"];

/// A sandbox without a key file, whose key is a secret in every encoding.
fn without_key_file() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    sandbox.keep_secret(&sandbox.key.to_json());
    sandbox
}

fn subject(sandbox: &Sandbox, command: Command) -> String {
    claims(sandbox.finish(command).ok().trim())["sub"].as_str().unwrap().to_owned()
}

#[test]
fn a_variable_can_contain_the_key_also_in_base64() {
    let sandbox = without_key_file();
    let json = sandbox.key.to_json();
    let lines = BASE64_STANDARD.encode(&json).into_bytes();
    let lines: Vec<String> =
        lines.chunks(76).map(|line| String::from_utf8_lossy(line).into()).collect();
    for variable in ["YC_SERVICE_ACCOUNT_KEY_FILE", "YC_ID_TOKEN_KEY_FILE"] {
        for value in [
            json.clone(),
            format!("\u{feff}\n{json}\n"),
            BASE64_STANDARD.encode(&json),
            BASE64_STANDARD.encode(format!("{json}\n")) + "\n",
            BASE64_URL_SAFE_NO_PAD.encode(&json),
            lines.join("\n"),
            lines.join("\r\n"),
        ] {
            let mut command = sandbox.command(TOKEN);
            command.env(variable, value);
            assert_eq!(subject(&sandbox, command), sandbox.account, "{variable}");
        }
    }
}

#[test]
fn a_key_is_read_from_standard_input() {
    let sandbox = without_key_file();
    let mut child = sandbox
        .command(&[TOKEN, &["--key-file", "-"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sandbox.key.to_json().as_bytes()).unwrap();
    let token = sandbox.outcome(child).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
}

#[test]
fn a_secret_in_the_place_of_a_name_is_never_printed() {
    let sandbox = without_key_file();
    let json = sandbox.key.to_json();
    let pem = serde_json::from_str::<serde_json::Value>(&json).unwrap();
    let pem = pem["private_key"].as_str().unwrap().to_owned();
    sandbox.keep_secret(&pem);
    let token = format!("t1.{}.{}", "9euelZqU".repeat(8), "c2lnbmF0dXJl".repeat(8));
    sandbox.keep_secret(&token);
    let secrets = [
        json.clone(),
        BASE64_STANDARD.encode(&json),
        pem.clone(),
        pem.replace('\n', "\\n"),
        pem.lines().nth(1).unwrap().to_owned(),
        BASE64_STANDARD.encode(&pem),
        token.clone(),
        BASE64_STANDARD.encode(&token),
    ];
    let names =
        ["config", "profile", "identity", "iam-token-file", "ca-file", "yc-path", "key-file"];
    for secret in &secrets {
        for name in names {
            let variable = format!("YC_ID_TOKEN_{}", name.to_uppercase().replace('-', "_"));
            for command in
                [TOKEN, &["status"], &["doctor", "--offline"], &["setup", "kubectl", "--print"]]
            {
                let mut by_variable = sandbox.command(command);
                by_variable.env(&variable, secret);
                let mut by_flag = sandbox.command(command);
                by_flag.arg(format!("--{name}={secret}"));
                let mut as_json = sandbox.command(command);
                as_json.env(&variable, secret).args(["--error-format=json", "-vv"]);
                for command in [by_variable, by_flag, as_json] {
                    // The sandbox searches standard error, and this searches the rest; the status does not matter.
                    let outcome = sandbox.finish(command);
                    for secret in [&json, &pem, &token] {
                        assert!(
                            !crate::leaks::holds(&outcome.stdout, secret),
                            "{name}: {outcome:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_secret_in_the_place_of_a_file_is_rejected_by_variable() {
    let sandbox = without_key_file();
    let token = format!("t1.{}", "9euelZqU".repeat(12));
    sandbox.keep_secret(&token);
    let mut command = sandbox.command(TOKEN);
    command.env("YC_ID_TOKEN_IAM_TOKEN_FILE", &token);
    let (message, _) = sandbox.finish(command).fails(3, "E_VALUE");
    assert_eq!(
        message,
        "YC_ID_TOKEN_IAM_TOKEN_FILE: looks like a key or a token, and must be the name of a file"
    );
}

#[test]
fn an_empty_value_is_reported_with_its_origin() {
    let mut sandbox = Sandbox::new();
    let problem = "is empty; give a value or leave it out";
    for arguments in [
        &["token", "--audience", ""][..],
        &["token", "--audience="],
        &["kubectl", "--audience", " "],
        &["token", "--audience=a", "--profile", ""],
        &["aws", "--role-arn="],
        &["vault", "login", "--role", ""],
    ] {
        let (message, _) = sandbox.run(arguments).fails(2, "E_USAGE");
        assert!(message.starts_with("`--") && message.ends_with(problem), "{message}");
    }
    for name in [
        "AUDIENCE",
        "PROFILE",
        "KEY_FILE",
        "CONFIG",
        "CA_FILE",
        "LOG_FILE",
        "VERBOSE",
        "ERROR_FORMAT",
        "IAM_TOKEN",
        "OAUTH_TOKEN",
    ] {
        for value in ["", " "] {
            let variable = format!("YC_ID_TOKEN_{name}");
            let mut command = sandbox.command(&["token"]);
            command.env(&variable, value);
            let (message, _) = sandbox.finish(command).fails(3, "E_VALUE");
            assert_eq!(message, format!("{variable}: {problem}"));
        }
    }
    let file = sandbox.configure("[profiles.p]\naudience = \"\"\n");
    let (message, _) = sandbox.run(&["token", "--profile=p"]).fails(3, "E_CONFIG");
    assert_eq!(message, format!("{}:2: `audience` {problem}", file.display()));
    // Yandex's own variables count as unset when they are empty, as for its other tools.
    sandbox.set("YC_FOLDER_ID", "");
    sandbox.set("YC_TOKEN", "");
    sandbox.run(TOKEN).ok();
}

#[test]
fn an_audience_with_spaces_or_hidden_characters_is_rejected() {
    let sandbox = Sandbox::new();
    for audience in
        ["aud1\n", " aud1", "aud 1", "aud1\t", "aud\u{200b}1", "aud\u{202e}1", "\u{feff}aud"]
    {
        sandbox.run(&["token", "--audience", audience]).fails(2, "E_USAGE");
        let mut command = sandbox.command(&["token"]);
        command.env("YC_ID_TOKEN_AUDIENCE", audience);
        sandbox.finish(command).fails(3, "E_VALUE");
        let quoted = serde_json::to_string(audience).unwrap();
        sandbox.configure(&format!("[profiles.p]\naudience = {quoted}\n"));
        sandbox.run(&["token", "--profile=p"]).fails(3, "E_CONFIG");
        let cluster = serde_json::json!({ "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential", "spec": { "cluster": { "config": { "audience": audience } } } });
        let mut command = sandbox.command(&["kubectl"]);
        command.env("KUBERNETES_EXEC_INFO", cluster.to_string());
        sandbox.finish(command).fails(3, "E_EXEC_INFO");
    }
    assert_eq!(sandbox.token_requests(), (0, 0));
}

#[test]
fn a_variable_that_is_not_utf8_is_reported_by_name() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["token"]);
    command.env("YC_ID_TOKEN_AUDIENCE", OsString::from_vec(b"caf\xe9".to_vec()));
    let (message, _) = sandbox.finish(command).fails(3, "E_VALUE");
    assert_eq!(message, "YC_ID_TOKEN_AUDIENCE: is not UTF-8");
}

#[test]
fn a_tilde_means_the_home_folder_everywhere() {
    let mut sandbox = without_key_file();
    sandbox.write_secret("keys/robot.json", &sandbox.key.to_json());
    sandbox.configure("[profiles.p]\nkey_file = \"~/keys/robot.json\"\n");
    let config = sandbox.write("etc/other.toml", "[defaults]\naudience = \"other\"\n");
    assert!(config.is_file());
    sandbox.run(&[TOKEN, &["--profile=p"]].concat()).ok();
    sandbox.run(&[TOKEN, &["--key-file=~/keys/robot.json"]].concat()).ok();
    sandbox.run(&[TOKEN, &["--identity=authorized-key:~/keys/robot.json"]].concat()).ok();
    let mut command = sandbox.command(TOKEN);
    command.env("YC_SERVICE_ACCOUNT_KEY_FILE", "~/keys/robot.json");
    sandbox.finish(command).ok();
    sandbox.set("YC_ID_TOKEN_KEY_FILE", "~/keys/robot.json");
    let token = sandbox.run(&["token", "--config=~/etc/other.toml"]).ok();
    assert_eq!(claims(token.trim())["aud"], "other");
    let output = sandbox.home().join("out/token");
    fs::create_dir(output.parent().unwrap()).unwrap();
    sandbox.may_hold_secrets(&output);
    sandbox.run(&[TOKEN, &["--output=~/out/token"]].concat()).ok();
    assert!(output.is_file());
    sandbox.run(&[TOKEN, &["--log-file=~/out/log", "-v"]].concat()).ok();
    assert!(sandbox.home().join("out/log").is_file());
}

#[test]
fn a_path_can_have_letters_of_any_alphabet() {
    let mut sandbox = without_key_file();
    let absent = sandbox.run(&[TOKEN, &["--key-file=ключи/робот.json"]].concat());
    let (message, _) = absent.fails(3, "E_UNREADABLE");
    assert_eq!(
        message,
        "cannot read the authorized key file `ключи/робот.json`: no such file or directory"
    );
    let key = sandbox.write_secret("ключи/робот.json", &sandbox.key.to_json());
    sandbox.set("YC_ID_TOKEN_KEY_FILE", key);
    sandbox.run(TOKEN).ok();
    assert!(sandbox.run(&["status"]).ok().contains("fresh"));
}

#[test]
fn files_saved_by_windows_editors_are_read() {
    let mut sandbox = without_key_file();
    let utf16 = |text: &str| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect::<Vec<u8>>()
    };
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let iam_token = sandbox.cloud.issue_iam_token(&sandbox.account);
    let config = format!("[defaults]\r\nservice_account = \"{}\"\r\n", sandbox.account);
    for encode in [&utf16 as &dyn Fn(&str) -> Vec<u8>, &marked] {
        let key = sandbox.write_secret("key.json", "");
        fs::write(&key, encode(&sandbox.key.to_json())).unwrap();
        sandbox.run(&[TOKEN, &["--key-file", key.to_str().unwrap()]].concat()).ok();
        let token = sandbox.write_secret("iam-token", "");
        fs::write(&token, encode(&format!("{iam_token}\r\n"))).unwrap();
        let file = sandbox.configure("");
        fs::write(file, encode(&config)).unwrap();
        sandbox.run(&[TOKEN, &["--iam-token-file", token.to_str().unwrap()]].concat()).ok();
    }
    let key = sandbox.write_secret("key.json", "");
    fs::write(&key, &utf16(&sandbox.key.to_json())[2..]).unwrap();
    sandbox.set("YC_ID_TOKEN_KEY_FILE", key);
    let (message, _) = sandbox.run(TOKEN).fails(3, "E_IDENTITY");
    assert!(
        message.ends_with("is UTF-16 without a byte order mark; save it as UTF-8"),
        "{message}"
    );
}

#[test]
fn a_secret_of_another_kind_is_identified() {
    let sandbox = without_key_file();
    let static_key = "YCAJEexample0example0example";
    sandbox.keep_secret(static_key);
    let mut command = sandbox.command(&["token", "--service-account=ajexample"]);
    command.env("YC_IAM_TOKEN", static_key);
    let (message, _) = sandbox.finish(command).fails(3, "E_VALUE");
    assert!(
        message.ends_with("holds the ID of a static access key (for S3), not a token of IAM"),
        "{message}"
    );
    let google =
        sandbox.write_secret("google.json", r#"{"type":"service_account","private_key_id":"1"}"#);
    let (message, _) = sandbox
        .run(&[TOKEN, &["--key-file", google.to_str().unwrap()]].concat())
        .fails(3, "E_IDENTITY");
    assert!(
        message.ends_with("is a key of Google Cloud, not an authorized key of Yandex Cloud"),
        "{message}"
    );
}

#[test]
fn a_readable_secret_of_a_pod_gets_a_hint_for_its_manifest() {
    let sandbox = without_key_file();
    // As the kubelet creates it: links to a folder that it replaces as a whole.
    let data = sandbox.home().join("secret/..2026_01_01");
    fs::create_dir_all(&data).unwrap();
    let key = sandbox.write_secret("secret/..2026_01_01/key.json", &sandbox.key.to_json());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink("..2026_01_01", sandbox.home().join("secret/..data")).unwrap();
    let link = sandbox.home().join("secret/key.json");
    std::os::unix::fs::symlink("..data/key.json", &link).unwrap();
    let (_, hint) = sandbox
        .run(&[TOKEN, &["--key-file", link.to_str().unwrap()]].concat())
        .fails(3, "E_IDENTITY");
    assert!(hint.starts_with("set `defaultMode: 0400` in the volume of the pod"), "{hint}");
}
