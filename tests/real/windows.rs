//! The Windows program, with the real kubectl, the CLI of OpenBao and the AWS SDK for JavaScript on Windows.
//! `release/verify-windows` runs these tests under Wine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use yc_id_token_emulator::Route;

use super::api_server::{ApiServer, Trust};
use super::kubeconfig::{V1, plugin, set_up};
use super::openbao::{ANSWER, OpenBao, SECRET, sign_in};
use super::wine::{HOME, Windows, drive_z, home, programs};
use crate::fake_sts::FakeSts;
use crate::sandbox::{Sandbox, claims};

const AUDIENCE: &str = "https://k8s.example";
const TOKEN: &[&str] = &["token", "--audience", AUDIENCE];
const PAST_HALF: Duration = Duration::from_secs(40 * 60);
const PAST_MINIMUM: Duration = Duration::from_secs(3595);

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn a_token_is_printed_and_cached() {
    let windows = Windows::new(Sandbox::new());
    let first = windows.run(TOKEN).ok();
    assert_eq!(claims(first.trim_end())["aud"], AUDIENCE);
    assert_eq!(windows.run(TOKEN).ok(), first);
    assert_eq!(windows.sandbox.token_requests(), (1, 1));
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn twenty_processes_at_once_make_one_request() {
    let windows = Windows::new(Sandbox::new());
    // All of them start before there is an answer.
    windows.sandbox.cloud.delay(Route::TokenExchange, Duration::from_secs(3));
    let started: Vec<_> = (0..20).map(|_| windows.start("yc-id-token.exe", TOKEN)).collect();
    let mut tokens: Vec<String> = started.into_iter().map(|it| windows.end(it).ok()).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert_eq!(windows.sandbox.token_requests(), (1, 1));
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn a_token_is_renewed_at_its_minimum_lifetime_and_not_in_the_background() {
    let windows = Windows::new(Sandbox::new());
    let first = windows.run(TOKEN).ok();
    windows.sandbox.age("id-token", PAST_HALF);
    assert_eq!(windows.run(TOKEN).ok(), first);
    windows.sandbox.age("id-token", PAST_MINIMUM);
    assert_ne!(windows.run(TOKEN).ok(), first);
    // A background refresh would have been a third request.
    assert_eq!(windows.sandbox.token_requests().1, 2);
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn kubectl_authenticates_with_the_plugin_that_setup_configures() {
    let mut windows = Windows::new(Sandbox::new());
    let sandbox = &mut windows.sandbox;
    let server = ApiServer::start(Trust::in_cloud(&sandbox.cloud, "k8s"), &sandbox.cloud);
    set_up(sandbox, &plugin(V1, &["kubectl", "--audience=k8s"]), &[("prod", &server, Value::Null)]);
    let kubeconfig = sandbox.home().join("kubeconfig");
    let text = fs::read_to_string(&kubeconfig).unwrap();
    let authority = sandbox.home().join("prod-ca.pem");
    let escaped = drive_z(&authority).replace('\\', r"\\");
    fs::write(&kubeconfig, text.replace(authority.to_str().unwrap(), &escaped)).unwrap();
    sandbox.set("KUBECONFIG", drive_z(&kubeconfig));
    let account = format!("cloud-sa:{}", sandbox.account);

    let whoami = ["auth", "whoami", "--output=jsonpath={.status.userInfo.username}"];
    for _ in 0..2 {
        assert_eq!(windows.run_other("kubectl.exe", &whoami).ok(), account);
    }
    assert_eq!(windows.sandbox.token_requests(), (1, 1));

    let setup = windows.run(&[
        "setup",
        "kubectl",
        "--name=other",
        "--cluster=prod",
        "--audience=k8s",
        "--user=other",
        "--apply",
    ]);
    assert_eq!(setup.status, 0, "{setup:?}");
    let whoami = [&whoami[..], &["--user=other"]].concat();
    assert_eq!(windows.run_other("kubectl.exe", &whoami).ok(), account, "{setup:?}");
    let doctor = windows.run(&["doctor", "kubectl"]);
    assert_eq!(doctor.status, 0, "{doctor:?}");
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn the_aws_sdk_runs_the_command_line_that_setup_writes() {
    let mut windows = Windows::new(Sandbox::new());
    let sts = FakeSts::start(&mut windows.sandbox);
    let keys: Value = serde_json::from_str(&windows.run(&["aws"]).ok()).unwrap();
    let setup = windows.run(&[
        "setup",
        "aws",
        "--name=prod",
        "--aws-profile=prod",
        "--role-arn=arn:aws:iam::123456789012:role/robot",
        "--apply",
    ]);
    assert_eq!(setup.status, 0, "{setup:?}");
    let script = "
        const { fromProcess } = await import(process.argv[1]);
        const keys = await fromProcess()();
        console.log(keys.accessKeyId);
    ";
    let module = super::peer(
        "aws-javascript/node_modules/@aws-sdk/credential-provider-process/dist-cjs/index.js",
    );
    let module = format!("file:///{}", drive_z(&module).replace('\\', "/"));
    windows.sandbox.set("AWS_PROFILE", "prod");
    let printed =
        windows.run_other("node.exe", &["--input-type=module", "--eval", script, &module]);
    assert_eq!(printed.ok().trim(), keys["AccessKeyId"].as_str().unwrap(), "{setup:?}");
    assert_eq!(sts.count(), 1);
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn the_cli_of_openbao_runs_the_token_helper() {
    let mut windows = Windows::new(Sandbox::new());
    let server = OpenBao::start(&windows.sandbox.cloud);
    sign_in(&mut windows.sandbox, &server);
    windows.sandbox.unset("SHELL");
    let authority = drive_z(&windows.sandbox.home().join("vault-ca.pem"));
    windows.sandbox.set("VAULT_CACERT", authority);
    let printed = windows.run(&["vault", "install-helper"]).ok();
    assert!(printed.contains(&format!(r"{HOME}\.local\bin\yc-id-token-vault.exe")), "{printed}");
    let again = windows.run(&["vault", "install-helper"]).ok();
    assert!(again.lines().all(|line| line.starts_with("unchanged ")), "{again}");
    let config = fs::read_to_string(home().join(".vault")).unwrap();
    assert_eq!(
        config,
        "token_helper = \"C:\\\\users\\\\root\\\\.local\\\\bin\\\\yc-id-token-vault.exe\"\n"
    );
    for _ in 0..2 {
        let read = windows.run_other("bao.exe", &["kv", "get", "-field=answer", SECRET]);
        assert_eq!(read.ok().trim_end(), ANSWER);
    }
    assert_eq!(server.leases("jwt"), 1);
    let exec = ["vault", "exec", "--revoke", "--", "bao", "kv", "get", "-field=answer", SECRET];
    assert_eq!(windows.run(&exec).ok().trim_end(), ANSWER);
    assert_eq!(server.leases("jwt"), 1);
    windows.run(&["vault", "install-helper", "--remove"]).ok();
    assert!(!home().join(".vault").exists());
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn the_credential_manager_keeps_a_key_and_tokens() {
    let mut windows = Windows::new(Sandbox::new());
    let key = windows.sandbox.get("YC_ID_TOKEN_KEY_FILE").unwrap().into_string().unwrap();
    windows.sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    windows.run(&["key", "import", &key, "--name=robot"]).ok();
    let token = [TOKEN, &["--identity=keyring:robot"]].concat();
    assert_eq!(claims(windows.run(&token).ok().trim_end())["aud"], AUDIENCE);
    let token = [&token[..], &["--cache=keyring"]].concat();
    let first = windows.run(&token).ok();
    assert_eq!(windows.run(&token).ok(), first);
    windows.run(&["cache", "clear", "--cache=keyring"]).ok();
    windows.run(&["key", "remove", "robot"]).ok();
    assert_eq!(windows.run(&["key", "list"]).ok().matches("robot").count(), 0);
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn exec_passes_arguments_and_every_exit_status() {
    let windows = Windows::new(Sandbox::new());
    let exec = |command: &[&str]| {
        windows.run(&[&["exec", "--token-env", "T=k8s", "--"], command].concat())
    };
    // An access violation, the status of a program that Ctrl-C ends, and others.
    for status in [0, 1, 255, 256, 0xC000_0005, 0xC000_013A_u32] {
        let number = status.to_string();
        let ended = exec(&["runner", "--exit", &number]);
        assert_eq!(ended.fails(status.cast_signed()), "", "{number}");
        // It keeps a file for the command.
        let beside = ["exec", "--token-file-env", "T=k8s", "--", "runner", "--exit", &number];
        assert_eq!(windows.run(&beside).fails(status.cast_signed()), "", "{number}");
    }
    let printed = exec(&["runner", "--print", "ключ", "a\"b", ""]).ok();
    assert_eq!(printed.lines().collect::<Vec<_>>(), ["ключ", "a\"b", ""]);
    // A tool that is a script, as those of Python and Node.js.
    let script = programs().join("tool-1.2.cmd");
    fs::write(&script, "@runner --print %*\r\n").unwrap();
    let arguments = ["plain", "a b", r"C:\a b\"];
    for command in ["tool-1.2", "tool-1.2.cmd", &drive_z(&script)] {
        let printed = exec(&[&[command], &arguments[..]].concat()).ok();
        assert_eq!(printed.lines().collect::<Vec<_>>(), arguments, "{command}");
    }
    let missing = exec(&["no-such-tool"]).fails(127);
    assert!(missing.contains("cmd /c"), "{missing}");
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn files_that_powershell_writes_are_read() {
    let mut windows = Windows::new(Sandbox::new());
    let key = windows.write_utf_16("utf16.json", &windows.sandbox.key.to_json());
    windows.sandbox.set("YC_ID_TOKEN_KEY_FILE", key);
    let config = "[profiles.prod]\r\naudience = \"from-utf-16\"\r\n";
    windows.write_utf_16(".config/yc-id-token/config.toml", config);
    let token = windows.run(&["token", "--profile=prod"]).ok();
    assert_eq!(claims(token.trim_end())["aud"], "from-utf-16");

    let iam_token = windows.sandbox.cloud.issue_iam_token(&windows.sandbox.account);
    let file = windows.write_utf_16("iam-token", &format!("{iam_token}\r\n"));
    windows.sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let account = format!("--service-account={}", windows.sandbox.account);
    windows.run(&[TOKEN, &["--iam-token-file", &file, &account]].concat()).ok();

    let user = json!({ "name": "robot", "user": plugin(V1, &["kubectl", "--audience=k8s"]) });
    let kubeconfig = json!({ "kind": "Config", "apiVersion": "v1", "users": [user] }).to_string();
    let kubeconfig = windows.write_utf_16("kubeconfig", &kubeconfig);
    windows.sandbox.set("KUBECONFIG", kubeconfig);
    let view = windows.run_other("kubectl.exe", &["config", "view"]).ok();
    assert!(view.contains("yc-id-token"), "kubectl reads it too: {view}");
    let doctor = windows.run(&["doctor", "kubectl"]);
    assert!(doctor.stdout.contains("user `robot`"), "{doctor:?}");
    let setup = ["setup", "kubectl", "--name=a", "--audience=a", "--apply"];
    let refused = windows.run(&setup).fails(3);
    assert!(refused.contains("it is UTF-16; save it as UTF-8"), "{refused}");
}

#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn doctor_does_not_report_permissions_that_it_cannot_check() {
    let windows = Windows::new(Sandbox::new());
    let doctor = windows.run(&["doctor"]);
    let lines: Vec<&str> = doctor.stdout.lines().map(str::trim_start).collect();
    for file in ["key.json", r"yc-id-token\cache"] {
        let is_note =
            |line: &&str| line.starts_with("- ") && line.contains(file) && line.contains("icacls");
        assert!(lines.iter().any(is_note), "{file}: {doctor:?}");
    }
    for word in ["chmod", "XDG_", "closed to others", "export ", "0600", "0700"] {
        assert!(!doctor.stdout.contains(word), "{word}: {doctor:?}");
    }
}

/// No file of the test is below the drive C:, so that its folders are those of the sandbox.
#[test]
#[ignore = "needs Wine: release/verify-windows"]
fn the_cache_is_in_the_local_folder_of_the_user() {
    let windows = Windows::new(Sandbox::new());
    windows.run(TOKEN).ok();
    assert_eq!(windows.sandbox.entries("id-token").len(), 1);
    let path = windows.run(&["cache", "path"]).ok();
    assert_eq!(path.trim_end(), format!(r"{HOME}\AppData\Local\yc-id-token\cache"));
    assert!(Path::new(&home().join("AppData/Local/yc-id-token/cache")).is_dir());
}
