//! `setup kubectl` runs the kubectl on the PATH twice: to read the new kubeconfig before it is written, and afterwards
//! to get the user from the API server.

use std::os::unix::fs::symlink;
use std::time::Instant;

use crate::sandbox::Sandbox;
use crate::setup_kubectl::{BY_HAND, CONFIG, KUBECONFIG, USER, clusters, read, sandbox, setup};

/// Puts a kubectl on the PATH that runs a shell script named by its first argument, such as `config`.
fn install_kubectl(sandbox: &Sandbox, script: &str) {
    let kubectl = sandbox.home().join("programs/kubectl");
    if !kubectl.exists() {
        symlink("/bin/sh", kubectl).unwrap();
    }
    sandbox.write("config", &format!("echo >>\"$HOME/runs\"\n{script}"));
}

#[test]
fn invalid_output_of_kubectl_harms_no_kubeconfig() {
    for nonsense in [
        // As a wrapper that reads its input again for the program that it starts.
        "/bin/cat >/dev/null; /bin/cat /dev/stdin; echo '{\"kind\": \"Config\", \"clusters\": null, \"users\": null}'",
        "echo 'A new version is available!'",
        "echo '{}'; exit 1",
        "exit 3",
    ] {
        let sandbox = sandbox(BY_HAND);
        install_kubectl(&sandbox, nonsense);
        setup(&sandbox, &["--audience=k8s", "--cluster=prod"]).ok();
        let after = read(&sandbox, KUBECONFIG);
        assert!(after.contains(USER) && after.contains("token: other-user\n"), "{after}");
        assert!(!read(&sandbox, "runs").is_empty(), "kubectl did not run");
    }
}

#[test]
fn a_hanging_kubectl_does_not_block() {
    let sandbox = sandbox(BY_HAND);
    install_kubectl(&sandbox, "/bin/sleep 300 & /bin/sleep 300");
    let begin = Instant::now();
    setup(&sandbox, &["--audience=k8s", "--cluster=prod"]).ok();
    assert!(begin.elapsed().as_secs() < 60 && read(&sandbox, KUBECONFIG).contains(USER));
}

#[test]
fn nothing_is_written_if_kubectl_does_not_find_the_user() {
    let sandbox = sandbox(BY_HAND);
    let clusters =
        "\"kind\": \"Config\", \"clusters\": [{\"name\": \"prod\"}, {\"name\": \"copy\"}]";
    for (script, part) in [
        (format!("echo '{{{clusters}, \"users\": []}}'"), "does not find the user `yandex`"),
        (
            format!(
                "if /bin/grep -q yandex \"$5\"; then echo bad >&2; exit 1; fi; echo '{{{clusters}}}'"
            ),
            "refuses the new text: bad",
        ),
    ] {
        install_kubectl(&sandbox, &script);
        let outcome = setup(&sandbox, &["--audience=k8s", "--cluster=prod"]);
        assert!(!outcome.status.success() && outcome.stderr.contains(part), "{outcome:?}");
        assert!(outcome.stderr.contains("E_CONFLICT"), "{outcome:?}");
        assert_eq!(
            (read(&sandbox, KUBECONFIG).as_str(), read(&sandbox, CONFIG).as_str()),
            (BY_HAND, "")
        );
    }
}

#[test]
fn a_kubeconfig_rejected_by_kubectl_is_reported_with_its_message() {
    let text = clusters(&["prod"]) + "users:\n- name: 12345\n";
    let sandbox = sandbox(&text);
    // As kubectl does, with the file's name.
    let script = format!(
        "if /bin/grep -q 12345 \"$5\"; then echo \"$5: cannot unmarshal number\" >&2; exit 1; fi
echo '{{{}}}'",
        "\"kind\": \"Config\""
    );
    install_kubectl(&sandbox, &script);
    let (message, _) = setup(&sandbox, &["--audience=k8s"]).fails(3, "E_CONFLICT");
    let path = sandbox.home().join(KUBECONFIG);
    let path = path.display();
    let wanted = format!("kubectl cannot read `{path}`: {path}: cannot unmarshal number");
    assert!(message.contains(&wanted), "{message}");
    assert_eq!((read(&sandbox, KUBECONFIG), read(&sandbox, CONFIG)), (text, String::new()));
}

#[test]
fn an_applied_run_ends_with_the_user_that_the_server_sees() {
    let whoami = "echo auth >>runs; echo '{\"status\": {\"userInfo\": {\"username\": \"me\"}}}'";
    let denied = "echo 'error: You must be logged in to the server (Unauthorized)' >&2; exit 1";
    for (script, offline, part) in [
        (
            whoami,
            false,
            "It works. `kubectl auth whoami --context=yandex@prod`: the API server sees `me`.",
        ),
        (denied, false, "fails: the API server does not accept the token: "),
        (whoami, true, "Try it:"),
    ] {
        let sandbox = sandbox(BY_HAND);
        install_kubectl(&sandbox, "exit 3");
        // The name of the script for `kubectl auth`.
        sandbox.write("auth", script);
        let offline = if offline { &["--offline"][..] } else { &[] };
        let printed =
            setup(&sandbox, &[&["--audience=k8s", "--cluster=prod"], offline].concat()).ok();
        assert!(printed.contains(part) && read(&sandbox, KUBECONFIG).contains(USER), "{printed}");
        let is_asked = read(&sandbox, "runs").contains("auth");
        assert_eq!(is_asked, script == whoami && offline.is_empty());
        let is_denied = printed.contains("The API server is probably not set up yet");
        assert_eq!(is_denied, script == denied, "{printed}");
    }
}
