//! Edits of the user's files by `setup` and `token --output`: everything else in them stays, wherever the files are.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use crate::sandbox::{Outcome, PROGRAM, Sandbox};

const ROLE: &str = "--role-arn=arn:aws:iam::123456789012:role/robot";
const CONFIG: &str = ".config/yc-id-token/config.toml";

fn setup(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    sandbox.run(&[&["setup"], arguments].concat())
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.home().join(name)).unwrap()
}

#[test]
fn windows_line_ends_are_kept() {
    let sandbox = Sandbox::new();
    sandbox.configure("\u{feff}# mine\r\n[defaults]\r\ntimeout = 20\r\n");
    sandbox.write(".aws/config", "[default]\r\nregion = eu\r\n[profile other]\r\n");
    sandbox.write(".vault", "# mine\r\n");
    setup(&sandbox, &["aws", ROLE, "--region=eu-west-1", "--apply"]).ok();
    let vault = ["vault", "--address=https://vault.example", "--role=robot", "--apply"];
    setup(&sandbox, &vault).ok();
    for (name, start) in [
        (CONFIG, "\u{feff}# mine\r\n[defaults]\r\ntimeout = 20\r\n"),
        (".aws/config", "[default]\r\nregion = eu\r\n[profile other]\r\n"),
        (".vault", "# mine\r\ntoken_helper = "),
    ] {
        let text = read(&sandbox, name);
        assert!(text.starts_with(start) && text.len() > start.len(), "{name}: {text:?}");
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{name}: {text:?}");
    }
    let printed = setup(&sandbox, &["aws", "--apply"]).ok();
    assert!(printed.starts_with("Nothing to change"), "{printed}");
    sandbox
        .run(&["aws", "--profile=yandex", "--sts-endpoint=http://127.0.0.1:9"])
        .fails(6, "E_NETWORK");
}

#[test]
fn root_does_not_change_the_owner_of_a_file() {
    let sandbox = Sandbox::new();
    sandbox.configure("");
    sandbox.write(".aws/config", "[default]\nregion = eu\n");
    let users = [CONFIG, ".aws/config", ".aws", ".config", ".config/yc-id-token", "."];
    for name in users {
        // Only root can change the owner of a file, and only root is at risk.
        if std::os::unix::fs::chown(sandbox.home().join(name), Some(4321), Some(1234)).is_err() {
            return;
        }
    }
    setup(&sandbox, &["aws", ROLE, "--region=eu-west-1", "--apply"]).ok();
    let owner = |path: &std::path::Path| {
        let file = fs::metadata(path).unwrap();
        (file.uid(), file.gid())
    };
    for folder in [".aws", ".config/yc-id-token"] {
        let files: Vec<_> = fs::read_dir(sandbox.home().join(folder)).unwrap().collect();
        assert_eq!(files.len(), 2, "the file and its copy");
        for file in files {
            let path = file.unwrap().path();
            assert_eq!(owner(&path), (4321, 1234), "{}", path.display());
        }
    }
}

#[test]
fn a_file_that_a_container_mounts_is_written_in_place() {
    let sandbox = Sandbox::new();
    sandbox.configure("");
    sandbox.write(".aws/config", "");
    sandbox.write("token", "a longer text than a token is".repeat(100).as_str());
    for name in ["outer-config", "outer-aws", "outer-token"] {
        sandbox.write(name, "");
    }
    fs::set_permissions(sandbox.home().join("outer-token"), fs::Permissions::from_mode(0o644))
        .unwrap();
    let script = format!(
        "set -e
cp token outer-token
mount --bind outer-config {CONFIG}
mount --bind outer-aws .aws/config
mount --bind outer-token token
{PROGRAM} setup aws {ROLE} --region=eu-west-1 --apply
{PROGRAM} setup aws --apply
{PROGRAM} token --audience=k8s --output=token
"
    );
    let printed = sandbox.finish(sandbox.in_own_namespaces(&["--mount"], &script)).ok();
    assert!(printed.contains("Nothing to change"), "{printed}");
    assert!(read(&sandbox, "outer-config").starts_with("[profiles.yandex]\n"));
    assert!(read(&sandbox, "outer-aws").contains("credential_process = "));
    assert_eq!(read(&sandbox, "outer-token").split('.').count(), 3);
    let mode = fs::metadata(sandbox.home().join("outer-token")).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);
    sandbox.may_hold_secrets(&sandbox.home().join("outer-token"));
}

