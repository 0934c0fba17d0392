//! The cache never returns a wrong entry, repairs itself, and is never required for a token.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::fake_sts::FakeSts;
use crate::sandbox::{PROGRAM, Sandbox, claims};

const TOKEN: &[&str] = &["token", "--audience", "https://k8s.example"];

/// Damages the only entry, and expects the next run to fetch a new token and replace it.
#[track_caller]
fn assert_replaced(sandbox: &Sandbox, case: &str, spoil: impl FnOnce(&Path)) {
    sandbox.run(TOKEN).ok();
    let requested = sandbox.token_requests().1;
    let entries = sandbox.entries("id-token");
    assert_eq!(entries.len(), 1, "{case}");
    spoil(&entries[0]);
    let token = sandbox.run(TOKEN).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str(), "{case}");
    assert_eq!(sandbox.token_requests().1, requested + 1, "it was not used: {case}");
    assert_eq!(sandbox.run(TOKEN).ok(), token, "{case}");
    assert_eq!(sandbox.token_requests().1, requested + 1, "it was replaced: {case}");
    let metadata = fs::symlink_metadata(&entries[0]).unwrap();
    assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o600, "{case}");
}

#[test]
fn corrupt_or_open_entries_are_not_used_and_are_replaced() {
    let sandbox = Sandbox::new();
    let rewrite = |path: &Path, edit: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        fs::write(path, edit(fs::read(path).unwrap())).unwrap();
    };
    assert_replaced(&sandbox, "empty", |entry| fs::write(entry, "").unwrap());
    assert_replaced(&sandbox, "cut in half", |entry| {
        rewrite(entry, &|text| text[..text.len() / 2].to_vec());
    });
    assert_replaced(&sandbox, "zeroes", |entry| {
        rewrite(entry, &|text| vec![0; text.len()]);
    });
    assert_replaced(&sandbox, "one byte flipped", |entry| {
        rewrite(entry, &|mut text| {
            let last = text.len() - 200;
            text[last] ^= 1;
            text
        });
    });
    assert_replaced(&sandbox, "of a future version", |entry| {
        rewrite(entry, &|text| {
            String::from_utf8(text)
                .unwrap()
                .replacen("yc-id-token 1", "yc-id-token 2", 1)
                .into_bytes()
        });
    });
    assert_replaced(&sandbox, "larger than an entry", |entry| {
        rewrite(entry, &|mut text| {
            text.resize(100 * 1024, b' ');
            text
        });
    });
    for mode in [0o640, 0o604, 0o660] {
        assert_replaced(&sandbox, &format!("mode {mode:o}"), |entry| {
            fs::set_permissions(entry, Permissions::from_mode(mode)).unwrap();
        });
    }
    assert_replaced(&sandbox, "a link", |entry| {
        let moved = entry.with_extension("v1.moved");
        fs::rename(entry, &moved).unwrap();
        sandbox.may_hold_secrets(&moved);
        symlink(&moved, entry).unwrap();
    });
    assert_replaced(&sandbox, "a pipe", |entry| {
        fs::remove_file(entry).unwrap();
        assert!(Command::new("mkfifo").arg(entry).status().unwrap().success());
    });
    assert_replaced(&sandbox, "a folder", |entry| {
        fs::remove_file(entry).unwrap();
        fs::create_dir(entry).unwrap();
    });
}

#[test]
fn content_of_another_entry_is_not_used() {
    let sandbox = Sandbox::new();
    sandbox.run(&["token", "--audience", "other"]).ok();
    let other = fs::read(&sandbox.entries("id-token")[0]).unwrap();
    fs::remove_file(&sandbox.entries("id-token")[0]).unwrap();
    assert_replaced(&sandbox, "another audience's entry", |entry| {
        fs::write(entry, other).unwrap();
    });
}

#[test]
fn an_entry_of_another_user_is_not_used() {
    // In a user namespace with two users, an entry that belongs to the other one.
    let sandbox = Sandbox::new();
    sandbox.run(TOKEN).ok();
    let script = format!(
        "chown 1:1 {} && exec {PROGRAM} {}",
        sandbox.entries("id-token")[0].display(),
        TOKEN.join(" ")
    );
    let first = sandbox.run(TOKEN).ok();
    let mut shell = sandbox.other_command("unshare");
    shell.args(["--user", "--map-root-user", "--map-auto", "sh", "-c", &script]);
    if rustix::process::geteuid().is_root() {
        shell = sandbox.other_command("sh");
        shell.args(["-c", &script]);
    }
    assert_ne!(sandbox.finish(shell).ok(), first);
}

