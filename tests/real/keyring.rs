//! Keys and credentials in a real keyring, and errors about an unusable one.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use yc_id_token_emulator::KeySize;

use super::gnome_keyring::{Bus, GnomeKeyring, items, looked_up, markers};
use crate::fake_sts::{Answer, FakeSts};
use crate::sandbox::{Outcome, Sandbox, claims};

const TOKEN: &[&str] = &["token", "--audience", "k8s"];

/// A sandbox without a key, and the path of its key, which only `key import` gets.
fn start() -> (Sandbox, Bus) {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    let bus = Bus::start(&mut sandbox);
    (sandbox, bus)
}

fn run(sandbox: &Sandbox, words: &[&[&str]]) -> Outcome {
    sandbox.run(&words.concat())
}

fn robot(sandbox: &Sandbox) -> Outcome {
    run(sandbox, &[TOKEN, &["--identity", "keyring:robot"]])
}

fn import(sandbox: &Sandbox) -> Outcome {
    sandbox.run(&["key", "import", "key.json", "--name", "robot"])
}

/// A run that caches its credentials in the keyring.
fn cached(sandbox: &Sandbox) -> Outcome {
    run(sandbox, &[TOKEN, &["--key-file", "key.json", "--cache", "keyring"]])
}

fn with_stdin(sandbox: &Sandbox, mut command: Command, text: &str) -> Outcome {
    let file = sandbox.write_secret("stdin", text);
    command.stdin(Stdio::from(fs::File::open(file).unwrap()));
    sandbox.finish(command)
}

#[test]
fn a_key_that_was_imported_signs_without_its_file() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    let reported =
        run(&sandbox, &[&["key", "import", "key.json", "--name", "robot", "--delete-file"]]).ok();
    assert!(
        reported.contains(&sandbox.key.id) && reported.contains("`key.json` is deleted"),
        "{reported}"
    );
    assert!(!sandbox.home().join("key.json").exists());
    assert!(looked_up(&sandbox, "key/robot").unwrap().starts_with("yc-id-token 1 "));

    let token = robot(&sandbox).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
    sandbox.configure("[profiles.prod]\nidentity = \"keyring:robot\"\n");
    assert_eq!(run(&sandbox, &[TOKEN, &["--profile", "prod"]]).ok(), token, "from the cache");

    let table = sandbox.run(&["key", "list"]).ok();
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["robot", &sandbox.key.id, &sandbox.account]);
    let list: Value =
        serde_json::from_str(&sandbox.run(&["key", "list", "--format", "json"]).ok()).unwrap();
    assert_eq!(list[0]["name"], "robot");
    assert_eq!(list[0]["created_at"], row[3]);
    assert_eq!(list[0]["imported_at"], row[4]);

    let reported = sandbox.run(&["key", "remove", "robot"]).ok();
    assert!(reported.contains(&format!("yc iam key delete {}", sandbox.key.id)), "{reported}");
    assert_eq!(items(&sandbox), 0);
    for outcome in [robot(&sandbox), sandbox.run(&["key", "remove", "robot"])] {
        let (message, hint) = outcome.fails(3, "E_CONFIG");
        assert_eq!(message, "there is no key `robot` in the keyring");
        assert!(hint.contains("key import"), "{hint}");
    }
}

#[test]
fn a_hit_does_not_read_the_keyring() {
    let (sandbox, _bus) = start();
    let keyring = GnomeKeyring::unlocked(&sandbox);
    import(&sandbox).ok();
    let token = robot(&sandbox).ok();
    keyring.end(&sandbox);
    assert_eq!(robot(&sandbox).ok(), token);
    // The same key in a file has the same entries.
    assert_eq!(run(&sandbox, &[TOKEN, &["--key-file", "key.json"]]).ok(), token);
    assert!(sandbox.run(&["key", "list"]).ok().contains("robot"));
}

#[test]
fn a_key_is_imported_from_standard_input_under_its_service_account() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    let large = sandbox.cloud.add_authorized_key(&sandbox.account, KeySize::Rsa4096);
    let command = sandbox.command(&["key", "import", "-"]);
    let reported = with_stdin(&sandbox, command, &large.to_json()).ok();
    assert!(reported.contains(&format!("--identity keyring:{}", sandbox.account)), "{reported}");
    let identity = format!("keyring:{}", sandbox.account);
    run(&sandbox, &[TOKEN, &["--identity", &identity]]).ok();
    assert_eq!(items(&sandbox), 1, "a key of 4096 bits is one item, and so one prompt");

    // Another key replaces it.
    let (account, second) = (sandbox.account.as_str(), sandbox.key.to_json());
    let command = sandbox.command(&["key", "import", "-", "--name", account]);
    let reported = with_stdin(&sandbox, command, &second).ok();
    assert!(reported.contains(&format!("it replaces the key `{}`", large.id)), "{reported}");
    run(&sandbox, &[TOKEN, &["--identity", &identity]]).ok();
    sandbox.run(&["key", "remove", account]).ok();
    assert_eq!(items(&sandbox), 0);
}

