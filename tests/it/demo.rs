//! The demo and the emulator work as the README describes, on a machine that has only this program.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::{PROGRAM, Sandbox, claims, eventually};

#[test]
fn the_demo_gets_a_token_and_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(&["demo"]);
    assert!(shown.status.success() && shown.stderr.is_empty(), "{shown:?}");
    let answer = shown.stdout.lines().find(|line| line.starts_with('{')).unwrap();
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(claims(answer["status"]["token"].as_str().unwrap())["aud"], "https://k8s.example");
    assert!(shown.stdout.contains("answered from the cache, 0 requests"), "{}", shown.stdout);
    assert!(shown.stdout.contains("The token's signature is good"), "{}", shown.stdout);
    let last = shown.stdout.lines().last().unwrap();
    let program = last.split('`').nth(1).unwrap().strip_suffix(" emulator").unwrap();
    assert!(std::path::Path::new(program).is_file(), "it can be pasted: {last}");
    assert!(!sandbox.cache_folder().exists());
}

#[test]
fn the_emulators_instructions_work() {
    for flags in [&[][..], &["--tls"]] {
        let sandbox = Sandbox::new();
        let mut emulator =
            sandbox.command(&["emulator"]).args(flags).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(emulator.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut exports: Vec<String> =
            lines.by_ref().take_while(|line| !line.starts_with("Then try:")).collect();
        exports.retain(|line| line.starts_with("  export "));
        let tried = lines.next().unwrap();
        let script = format!("{}\n{}", exports.join("\n"), tried.replace("yc-id-token", PROGRAM));
        let mut shell = sandbox.other_command("sh");
        shell.args(["-c", &script]);
        let decoded: Value = serde_json::from_str(&sandbox.finish(shell).ok()).unwrap();
        assert_eq!(decoded["aud"], "https://k8s.example");
        let key_file =
            exports.iter().find_map(|line| line.split_once("KEY_FILE=")).unwrap().1.to_owned();
        assert!(std::path::Path::new(&key_file).exists());
        assert!(
            Command::new("kill")
                .args(["-TERM", &emulator.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        eventually("the emulator ends", || emulator.try_wait().unwrap().is_some());
        assert!(!std::path::Path::new(&key_file).exists(), "the key goes with it");
    }
}