#[test]
fn permissions_of_an_open_cache_folder_are_corrected() {
    let sandbox = Sandbox::new();
    sandbox.run(TOKEN).ok();
    fs::set_permissions(sandbox.cache_folder(), Permissions::from_mode(0o777)).unwrap();
    sandbox.run(&["token", "--audience", "another"]).ok();
    assert_eq!(fs::metadata(sandbox.cache_folder()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn with_and_without_a_cache_only_the_token_differs() {
    let sandbox = Sandbox::new();
    let arguments: Vec<&str> = TOKEN.iter().chain(&["--cache", "none"]).copied().collect();
    sandbox.run(&arguments).ok();
    sandbox.run(&arguments).ok();
    assert_eq!(sandbox.token_requests(), (2, 2));
    assert!(!sandbox.cache_folder().exists());
}

#[test]
fn without_a_home_a_token_is_still_printed() {
    // No HOME, and no entry for the user, also not from systemd: there is no path for a cache.
    let mut sandbox = Sandbox::new();
    sandbox.unset("HOME");
    let script = format!(
        "mount --bind /dev/null /etc/passwd && mount --bind /dev/null /etc/nsswitch.conf && {PROGRAM} {} && {PROGRAM} token --cache file",
        TOKEN.join(" ")
    );
    let outcome = sandbox.finish(in_own_mounts(&sandbox, &script));
    assert!(outcome.stdout.starts_with("eyJ"), "{outcome:?}");
    assert_eq!(
        outcome.status.code(),
        Some(7),
        "and a cache that is requested by name is an error: {outcome:?}"
    );
    assert!(outcome.stderr.contains("[E_CACHE]"), "{outcome:?}");
}

#[test]
fn with_a_read_only_home_a_token_is_still_printed() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_LOG_FILE");
    sandbox.unset("YC_ID_TOKEN_VERBOSE");
    let home = sandbox.home().display().to_string();
    let script = format!(
        "mount --bind -o ro {home} {home} && mount -o remount,bind,ro {home} && {PROGRAM} {}",
        TOKEN.join(" ")
    );
    assert!(sandbox.finish(in_own_mounts(&sandbox, &script)).ok().starts_with("eyJ"));
    sandbox.set("HOME", "/proc/nonexistent");
    sandbox.run(TOKEN).ok();
    sandbox.set("HOME", "/dev/null");
    sandbox.run(TOKEN).ok();
    assert!(!sandbox.cache_folder().exists());
}

#[test]
fn on_a_full_disk_a_token_is_printed_and_the_old_entry_stays() {
    let mut sandbox = Sandbox::new();
    let small = sandbox.home().join("small");
    fs::create_dir(&small).unwrap();
    sandbox.set("XDG_CACHE_HOME", &small);
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=700 tmpfs {small} && {PROGRAM} {token} > first && \
         head -c 1M /dev/zero > {small}/filler; {PROGRAM} {token} > second && cmp first second && \
         {PROGRAM} {token} --force-refresh > third && ! cmp -s first third && \
         {PROGRAM} {token} > fourth && cmp first fourth && \
         ! ls -A {small}/yc-id-token | grep -q '^.yc-id-token-'",
        small = small.display(),
        token = TOKEN.join(" "),
    );
    for name in ["first", "second", "third", "fourth"] {
        sandbox.may_hold_secrets(&sandbox.home().join(name));
    }
    let outcome = sandbox.finish(in_own_mounts(&sandbox, &script));
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(outcome.stderr.trim().lines().all(|line| line.starts_with("head:")), "{outcome:?}");
}

#[test]
fn whatever_changes_the_answer_changes_the_key() {
    let sandbox = Sandbox::new();
    let other_account = sandbox.cloud.add_service_account("other", "b1gfolder");
    sandbox.cloud.grant_token_creator(&other_account, &sandbox.account);
    let second_key =
        sandbox.cloud.add_authorized_key(&sandbox.account, yc_id_token_emulator::KeySize::Rsa2048);
    sandbox.write_secret("second.json", &second_key.to_json());
    let other_oauth = sandbox.cloud.url().replace("127.0.0.1", "localhost");
    let iam_token = sandbox.cloud.issue_iam_token(&sandbox.account);
    sandbox.write_secret("iam-token", &iam_token);
    let same: &[&[&str]] = &[
        &["--audience", "a"],
        &["--audience", "b"],
        &["--audience", "a", "--service-account", &other_account],
        &["--audience", "a", "--key-file", "second.json"],
        &["--audience", "a", "--oauth-endpoint", &other_oauth],
        &["--audience", "a", "--iam-endpoint", &other_oauth],
        &[
            "--audience",
            "a",
            "--identity",
            "iam-token",
            "--iam-token-file",
            "iam-token",
            "--service-account",
            &sandbox.account,
        ],
    ];
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command(&["token"]);
        if arguments.contains(&"iam-token") {
            command.env_remove("YC_ID_TOKEN_KEY_FILE");
        }
        command.args(arguments);
        sandbox.finish(command).ok()
    };
    let first: Vec<String> = same.iter().map(|arguments| run(arguments)).collect();
    for (index, token) in first.iter().enumerate() {
        assert!(
            !first[index + 1..].contains(token),
            "{:?} was answered for another request",
            same[index]
        );
        let claims = claims(token.trim());
        assert_eq!(claims["aud"], same[index][1]);
        let account = if index == 2 { &other_account } else { &sandbox.account };
        assert_eq!(claims["sub"], account.as_str());
    }
    let requested = sandbox.token_requests();
    let again: Vec<String> = same.iter().map(|arguments| run(arguments)).collect();
    assert_eq!((again, sandbox.token_requests()), (first, requested), "and each has its own entry");
}

