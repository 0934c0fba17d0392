//! `setup kubectl` edits the user's kubeconfig and keeps everything else in it. Each cluster gets its own profile and
//! user.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use yc_id_token_emulator::Options;

use crate::sandbox::{Outcome, PROGRAM, Sandbox, eventually};

pub const KUBECONFIG: &str = ".kube/config";
pub const CONFIG: &str = ".config/yc-id-token/config.toml";

/// A kubeconfig with comments and mixed styles.
pub const BY_HAND: &str = "# mine
apiVersion: v1
kind: Config
x-team: &team { owner: me }   # kubectl does not know it
clusters:
- name: prod
  cluster: &cluster
    server: https://prod.example   # the gateway
    x-note: *team
- name: copy
  cluster: *cluster
users: # people
- user:
    token: other-user
  name: other
contexts: []
# the end
";

pub const USER: &str = "- name: yandex
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      args:
      - kubectl
      - --profile=prod
      command: yc-id-token
      installHint: |
        This cluster is signed in to with yc-id-token, which is not on the PATH.
        Install it, or write its absolute path as `command` of the user in the kubeconfig.
      interactiveMode: Never
      provideClusterInfo: false
";

/// A sandbox without kubectl, and with this kubeconfig.
pub fn sandbox(kubeconfig: &str) -> Sandbox {
    let mut sandbox = Sandbox::with_options(Options::default());
    let programs = sandbox.home().join("programs");
    fs::create_dir(&programs).unwrap();
    symlink(PROGRAM, programs.join("yc-id-token")).unwrap();
    sandbox.set("PATH", programs);
    sandbox.write(KUBECONFIG, kubeconfig);
    sandbox
}

/// A kubeconfig with only clusters.
pub fn clusters(names: &[&str]) -> String {
    let cluster = |name: &&str| {
        format!("- name: {name}\n  cluster: {{server: \"https://{name}.example\"}}\n")
    };
    format!("clusters:\n{}", names.iter().map(cluster).collect::<String>())
}

pub fn setup(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    sandbox.run(&[&["setup", "kubectl", "--apply"], arguments].concat())
}

pub fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.home().join(name)).unwrap_or_default()
}

/// Expects a conflict that changes neither the kubeconfig nor the configuration.
#[track_caller]
fn conflicts(sandbox: &Sandbox, arguments: &[&str], part: &str) {
    let before = [KUBECONFIG, CONFIG].map(|name| read(sandbox, name));
    let (text, hint) = setup(sandbox, arguments).fails(3, "E_CONFLICT");
    assert!(text.contains(part) && hint.contains("--force"), "{text}\n{hint}");
    assert_eq!([KUBECONFIG, CONFIG].map(|name| read(sandbox, name)), before);
}

#[test]
fn every_line_of_a_kubeconfig_stays_in_its_place() {
    for breaks in ["\n", "\r\n"] {
        let sandbox = sandbox(&BY_HAND.replace('\n', breaks));
        let printed = setup(&sandbox, &["--audience=k8s", "--cluster=prod"]).ok();
        assert!(!printed.contains("other-user"), "{printed}");
        let context =
            "contexts:\n- context:\n    cluster: prod\n    user: yandex\n  name: yandex@prod\n";
        let wanted = BY_HAND
            .replace("  name: other\n", &format!("  name: other\n{USER}"))
            .replace("contexts: []\n", &format!("{context}current-context: yandex@prod\n"));
        assert_eq!(read(&sandbox, KUBECONFIG), wanted.replace('\n', breaks));
        let again = setup(&sandbox, &["--audience=k8s", "--cluster=prod"]).ok();
        assert!(again.starts_with("Nothing to change"), "{again}");
    }
}

#[test]
fn a_home_folder_can_have_letters_of_any_alphabet() {
    let mut sandbox = sandbox("");
    let home = sandbox.home().join("é юзер 'q' \"$d%é");
    fs::create_dir_all(home.join(".kube")).unwrap();
    fs::write(home.join(".kube/config"), clusters(&["prod"])).unwrap();
    sandbox.set("HOME", &home);
    setup(&sandbox, &["--audience=k8s", "--offline"]).ok();
    let printed = setup(&sandbox, &["--audience=k8s", "--offline"]).ok();
    assert!(printed.starts_with("Nothing to change"), "{printed}");
}

#[test]
fn a_variable_without_a_kubeconfig_is_rejected() {
    let mut sandbox = sandbox(&clusters(&["prod"]));
    sandbox.set("KUBECONFIG", ":");
    let (message, _) = setup(&sandbox, &["--audience=k8s"]).fails(3, "E_VALUE");
    assert!(message.contains("KUBECONFIG: it names no file"), "{message}");
}

