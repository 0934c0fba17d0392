//! The files of `integrations/agent`: the units are read by systemd's own reader, and the commands of the service and of
//! the page are run.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use yc_id_token_emulator::{Fault, Route};

use super::documents::{Document, filled_in};
use super::project_file;
use crate::agent::{Agent, file};
use crate::sandbox::{PROGRAM, Sandbox, claims, eventually};

const HELPER: &str = "/usr/local/bin/yc-id-token";
const UNIT: &str = "yc-id-token-agent.service";
const SOCKET: &str = "yc-id-token-agent.socket";
const FOLDER: &str = "/run/user/1000/yc-id-token";

#[test]
fn the_unit_keeps_the_files_of_the_page() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let unit = filled_in(&project_file(&format!("integrations/agent/{UNIT}")), HELPER, PROGRAM);
    sandbox.write(UNIT, &unit);
    sandbox.write(SOCKET, &project_file(&format!("integrations/agent/{SOCKET}")));
    let mut analyze = sandbox.other_command("systemd-analyze");
    analyze.args(["verify", "--user", &format!("./{UNIT}"), &format!("./{SOCKET}")]);
    analyze.env("XDG_RUNTIME_DIR", sandbox.home());
    assert_eq!(sandbox.finish(analyze).ok(), "");

    let page = Document::of("agent");
    let run = sandbox.home().join("run");
    fs::create_dir(&run).unwrap();
    let block = page.block("toml", "[[agent.files]]");
    sandbox.configure(&filled_in(block, FOLDER, run.to_str().unwrap()));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    let files = ["run/aws.jwt", "run/vault.jwt"].map(|name| file(&sandbox, name));
    let mut shell = sandbox.other_command("/bin/sh");
    shell.args(["-e", "-c", page.block("sh", "--once")]);
    shell.env("PATH", format!("{}:/bin", Path::new(PROGRAM).parent().unwrap().display()));
    sandbox.finish(shell).ok();
    let audiences = files.each_ref().map(|file| claims(&fs::read_to_string(file).unwrap()));
    assert_eq!(audiences[0]["aud"], "sts.amazonaws.com");
    assert_eq!(audiences[1]["aud"], "https://vault.example:8200");
    for file in &files {
        fs::remove_file(file).unwrap();
    }

    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = line.split(' ');
    let mut command = sandbox.other_command(words.next().unwrap());
    command.args(words).env_remove("PATH");
    let agent = Agent::of(&sandbox, command);
    eventually("the files are there", || files.iter().all(|file| file.exists()));
    agent.terminate().ok();
}

#[test]
fn the_page_explains_every_metric_and_every_field_of_the_log() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    sandbox.unset("YC_ID_TOKEN_VERBOSE");
    sandbox.cloud.script(Route::TokenExchange, [Fault::Status(403)]);
    let page = project_file("docs/agent.md");
    let socket = sandbox.home().join("socket");
    let listen = format!("--listen=unix:{}", socket.display());
    let arguments = ["--serve=token", &listen, "--audience=a"];
    let agent = Agent::start(&sandbox, &[&arguments[..], &["--log-format=json"]].concat());
    eventually("it is ready", || {
        sandbox.run(&[&["agent", "check"], &arguments[..]].concat()).status.success()
    });
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let metrics = io::read_to_string(stream).unwrap();
    assert!(metrics.contains("code=\"E_SOURCE_DENIED\"} 1\n"), "{metrics}");
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types: Vec<(&str, &str)> = types.map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(types.len(), 5);
    for (name, kind) in types {
        assert!(page.contains(&format!("\n| `{name}` | {kind} | ")), "{name}");
    }
    let outcome = agent.terminate();
    let lines = outcome.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names: BTreeSet<String> = lines
        .flat_map(|line| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .collect();
    assert!(names.contains("code") && names.contains("expires_at"), "{names:?}");
    let (_, section) = page.split_once("\n## Log\n").unwrap();
    for name in names {
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_pages_commands_install_the_units() {
    let mut sandbox = Sandbox::new();
    for unit in [UNIT, SOCKET] {
        let file = format!("integrations/agent/{unit}");
        sandbox.write(&file, &project_file(&file));
    }
    // `systemctl` then does only what works without a manager.
    sandbox.set("SYSTEMD_OFFLINE", "1");
    let page = Document::of("agent");
    let of_service = page.block("sh", "enable --now yc-id-token-agent.service");
    let of_socket = page.block("sh", "enable --now yc-id-token-agent.socket");
    for (unit, block, target) in [(UNIT, of_service, "default"), (SOCKET, of_socket, "sockets")] {
        let script = filled_in(block, "enable --now", "enable");
        let outcome = sandbox.shell(&script);
        assert!(outcome.status.success(), "{outcome:?}");
        let wanted = format!(".config/systemd/user/{target}.target.wants/{unit}");
        let installed = fs::read_to_string(sandbox.home().join(wanted)).unwrap();
        assert!(installed.contains("[Install]"));
    }
}

#[test]
fn the_endpoint_of_the_page_is_at_the_socket_of_the_unit() {
    let socket = project_file(&format!("integrations/agent/{SOCKET}"));
    let name = socket.lines().find_map(|line| line.strip_prefix("FileDescriptorName=")).unwrap();
    let page = Document::of("agent");
    let endpoint = page.block("toml", &format!("listen = \"systemd:{name}\""));
    let sandbox = Sandbox::new();
    sandbox.configure(&format!("[profiles.robot]\nkey_file = \"key.json\"\n{endpoint}"));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    sandbox.run(&["config", "validate"]).ok();
    let (message, _) = sandbox.run(&["agent"]).fails(3, "E_CONFIG");
    assert_eq!(message, format!("systemd has passed no socket named `{name}`"));
}