#[test]
fn nothing_is_written_when_one_of_the_files_cannot_be() {
    let sandbox = Sandbox::new();
    sandbox.configure("# mine\n");
    let theirs = sandbox.write(".aws/config", "[default]\nregion = eu\n");
    let script = format!(
        "set -e
mount --bind .aws/config .aws/config
mount -o remount,bind,ro .aws/config
exec {PROGRAM} setup aws {ROLE} --region=eu-west-1 --apply
"
    );
    let run = sandbox.finish(sandbox.in_own_namespaces(&["--mount"], &script));
    let (text, _) = run.fails(1, "E_OUTPUT");
    assert!(text.contains(".aws/config`: read-only file system"), "{text}");
    assert_eq!(read(&sandbox, CONFIG), "# mine\n");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "[default]\nregion = eu\n");
}

#[test]
fn a_region_that_botocore_would_reject_is_refused() {
    let mut sandbox = Sandbox::new();
    let apply = ["aws", ROLE, "--offline", "--apply"];
    let outcome = setup(&sandbox, &[&apply[..], &["--region=eu # home"]].concat());
    outcome.fails(2, "E_USAGE");
    sandbox.set("AWS_REGION", "eu # home");
    let (text, _) = setup(&sandbox, &apply).fails(2, "E_USAGE");
    assert!(text.starts_with("`--region`: `eu # home` is not a name"), "{text}");
    sandbox.unset("AWS_REGION");
    sandbox.write(".aws/config", "[profile yandex]\nregion = eu # home\n");
    let (text, _) = setup(&sandbox, &apply).fails(3, "E_CONFLICT");
    assert!(text.contains("`region` is `eu # home`, not `eu`"), "{text}");
    assert!(!sandbox.home().join(CONFIG).exists());
}