#[test]
fn a_part_that_cannot_be_edited_is_reported_with_its_line() {
    let text = format!("{}x: &u [{{name: a}}]\nusers: *u\n", clusters(&["prod"]));
    let sandbox = sandbox(&text);
    let (message, hint) = setup(&sandbox, &["--audience=k8s"]).fails(3, "E_CONFIG");
    assert!(message.contains(".kube/config:5: "), "{message}");
    assert!(hint.contains("nothing has been changed"), "{hint}");
    assert_eq!((read(&sandbox, KUBECONFIG), read(&sandbox, CONFIG)), (text, String::new()));
}

#[test]
fn all_kubeconfig_files_are_read_and_their_names_stay() {
    let mut sandbox = sandbox("");
    let own = sandbox.write("a", "apiVersion: v1\nclusters: []\n");
    let other = format!(
        "{}users:\n- name: yandex\n  user: {{token: mine}}\ncontexts:\n- name: now\n  context: {{cluster: b, user: yandex}}\ncurrent-context: now\n",
        clusters(&["b"])
    );
    let second = sandbox.write("b", &other);
    let none = sandbox.home().join("none");
    sandbox.set("KUBECONFIG", std::env::join_paths([&none, &own, &second, &own]).unwrap());

    let (text, hint) = setup(&sandbox, &["--audience=k8s"]).fails(3, "E_CONFLICT");
    assert!(text.contains("the user `yandex` of `") && text.contains("/b`"), "{text}");
    assert!(hint.contains("another name"), "{hint}");
    conflicts(&sandbox, &["--audience=k8s", "--user=robot", "--context=now"], "uses the user");
    assert_eq!(read(&sandbox, "a"), "apiVersion: v1\nclusters: []\n");

    let printed = setup(&sandbox, &["--audience=k8s", "--user=robot"]).ok();
    assert!(printed.ends_with("  kubectl --context=robot@b auth whoami\n"), "{printed}");
    let after = read(&sandbox, "a");
    assert!(after.contains("    cluster: b\n    user: robot\n  name: robot@b\n"), "{after}");
    assert!(!after.contains("current-context"), "{after}");
    setup(&sandbox, &["--audience=k8s", "--user=robot", "--use-context"]).ok();
    assert_eq!(read(&sandbox, "a"), format!("{after}current-context: robot@b\n"));
    assert_eq!(read(&sandbox, "b"), other);
    assert!(!none.exists());
}

#[test]
fn a_cluster_is_never_chosen_silently() {
    let context = "contexts:\n- name: c\n  context: {cluster: two}\ncurrent-context: c\n";
    let sandbox = sandbox(&format!("{}{context}", clusters(&["one", "two"])));
    let (text, hint) = setup(&sandbox, &["--audience=k8s"]).fails(3, "E_MISSING");
    assert!(text.contains("several clusters") && hint.contains("`--cluster`: one, two"), "{hint}");
    let (_, hint) = setup(&sandbox, &["--cluster=none"]).fails(3, "E_CONFIG");
    assert!(hint.contains("one, two"), "{hint}");
}

#[test]
fn a_user_that_was_changed_by_hand_is_not_replaced() {
    let sandbox = sandbox(&clusters(&["prod"]));
    let arguments = ["--audience=k8s"];
    setup(&sandbox, &arguments).ok();
    let written = read(&sandbox, KUBECONFIG);
    for (old, new, part) in [
        (
            "- --profile=prod",
            "- --audience=mine",
            "its `args` are `kubectl --audience=mine` instead of `kubectl --profile=prod`",
        ),
        (
            "      - kubectl\n",
            "      - kubectl\n      - --service-account=aje1\n",
            "its `args` are",
        ),
        ("provideClusterInfo: false", "provideClusterInfo: true", "`provideClusterInfo` is true"),
        ("  user:\n    exec:", "  user:\n    tokenFile: /x\n    exec:", "it has `tokenFile` too"),
        ("command: yc-id-token", "command: other", "authenticates in another way"),
    ] {
        let by_hand = written.replacen(old, new, 1);
        assert_ne!(by_hand, written, "{old}");
        sandbox.write(KUBECONFIG, &by_hand);
        conflicts(&sandbox, &arguments, part);
        setup(&sandbox, &[&arguments[..], &["--force"]].concat()).ok();
        assert_eq!(read(&sandbox, KUBECONFIG), written, "{old}");
    }
    // These do not change its behaviour.
    let by_hand = written
        .replace(
            "interactiveMode: Never",
            "interactiveMode: IfAvailable # mine\n      env:\n      - {name: A, value: b}",
        )
        .replace("        Install it", "        Call me, or install it");
    sandbox.write(KUBECONFIG, &by_hand);
    let again = setup(&sandbox, &arguments).ok();
    assert!(again.starts_with("Nothing to change"), "{again}");
}