#[test]
fn a_key_that_differs_from_the_list_is_not_used() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    import(&sandbox).ok();
    let list = sandbox.home().join(".local/share/yc-id-token/keys/robot.json");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace(&sandbox.key.id, "ajeanother")).unwrap();
    let (message, hint) = robot(&sandbox).fails(3, "E_KEYRING");
    assert_eq!(
        message,
        "cannot read the key `robot` from the keyring: it has been replaced by another key since it was imported"
    );
    assert!(hint.contains("key import FILE --name robot"), "{hint}");
    import(&sandbox).ok();
    robot(&sandbox).ok();
    // Another program removes it.
    let mut tool = sandbox.other_command("secret-tool");
    tool.args(["clear", "service", "yc-id-token", "username", "key/robot"]);
    assert!(tool.status().unwrap().success());
    let (message, _) = run(&sandbox, &[TOKEN, &["--identity", "keyring:robot", "--cache", "none"]])
        .fails(3, "E_KEYRING");
    assert!(message.ends_with("it is missing or incomplete"), "{message}");
    sandbox.run(&["key", "remove", "robot"]).ok();
    assert_eq!(items(&sandbox), 0);
}

#[test]
fn a_second_item_of_the_same_name_is_replaced_and_removed_too() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    for more in [&[][..], &["xdg:schema", "other"]] {
        import(&sandbox).ok();
        // Items are found by their attributes, whatever other attributes they have.
        let mut tool = sandbox.other_command("secret-tool");
        tool.args(["store", "--label=other", "service", "yc-id-token", "username", "key/robot"]);
        let tool = tool.args(["more", "other"]).args(more);
        let file = sandbox.write_secret("stdin", "other");
        assert!(tool.stdin(Stdio::from(fs::File::open(file).unwrap())).status().unwrap().success());
        assert_eq!(items(&sandbox), 2);
        import(&sandbox).ok();
        run(&sandbox, &[TOKEN, &["--identity", "keyring:robot", "--cache", "none"]]).ok();
        sandbox.run(&["key", "remove", "robot"]).ok();
        assert_eq!(items(&sandbox), 0);
    }
}

#[test]
fn credentials_in_the_keyring_are_in_no_file() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    let token = cached(&sandbox).ok();
    assert_eq!(cached(&sandbox).ok(), token);
    assert_eq!(sandbox.token_requests(), (1, 1));
    assert!(sandbox.entries("").is_empty(), "no entry is a file");
    assert_eq!((markers(&sandbox).len(), items(&sandbox)), (2, 2));

    // A removed item is a miss, and nothing else.
    let clear =
        sandbox.other_command("secret-tool").args(["clear", "service", "yc-id-token"]).status();
    assert!(clear.unwrap().success());
    assert_ne!(cached(&sandbox).ok(), token);
    assert_eq!(sandbox.token_requests(), (2, 2));

    let reported = sandbox.run(&["cache", "clear"]).ok();
    assert!(reported.starts_with("removed 2 credentials"), "{reported}");
    assert_eq!((markers(&sandbox).len(), items(&sandbox)), (0, 0));
}

