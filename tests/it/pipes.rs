//! A pipe in the place of a file is read within the time limit, and never blocks longer.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::fake_sts::FakeSts;
use crate::fake_vault::FakeVault;
use crate::sandbox::{PROGRAM, Sandbox};

const TOKEN: &str = "token --audience=k8s";

fn make_pipe(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs a line of `bash` in which `yc` is this program.
fn bash(sandbox: &Sandbox, line: &str) -> crate::sandbox::Outcome {
    let mut shell = sandbox.other_command("bash");
    shell.args(["-c", &format!("yc() {{ {PROGRAM} \"$@\"; }}; {line}")]);
    sandbox.finish(shell)
}

#[test]
fn a_pipe_without_a_writer_does_not_block_a_run() {
    for line in [
        "token --audience=k8s --key-file=pipe",
        "token --audience=k8s --identity=yc-profile",
        "token --audience=k8s --identity=token-file:pipe --service-account=aje1",
        "token --audience=k8s --identity=iam-token:pipe --service-account=aje1",
        "token --audience=k8s --config=pipe",
        "kubectl --audience=k8s --profile=p",
        "token --audience=k8s --ca-file=pipe",
        "aws --role-arn=arn:aws:iam::123456789012:role/r",
        "vault login",
    ] {
        let with_tls = line.contains("--ca-file");
        let mut sandbox = if with_tls { Sandbox::with_tls() } else { Sandbox::new() };
        let _servers = (FakeSts::start(&mut sandbox), FakeVault::start(&mut sandbox));
        for place in [
            "pipe",
            ".config/yandex-cloud/config.yaml",
            ".config/yc-id-token/config.toml",
            ".aws/config",
            ".vault",
        ] {
            let path = sandbox.home().join(place);
            let is_configuration = place.ends_with("config.toml");
            if !is_configuration || line.contains("--profile") {
                make_pipe(&path);
            }
        }
        if line.starts_with("aws") {
            sandbox.set("AWS_PROFILE", "p");
        }
        let words: Vec<&str> = line.split(' ').chain(["--timeout=1s"]).collect();
        let outcome = sandbox.run(&words);
        // Mistakes in the files of AWS are for AWS's tools to report, and the time is over by then.
        if line.starts_with("aws") {
            assert!(!outcome.status.success(), "{outcome:?}");
            continue;
        }
        let (text, _) = outcome.fails(3, "E_UNREADABLE");
        assert!(text.ends_with("within 1.0 s"), "{line}: {text}");
    }
}

#[test]
fn a_log_pipe_without_a_reader_does_not_block_a_run() {
    let mut sandbox = Sandbox::new();
    let pipe = sandbox.home().join("pipe");
    make_pipe(&pipe);
    let line: Vec<&str> = TOKEN.split(' ').chain(["--timeout=2s"]).collect();
    sandbox.set("YC_ID_TOKEN_LOG_FILE", pipe);
    sandbox.run(&line).fails(1, "E_OUTPUT");
    // A pipe whose reader has stopped gets as much as its buffer holds.
    let mut reader = sandbox.other_command("sh");
    reader.args(["-c", "exec <pipe; echo; exec sleep 600"]).stdout(Stdio::piped());
    let mut reader = reader.spawn().unwrap();
    let mut writer = sandbox.other_command("sh");
    let fill = "exec 3<>pipe; head -c 65536 /dev/zero >&3";
    assert!(writer.args(["-c", fill]).status().unwrap().success());
    assert!(sandbox.run(&line).ok().starts_with("eyJ"));
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn process_substitution_is_read_even_if_it_is_late() {
    let sandbox = Sandbox::new();
    let all = "unset YC_ID_TOKEN_KEY_FILE; yc token --audience=k8s --cache=none";
    for key in [
        "<(cat key.json)",
        "<(sleep 0.5; head -c 100 key.json; sleep 0.5; tail -c +101 key.json)",
        "/dev/stdin <key.json",
        "/dev/stdin < <(sleep 0.3; cat key.json)",
        "late & sleep 0.2; cat key.json >late; wait",
    ] {
        let prepare = if key.starts_with("late") { "mkfifo late; exec 3>out; " } else { "" };
        let line = if key.starts_with("late") {
            format!(
                "{prepare} unset YC_ID_TOKEN_KEY_FILE; {PROGRAM} token --audience=k8s --key-file {key}"
            )
        } else {
            format!("{all} --key-file {key}")
        };
        assert!(bash(&sandbox, &line).ok().starts_with("eyJ"), "{key}");
    }
    let config = "<(echo '[profiles.p]'; sleep 0.3; echo 'audience = \"piped\"')";
    let token = bash(&sandbox, &format!("yc token --profile=p --config {config}")).ok();
    assert_eq!(crate::sandbox::claims(token.trim())["aud"], "piped");
    let (text, _) = bash(&sandbox, &format!("{all} --key-file <(true)")).fails(3, "E_IDENTITY");
    assert!(!text.contains("within"), "an empty one is reported at once: {text}");
}