#[test]
fn a_path_that_works_as_command_stays() {
    let sandbox = sandbox(&clusters(&["prod"]));
    setup(&sandbox, &["--audience=k8s", "--absolute"]).ok();
    let written = read(&sandbox, KUBECONFIG);
    let path = sandbox.home().join("programs/yc-id-token");
    assert!(written.contains(&format!("command: {}\n", path.display())), "{written}");
    let again = setup(&sandbox, &["--audience=k8s"]).ok();
    assert!(again.starts_with("Nothing to change"), "{again}");
    sandbox.write(KUBECONFIG, &written.replace("/programs/", "/gone/"));
    setup(&sandbox, &["--audience=k8s"]).ok();
    assert!(read(&sandbox, KUBECONFIG).contains("command: yc-id-token\n"));
}

#[test]
fn a_second_cluster_gets_a_profile_and_a_user_of_its_own() {
    let sandbox = sandbox(&clusters(&["a", "eu/b", "c"]));
    setup(&sandbox, &["--audience=A", "--cluster=a"]).ok();
    let first = read(&sandbox, CONFIG);
    assert!(first.starts_with("[profiles.a]\n"), "{first}");
    setup(&sandbox, &["--audience=B", "--cluster=eu/b"]).ok();
    let both = read(&sandbox, CONFIG);
    assert!(both.starts_with(&first) && both.contains("[profiles.eu-b]\n"), "{both}");
    assert!(both.contains("audience = \"B\"\n"), "{both}");
    let kubeconfig = read(&sandbox, KUBECONFIG);
    assert!(
        kubeconfig.contains("- name: yandex-eu-b\n") && kubeconfig.contains("--profile=eu-b\n")
    );
    for again in [&["--audience=B", "--cluster=eu/b"][..], &["--cluster=eu/b"], &["--cluster=a"]] {
        let printed = setup(&sandbox, again).ok();
        assert!(printed.starts_with("Nothing to change"), "{again:?}: {printed}");
    }

    let part = "`audience` is `A`, not `C`";
    conflicts(&sandbox, &["--audience=C", "--cluster=a"], part);
    conflicts(&sandbox, &["--audience=C", "--cluster=c", "--name=a"], part);
    let part = "it uses the account of its key, not `ajeother`";
    conflicts(&sandbox, &["--service-account=ajeother", "--cluster=a"], part);
    setup(&sandbox, &["--audience=A", "--cluster=c"]).ok();
    assert!(read(&sandbox, CONFIG).starts_with(&both), "the others stay as they are");
    assert!(read(&sandbox, KUBECONFIG).contains("- name: yandex-c\n"));
    setup(&sandbox, &["--audience=C", "--cluster=a", "--force"]).ok();
    assert!(read(&sandbox, CONFIG).starts_with(&first.replace("\"A\"", "\"C\"")));
}

#[test]
fn the_entry_of_an_earlier_version_keeps_its_profile() {
    let contexts = "contexts:\n- name: yandex@prod\n  context: {cluster: prod, user: yandex}\n";
    let user = USER.replace("--profile=prod", "--profile=kubernetes");
    let sandbox = sandbox(&format!("{}{contexts}users:\n{user}", clusters(&["prod", "b"])));
    sandbox.configure("[profiles.kubernetes]\naudience = \"A\"\n");
    let before = read(&sandbox, KUBECONFIG);
    setup(&sandbox, &["--cluster=prod"]).ok();
    assert!(read(&sandbox, CONFIG).starts_with("[profiles.kubernetes]\naudience = \"A\"\n"));
    let after = read(&sandbox, KUBECONFIG);
    assert_eq!(after, format!("{before}current-context: yandex@prod\n"));
    setup(&sandbox, &["--cluster=b", "--audience=B"]).ok();
    let kubeconfig = read(&sandbox, KUBECONFIG);
    assert!(kubeconfig.contains(&user) && kubeconfig.contains("- name: yandex-b\n"));
}

