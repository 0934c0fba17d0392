//! Programs that a run starts: they end with it, inherit nothing from its caller, are not run from a place that others
//! can write, and cannot call it recursively.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use yc_id_token_emulator::{Fault, Route};

use crate::fake_vault::{FakeVault, token};
use crate::federation::external;
use crate::places::as_root;
use crate::refresh::refreshing;
use crate::sandbox::{PROGRAM, Sandbox, claims, eventually};

/// A sandbox with a workload whose token is in the file `printed` of its home.
fn workload(command: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let token = external("vm", 3600);
    sandbox.cloud.federate(&token, &sandbox.account);
    sandbox.write_secret("printed", &token);
    configure(&sandbox, command);
    sandbox
}

fn configure(sandbox: &Sandbox, command: &str) -> PathBuf {
    sandbox.configure(&format!(
        "[identity.vm]\ntype = \"token-command\"\ntoken_command = {command}\nservice_account = \"{}\"\n\
         [profiles.vm]\nidentity = \"vm\"\naudience = \"k8s\"\n",
        sandbox.account
    ))
}

fn script(sandbox: &Sandbox, name: &str, lines: &str) -> PathBuf {
    let path = sandbox.write(name, &format!("#!/bin/sh\n{lines}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Whether the process with the PID in a file of the home is running.
fn lives(sandbox: &Sandbox, file: &str) -> bool {
    let pid = fs::read_to_string(sandbox.home().join(file)).unwrap_or_default();
    if !pid.ends_with('\n') {
        return false;
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

const TOKEN: &[&str] = &["token", "--profile=vm"];

#[test]
fn a_command_that_leaves_a_process_behind_succeeds() {
    for redirected in ["", ">/dev/null 2>&1"] {
        let sandbox = workload(&format!(
            r#"["sh", "-c", "sleep 600 {redirected} & echo $! >\"$HOME/left\"; cat \"$HOME/printed\""]"#
        ));
        let ours = sandbox.run(&[TOKEN, &["--timeout=30s"]].concat()).ok();
        assert_eq!(claims(ours.trim())["aud"], "k8s");
        // Processes that hold the pipe are killed, but daemons that detached are not.
        if redirected.is_empty() {
            eventually("it has ended", || !lives(&sandbox, "left"));
        } else {
            assert!(lives(&sandbox, "left"));
            let pid = fs::read_to_string(sandbox.home().join("left")).unwrap();
            assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
        }
    }
}

#[test]
fn a_command_may_print_any_amount_on_stderr() {
    let sandbox =
        workload(r#"["sh", "-c", "head -c 3000000 /dev/zero >&2; cat \"$HOME/printed\""]"#);
    assert_eq!(claims(sandbox.run(TOKEN).ok().trim())["aud"], "k8s");
    let sandbox = workload(r#"["sh", "-c", "head -c 3000000 /dev/zero; echo x >&2"]"#);
    let (text, _) = sandbox.run(TOKEN).fails(6, "E_FOREIGN_ANSWER");
    assert!(text.contains("it prints far more than a token"), "{text}");
}

#[test]
fn a_late_command_is_killed_with_its_children() {
    let sandbox = workload(
        r#"["sh", "-c", "sleep 600 & echo $! >\"$HOME/left\"; (trap '' TERM; sleep 601 & echo $! >\"$HOME/deeper\"; wait) & wait"]"#,
    );
    let (text, _) = sandbox.run(&[TOKEN, &["--timeout=2s"]].concat()).fails(6, "E_TIMEOUT");
    assert!(text.contains("it did not finish within 2.0 s"), "{text}");
    eventually("both have ended", || !lives(&sandbox, "left") && !lives(&sandbox, "deeper"));
}

#[test]
fn an_interrupted_run_leaves_no_process_of_its_command() {
    let sandbox = workload(r#"["sh", "-c", "sleep 600 & echo $! >\"$HOME/left\"; wait"]"#);
    let mut command = sandbox.command(TOKEN);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it runs", || lives(&sandbox, "left"));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    sandbox.outcome(child).fails(143, "E_INTERRUPTED");
    eventually("it has ended", || !lives(&sandbox, "left"));
}

#[test]
fn a_command_that_requests_its_own_token_is_an_error_at_once() {
    // Also through a shell, for another audience, and with a shared identity.
    for (inner, cache) in [
        ("token", "file"),
        ("token", "none"),
        ("token --audience=another", "file"),
        ("kubectl --force-refresh", "none"),
    ] {
        let mut sandbox = workload(&format!(
            r#"["sh", "-c", "echo run >>\"$HOME/runs\"; exec {PROGRAM} {inner}"]"#
        ));
        // As in a shell that has exported it.
        sandbox.set("YC_ID_TOKEN_PROFILE", "vm");
        sandbox.set("YC_ID_TOKEN_CACHE", cache);
        sandbox.set("YC_ID_TOKEN_ERROR_FORMAT", "json");
        let outcome = sandbox.run(&["token", "--timeout=60s"]);
        assert_eq!(outcome.status.code(), Some(4), "{inner}: {outcome:?}");
        assert!(outcome.stderr.contains("E_CONFIG"), "{inner}: {outcome:?}");
        let runs = fs::read_to_string(sandbox.home().join("runs")).unwrap();
        assert_eq!(runs.lines().count(), 1, "{inner} with {cache}");
    }
}

#[test]
fn a_token_helper_that_logs_in_again_is_an_error_at_once() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    let again = format!("echo run >>\"$HOME/runs\"; exec {PROGRAM} vault login");
    let helper = script(&sandbox, "helper", &again);
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", helper.display()));
    let (text, _) = sandbox.run(&["vault", "login"]).fails(5, "E_CONSUMER_REFUSED");
    assert!(text.contains("requests the same [E_CONFIG]"), "{text}");
    assert_eq!(fs::read_to_string(sandbox.home().join("runs")).unwrap(), "run\n");
    assert_eq!(vault.logins(), 1);
}

#[test]
fn a_command_may_ask_for_the_token_of_another_identity() {
    let sandbox = workload(&format!(
        r#"["sh", "-c", "{PROGRAM} token --key-file=key.json --audience=k8s >/dev/null && cat printed"]"#
    ));
    let ours = sandbox.run(TOKEN).ok();
    assert_eq!(claims(ours.trim())["aud"], "k8s");
}

#[test]
fn a_command_is_found_relative_to_the_configuration() {
    let mut sandbox = workload(r#"["./bin/printer"]"#);
    let print = "cat \"$HOME/printed\"";
    script(&sandbox, ".config/yc-id-token/bin/printer", print);
    let evil = "touch \"$HOME/was-run\"; exit 1";
    script(&sandbox, "checkout/bin/printer", evil);
    script(&sandbox, "checkout/printer", evil);
    script(&sandbox, "checkout/yc", evil);
    let run_in_checkout = |sandbox: &Sandbox, arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        sandbox.finish({
            command.current_dir(sandbox.home().join("checkout"));
            command
        })
    };
    run_in_checkout(&sandbox, TOKEN).ok();
    // By its name, whatever the PATH finds.
    configure(&sandbox, r#"["printer"]"#);
    for path in [".:/usr/bin:/bin", "/usr/bin:/bin:", ":/usr/bin::/bin", "bin:./:/usr/bin:/bin"] {
        sandbox.set("PATH", path);
        let (text, _) = run_in_checkout(&sandbox, TOKEN).fails(3, "E_IDENTITY");
        assert!(text.ends_with("there is no such program on PATH"), "{path}: {text}");
        let yc = ["token", "--audience=k8s", "--identity=yc-cli", "--service-account=aje1"];
        let (text, _) = run_in_checkout(&sandbox, &yc).fails(3, "E_MISSING");
        assert!(text.contains("there is no Yandex Cloud CLI"), "{path}: {text}");
    }
    assert!(!sandbox.home().join("was-run").exists());
    let own = script(&sandbox, "own/printer", print);
    sandbox.set("PATH", format!(".:{}:/usr/bin:/bin", own.parent().unwrap().display()));
    run_in_checkout(&sandbox, &[TOKEN, &["--force-refresh"]].concat()).ok();
}

#[test]
fn a_configuration_that_others_can_write_is_rejected() {
    let sandbox = workload(r#"["sh", "-c", "cat \"$HOME/printed\""]"#);
    let config = sandbox.home().join(".config/yc-id-token/config.toml");
    let set_mode = |mode| fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o666, 0o602, 0o777] {
        set_mode(mode);
        let (text, hint) = sandbox.run(TOKEN).fails(3, "E_CONFIG");
        let reported = format!(
            "the configuration file `{}` can be written by every user, and it names programs to run",
            config.display()
        );
        assert_eq!(text, reported);
        assert_eq!(hint, format!("check its content, then run `chmod o-w {}`", config.display()));
    }
    for mode in [0o600, 0o644, 0o664, 0o444] {
        set_mode(mode);
        sandbox.run(TOKEN).ok();
    }
}

#[test]
fn a_file_of_another_user_cannot_name_a_program_to_run() {
    let mut sandbox = workload(r#"["sh", "-c", "cat \"$HOME/printed\""]"#);
    let of_another = |sandbox: &Sandbox, file: &str, line: &str| {
        sandbox.finish(as_root(sandbox, &format!("chown 1 {file} && exec {PROGRAM} {line}")))
    };
    let config = ".config/yc-id-token/config.toml";
    let (text, hint) = of_another(&sandbox, config, "token --profile=vm").fails(3, "E_CONFIG");
    assert!(text.contains("belongs to another user, and it names programs to run"), "{text}");
    assert!(hint.contains("sudo chown"), "{hint}");
    fs::remove_file(sandbox.home().join(config)).unwrap();

    let _vault = FakeVault::start(&mut sandbox);
    sandbox.set("YC_ID_TOKEN_KEY_FILE", sandbox.home().join("key.json"));
    let helper = script(&sandbox, "helper", "touch \"$HOME/was-run\"");
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", helper.display()));
    let (text, _) = of_another(&sandbox, ".vault", "vault login").fails(3, "E_CONFIG");
    assert!(text.contains("the configuration of the Vault CLI"), "{text}");
    assert!(!sandbox.home().join("was-run").exists());
}

#[test]
fn a_hanging_token_helper_is_killed_at_the_time_limit() {
    let mut sandbox = Sandbox::new();
    let vault = FakeVault::start(&mut sandbox);
    // Neither it nor the processes it started read standard input.
    let helper = script(&sandbox, "helper", "sleep 600 & echo $! >\"$HOME/left\"; wait");
    sandbox.write(".vault", &format!("token_helper = \"{}\"\n", helper.display()));
    let (text, hint) = sandbox.run(&["vault", "login", "--timeout=2s"]).fails(6, "E_TIMEOUT");
    assert!(text.ends_with("it did not finish within 2.0 s"), "{text}");
    assert!(hint.contains("--timeout"), "{hint}");
    eventually("nothing of it is left", || !lives(&sandbox, "left"));
    assert_eq!(vault.logins(), 1);
    // A helper that leaves a process behind has stored the token.
    script(&sandbox, "helper", "sleep 600 & echo $! >\"$HOME/left\"; cat >\"$HOME/kept\"");
    sandbox.run(&["vault", "login", "--timeout=30s"]).ok();
    sandbox.may_hold_secrets(&sandbox.home().join("kept"));
    assert_eq!(fs::read_to_string(sandbox.home().join("kept")).unwrap(), token(1));
    eventually("nothing of it is left", || !lives(&sandbox, "left"));
}

#[test]
fn a_background_refresh_holds_no_lock_or_folder_of_the_caller() {
    let mut sandbox = Sandbox::new();
    sandbox.set("YC_ID_TOKEN_AUDIENCE", "held");
    let first = sandbox.run(&["token"]).ok();
    sandbox.age("id-token", Duration::from_secs(31 * 60));
    sandbox.let_half_a_minute_pass("id-token");
    sandbox.cloud.always(Route::TokenExchange, Some(Fault::Stall));
    // Its files are named relative to a folder that the refresh leaves.
    sandbox.write_secret("work/key.json", &sandbox.key.to_json());
    sandbox.write("work/config.toml", "");
    let asks = format!(
        "exec 9>\"$HOME/lock\"; flock 9; cd work; exec {PROGRAM} token --key-file key.json --config=config.toml --log-file=log"
    );
    let mut shell = sandbox.other_command("sh");
    assert_eq!(
        sandbox
            .finish({
                shell.args(["-c", &asks]);
                shell
            })
            .ok(),
        first
    );
    eventually("the refresh sends its request", || sandbox.cloud.count(Route::TokenExchange) == 2);
    let mut flock = sandbox.other_command("flock");
    flock.args(["--nonblock", "lock", "true"]);
    sandbox.finish(flock).ok();
    let refreshes = refreshing(&sandbox);
    assert_eq!(refreshes.len(), 1, "{refreshes:?}");
    assert_eq!(fs::read_link(refreshes[0].join("cwd")).unwrap().to_str(), Some("/"));
    for entry in fs::read_dir(refreshes[0].join("fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert!(!target.ends_with("lock"), "{target:?}");
    }
    // It keeps running, and finds its files.
    sandbox.cloud.always(Route::TokenExchange, None);
    let pid = refreshes[0].file_name().unwrap().to_str().unwrap();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    eventually("it has ended", || refreshing(&sandbox).is_empty());
    sandbox.let_half_a_minute_pass("id-token");
    let mut shell = sandbox.other_command("sh");
    sandbox
        .finish({
            shell.args(["-c", &asks]);
            shell
        })
        .ok();
    eventually("the token is refreshed", || sandbox.run(&["token"]).ok() != first);
    assert!(sandbox.home().join("work/log").exists() && !PathBuf::from("/log").exists());
}

#[test]
fn a_users_command_inherits_its_descriptors() {
    let mut sandbox = Sandbox::new();
    let _vault = FakeVault::start(&mut sandbox);
    for line in ["vault exec", "vault exec --revoke"] {
        let mut shell = sandbox.other_command("sh");
        let read = "cat /dev/fd/8";
        shell.args(["-c", &format!("echo handed >file; exec {PROGRAM} {line} -- {read} 8<file")]);
        assert_eq!(sandbox.finish(shell).ok(), "handed\n", "{line}");
    }
    // A program that supplies a token for such a run may inherit them too, but no other program.
    let sandbox = workload(
        r#"["sh", "-c", "ls /proc/self/fd | wc -l >\"$HOME/count\"; cat \"$HOME/printed\""]"#,
    );
    let mut shell = sandbox.other_command("sh");
    shell.args(["-c", &format!("exec {PROGRAM} token --profile=vm 7</dev/null 8</dev/null")]);
    sandbox.finish(shell).ok();
    // The standard streams, and the descriptor with which `ls` reads.
    assert_eq!(fs::read_to_string(sandbox.home().join("count")).unwrap().trim(), "4");
}
