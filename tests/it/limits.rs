//! If the system denies something, a run reports it or works without it, and neither panics nor is killed.

use std::process::Command;

use crate::sandbox::{Outcome, PROGRAM, Sandbox};

/// A shell that runs a command before the program, `$0`.
fn after(sandbox: &Sandbox, limit: &str, line: &str) -> Command {
    let mut shell = sandbox.other_command("sh");
    shell.args(["-c", &format!("{limit}; exec $0 {line}"), PROGRAM]);
    shell
}

/// Runs the program under a filter of system calls (seccomp), which denies some with "operation not permitted".
fn filtered(sandbox: &Sandbox, denied: &[(u32, u32)], arguments: &[&str]) -> Outcome {
    // A filter is an array of instructions (linux/filter.h): code, jump if true, jump if false, operand.
    const SCRIPT: &str = "
import ctypes, os, struct, sys
numbers = [int(number) for number in sys.argv[1].split(',')]
load, equal, give = 0x20, 0x15, 0x06
program = [(load, 0, 0, 0)]
for number in numbers:
    program += [(equal, 0, 1, number), (give, 0, 0, 0x00050001)]
program += [(give, 0, 0, 0x7fff0000)]
code = b''.join(struct.pack('HBBI', *instruction) for instruction in program)
buffer = ctypes.create_string_buffer(code)
filter = struct.pack('HxxxxxxP', len(program), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
";
    let numbers = denied
        .iter()
        .map(|(x86, arm)| if cfg!(target_arch = "x86_64") { x86 } else { arm }.to_string());
    let mut command = sandbox.other_command("python3");
    command.args(["-c", SCRIPT, &numbers.collect::<Vec<_>>().join(","), PROGRAM]).args(arguments);
    sandbox.finish(command)
}

/// By their numbers on x86-64 and on 64-bit Arm.
const SOCKETPAIR: (u32, u32) = (53, 199);
const EPOLL_CREATE1: (u32, u32) = (291, 20);
const CLONE: (u32, u32) = (56, 220);
const CLONE3: (u32, u32) = (435, 435);

#[test]
fn too_few_descriptors_are_reported_with_a_fix() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    sandbox.unset("YC_ID_TOKEN_VERBOSE");
    for line in ["token --audience=k8s", "token --audience=k8s --cache=none"] {
        for limit in 4..=11 {
            let command = after(&sandbox, &format!("ulimit -n {limit}"), line);
            let (text, hint) = sandbox.finish(command).fails(1, "E_SYSTEM");
            assert!(text.ends_with("too many open files"), "{limit}: {text}");
            assert!(hint.contains("ulimit -n"), "{limit}: {hint}");
        }
    }
    // Three for the standard streams, and the fourth for the log.
    let logging = "token --audience=k8s --log-file=log";
    let command = after(&sandbox, "ulimit -n 4", logging);
    let (text, hint) = sandbox.finish(command).fails(1, "E_SYSTEM");
    assert!(text.starts_with("cannot read the "), "{text}");
    assert!(hint.contains("ulimit -n"), "{hint}");
    sandbox.finish(after(&sandbox, "ulimit -n 20", "token --audience=k8s")).ok();
    // Afterwards the token is cached, and none of that is needed.
    sandbox.finish(after(&sandbox, "ulimit -n 5", "token --audience=k8s")).ok();
}

#[test]
fn a_system_call_denied_by_a_filter_is_reported() {
    let sandbox = Sandbox::new();
    let run = |denied: &[(u32, u32)], line: &[&str]| filtered(&sandbox, denied, line);
    let line = ["token", "--audience=k8s"];
    for (denied, reported) in [
        (SOCKETPAIR, "cannot make a pair of sockets: operation not permitted"),
        (EPOLL_CREATE1, "cannot start the network runtime: operation not permitted"),
    ] {
        let (text, hint) = run(&[denied], &line).fails(1, "E_SYSTEM");
        assert_eq!(text, reported);
        assert!(hint.contains("seccomp"), "{hint}");
    }
    run(&[(u32::MAX, u32::MAX)], &line).ok();
    run(&[SOCKETPAIR], &line).ok();
}

#[test]
fn a_thread_that_cannot_start_is_an_error_and_not_a_panic() {
    let sandbox = Sandbox::new();
    // Names are resolved on a thread.
    let line = ["token", "--audience=k8s", "--iam-endpoint=https://iam.invalid"];
    let (text, hint) = filtered(&sandbox, &[CLONE, CLONE3], &line).fails(1, "E_SYSTEM");
    assert_eq!(text, "cannot start a thread: operation not permitted");
    assert!(hint.contains("ulimit -u"), "{hint}");
}

#[test]
fn a_limit_on_file_sizes_never_kills_a_run() {
    let sandbox = Sandbox::new();
    let run = |line: &str| sandbox.finish(after(&sandbox, "ulimit -f 0", line));
    assert!(run("token --audience=k8s").ok().starts_with("eyJ"), "into a pipe, uncached");
    let (text, _) = run("token --audience=k8s >out").fails(1, "E_OUTPUT");
    assert_eq!(text, "cannot write to standard output: file too large");
    run("token --audience=k8s --output=token").fails(1, "E_OUTPUT");
    assert!(!sandbox.home().join("token").exists());
    // A user who wants the signal ignored can ignore it.
    sandbox.finish(after(&sandbox, "trap '' XFSZ; ulimit -f 0", "token --audience=k8s")).ok();
}

#[test]
fn a_log_that_cannot_be_written_prints_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_LOG_FILE", "/dev/full");
    assert!(sandbox.run(&["token", "--audience=k8s", "-vvv"]).ok().starts_with("eyJ"));
}