#[test]
fn a_profile_of_another_consumer_is_not_used_for_a_cluster() {
    let sandbox = sandbox(&clusters(&["prod", "кластер"]));
    let theirs = "[profiles.prod]\n[profiles.prod.aws]\nregion = \"eu\"\n";
    sandbox.configure(theirs);
    for (cluster, profile) in [("prod", "kubectl-prod"), ("кластер", "kubectl")] {
        setup(&sandbox, &["--audience=A", &format!("--cluster={cluster}")]).ok();
        let config = read(&sandbox, CONFIG);
        assert!(config.contains(&format!("[profiles.{profile}]\n")), "{config}");
        assert!(config.starts_with(theirs), "{config}");
    }
}

#[test]
fn a_new_profile_extends_the_only_one_that_has_an_identity() {
    let mut sandbox = sandbox(&clusters(&["a", "b"]));
    setup(&sandbox, &["--audience=A", "--cluster=a"]).ok();
    let first = read(&sandbox, CONFIG);
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let (text, hint) = setup(&sandbox, &["--cluster=b"]).fails(3, "E_MISSING");
    assert!(text.contains("the audience of the tokens is missing"), "it is the first cluster's");
    assert!(hint.contains("give `--audience`") && !hint.contains("--key-file"), "{hint}");
    let printed = setup(&sandbox, &["--audience=B", "--cluster=b"]).ok();
    assert!(
        printed.contains("The profile `b` extends `a` and inherits its identity."),
        "{printed}"
    );
    let added = read(&sandbox, CONFIG).replacen(&first, "", 1);
    assert!(added.starts_with("\n[profiles.b]\nextends = \"a\"\naudience = \"B\"\n"), "{added}");
    assert!(!added.contains("key_file"), "{added}");
    sandbox.configure(&format!("default_profile = \"b\"\n{}", read(&sandbox, CONFIG)));
    setup(&sandbox, &["--audience=D", "--cluster=b", "--user=d", "--name=d"]).ok();
    assert!(read(&sandbox, CONFIG).contains("[profiles.d]\nextends = \"b\"\naudience = \"D\"\n"));
    let config = read(&sandbox, CONFIG);
    sandbox.configure(config.strip_prefix("default_profile = \"b\"\n").unwrap());
    // None of the profiles is the default, but all inherit their identity from one.
    setup(&sandbox, &["--audience=E", "--cluster=b", "--user=e", "--name=e"]).ok();
    let config = read(&sandbox, CONFIG);
    assert!(config.contains("[profiles.e]\nextends = \"a\"\naudience = \"E\"\n"), "{config}");
    sandbox.configure(&format!("{config}[profiles.f]\nidentity = \"metadata\"\n"));
    let (_, hint) = setup(&sandbox, &["--cluster=b", "--name=c"]).fails(3, "E_MISSING");
    assert!(hint.contains("--key-file") && hint.contains("--audience"), "{hint}");
}

#[test]
fn a_pipe_is_rejected_where_a_file_must_remain() {
    let mut sandbox = sandbox(&clusters(&["prod"]));
    let pipe = sandbox.home().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let pipe = pipe.to_str().unwrap().to_owned();
    for path in [pipe.as_str(), "/dev/fd/63", "/dev/stdin"] {
        for flag in ["--key-file", "--ca-file", "--kubeconfig", "--config"] {
            let outcome = setup(&sandbox, &["--audience=k8s", &format!("{flag}={path}")]);
            let text = &outcome.stderr;
            assert_eq!(outcome.status.code(), Some(3), "{text}");
            assert!(text.contains(&format!("{flag}: a pipe cannot be written")), "{text}");
        }
    }
    sandbox.set("YC_ID_TOKEN_KEY_FILE", &pipe);
    let outcome = setup(&sandbox, &["--audience=k8s"]);
    assert!(outcome.stderr.contains("YC_ID_TOKEN_KEY_FILE: a pipe"), "{outcome:?}");
    sandbox.set("KUBECONFIG", &pipe);
    let outcome = setup(&sandbox, &["--audience=k8s", "--key-file=key.json"]);
    assert!(outcome.stderr.contains("KUBECONFIG: a pipe"), "{outcome:?}");
    assert_eq!(read(&sandbox, CONFIG), "");
}

#[test]
fn a_leftover_lock_of_kubectl_is_reported() {
    let sandbox = sandbox(&clusters(&["prod"]));
    let lock = sandbox.write(".kube/config.lock", "");
    let (text, hint) = setup(&sandbox, &["--audience=k8s"]).fails(3, "E_CONFLICT");
    assert!(text.contains(".kube/config.lock` exists"), "{text}");
    assert!(hint.contains("delete `"), "{hint}");
    assert_eq!(
        (read(&sandbox, KUBECONFIG), read(&sandbox, CONFIG)),
        (clusters(&["prod"]), String::new())
    );
    assert!(lock.exists(), "it is another program's");
    fs::remove_file(&lock).unwrap();
    setup(&sandbox, &["--audience=k8s"]).ok();
    assert!(!lock.exists() && read(&sandbox, KUBECONFIG).contains(USER));
}

