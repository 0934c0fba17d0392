//! `setup --undo` removes what `setup` wrote, and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use yc_id_token_emulator::Options;

use crate::sandbox::Sandbox;
use crate::setup::{setup, without_kubectl};
use crate::setup_kubectl::{BY_HAND, clusters};

const ROLE: &str = "--role-arn=arn:aws:iam::123456789012:role/robot";
const CONFIG: &str = ".config/yc-id-token/config.toml";
const AWS: &str = ".aws/config";
const KUBECONFIG: &str = ".kube/config";

fn sandbox() -> Sandbox {
    without_kubectl(Options::default())
}

fn aws(sandbox: &Sandbox, profile: &str) {
    let name = format!("--aws-profile={profile}");
    setup(sandbox, &["aws", ROLE, "--region=eu", "--offline", "--apply", &name]).ok();
}

const PROVIDER: &str =
    "--provider=projects/1/locations/global/workloadIdentityPools/pool/providers/yandex";

/// Undoes the last run.
#[track_caller]
fn undo(sandbox: &Sandbox, more: &[&str]) -> String {
    setup(sandbox, &[&["--undo", "--apply"], more].concat()).ok()
}

/// All files and links in the home, except the cache and the log.
fn files(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![sandbox.home().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_symlink() {
                files.push((entry.clone(), Vec::new()));
            } else if entry.is_dir() {
                folders.extend(Some(entry).filter(|it| *it != sandbox.cache_folder()));
            } else if entry != sandbox.log_file() {
                files.push((entry.clone(), fs::read(entry).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.home().join(name)).unwrap_or_default()
}

fn record(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.home().join(".local/share/yc-id-token/setup");
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn an_undone_run_leaves_every_file_as_it_was() {
    let sandbox = sandbox();
    for step in ["nothing is there", "files are there"] {
        if step == "files are there" {
            // With line ends of two kinds.
            sandbox.write(AWS, "[default]\r\nregion = us\n[profile yandex]\r\noutput = json\n");
            sandbox.write(KUBECONFIG, BY_HAND);
            sandbox.write(".vault", "# mine");
            sandbox.configure("# mine\n[defaults]\ntimeout = 5\n");
        } else {
            sandbox.write(KUBECONFIG, &clusters(&["prod"]));
        }
        let before = files(&sandbox);
        let vault = ["vault", "--address=https://v.example", "--role=r", "--server-config=v.sh"];
        for arguments in [
            &["kubectl", "--cluster=prod", "--audience=k8s", "--offline"][..],
            &["aws", ROLE, "--region=eu", "--offline"],
            &[&vault[..], &["--offline"]].concat(),
            &["gcp", PROVIDER, "--source=url", "--offline"],
        ] {
            let printed = setup(&sandbox, &[arguments, &["--apply"]].concat()).ok();
            assert!(printed.contains("\n`yc-id-token setup --undo --profile="), "{printed}");
            let mode = fs::metadata(record(&sandbox)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let shown = setup(&sandbox, &["--undo"]).ok();
            assert!(
                shown.contains("\n-") && shown.contains("Nothing has been changed."),
                "{shown}"
            );
            undo(&sandbox, &[]);
            let after = files(&sandbox);
            let names =
                |files: &[(PathBuf, _)]| files.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
            assert_eq!(names(&after), names(&before), "{step}: {arguments:?}");
            assert!(after == before, "{step}: {arguments:?}");
        }
        setup(&sandbox, &["--undo"]).fails(3, "E_MISSING");
    }
}

#[test]
fn a_second_undo_reverts_the_previous_run() {
    let sandbox = sandbox();
    aws(&sandbox, "a");
    let first = (read(&sandbox, CONFIG), read(&sandbox, AWS));
    aws(&sandbox, "b");
    undo(&sandbox, &[]);
    assert_eq!((read(&sandbox, CONFIG), read(&sandbox, AWS)), first);
    undo(&sandbox, &[]);
    assert!(!sandbox.home().join(CONFIG).exists() && !sandbox.home().join(AWS).exists());
}

#[test]
fn undo_removes_only_the_runs_lines_from_a_changed_file() {
    let sandbox = sandbox();
    sandbox.configure("[defaults]\ntimeout = 5\n");
    aws(&sandbox, "a");
    aws(&sandbox, "b");
    let config = read(&sandbox, CONFIG);
    sandbox.configure(&config.replace("timeout = 5\n", "# mine\ntimeout = 6\n"));
    let printed = undo(&sandbox, &["--profile=a"]);
    assert!(printed.contains("for the profile `a` is undone"), "{printed}");
    let config = read(&sandbox, CONFIG);
    assert!(config.starts_with("[defaults]\n# mine\ntimeout = 6\n"), "{config}");
    assert!(!config.contains("profiles.a") && config.contains("[profiles.b.aws]\n"), "{config}");
    let theirs = read(&sandbox, AWS);
    assert!(!theirs.contains("[profile a]") && theirs.contains("[profile b]\n"), "{theirs}");
    sandbox.run(&["config", "validate"]).ok();
    let (text, _) = setup(&sandbox, &["--undo", "--profile=a"]).fails(3, "E_MISSING");
    assert!(text.contains("no run of `setup` of the profile `a` can be undone"), "{text}");
}

#[test]
fn lines_changed_by_hand_are_not_undone() {
    let sandbox = sandbox();
    aws(&sandbox, "a");
    let before = read(&sandbox, CONFIG);
    aws(&sandbox, "b");
    let written = read(&sandbox, AWS);
    for by_hand in [
        written.replace("region = eu", "region = us"),
        // It would then belong to the first profile.
        format!("{written}output = json\n"),
    ] {
        sandbox.write(AWS, &by_hand);
        let config = read(&sandbox, CONFIG);
        let (text, hint) = setup(&sandbox, &["--undo", "--apply"]).fails(3, "E_CONFLICT");
        assert!(text.contains(".aws/config` has changed where `setup` edited it"), "{text}");
        assert!(hint.contains(".aws/config.bak-"), "it names the backup: {hint}");
        assert_eq!((read(&sandbox, AWS), read(&sandbox, CONFIG)), (by_hand, config));
    }
    sandbox.write(AWS, &written);
    undo(&sandbox, &[]);
    assert_eq!(read(&sandbox, CONFIG), before);
}

#[test]
fn a_profile_that_another_one_extends_is_not_removed() {
    let mut sandbox = sandbox();
    aws(&sandbox, "a");
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    aws(&sandbox, "b");
    let config = read(&sandbox, CONFIG);
    assert!(config.contains("extends = \"a\"\n"), "{config}");
    let outcome = setup(&sandbox, &["--undo", "--apply", "--profile=a"]);
    let (text, _) = outcome.fails(3, "E_CONFIG");
    assert!(text.contains("there is no profile `a` to extend"), "{text}");
    assert_eq!(read(&sandbox, CONFIG), config);
}

#[test]
fn a_helper_that_was_replaced_stays() {
    let sandbox = sandbox();
    let vault = ["vault", "--address=https://v.example", "--role=r", "--offline", "--apply"];
    setup(&sandbox, &vault).ok();
    let link = sandbox.home().join(".local/bin/yc-id-token-vault-v-example");
    fs::remove_file(&link).unwrap();
    symlink("/opt/other", &link).unwrap();
    undo(&sandbox, &[]);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("/opt/other"));
    assert!(!sandbox.home().join(".vault").exists());
}

#[test]
fn flags_of_undo_are_rejected_elsewhere() {
    let sandbox = sandbox();
    for arguments in [&["--apply"][..], &["--print", "aws"], &["--undo", "aws"], &[]] {
        setup(&sandbox, arguments).fails(2, "E_USAGE");
    }
}
