//! A missing keyring, a keyring that prompts for each item, and errors before the keyring is called. Tests with real
//! keyrings: `real::keyring`, `real::keepassxc` and `real::kwallet`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use yc_id_token_emulator::KeySize;

use crate::fake_secret_service::{Answer, FakeSecretService, Fault, Prompt};
use crate::refresh::refreshing;
use crate::sandbox::{Outcome, PROGRAM, Sandbox, claims, eventually};

fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("YC_ID_TOKEN_KEY_FILE");
    // Whatever session the tests run in.
    sandbox.set("XDG_RUNTIME_DIR", sandbox.home().to_owned());
    sandbox
}

#[test]
fn without_a_session_bus_there_is_no_keyring() {
    let mut sandbox = sandbox();
    let (message, hint) = sandbox.run(&["key", "import", "key.json"]).fails(3, "E_KEYRING");
    let absent = "there is no keyring here: there is no D-Bus session bus";
    assert_eq!(
        message,
        format!("cannot put the key `{}` into the keyring: {absent}", sandbox.account)
    );
    assert_eq!(hint, "run it in a desktop session; or keep the key in its file");
    assert_eq!(sandbox.run(&["key", "list", "--format", "json"]).ok(), "[]\n", "nothing is listed");
    assert!(sandbox.home().join("key.json").exists());
    let cached = &["token", "--audience", "k8s", "--key-file", "key.json"];
    for how in ["flag", "variable", "profile"] {
        let mut command = sandbox.command(cached);
        match how {
            "flag" => command.args(["--cache", "keyring"]),
            "variable" => command.env("YC_ID_TOKEN_CACHE", "keyring"),
            _ => {
                sandbox.configure("[profiles.prod]\ncache = \"keyring\"\n");
                command.args(["--profile", "prod"])
            }
        };
        let (message, hint) = sandbox.finish(command).fails(7, "E_CACHE");
        assert_eq!(message, format!("cannot store credentials in the keyring: {absent}"));
        assert!(hint.ends_with("or give `--cache file`, or `--cache none`"), "{hint}");
    }
    assert_eq!(sandbox.token_requests(), (0, 0), "nothing was requested that could not be cached");
    let diagnosis = sandbox.run(&["doctor", "--cache", "keyring", "--key-file", "key.json"]);
    assert!(diagnosis.stdout.contains(absent), "{diagnosis:?}");
    assert_eq!(sandbox.run(&["cache", "clear"]).ok().split(' ').nth(1), Some("0"));
    sandbox.set("DBUS_SESSION_BUS_ADDRESS", "nonsense");
    sandbox.run(&["key", "import", "key.json"]).fails(3, "E_KEYRING");
}

#[test]
fn an_invalid_key_or_name_is_never_stored_in_the_keyring() {
    let sandbox = sandbox();
    let damaged = r#"{"id":"ajek","service_account_id":"ajes","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}"#;
    let file = sandbox.write_secret("damaged.json", damaged);
    let import = |arguments: &[&str]| sandbox.run(&[&["key", "import"], arguments].concat());
    import(&["damaged.json"]).fails(3, "E_IDENTITY");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, hint) = import(&["damaged.json"]).fails(3, "E_IDENTITY");
    assert!(hint.contains("chmod 600"), "{hint}");
    import(&["nothing.json"]).fails(3, "E_UNREADABLE");
    import(&["-"]).fails(3, "E_IDENTITY");
    import(&["-", "--delete-file"]).fails(2, "E_USAGE");
    import(&["key.json", "--delete-file", "--keep-file"]).fails(2, "E_USAGE");
    std::os::unix::fs::symlink("key.json", sandbox.home().join("link.json")).unwrap();
    import(&["link.json", "--delete-file"]).fails(2, "E_USAGE");
    for name in ["../robot", ".robot", "a b", ""] {
        let (_, hint) = import(&["key.json", "--name", name]).fails(2, "E_USAGE");
        assert!(name.is_empty() || hint.contains("letters, digits"), "{hint}");
        sandbox.run(&["key", "remove", "--", name]).fails(2, "E_USAGE");
        let identity = format!("keyring:{name}");
        let (exit, code) = if name.is_empty() { (3, "E_MISSING") } else { (2, "E_USAGE") };
        sandbox.run(&["token", "--audience", "a", "--identity", &identity]).fails(exit, code);
    }
}

