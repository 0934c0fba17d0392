//! The files of `integrations/agent`: the unit read by systemd's own reader, the manifest held against the schema of the
//! Kubernetes API, and what both run, run.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::documents::{Readme, filled_in};
use super::kubernetes_files::{give_token, in_container, pod, pod_sandbox, set_environment};
use super::{aws, moto, peer, project_file};
use crate::agent::{Agent, file};
use crate::sandbox::{PROGRAM, Sandbox, claims, eventually};

const HELPER: &str = "/usr/local/bin/yc-id-token";
const UNIT: &str = "yc-id-token-agent.service";
const FOLDER: &str = "/run/user/1000/yc-id-token";

#[test]
fn the_unit_keeps_the_files_of_the_readme() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let unit = filled_in(&project_file(&format!("integrations/agent/{UNIT}")), HELPER, PROGRAM);
    sandbox.write(UNIT, &unit);
    let mut analyze = sandbox.other_command("systemd-analyze");
    analyze.args(["verify", "--user", &format!("./{UNIT}")]);
    analyze.env("XDG_RUNTIME_DIR", sandbox.home());
    assert_eq!(sandbox.finish(analyze).ok(), "");

    let readme = Readme::of("agent");
    let run = sandbox.home().join("run");
    fs::create_dir(&run).unwrap();
    let block = readme.block("toml", "[[agent.files]]");
    sandbox.configure(&filled_in(block, FOLDER, run.to_str().unwrap()));
    sandbox.write_secret(".config/yc-id-token/key.json", &sandbox.key.to_json());
    let files = ["run/aws.jwt", "run/vault.jwt"].map(|name| file(&sandbox, name));
    let mut shell = sandbox.other_command("/bin/sh");
    shell.args(["-e", "-c", readme.block("sh", "--once")]);
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
fn the_readmes_commands_install_the_unit() {
    let mut sandbox = Sandbox::new();
    sandbox.write(UNIT, &project_file(&format!("integrations/agent/{UNIT}")));
    // Then `systemctl` does what it can without a manager.
    sandbox.set("SYSTEMD_OFFLINE", "1");
    let readme = Readme::of("agent");
    let script = filled_in(readme.block("sh", "enable --now"), "enable --now", "enable");
    let mut shell = sandbox.other_command("/bin/sh");
    shell.args(["-e", "-c", &script]);
    let outcome = sandbox.finish(shell);
    assert!(outcome.status.success(), "{outcome:?}");
    let wanted = format!(".config/systemd/user/default.target.wants/{UNIT}");
    assert!(fs::read_to_string(sandbox.home().join(wanted)).unwrap().contains("[Install]"));
}

/// The words of a command of the manifest, for a shell. The image has the program in its root.
fn line(command: &Value) -> String {
    let words: Vec<&str> = command.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    filled_in(&words.join(" "), "/yc-id-token agent", "yc-id-token agent")
}

#[test]
fn the_sidecar_without_a_shell_keeps_a_token_for_the_workload() {
    const MANIFEST: &str = "../agent/sidecar.yaml";
    let mut sandbox = pod_sandbox();
    for version in ["1.29", "1.37"] {
        let mut validate = sandbox.other_command(peer("schema-venv/bin/kubernetes-validate"));
        validate.args(["--strict", "--quiet", "-k", version]);
        validate.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/agent/sidecar.yaml"));
        assert_eq!(sandbox.finish(validate).ok(), "", "{version}");
    }
    let pod = pod(&sandbox, MANIFEST);
    let sidecar = &pod["initContainers"][0];
    assert_eq!(sidecar["restartPolicy"], "Always");
    set_environment(&mut sandbox, sidecar);
    let external = give_token(&sandbox, &pod);
    sandbox.cloud.federate(&external, &sandbox.account);
    let token = file(&sandbox, "run/yc-id-token/token");
    let check = line(&sidecar["startupProbe"]["exec"]["command"]);
    let is_ready = || in_container(&sandbox, &check).status().unwrap().success();
    assert!(!is_ready());

    // No home, as in an image with the program alone.
    let script = format!("unset HOME; exec {}", line(&sidecar["command"]));
    let agent = Agent::of(&sandbox, in_container(&sandbox, &script));
    eventually("it is ready", is_ready);
    let content = fs::read_to_string(&token).unwrap();
    assert_eq!(claims(&content)["sub"], sandbox.account.as_str());
    assert_eq!(fs::metadata(&token).unwrap().mode() & 0o777, 0o600);

    drop(agent);

    let moto = moto::Moto::start();
    set_environment(&mut sandbox, &pod["containers"][0]);
    aws::set_up(&mut sandbox, &moto.url());
    let cli = peer("aws-venv/bin/aws");
    let caller = format!("{} sts get-caller-identity --query Arn --output text", cli.display());
    let arn = sandbox.finish(in_container(&sandbox, &caller)).ok();
    assert!(arn.contains(":assumed-role/yandex-robot/"), "{arn}");
}