#[test]
fn a_signal_while_files_are_written_leaves_no_lock() {
    let sandbox = sandbox(&clusters(&["prod"]));
    let lock = sandbox.write(".kube/config.lock", "");
    let arguments = ["setup", "kubectl", "--apply", "--offline", "--audience=k8s"];
    let mut command = sandbox.command(&arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    eventually("it catches signals", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        // All held signals are caught when the last one is.
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (15 - 1)) != 0
    });
    let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
    assert!(status.success());
    fs::remove_file(&lock).unwrap();
    sandbox.outcome(child).ok();
    assert!(!lock.exists() && read(&sandbox, KUBECONFIG).contains(USER));
}

#[test]
fn the_version_of_the_protocol_is_in_the_entry_and_in_its_arguments() {
    let sandbox = sandbox(&clusters(&["prod"]));
    setup(&sandbox, &["--audience=k8s"]).ok();
    let v1 = read(&sandbox, KUBECONFIG);
    setup(&sandbox, &["--audience=k8s", "--api-version=v1beta1"]).ok();
    let v1beta1 = v1
        .replace("k8s.io/v1\n", "k8s.io/v1beta1\n")
        .replace("- --profile=prod\n", "- --profile=prod\n      - --api-version=v1beta1\n");
    assert_eq!(read(&sandbox, KUBECONFIG), v1beta1);
    let again = setup(&sandbox, &["--audience=k8s"]).ok();
    assert!(again.starts_with("Nothing to change"), "{again}");
    // An entry that has only one of the two is completed.
    sandbox.write(KUBECONFIG, &v1.replace("k8s.io/v1\n", "k8s.io/v1beta1\n"));
    setup(&sandbox, &["--audience=k8s"]).ok();
    assert_eq!(read(&sandbox, KUBECONFIG), v1beta1);
    setup(&sandbox, &["--audience=k8s", "--api-version=v1"]).ok();
    assert_eq!(read(&sandbox, KUBECONFIG), v1);
    setup(&sandbox, &["--api-version=v2"]).fails(2, "E_USAGE");
    setup(&sandbox, &["--audience=k8s", "--user="]).fails(2, "E_USAGE");
}

#[test]
fn an_allowlist_is_extended_but_never_created() {
    const KUBERC: &str = ".kube/kuberc";
    let others = "users:\n- name: x\n  user: {exec: {command: gcloud}}\n";
    let sandbox = sandbox(&format!("{}{others}", clusters(&["prod"])));
    let printed = setup(&sandbox, &["--audience=k8s"]).ok();
    assert!(!printed.contains("kuberc"), "there is nothing to advise: {printed}");
    for open in ["", "kind: Preference # mine\n", "credentialPluginPolicy: AllowAll\n"] {
        if !open.is_empty() {
            sandbox.write(KUBERC, open);
        }
        let printed = setup(&sandbox, &["--audience=k8s", "--kuberc"]).ok();
        assert!(
            printed.contains("restricts no exec plugins, so `--kuberc` has nothing to do"),
            "{printed}"
        );
        assert_eq!(read(&sandbox, KUBERC), open);
    }

    let closed = "# mine\ncredentialPluginPolicy: Allowlist # strict\ncredentialPluginAllowlist:\n- command: aws\n# end\n";
    sandbox.write(KUBERC, closed);
    let printed = setup(&sandbox, &["--audience=k8s"]).ok();
    assert!(printed.contains("does not allow `yc-id-token`"), "{printed}");
    let printed = setup(&sandbox, &["--audience=k8s", "--kuberc"]).ok();
    assert!(
        printed.contains("still blocks other exec plugins of the kubeconfig: `gcloud`"),
        "{printed}"
    );
    assert_eq!(
        read(&sandbox, KUBERC),
        closed.replace("- command: aws\n", "- command: aws\n- command: yc-id-token\n")
    );
    sandbox.write(KUBERC, "credentialPluginPolicy: DenyAll\n");
    setup(&sandbox, &["--audience=k8s", "--kuberc"]).ok();
    assert_eq!(
        read(&sandbox, KUBERC),
        "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- command: yc-id-token\n"
    );
}