#[test]
fn a_replaced_key_file_is_another_identity() {
    let sandbox = Sandbox::new();
    sandbox.run(&["token", "--audience", "a"]).ok();
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    let key = sandbox.cloud.add_authorized_key(&other, yc_id_token_emulator::KeySize::Rsa2048);
    sandbox.write_secret("key.json", &key.to_json());
    assert_eq!(
        claims(sandbox.run(&["token", "--audience", "a"]).ok().trim())["sub"],
        other.as_str()
    );
}

#[test]
fn clear_removes_every_credential_and_prints_the_number() {
    let sandbox = Sandbox::new();
    let cleared =
        |count| format!("removed {count} credentials from {}\n", sandbox.cache_folder().display());
    assert_eq!(sandbox.run(&["cache", "clear"]).ok(), cleared(0), "before there is a cache");
    sandbox.run(TOKEN).ok();
    fs::write(sandbox.cache_folder().join(".yc-id-token-left-by-a-kill"), "half").unwrap();
    assert_eq!(
        sandbox.run(&["cache", "path"]).ok(),
        format!("{}\n", sandbox.cache_folder().display())
    );
    assert_eq!(sandbox.run(&["cache", "clear"]).ok(), cleared(2), "an IAM token and an ID token");
    let left: Vec<_> =
        fs::read_dir(sandbox.cache_folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension() == Some("lock".as_ref())), "{left:?}");
    sandbox.run(TOKEN).ok();
    assert_eq!(sandbox.token_requests(), (2, 2));
}

/// Profiles with the same key, each with an audience.
fn with_profiles() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let key = sandbox.home().join("key.json").display().to_string();
    sandbox.configure(&format!(
        "[defaults]\nkey_file = {key:?}\n[profiles.prod]\naudience = \"a\"\n[profiles.dev]\naudience = \"b\"\n\
         [profiles.same]\naudience = \"a\"\n"
    ));
    sandbox
}

fn clear(sandbox: &Sandbox, profile: &str) -> (String, Vec<String>) {
    let printed = sandbox.run(&["cache", "clear", "--profile", profile]).ok();
    let mut lines = printed.lines().map(|line| line.trim().to_owned());
    (lines.next().unwrap(), lines.collect())
}