#[test]
fn concurrent_runs_lose_no_changes() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..8).map(|number| format!("robot-{number}")).collect();
    let runs: Vec<_> = names
        .iter()
        .map(|name| {
            let name = format!("--aws-profile={name}");
            let region = "--region=eu-west-1";
            let mut command =
                sandbox.command(&["setup", "aws", ROLE, region, &name, "--apply", "--offline"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (name, run) in names.iter().zip(runs) {
        let outcome = sandbox.outcome(run);
        if !outcome.status.success() {
            outcome.fails(3, "E_CONFLICT");
            continue;
        }
        assert!(read(&sandbox, CONFIG).contains(&format!("[profiles.{name}]\n")), "{name}");
        let theirs = read(&sandbox, ".aws/config");
        assert!(theirs.contains(&format!("[profile {name}]\n")), "{theirs}");
    }
}

#[test]
fn written_files_are_restored_if_a_later_one_fails() {
    let sandbox = Sandbox::new();
    for before in [None, Some("# mine\n")] {
        if let Some(text) = before {
            sandbox.configure(text);
        }
        // The copy of the file fits on the disk, but the new file does not.
        let script = format!(
            "set -e
mkdir -p full
mount -t tmpfs -o size=8k tmpfs full
head -c 4000 /dev/zero | tr '\\0' '\\n' >full/config
export AWS_CONFIG_FILE=full/link
ln -sf config full/link
{PROGRAM} setup aws {ROLE} --region=eu-west-1 --apply
"
        );
        let run = sandbox.finish(sandbox.in_own_namespaces(&["--mount"], &script));
        let (text, _) = run.fails(1, "E_OUTPUT");
        assert!(text.contains("no space left on device"), "{text}");
        let now = fs::read_to_string(sandbox.home().join(CONFIG)).ok();
        assert_eq!(now.as_deref(), before);
    }
}

#[test]
fn a_profile_with_other_values_is_not_rewritten() {
    let sandbox = Sandbox::new();
    setup(&sandbox, &["aws", ROLE, "--region=eu-west-1", "--apply"]).ok();
    let before = (read(&sandbox, CONFIG), read(&sandbox, ".aws/config"));
    let other = ["aws", "--role-arn=arn:aws:iam::210987654321:role/robot", "--apply"];
    let (text, hint) = setup(&sandbox, &other).fails(3, "E_CONFLICT");
    assert!(text.contains("`aws.role_arn` is `arn:aws:iam::123456789012:role/robot`"), "{text}");
    assert!(hint.contains("--name") && hint.contains("--force"), "{hint}");
    let (text, _) = setup(&sandbox, &["aws", "--audience=mine", "--region=eu-north-1", "--apply"])
        .fails(3, "E_CONFLICT");
    assert!(text.contains("`region` is `eu-west-1`, not `eu-north-1`"), "{text}");
    // The AWS profile with this name belongs to the first account.
    let second = [&other[..], &["--name=second", "--region=eu-west-1"]].concat();
    let taken = [&second[..], &["--aws-profile=yandex"]].concat();
    let (text, _) = setup(&sandbox, &taken).fails(3, "E_CONFLICT");
    assert!(text.contains("--profile=second"), "{text}");
    assert_eq!((read(&sandbox, CONFIG), read(&sandbox, ".aws/config")), before);

    setup(&sandbox, &second).ok();
    assert!(read(&sandbox, CONFIG).starts_with(&before.0));
    assert!(read(&sandbox, ".aws/config").contains("\n[profile yandex-second]\n"));
    setup(&sandbox, &[&other[..], &["--force"]].concat()).ok();
    assert!(!read(&sandbox, CONFIG).contains("123456789012"));

    let vault = ["vault", "--address=https://vault.example", "--no-helper", "--apply"];
    setup(&sandbox, &[&vault[..], &["--role=a"]].concat()).ok();
    let before = read(&sandbox, CONFIG);
    let (text, _) = setup(&sandbox, &[&vault[..], &["--role=b"]].concat()).fails(3, "E_CONFLICT");
    assert!(text.contains("`vault.role` is `a`, not `b`"), "{text}");
    assert_eq!(read(&sandbox, CONFIG), before);
}

#[test]
fn a_file_that_its_program_cannot_read_is_reported_by_line() {
    let sandbox = Sandbox::new();
    let theirs = "[profile p]\n  region = eu\nregion = us\n";
    sandbox.write(".aws/config", theirs);
    let (text, _) = setup(&sandbox, &["aws", ROLE, "--apply"]).fails(3, "E_CONFIG");
    assert!(text.contains(".aws/config:3: the key `region` is in line 2 too"), "{text}");
    assert_eq!(read(&sandbox, ".aws/config"), theirs);
    let printed = sandbox.run(&["doctor", "aws"]);
    assert!(
        printed.stdout.contains(".aws/config:3: the key `region` is in line 2 too"),
        "{printed:?}"
    );
    assert_eq!(printed.status.code(), Some(3));
    // Indented keys are keys, and would be used instead of the helper.
    sandbox.write(".aws/config", "");
    sandbox.write(".aws/credentials", "[yandex]\n  aws_access_key_id : AKIAEXAMPLE\n");
    let (text, _) =
        setup(&sandbox, &["aws", ROLE, "--region=eu", "--apply"]).fails(3, "E_CONFLICT");
    assert!(text.contains("would be used instead"), "{text}");

    let helper = "token_helper = \"C:\\Users\\me\\yc-id-token-vault.exe\"\n";
    sandbox.write(".vault", helper);
    let printed = sandbox.run(&["doctor", "vault"]);
    assert!(printed.stdout.contains(".vault:1: `\\U` is not an escape"), "{printed:?}");
    assert_eq!(printed.status.code(), Some(3));
    let (text, _) = sandbox.run(&["vault", "install-helper"]).fails(3, "E_CONFIG");
    assert!(text.contains(".vault:1:"), "{text}");
    assert_eq!(read(&sandbox, ".vault"), helper);
}