#[test]
fn many_processes_make_one_request_and_one_item_each() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    let arguments = [TOKEN, &["--key-file", "key.json", "--cache", "keyring"]].concat();
    let children: Vec<_> = (0..16)
        .map(|_| {
            let mut command = sandbox.command(&arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let tokens: BTreeSet<String> =
        children.into_iter().map(|child| sandbox.outcome(child).ok()).collect();
    assert_eq!((tokens.len(), sandbox.token_requests(), items(&sandbox)), (1, (1, 1), 2));
}

#[test]
fn a_credential_of_many_kilobytes_is_stored_completely() {
    let (mut sandbox, _bus) = start();
    let sts = FakeSts::start(&mut sandbox);
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    let session_token = "IQoJb3JpZ2luX2VjEOr+".to_owned() + &"x".repeat(6_000);
    let body = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>wJalrXUtnFEMI/K7MDENG+</SecretAccessKey><SessionToken>{session_token}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let length = body.len();
    sts.script([Answer::Bytes(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    ))]);
    let aws = ["aws", "--key-file", "key.json", "--cache", "keyring"];
    let keys = sandbox.run(&aws).ok();
    assert!(keys.contains(&session_token));
    assert_eq!(sandbox.run(&aws).ok(), keys);
    assert_eq!(sts.count(), 1);
    assert_eq!(items(&sandbox), 3);
    sandbox.run(&["cache", "clear"]).ok();
    assert_eq!(items(&sandbox), 0);
}

/// The errors about an unusable keyring: of an import, of a run that must sign, and of a run that caches its
/// credentials there, which then sends no request.
fn assert_reported(sandbox: &Sandbox, problem: &str, fix: &str) {
    assert_reported_as(sandbox, [(3, "E_KEYRING"), (7, "E_CACHE")], problem, fix);
}

/// The same with the exit status and the code of the errors about a key and about the cache.
fn assert_reported_as(sandbox: &Sandbox, codes: [(i32, &str); 2], problem: &str, fix: &str) {
    let [(key_exit, key_code), (cache_exit, cache_code)] = codes;
    let requested = sandbox.token_requests();
    let mut outcomes = vec![
        (import(sandbox).fails(key_exit, key_code), "keep the key in its file"),
        (cached(sandbox).fails(cache_exit, cache_code), "give `--cache file`"),
    ];
    if sandbox.run(&["key", "list"]).ok().contains("robot") {
        let signing = run(sandbox, &[TOKEN, &["--identity", "keyring:robot"]]);
        outcomes.push((signing.fails(key_exit, key_code), "`--key-file`"));
    }
    for ((message, hint), otherwise) in outcomes {
        assert!(message.ends_with(problem), "{message}");
        assert!(hint.contains(fix) && hint.contains(otherwise), "{hint}");
    }
    assert_eq!(sandbox.token_requests(), requested, "nothing was requested");
    assert!(sandbox.entries("").is_empty(), "and nothing is stored in a file instead");
}

#[test]
fn a_bus_without_a_keyring_is_reported() {
    let (sandbox, _bus) = start();
    assert_reported(
        &sandbox,
        "there is no keyring here: nothing on the D-Bus session bus provides `org.freedesktop.secrets`",
        "in a desktop session",
    );
}

#[test]
fn a_keyring_without_a_collection_is_reported() {
    let (sandbox, _bus) = start();
    let _keyring = GnomeKeyring::not_unlocked(&sandbox);
    assert_reported(
        &sandbox,
        "the keyring has no default collection to store anything in",
        "make a keyring",
    );
}

#[test]
fn a_locked_keyring_is_reported_and_works_once_unlocked() {
    let (sandbox, _bus) = start();
    let keyring = GnomeKeyring::unlocked(&sandbox);
    import(&sandbox).ok();
    keyring.end(&sandbox);
    let keyring = GnomeKeyring::not_unlocked(&sandbox);
    assert_reported_as(
        &sandbox,
        [(3, "E_KEYRING_LOCKED"); 2],
        "the keyring is locked",
        "unlock the keyring",
    );
    keyring.end(&sandbox);
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    cached(&sandbox).ok();
    run(&sandbox, &[TOKEN, &["--identity", "keyring:robot", "--force-refresh"]]).ok();
}

#[test]
fn a_keyring_that_hangs_is_abandoned() {
    let (sandbox, _bus) = start();
    let keyring = GnomeKeyring::unlocked(&sandbox);
    import(&sandbox).ok();
    keyring.hang();
    assert_reported(&sandbox, "the keyring did not answer within 3 s", "`gnome-keyring-daemon`");
    // A recent failure is not waited for again.
    let (message, _) = robot(&sandbox).fails(3, "E_KEYRING");
    assert!(message.ends_with("did not answer within 3 s"), "{message}");
    assert!(sandbox.log().contains("not retried: it failed a moment ago"));
    // No run is longer than it may be.
    let (message, _) = run(
        &sandbox,
        &[TOKEN, &["--key-file", "key.json", "--cache", "keyring", "--timeout", "1s"]],
    )
    .fails(7, "E_CACHE");
    assert!(message.ends_with("did not answer within 1 s"), "{message}");
}

#[test]
fn a_credential_can_be_cleared_after_the_keyring_returns() {
    let (sandbox, _bus) = start();
    let keyring = GnomeKeyring::unlocked(&sandbox);
    cached(&sandbox).ok();
    keyring.end(&sandbox);
    cached(&sandbox).fails(7, "E_CACHE");
    let (message, _) = sandbox.run(&["cache", "clear"]).fails(7, "E_CACHE");
    assert!(message.starts_with("cannot remove credentials from the keyring"), "{message}");
    // Runs with other settings do not need the keyring.
    run(&sandbox, &[TOKEN, &["--key-file", "key.json"]]).ok();
    let _keyring = GnomeKeyring::unlocked(&sandbox);
    sandbox.run(&["cache", "clear"]).ok();
    assert_eq!(items(&sandbox), 0);
}
