//! The program prints what to export, keeps its key private, and leaves nothing behind.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_program_runs_until_sigterm_and_deletes_its_key() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_yc-id-token-emulator"))
        .arg("--tls")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The output stays open, because a program whose output is closed fails.
    let mut output = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<String> =
        output.by_ref().take_while(|line| !line.starts_with("Then try:")).collect();
    let exported = |name: &str| {
        let export = format!("  export {name}=");
        lines.iter().find_map(|line| line.strip_prefix(&export)).unwrap()
    };
    assert!(exported("YC_ID_TOKEN_IAM_ENDPOINT").starts_with("https://127.0.0.1:"));
    for name in ["YC_ID_TOKEN_KEY_FILE", "YC_ID_TOKEN_CA_FILE"] {
        let mode = Path::new(exported(name)).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    let killed = Command::new("kill").arg(program.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(program.wait().unwrap().success());
    assert!(!Path::new(exported("YC_ID_TOKEN_KEY_FILE")).exists());
}

#[test]
fn a_taken_address_is_reported_with_its_cause() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_yc-id-token-emulator"))
        .args(["--listen", &address])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let expected =
        format!("yc-id-token-emulator: the emulator does not start: cannot listen on {address}: ");
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(output.status.code(), Some(1));
}
