//! `doctor` with replacements of kubectl: one that hangs, and one whose wrapper prints other text.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::doctor::{configured, examine};
use crate::doctor_kubectl::{kubeconfig, look, right, with_cluster, write};
use crate::sandbox::{Sandbox, eventually};

/// Puts a script on the `PATH` that answers as kubectl does, after these lines.
fn stand_in(sandbox: &Sandbox, before: &str) {
    let answers = r#"
case "$1 $2" in
"version --client") echo '{"clientVersion": {"gitVersion": "v1.37.0"}}' ;;
"config view") while read -r line || [ -n "$line" ]; do echo "$line"; done < "$HOME/.kube/config" ;;
*) exit 1 ;;
esac
"#;
    let path = sandbox.write("programs/kubectl", &format!("#!/bin/sh\n{before}\n{answers}"));
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_hanging_kubectl_is_killed_and_reported_in_time() {
    for hanging in ["version --client", "config view", "auth whoami"] {
        let sandbox = configured();
        let server = json!({ "server": "https://127.0.0.1:1" });
        write(&sandbox, &with_cluster(&json!({ "exec": right() }), &server));
        // One process that waits, and one in the background that holds the output open.
        stand_in(
            &sandbox,
            &format!(
                "if [ \"$1 $2\" = \"{hanging}\" ]; then /bin/sleep 600 & echo $! > \"$HOME/behind\"; echo $$ > \"$HOME/it\"; wait; fi"
            ),
        );
        let found = examine(&sandbox, &["kubectl", "--profile=prod", "--timeout=6s"]);
        let words = if hanging.starts_with("version") { "kubectl" } else { hanging };
        let reported = found.has("error", "did not answer within")["finding"].as_str().unwrap();
        assert!(reported.contains(words), "{reported}");
        for process in ["it", "behind"] {
            let id = fs::read_to_string(sandbox.home().join(process)).unwrap();
            let state = || fs::read_to_string(format!("/proc/{}/stat", id.trim())).ok();
            let is_over = || state().is_none_or(|state| state.contains(") Z "));
            eventually("it has ended", is_over);
        }
        // Checks without kubectl still run.
        if !hanging.starts_with("auth") {
            found.has("ok", "user `sa` of ");
            found.has("warning", "the kubeconfig was read without kubectl");
        }
    }
}

#[test]
fn processes_left_by_kubectl_do_not_delay_doctor() {
    let sandbox = configured();
    kubeconfig(&sandbox, &right());
    stand_in(&sandbox, "/bin/sleep 600 &");
    let found = examine(&sandbox, &["kubectl", "--profile=prod", "--timeout=60s"]);
    found.exits(0).has("ok", "user `sa` of ");
    assert_eq!(found.wrong(), []);
}

#[test]
fn other_output_of_a_kubectl_wrapper_is_ignored() {
    let sandbox = configured();
    kubeconfig(&sandbox, &right());
    stand_in(&sandbox, "echo 'Welcome to {the cluster}!'; echo '{\"level\": \"info\"}'");
    let found = look(&sandbox);
    found.exits(0).has("ok", "kubectl v1.37.0");
    found.has("ok", "user `sa` of ");
    assert_eq!(found.wrong(), []);
    // A program that prints only something else is not kubectl.
    let path = sandbox.write("programs/kubectl", "#!/bin/sh\necho Welcome\n");
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    let found = look(&sandbox);
    found.exits(0).has("warning", "does not print its version");
    found.has("warning", "prints no kubeconfig");
    found.has("ok", "user `sa` of ");
}

#[test]
fn a_kubectl_that_crashes_or_prints_endlessly_is_an_error() {
    for (script, words) in [
        ("kill -SEGV $$", "`kubectl config view` fails without a reason (signal: 11"),
        ("exit 3", "`kubectl config view` fails without a reason (exit status: 3)"),
        ("exec /usr/bin/yes", "printed more than 32 MB and was killed"),
    ] {
        let sandbox = configured();
        kubeconfig(&sandbox, &right());
        stand_in(&sandbox, script);
        let found = look(&sandbox);
        found.exits(3).has("error", words);
        found.has("ok", "user `sa` of ");
    }
}