#[test]
fn clear_of_a_profile_removes_and_lists_what_its_runs_read() {
    let mut sandbox = with_profiles();
    let token = |profile: &str| sandbox.run(&["token", "--profile", profile]).ok();
    let (prod, dev) = (token("prod"), token("dev"));
    sandbox.run(&["token", "--profile=prod", "--audience=other"]).ok();
    assert_eq!(sandbox.token_requests(), (1, 3));
    let folder = sandbox.cache_folder();
    let head = |count: &str, profile: &str| {
        format!("removed {count} of profile `{profile}` from {}", folder.display())
    };
    let (first, mut removed) = clear(&sandbox, "prod");
    removed.sort();
    assert_eq!(first, head("3 credentials", "prod"));
    assert_eq!(
        removed,
        [
            "iam-token, obtained by token (prod)",
            "id-token for audience `a`, obtained by token (prod)",
            "id-token for audience `other`, obtained by token (prod)"
        ]
    );
    assert_eq!(token("dev"), dev, "it is still cached");
    assert_eq!(sandbox.token_requests(), (1, 3));
    assert_ne!(token("prod"), prod);
    assert_eq!(sandbox.token_requests(), (2, 4));
    // Obtained by another profile, but this one would read it.
    let (first, removed) = clear(&sandbox, "same");
    assert_eq!((first, removed.len()), (head("2 credentials", "same"), 2));
    assert_eq!(clear(&sandbox, "same"), (head("0 credentials", "same"), vec![]));
    sandbox.run(&["cache", "clear", "--profile=stage"]).fails(3, "E_CONFIG");
    assert_eq!(sandbox.entries("id-token").len(), 1);
    sandbox.set("YC_ID_TOKEN_PROFILE", "prod");
    let all = sandbox.run(&["cache", "clear"]).ok();
    assert_eq!(all, format!("removed 1 credential from {}\n", folder.display()));
}

#[test]
fn clear_of_a_profile_finds_an_account_by_its_name() {
    let sandbox = with_profiles();
    let robot = sandbox.cloud.add_service_account("helper", "b1gfolder");
    sandbox.cloud.grant_token_creator(&robot, &sandbox.account);
    let key = sandbox.home().join("key.json").display().to_string();
    sandbox.configure(&format!(
        "[defaults]\nkey_file = {key:?}\naudience = \"a\"\nservice_account = \"helper\"\nfolder_id = \"b1gfolder\"\n\
         [profiles.prod]\n[profiles.same]\n"
    ));
    let mut command = sandbox.command(&["token", "--profile=same"]);
    command.env("YC_ID_TOKEN_IAM_ENDPOINT", sandbox.cloud.url());
    sandbox.finish(command).ok();
    let requests = sandbox.cloud.requests().len();
    let (first, removed) = clear(&sandbox, "prod");
    assert!(first.starts_with("removed 3 credentials of profile `prod`"), "{first}: {removed:?}");
    assert!(removed.iter().any(|line| line.starts_with("service-account")), "{removed:?}");
    assert_eq!(sandbox.cloud.requests().len(), requests, "it works offline");
}

#[test]
fn clear_of_a_profile_removes_the_whole_chain_of_a_consumer() {
    let mut sandbox = Sandbox::new();
    let _sts = FakeSts::start(&mut sandbox);
    sandbox.configure(
        "[profiles.one.exec]\ntoken_env = [\"T=a\", \"U=b\"]\n[profiles.two]\nextends = \"one\"\n",
    );
    sandbox.run(&["aws", "--profile=one"]).ok();
    sandbox.run(&["exec", "--profile=one", "--", "true"]).ok();
    let (first, mut removed) = clear(&sandbox, "two");
    assert!(first.starts_with("removed 5 credentials"), "{first}: {removed:?}");
    removed.sort();
    let kinds: Vec<&str> =
        removed.iter().map(|line| line.split([',', ' ']).next().unwrap()).collect();
    assert_eq!(kinds, ["aws-session", "iam-token", "id-token", "id-token", "id-token"]);
}

#[test]
fn clear_of_a_profile_needs_no_identity() {
    let sandbox = with_profiles();
    sandbox.run(&["token", "--profile=prod"]).ok();
    fs::remove_file(sandbox.home().join("key.json")).unwrap();
    assert!(clear(&sandbox, "prod").0.starts_with("removed 2 credentials"));
}

/// A shell as root in its own mount namespace, without being root outside.
fn in_own_mounts(sandbox: &Sandbox, script: &str) -> Command {
    sandbox.in_own_namespaces(&["--mount"], script)
}