#[test]
fn a_list_of_keys_that_others_can_write_is_not_used() {
    let sandbox = sandbox();
    let entry = sandbox.write(
        ".local/share/yc-id-token/keys/robot.json",
        r#"{"name":"robot","key_id":"ajek","service_account_id":"ajes\u001b[2J","created_at":null,"imported_at":"now"}"#,
    );
    let token = ["token", "--audience", "a", "--identity", "keyring:robot"];
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    let (message, hint) = sandbox.run(&token).fails(3, "E_IDENTITY");
    assert!(message.ends_with("is open to others"), "{message}");
    assert!(hint.contains("key import FILE --name robot"), "{hint}");
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o600)).unwrap();
    let (message, _) = sandbox.run(&token).fails(3, "E_KEYRING");
    assert!(message.starts_with("cannot read the key `robot` from the keyring"), "{message}");
    let list = sandbox.run(&["key", "list"]).ok();
    assert!(list.contains("ajes\u{fffd}[2J"), "and cannot rewrite a terminal: {list:?}");
}

#[test]
fn without_a_home_there_are_no_keys_in_the_keyring() {
    let mut sandbox = sandbox();
    sandbox.set("HOME", "/dev/null");
    sandbox.set("XDG_DATA_HOME", "");
    let (_, hint) = sandbox.run(&["token", "--identity", "keyring:robot"]).fails(3, "E_UNREADABLE");
    assert!(!hint.is_empty());
}

/// The arguments that import the sandbox's key, and delete its file.
const IMPORT: &[&str] = &["key", "import", "key.json", "--name", "robot", "--delete-file"];

fn with_items_locked() -> (Sandbox, FakeSecretService) {
    let mut sandbox = sandbox();
    let service = FakeSecretService::start(&mut sandbox);
    (sandbox, service)
}

/// A run that needs the key, and waits one second for the user.
fn sign(sandbox: &Sandbox) -> Outcome {
    let robot = ["token", "--audience", "a", "--identity", "keyring:robot", "--cache", "none"];
    sandbox.run(&[&robot[..], &["--timeout", "1s"]].concat())
}

