//! Files are written to the right place, and only this program's own files are removed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::sandbox::{PROGRAM, Sandbox};

const TOKEN: &[&str] = &["token", "--audience", "k8s"];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A shell as root in a namespace with two users, so that it can change owners.
pub fn as_root(sandbox: &Sandbox, script: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut shell = sandbox.other_command("sh");
        shell.args(["-c", script]);
        return shell;
    }
    let mut shell = sandbox.other_command("unshare");
    shell.args(["--user", "--map-root-user", "--map-auto", "sh", "-c", script]);
    shell
}

#[test]
fn clearing_the_cache_removes_only_this_programs_files() {
    let sandbox = Sandbox::new();
    sandbox.run(TOKEN).ok();
    let folder = sandbox.cache_folder();
    let entry = sandbox.entries("id-token").remove(0);
    let key = entry.file_stem().unwrap().to_str().unwrap().to_owned();
    let others = [
        "id_rsa".to_owned(),
        "notes.v1".into(),
        "x.failure".into(),
        format!("{key}.v1.bak"),
        format!("{}.v1", key.replacen("id-token", "ID-TOKEN", 1)),
    ];
    for name in &others {
        fs::write(folder.join(name), "mine").unwrap();
    }
    // The name of an entry, but not its content.
    let impostor = folder.join(format!("iam-token-{}.v1", "0".repeat(64)));
    fs::write(&impostor, "mine").unwrap();
    fs::create_dir(folder.join("a-folder")).unwrap();
    fs::write(folder.join(format!("{key}.v1.failure")), "{}").unwrap();
    fs::write(folder.join(".yc-id-token-AbCdEf"), "unfinished").unwrap();
    let reported = sandbox.run(&["cache", "clear"]).ok();
    assert_eq!(
        reported,
        format!("removed 2 credentials from {}; 7 other files stay\n", folder.display())
    );
    let left = names(&folder);
    assert!(others.iter().all(|name| left.contains(name)), "{left:?}");
    assert!(impostor.exists() && folder.join("a-folder").is_dir());
    assert!(!entry.exists() && !folder.join(".yc-id-token-AbCdEf").exists(), "{left:?}");
}

#[test]
fn clearing_a_cache_that_is_a_link_removes_nothing() {
    let sandbox = Sandbox::new();
    let other = sandbox.home().join("other");
    fs::create_dir_all(sandbox.home().join(".cache")).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("id_rsa"), "mine").unwrap();
    symlink(&other, sandbox.cache_folder()).unwrap();
    sandbox.run(&["cache", "clear"]).fails(7, "E_CACHE");
    // Neither does the cleanup after a miss.
    sandbox.run(TOKEN).ok();
    assert_eq!(names(&other), ["id_rsa"]);
}

#[test]
fn root_leaves_nothing_in_the_home_of_another_user() {
    let sandbox = Sandbox::new();
    let home = sandbox.home().join("user");
    fs::create_dir(&home).unwrap();
    let script = format!(
        "chown 1:1 {home} && HOME={home} {PROGRAM} {} >/dev/null && ls -A {home}",
        TOKEN.join(" "),
        home = home.display(),
    );
    assert_eq!(sandbox.finish(as_root(&sandbox, &script)).ok(), "");
}

#[test]
fn a_failure_is_not_written_into_the_folder_of_another_user() {
    let sandbox = Sandbox::new();
    sandbox.cloud.revoke_token_creator(&sandbox.account, &sandbox.account);
    let folder = sandbox.cache_folder();
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let script = format!(
        "chown 1:1 {folder}; {PROGRAM} {} 2>/dev/null; ls -A {folder}",
        TOKEN.join(" "),
        folder = folder.display(),
    );
    assert_eq!(sandbox.finish(as_root(&sandbox, &script)).ok(), "");
}

#[test]
fn a_relative_home_is_no_home() {
    let mut sandbox = Sandbox::new();
    let here = sandbox.home().join("work");
    fs::create_dir(&here).unwrap();
    for (variable, value) in [("HOME", "here"), ("HOME", "."), ("XDG_CACHE_HOME", "here")] {
        sandbox.set("HOME", sandbox.home().to_owned());
        let mut command = sandbox.command(TOKEN);
        command.env(variable, value).current_dir(&here);
        sandbox.finish(command).ok();
        assert!(names(&here).is_empty(), "{variable}={value}");
    }
}

#[test]
fn where_chmod_has_no_effect_no_secret_is_cached() {
    let sandbox = Sandbox::new();
    let folder = sandbox.cache_folder();
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let mut command = sandbox.other_command("strace");
    let inject = "inject=chmod,fchmod,fchmodat:retval=0";
    command.args(["-f", "-o", "/dev/null", "-e", inject, PROGRAM]).args(TOKEN);
    sandbox.finish(command).ok();
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
    assert!(sandbox.log().contains("its file system has no permissions"), "{}", sandbox.log());
}