#[test]
fn a_key_whose_item_is_locked_can_be_used() {
    let (sandbox, service) = with_items_locked();
    let reported = sandbox.run(IMPORT).ok();
    assert!(reported.contains("`key.json` is deleted"), "{reported}");
    assert!(!sandbox.home().join("key.json").exists());
    assert_eq!(service.prompts(), [Prompt::Create, Prompt::Unlock], "one for each process");
    let token = sign(&sandbox).ok();
    assert_eq!(claims(token.trim())["sub"], sandbox.account.as_str());
    assert_eq!(service.prompts(), [Prompt::Unlock]);
    // The other process of an import prints only a hash.
    let found = sandbox.run(&["key", "read-back", "robot", "1000"]).ok();
    let digest = yc_id_token::digest::Digest::of(sandbox.key.to_json().as_bytes()).to_hex();
    assert_eq!(found, format!(r#"{{"Ok":"{digest}"}}"#));
    assert!(!sandbox.run(&["key", "--help"]).ok().contains("read-back"));
    // Another import overwrites it.
    sandbox.write_secret("key.json", &sandbox.key.to_json());
    sandbox.run(IMPORT).ok();
    assert_eq!(service.names(), ["key/robot"]);
    sign(&sandbox).ok();
    sandbox.run(&["key", "remove", "robot"]).ok();
    assert_eq!(service.names(), [""; 0]);
}

#[test]
fn a_session_with_different_keys_is_opened_again() {
    let (sandbox, service) = with_items_locked();
    let token = ["token", "--audience", "a", "--key-file", "key.json", "--cache", "keyring"];
    for (count, fault) in [(1, Fault::Refused), (2, Fault::OtherKey)] {
        // The run that stores two credentials, and the one that reads one of them.
        for _ in 0..2 {
            service.fail_sessions(&[fault, fault]);
            sandbox.run(&token).ok();
        }
        assert_eq!(sandbox.token_requests(), (count, count), "{fault:?}");
        sandbox.run(&["cache", "clear"]).ok();
    }
    service.fail_sessions(&[Fault::Refused; 9]);
    let (message, _) = sandbox.run(&token).fails(7, "E_CACHE");
    assert!(message.ends_with("org.freedesktop.DBus.Error.InvalidArgs"), "{message}");
}

#[test]
fn a_key_file_is_deleted_only_after_another_process_read_it() {
    let (sandbox, service) = with_items_locked();
    let file = sandbox.home().join("key.json");
    let import = || sandbox.run(&[IMPORT, &["--timeout", "1s"]].concat());
    let is_undone = || {
        assert!(file.exists());
        assert_eq!(service.names(), [""; 0], "nothing is left in the keyring");
        assert_eq!(sandbox.run(&["key", "list", "--format", "json"]).ok(), "[]\n");
    };
    let unanswered = "the keyring's prompt was not answered within 1 s";
    let declined = "access was declined in the keyring's prompt";
    for prompt in [Prompt::Create, Prompt::Unlock] {
        for (answer, problem) in [(Answer::None, unanswered), (Answer::Decline, declined)] {
            service.answer(prompt, answer);
            let (message, hint) = import().fails(3, "E_KEYRING_LOCKED");
            assert_eq!(message, format!("cannot put the key `robot` into the keyring: {problem}"));
            assert!(
                hint.contains("prompt") && hint.ends_with("keep the key in its file"),
                "{hint}"
            );
            is_undone();
        }
        service.answer(prompt, Answer::Allow);
    }
    for damage in [|_: &str| String::new(), |text: &str| text.replace("private", "public")] {
        service.damage(damage);
        let (message, _) = import().fails(3, "E_KEYRING");
        assert!(message.ends_with("it does not find what was stored"), "{message}");
        is_undone();
    }
    service.damage(str::to_owned);
    import().ok();
    assert!(!file.exists());
}

#[test]
fn a_key_that_cannot_be_replaced_stays() {
    let (sandbox, service) = with_items_locked();
    sandbox.run(IMPORT).ok();
    let list = sandbox.run(&["key", "list"]).ok();
    let other = sandbox.cloud.add_service_account("other", "b1gfolder");
    let other = sandbox.cloud.add_authorized_key(&other, KeySize::Rsa2048);
    sandbox.write_secret("key.json", &other.to_json());
    let import = || sandbox.run(&[IMPORT, &["--timeout", "1s"]].concat());
    let new = other.id.clone();
    service.damage(move |text| if text.contains(&new) { String::new() } else { text.to_owned() });
    import().fails(3, "E_KEYRING");
    service.answer(Prompt::Unlock, Answer::None);
    import().fails(3, "E_KEYRING_LOCKED");
    service.answer(Prompt::Unlock, Answer::Allow);
    assert!(sandbox.home().join("key.json").exists());
    assert_eq!(sandbox.run(&["key", "list"]).ok(), list);
    assert_eq!(claims(sign(&sandbox).ok().trim())["sub"], sandbox.account.as_str());
}

#[test]
fn an_unanswered_prompt_has_its_own_error() {
    let (sandbox, service) = with_items_locked();
    sandbox.run(IMPORT).ok();
    for (answer, problem, fix) in [
        (Answer::None, "the keyring's prompt was not answered within 1 s", "answer"),
        (Answer::Decline, "access was declined in the keyring's prompt", "allow"),
    ] {
        service.answer(Prompt::Unlock, answer);
        let (message, hint) = sign(&sandbox).fails(3, "E_KEYRING_LOCKED");
        assert_eq!(message, format!("cannot read the key `robot` from the keyring: {problem}"));
        assert!(sandbox.log().contains("INFO the keyring shows a prompt"));
        assert!(hint.contains(fix) && hint.ends_with("`--key-file`"), "{hint}");
        service.answer(Prompt::Unlock, Answer::Allow);
        service.answer(Prompt::Delete, answer);
        let removal = sandbox.run(&["key", "remove", "robot", "--timeout", "1s"]);
        let (message, _) = removal.fails(3, "E_KEYRING_LOCKED");
        assert_eq!(message, format!("cannot remove the key `robot` from the keyring: {problem}"));
        sign(&sandbox).ok();
        service.answer(Prompt::Delete, Answer::Allow);
    }
    sandbox.run(&["key", "remove", "robot"]).ok();
    assert_eq!(service.names(), [""; 0]);
}

#[test]
fn a_run_waits_for_the_prompt_of_the_keyring_cache() {
    let (sandbox, service) = with_items_locked();
    let token = ["token", "--audience", "a", "--key-file", "key.json", "--cache", "keyring"];
    let token = || sandbox.run(&[&token[..], &["--timeout", "1s"]].concat());
    let first = token().ok();
    assert_eq!(token().ok(), first);
    service.answer(Prompt::Unlock, Answer::None);
    let (message, hint) = token().fails(3, "E_KEYRING_LOCKED");
    assert!(message.ends_with("prompt was not answered within 1 s"), "{message}");
    assert!(hint.ends_with("or give `--cache file`, or `--cache none`"), "{hint}");
    assert_eq!(sandbox.token_requests(), (1, 1));
    service.answer(Prompt::Unlock, Answer::Allow);
    sandbox.run(&["cache", "clear"]).ok();
    assert_eq!(service.names(), [""; 0]);
}

#[test]
fn a_keyring_that_ends_with_its_prompt_open_is_reported_at_once() {
    let (sandbox, service) = with_items_locked();
    sandbox.run(IMPORT).ok();
    service.answer(Prompt::Unlock, Answer::Die);
    let robot = ["token", "--audience", "a", "--identity", "keyring:robot", "--cache", "none"];
    // Before the time limit, which would mean an unanswered prompt.
    let (message, hint) =
        sandbox.run(&[&robot[..], &["--timeout", "50s"]].concat()).fails(3, "E_KEYRING");
    let end = "the keyring failed: it ended while its prompt was open";
    assert_eq!(message, format!("cannot read the key `robot` from the keyring: {end}"));
    assert!(hint.contains("run this again"), "{hint}");
}

#[test]
fn clearing_the_cache_ends_at_the_time_limit_of_a_prompt() {
    let (sandbox, service) = with_items_locked();
    let cached = ["token", "--key-file", "key.json", "--cache", "keyring", "--audience"];
    for audience in ["a", "b", "c"] {
        sandbox.run(&[&cached[..], &[audience]].concat()).ok();
    }
    let items = service.names().len();
    service.answer(Prompt::Unlock, Answer::None);
    service.prompts();
    let clear = ["cache", "clear", "--timeout", "1s"];
    let (message, hint) = sandbox.run(&clear).fails(3, "E_KEYRING_LOCKED");
    let problem = "the keyring's prompt was not answered within 1 s";
    assert_eq!(message, format!("cannot remove credentials from the keyring: {problem}"));
    assert!(hint.contains("answer the prompt"), "{hint}");
    assert_eq!(service.prompts(), [Prompt::Unlock], "one prompt, and not one for each credential");
    assert_eq!(service.names().len(), items);
    // A broken configuration does not stop `cache clear`.
    sandbox.configure("nonsense");
    service.answer(Prompt::Unlock, Answer::Allow);
    sandbox.run(&["cache", "clear"]).ok();
    assert_eq!(service.names(), [""; 0]);
}

#[test]
fn a_background_refresh_opens_no_prompt() {
    let (sandbox, service) = with_items_locked();
    sandbox.run(IMPORT).ok();
    let robot = ["token", "--audience", "a", "--identity", "keyring:robot"];
    let token = sandbox.run(&robot).ok();
    service.prompts();
    sandbox.age("iam-token", Duration::from_secs(12 * 3600));
    sandbox.age("id-token", Duration::from_secs(31 * 60));
    sandbox.let_half_a_minute_pass("id-token");
    assert_eq!(sandbox.run(&robot).ok(), token);
    eventually("the refresh has found the key locked", || service.dismissed() > 0);
    eventually("the refresh has ended", || refreshing(&sandbox).is_empty());
    assert_eq!(service.prompts(), []);
    // Its failure does not stop the user's run from opening a prompt.
    let new = sandbox.run(&[&robot[..], &["--force-refresh"]].concat()).ok();
    assert_ne!(new, token);
    assert_eq!(service.prompts(), [Prompt::Unlock]);
}

#[test]
fn a_terminal_shows_that_a_prompt_is_open() {
    let (sandbox, service) = with_items_locked();
    sandbox.run(IMPORT).ok();
    service.prompts();
    let notice = "waiting for the keyring to be unlocked…";
    for command in ["token --audience a", "kubectl --audience k"] {
        service.answer(Prompt::Unlock, Answer::None);
        let mut script = sandbox.other_command("script");
        let options = "--identity keyring:robot --cache none --timeout 2s";
        let line = format!("{PROGRAM} {command} {options}");
        script.args(["-q", "-c", &line, "/dev/null"]);
        let seen = sandbox.finish(script).stdout;
        assert_eq!(seen.matches(notice).count(), 1, "{seen}");
        assert!(!sign(&sandbox).stderr.contains(notice), "but not if it is no terminal");
    }
}

#[test]
fn a_file_with_another_key_is_not_deleted() {
    let (sandbox, service) = with_items_locked();
    let file = sandbox.home().join("key.json");
    let other = sandbox.cloud.add_authorized_key(&sandbox.account, KeySize::Rsa2048).to_json();
    let (path, new) = (file.clone(), other.clone());
    service.damage(move |text| {
        fs::write(&path, &new).unwrap();
        text.to_owned()
    });
    let (message, hint) = sandbox.run(IMPORT).fails(3, "E_IDENTITY");
    assert!(message.ends_with("has changed since it was read, and is not deleted"), "{message}");
    assert!(hint.contains("the key is in the keyring"), "{hint}");
    assert_eq!(fs::read_to_string(&file).unwrap(), other);
    assert!(sandbox.run(&["key", "list"]).ok().contains(&sandbox.key.id));
}
